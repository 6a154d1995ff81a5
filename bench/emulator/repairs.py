"""What LocalStack 4.14 gets wrong and this project needs right, each a bug of its own."""

import json
import tempfile
from pathlib import Path
from typing import Any

from localstack.services.apigateway.resource_providers.aws_apigateway_model import ApiGatewayModelProvider
from localstack.services.lambda_.invocation import version_manager
from localstack.services.lambda_.invocation.logs import LogHandler
from localstack.services.s3 import provider as s3_provider
from localstack.utils.patch import patch
from localstack.utils.threads import start_worker_thread

from bench.emulator.function_logs import store_function_logs


def install() -> None:
    """Apply every repair; called once, while LocalStack starts."""
    # Large objects lie in a folder of this fixed name, whatever LocalStack's own folders are: two LocalStacks on one
    # machine would delete each other's, and it would outlive them.
    s3_provider.DEFAULT_S3_TMP_DIR = str(Path(tempfile.gettempdir()) / "s3")

    # For each invocation LocalStack starts a thread that puts a CloudWatch metric, and keeps the thread for ever: its
    # stack stays mapped, and after some 16,000 invocations the process can map no more. The metric costs more than
    # the invocation itself; it is listed as not emulated.
    version_manager.start_thread = start_worker_thread
    version_manager.record_cw_metric_invocation = version_manager.record_cw_metric_error = _record_nothing

    @patch(ApiGatewayModelProvider.create)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def create_model(create: Any, self: ApiGatewayModelProvider, request: Any) -> Any:
        # `Schema` is of type Json: AWS takes an object or its text. LocalStack turns a text into a JSON string,
        # and every request of the method then fails with an internal error.
        if isinstance(request.desired_state.get("Schema"), str):
            request.desired_state["Schema"] = json.loads(request.desired_state["Schema"])
        return create(self, request)

    @patch(LogHandler.run_log_loop)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def run_log_loop(_run_log_loop: Any, self: LogHandler, *_: Any, **__: Any) -> None:
        store_function_logs(self)


def _record_nothing(**_: Any) -> None:
    """Stand in for what records a metric."""
