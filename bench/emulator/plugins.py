"""The entry points by which LocalStack finds the bench's extensions; each imports its work when it is asked for.

LocalStack's plugin manager imports this module to see what is in it, in every process that uses LocalStack: keep it
cheap and without effect. What does nothing unless the embedded target chose it by a setting needs no guard; the hook,
which runs in every LocalStack on this machine's Python, does.
"""

import os
from typing import Any

from bench.engine import (
    CloudFormationResourceProviderPlugin,
    RuntimeExecutorPlugin,
    RuntimeServer,
    RuntimeServerPlugin,
    Service,
    aws_provider,
    hooks,
)


class ProcessExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc] # LocalStack is untyped here
    """`LAMBDA_RUNTIME_EXECUTOR=process`: functions as child processes."""

    name = "process"

    def load(self, *_: Any, **__: Any) -> type:
        """Return the executor's class."""
        from bench.emulator.functions.process_executor import ProcessExecutor  # noqa: PLC0415 - see the module

        return ProcessExecutor


class LoopbackServerPlugin(RuntimeServerPlugin):  # type: ignore[misc] # LocalStack is untyped here
    """`GATEWAY_SERVER=loopback`: the web server on the interface it was told."""

    name = "loopback"

    def load(self, *_: Any, **__: Any) -> RuntimeServer:
        """Return the server."""
        from bench.emulator.web.loopback import LoopbackRuntimeServer  # noqa: PLC0415 - see the module

        return LoopbackRuntimeServer()


class MetricFilterPlugin(CloudFormationResourceProviderPlugin):  # type: ignore[misc] # LocalStack is untyped here
    """CloudFormation's `AWS::Logs::MetricFilter`, which LocalStack lacks."""

    name = "AWS::Logs::MetricFilter"

    def __init__(self) -> None:
        self.factory: type | None = None

    def load(self, *_: Any, **__: Any) -> None:
        """Make the provider's class known."""
        from bench.emulator.resources.metric_filter import MetricFilterProvider  # noqa: PLC0415 - see the module

        self.factory = MetricFilterProvider


class DashboardPlugin(CloudFormationResourceProviderPlugin):  # type: ignore[misc] # LocalStack is untyped here
    """CloudFormation's `AWS::CloudWatch::Dashboard`, which LocalStack lacks."""

    name = "AWS::CloudWatch::Dashboard"

    def __init__(self) -> None:
        self.factory: type | None = None

    def load(self, *_: Any, **__: Any) -> None:
        """Make the provider's class known."""
        from bench.emulator.resources.dashboard import DashboardProvider  # noqa: PLC0415 - see the module

        self.factory = DashboardProvider


class CustomResourcePlugin(CloudFormationResourceProviderPlugin):  # type: ignore[misc] # LocalStack is untyped here
    """CloudFormation's custom resources, which LocalStack's free edition lacks."""

    name = "AWS::CloudFormation::CustomResource"

    def __init__(self) -> None:
        self.factory: type | None = None

    def load(self, *_: Any, **__: Any) -> None:
        """Make the provider's class known."""
        from bench.emulator.resources.custom_resource import CustomResourceProvider  # noqa: PLC0415 - see the module

        self.factory = CustomResourceProvider


@aws_provider(api="dynamodb", name="memory")  # type: ignore[untyped-decorator] # LocalStack is untyped here
def dynamodb_memory() -> Service:
    """`PROVIDER_OVERRIDE_DYNAMODB=memory`: moto's DynamoDB in process."""
    from bench.emulator.dynamodb.provider import create_service  # noqa: PLC0415 - see the module

    return create_service()


def _is_embedded() -> bool:
    return "TICKSTREAM_EMULATOR_TOKEN" in os.environ


@hooks.on_infra_start(should_load=_is_embedded)  # type: ignore[untyped-decorator] # LocalStack is untyped here
def bench_extensions() -> None:
    """Serve what LocalStack's own web server does not, and repair what LocalStack gets wrong."""
    from bench.emulator import service_index, service_models  # noqa: PLC0415 - see the module

    # Before all others: to import those is to have LocalStack read descriptions and ask for its index.
    service_models.install()
    service_index.install()

    from bench.emulator import gateway_answers, queue_polling, repairs, service_loading, start_up  # noqa: PLC0415
    from bench.emulator.access import bucket_denials, check, identity  # noqa: PLC0415
    from bench.emulator.dynamodb import tables  # noqa: PLC0415
    from bench.emulator.faults import injection  # noqa: PLC0415
    from bench.emulator.functions import asynchronous, failed_imports  # noqa: PLC0415
    from bench.emulator.observed import journal, metric_counts  # noqa: PLC0415
    from bench.emulator.resources import custom_resource  # noqa: PLC0415

    start_up.install()
    repairs.install()
    asynchronous.install()
    queue_polling.install()
    check.install()
    gateway_answers.install()
    metric_counts.install()
    bucket_denials.install()
    identity.add_route()
    failed_imports.add_route()
    tables.add_route()
    custom_resource.add_route()
    # Before the faults: an answer that one of them holds back is noted at its time.
    journal.install()
    injection.install()
    service_loading.load_beside()
