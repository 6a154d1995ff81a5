"""A server that somebody else runs: LocalStack, or another that speaks as it does. Nothing is started or ended here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from bench.errors import TargetError
from bench.targets import REGION, Capability, Kind, Preflight, RunRequest, health
from bench.targets.architectures import host_architecture, lambda_architecture
from bench.targets.canary import RUNTIME, FunctionHost, send_canary
from bench.targets.clients import emulator_clients
from bench.targets.connection import Connection
from bench.targets.health import Health, read_health
from bench.targets.localstack_settings import LOCALSTACK_DOES_NOT, NOT_EMULATED
from bench.targets.template_types import missing_services, placeholders, types_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_UNKNOWN_SERVER = (
    "This server is neither AWS nor LocalStack: whether it enforces IAM, limits, retries, retention and time to live "
    "as AWS does is not known here, so nothing about them is shown."
)
#: Without a provider, these report success under LocalStack's usual settings; so do custom resources.
_NOT_IN_LOCALSTACK = frozenset({"AWS::CloudWatch::Dashboard", "AWS::Logs::MetricFilter"})


class EndpointTarget(Connection):
    """A LocalStack-compatible server at ``endpoint_url``. What is deployed there stays until it is destroyed."""

    kind = Kind.ENDPOINT
    region = REGION
    outlives_run = True

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url.rstrip("/")
        super().__init__(endpoint_url)
        self._health: Health | None = None
        self._functions: FunctionHost | None = None
        self._ignored_types: tuple[str, ...] = ()

    # Its life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect. Raises TargetError where no such server answers."""
        self._connect(read_health(self._endpoint_url))

    def stop(self) -> None:
        """Close the connections."""
        self._disconnect()
        self._health = None

    def _connect(self, found: Health) -> None:
        self._health = found
        self._clients = emulator_clients(self._endpoint_url)

    # The target -------------------------------------------------------------------------------------------------

    @property
    def architecture(self) -> str:
        """What the canary ran on; this machine's until `preflight` has asked."""
        return (self._functions and lambda_architecture(self._functions.machine)) or host_architecture()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything where the server has the bench's extensions, as that of `bench up` has; else nothing."""
        return frozenset(Capability) if self._running().is_extended else frozenset()

    @property
    def endpoint_url(self) -> str:
        """Where the server answers."""
        return self._endpoint_url

    @property
    def settings(self) -> Mapping[str, str]:
        """Not to be had from here: they are whoever's who started the server."""
        return {}

    @property
    def not_emulated(self) -> tuple[str, ...]:
        """What is known not to be done there as on AWS."""
        found = self._running()
        if found.is_extended:
            return NOT_EMULATED
        ignored = [f"CloudFormation: {name} reports success and is not made." for name in self._ignored_types]
        return (*(LOCALSTACK_DOES_NOT if found.is_localstack else (_UNKNOWN_SERVER,)), *ignored)

    @property
    def scratch_dir(self) -> Path | None:
        """None: nothing there is this bench's to remove."""
        return None

    def api_url(self, rest_api_id: str, stage: str) -> str:
        """Return the stage's address on the server's one port: names of their own would need DNS."""
        return f"{self._endpoint_url}/_aws/execute-api/{rest_api_id}/{stage}"

    def object_url(self, bucket: str, key: str) -> str:
        """Return the object's address on the server's port."""
        return f"{self._endpoint_url}/{bucket}/{key}"

    def describe(self) -> Mapping[str, str]:
        """Return the server's address, version and edition, and what its functions run on."""
        found = self._running()
        functions = self._functions
        return {
            "kind": self.kind,
            "endpoint_url": self._endpoint_url,
            "version": found.version,
            "edition": found.edition,
            "has_bench_extensions": "yes" if found.is_extended else "no",
            **({"functions": f"Python {functions.python} on {functions.machine}"} if functions else {}),
        }

    def memory_bytes(self) -> int:
        """Return the largest sum of resident sizes where the server measures it, otherwise 0."""
        answer = health.identity(self._endpoint_url)
        return int(answer["peak_resident_bytes"]) if answer else 0

    def keep_log(self) -> Path | None:
        """None: the log is where whoever started the server has put it."""
        return None

    # Before a run -----------------------------------------------------------------------------------------------

    def preflight(self, request: RunRequest) -> Preflight:
        """Ask for services and resource types, send a canary, and see that the stack's name is free."""
        found = self._running()
        types = types_of(request.template)
        if missing := missing_services(types, found.services):
            return self._refused(f"it has no {', '.join(missing)}")
        if refused := self._refused_types(types):
            return self._refused(f"its CloudFormation refuses the template's types: {refused}")
        if self._stack_is_there(request.stack_name):
            return self._refused(f"the stack {request.stack_name} is there already: another --env, or destroy it first")
        try:
            functions = self._functions = send_canary(self)
        except TargetError as error:
            return self._refused(str(error))
        if reason := _unfit(functions):
            return self._refused(reason)
        if found.is_localstack and not found.is_extended:
            self._ignored_types = tuple(
                name for name in types if name in _NOT_IN_LOCALSTACK or name.startswith("Custom::")
            )
        return Preflight(
            (
                f"server    {found.edition} {found.version} at {self._endpoint_url}",
                f"functions Python {functions.python} on {functions.machine}",
                *(f"not there  {one}" for one in sorted(set(Capability) - self.capabilities)),
                *(f"not made  {name}: CloudFormation there reports success for it" for name in self._ignored_types),
            )
        )

    def _refused(self, why: str) -> Preflight:
        return Preflight(refusal=f"the server at {self._endpoint_url} cannot run this: {why}")

    def _refused_types(self, types: Mapping[str, int]) -> str:
        try:
            self.client("cloudformation").validate_template(TemplateBody=json.dumps(placeholders(types)))
        except ClientError as error:
            return str(error.response["Error"].get("Message", error))
        except BotoCoreError as error:
            raise TargetError(f"the server at {self._endpoint_url} does not answer: {error}") from error
        return ""

    def _stack_is_there(self, name: str) -> bool:
        try:
            found = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError:
            return False
        return any(stack["StackStatus"] != "DELETE_COMPLETE" for stack in found)

    def _running(self) -> Health:
        if self._health is None:
            raise TargetError(f"not connected to {self._endpoint_url}")
        return self._health


def _unfit(functions: FunctionHost) -> str:
    """Why functions would not work on this host, or nothing."""
    if f"python{functions.python}" != RUNTIME:
        return f"its functions run on Python {functions.python}, the bundles are for {RUNTIME}"
    if lambda_architecture(functions.machine) is None:
        return f"its functions run on {functions.machine}, Lambda has x86_64 and arm64"
    if not functions.has_boto3:
        return "its functions have no boto3, which Lambda's own runtime brings"
    if not functions.endpoint_url:
        return "its functions have no AWS_ENDPOINT_URL: they would call AWS itself"
    return ""
