"""CloudFormation's `AWS::CloudWatch::Dashboard` for LocalStack, which has the API but no provider for the resource."""

from typing import Any

from bench.engine import OperationStatus, ProgressEvent, ResourceProvider, ResourceRequest


class DashboardProvider(ResourceProvider[dict[str, Any]]):  # type: ignore[misc] # LocalStack is untyped here
    """Puts and deletes one dashboard; its name identifies it."""

    TYPE = "AWS::CloudWatch::Dashboard"
    SCHEMA = {  # noqa: RUF012 - LocalStack's interface: a plain class attribute
        "typeName": TYPE,
        "primaryIdentifier": ["/properties/DashboardName"],
        "createOnlyProperties": ["/properties/DashboardName"],
        "required": ["DashboardBody"],
        "properties": {"DashboardName": {"type": "string"}, "DashboardBody": {"type": "string"}},
    }

    def create(self, request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
        """Put the dashboard; a name that the template leaves out is made of the stack's and the resource's."""
        model = request.desired_state
        model.setdefault("DashboardName", f"{request.stack_name}-{request.logical_resource_id}")
        request.aws_client_factory.cloudwatch.put_dashboard(
            DashboardName=model["DashboardName"], DashboardBody=model["DashboardBody"]
        )
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)

    def update(self, request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
        """Put the dashboard anew, which replaces it."""
        before = request.previous_state or {}
        if before.get("DashboardName"):
            request.desired_state.setdefault("DashboardName", before["DashboardName"])
        return self.create(request)

    def delete(self, request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
        """Delete the dashboard; one that is gone already is no error."""
        name = request.desired_state["DashboardName"]
        request.aws_client_factory.cloudwatch.delete_dashboards(DashboardNames=[name])
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=request.desired_state)
