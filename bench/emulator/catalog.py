"""What CloudFormation resource types this LocalStack supports, from its own plugins.

LocalStack's own catalog asks its maker's server, at the first stack that is created: a run would depend on the network,
and without it every type counts as unsupported.
"""

from typing import Any

from bench.engine import AwsServicesSupportInLatest, CatalogPlugin, CloudFormationResourcesSupportAtRuntime


class LocalCatalog(CatalogPlugin):  # type: ignore[misc] # LocalStack is untyped here
    """Answers from the resource providers that are installed, and custom resources."""

    # The first name that LocalStack looks for.
    name = "aws-catalog-remote-state-with-license"

    def __init__(self) -> None:
        self._types = self._get_cfn_resources_available_at_runtime()

    def get_aws_service_status(self, service_name: str, operation_name: str | None = None) -> None:
        """Say nothing of services: LocalStack then reports its own error for what it lacks."""

    def get_cloudformation_resource_status(
        self,
        resource_name: str,
        service_name: str,  # noqa: ARG002 - LocalStack's signature
        is_pro_resource: bool = False,  # noqa: ARG002, FBT001, FBT002 - LocalStack's signature
    ) -> Any:
        """Return whether a resource type can be deployed here."""
        if resource_name in self._types or resource_name.startswith("Custom::"):
            return CloudFormationResourcesSupportAtRuntime.AVAILABLE
        return AwsServicesSupportInLatest.NOT_SUPPORTED
