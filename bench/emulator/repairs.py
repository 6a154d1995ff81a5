"""What LocalStack gets wrong and this project needs right, each a bug of its own, still there in 2026.3.0."""

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import boto3

from bench.emulator.functions.logs import store_function_logs
from bench.engine import (
    ApiGatewayMethodProvider,
    ApiGatewayModelProvider,
    ApiGatewayStageProvider,
    LogHandler,
    OperationStatus,
    ProgressEvent,
    ResourceProviderExecutor,
    ephemeral,
    lambda_models,
    patch,
    s3_provider,
    sqs_poller,
    start_worker_thread,
    version_manager,
)

CLOUDFORMATION_POLL_S: Final = 0.05
S3_PIECE_BYTES: Final = 1 << 20


def install() -> None:
    """Apply every repair; called once, while LocalStack starts."""
    # Large objects lie in a folder of this fixed name, whatever LocalStack's own folders are: two LocalStacks on one
    # machine would delete each other's, and it would outlive them.
    s3_provider.DEFAULT_S3_TMP_DIR = str(Path(tempfile.gettempdir()) / "s3")

    # An object's body is read and sent in pieces; LocalStack's of 64 KB are 128 for a range of 8 MB.
    ephemeral.S3_CHUNK_SIZE = S3_PIECE_BYTES

    # For each invocation LocalStack starts a thread that puts a CloudWatch metric, and keeps the thread for ever: its
    # stack stays mapped, and after some 16,000 invocations the process can map no more. The metric costs more than
    # the invocation itself; it is listed as not emulated.
    version_manager.start_thread = start_worker_thread
    version_manager.record_cw_metric_invocation = version_manager.record_cw_metric_error = _record_nothing

    sqs_poller.json = _BodiesAsTheyAre

    @patch(ApiGatewayModelProvider.create)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def create_model(create: Any, self: ApiGatewayModelProvider, request: Any) -> Any:
        # `Schema` is of type Json: AWS takes an object or its text. LocalStack turns a text into a JSON string,
        # and every request of the method then fails with an internal error.
        if isinstance(request.desired_state.get("Schema"), str):
            request.desired_state["Schema"] = json.loads(request.desired_state["Schema"])
        return create(self, request)

    @patch(ApiGatewayMethodProvider.update)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def update_method(_update: Any, self: ApiGatewayMethodProvider, request: Any) -> Any:
        # LocalStack puts the integration anew and leaves out its responses. What is served is the deployment, which is
        # a copy: nobody sees the method gone.
        self.delete(request)
        return self.create(request)

    @patch(ApiGatewayStageProvider.update)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def update_stage(_update: Any, _self: ApiGatewayStageProvider, request: Any) -> Any:
        # LocalStack leaves a stage as it is; then it deletes the deployment that the update replaces, and with that
        # every stage that still shows it: the API is gone.
        model = request.desired_state
        request.aws_client_factory.apigateway.update_stage(
            restApiId=model["RestApiId"], stageName=model["StageName"], patchOperations=stage_changes(model)
        )
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)

    # Every look at a function that is being made costs a client of its own, which reads a megabyte of JSON anew.
    lambda_models.boto3 = _ClientsOnce()

    @patch(ResourceProviderExecutor.deploy_loop)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def deploy_loop(loop: Any, *arguments: Any, **named: Any) -> Any:
        # It sleeps for a second between looks at what is not ready yet.
        return loop(*arguments, **{"sleep_time": CLOUDFORMATION_POLL_S, **named})

    @patch(LogHandler.run_log_loop)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def run_log_loop(_run_log_loop: Any, self: LogHandler, *_: Any, **__: Any) -> None:
        store_function_logs(self)


def stage_changes(model: dict[str, Any]) -> list[dict[str, str]]:
    """Return the operations that give a stage what CloudFormation wants of it, of what LocalStack makes stages with."""
    wanted = {
        "/deploymentId": model.get("DeploymentId"),
        "/description": model.get("Description"),
        "/tracingEnabled": str(bool(model.get("TracingEnabled"))).lower(),
        **{f"/variables/{name}": value for name, value in (model.get("Variables") or {}).items()},
    }
    return [{"op": "replace", "path": path, "value": value} for path, value in wanted.items() if value]


class _BodiesAsTheyAre:
    """Stands in for json in the poller of SQS, which would read each message's body and write it again.

    AWS hands bodies over as they were sent. LocalStack's way changes numbers (1.10, 1e999), and a body that is nested
    deep, which its parser gives up, fails the whole batch: the poison of one message would hurt all its neighbours.
    No filter of this project's looks into a body.
    """

    JSONDecodeError = json.JSONDecodeError
    dumps = staticmethod(json.dumps)

    @staticmethod
    def loads(text: str) -> Any:
        """Read nothing: the body stays the text that it is."""
        raise json.JSONDecodeError("not read here", text, 0)


class _ClientsOnce:
    """Stands in for boto3 where LocalStack makes a client a call: the same arguments give the same client."""

    client = staticmethod(cache(boto3.client))


def _record_nothing(*_: Any, **__: Any) -> None:
    """Stand in for what records a metric."""
