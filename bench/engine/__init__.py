"""What lies beneath the embedded target: every name of LocalStack that the bench uses, and where it stands.

The one place to change when the floor changes. `localstack-core` is archived at 2026.3.0; a fork has the same modules
under another name, and what has moved there is one line of a table here. Nobody else imports LocalStack.

Importing this costs nothing and needs no LocalStack: a name is looked up when it is first asked for, because the bench
itself must not load LocalStack, and LocalStack's plugins must not load services before they are wanted.
"""

import os
from importlib import import_module
from typing import Any, Final

#: The variable that chooses another engine for this process and those that it starts.
ENGINE_VARIABLE: Final = "TICKSTREAM_ENGINE"
LOCALSTACK: Final = "localstack"
LOCALEMU: Final = "localemu"
#: Engine, which is its package -> the name of its distribution.
DISTRIBUTIONS: Final = {LOCALSTACK: "localstack-core", LOCALEMU: "localemu"}
#: The package: LocalStack, whatever else the variable says, so that a misspelt one is told in one line by the target.
PACKAGE: Final = LOCALEMU if os.environ.get(ENGINE_VARIABLE) == LOCALEMU else LOCALSTACK
DISTRIBUTION: Final = DISTRIBUTIONS[PACKAGE]
#: `python -m` this runs it.
MAIN: Final = f"{PACKAGE}.runtime.main"
#: The variable that tells it under which address it is reached.
HOST_VARIABLE: Final = f"{PACKAGE.upper()}_HOST"
HEALTH_PATH: Final = "/_localstack/health"
INFO_PATH: Final = "/_localstack/info"
#: Where functions' runtime reports to, followed by an environment's id.
FUNCTIONS_PATH: Final = f"/_{PACKAGE}_lambda"
#: The groups of entry points by which it finds the bench's extensions (pyproject.toml).
ENTRY_POINT_GROUPS: Final = tuple(
    f"{package}.{group}"
    for package in DISTRIBUTIONS
    for group in (
        "aws.provider",
        "cloudformation.resource_providers",
        "hooks.on_infra_start",
        "lambda.runtime_executor",
        "runtime.server",
        "utils.catalog",
    )
)

#: Module below the package -> what is used of it.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "aws.api": (
        "CommonServiceException",
        "RequestContext",
        "ServiceRequest",
    ),
    "aws.api.dynamodb": ("DynamodbApi",),
    "aws.chain": ("HandlerChain",),
    "aws.connect": ("connect_to",),
    "aws.forwarder": ("ForwardingFallbackDispatcher",),
    "aws.handlers.service": ("ServiceRequestParser",),
    "aws.protocol.parser": (
        "ProtocolParserError",
        "create_parser",
    ),
    "aws.protocol.serializer": ("create_serializer",),
    "aws.skeleton": ("DispatchTable",),
    "aws.spec": ("load_service",),
    "http": (
        "Request",
        "Response",
    ),
    "runtime.server.core": (
        "RuntimeServer",
        "RuntimeServerPlugin",
    ),
    "services.apigateway.next_gen.execute_api.context": ("RestApiInvocationContext",),
    "services.apigateway.next_gen.execute_api.gateway_response": ("get_gateway_response_or_default",),
    "services.apigateway.next_gen.execute_api.handlers.gateway_exception": ("GatewayExceptionHandler",),
    "services.apigateway.resource_providers.aws_apigateway_method": ("ApiGatewayMethodProvider",),
    "services.apigateway.resource_providers.aws_apigateway_model": ("ApiGatewayModelProvider",),
    "services.apigateway.resource_providers.aws_apigateway_stage": ("ApiGatewayStageProvider",),
    "services.cloudformation.resource_provider": (
        "CloudFormationResourceProviderPlugin",
        "OperationStatus",
        "ProgressEvent",
        "ResourceProvider",
        "ResourceProviderExecutor",
        "ResourceRequest",
    ),
    "services.edge": ("ROUTER",),
    "services.iam.models": ("iam_stores",),
    "services.iam.provider": ("IamProvider",),
    "services.lambda_.event_source_mapping.esm_worker": ("EsmWorker",),
    "services.lambda_.event_source_mapping.pollers.sqs_poller": ("SqsPoller",),
    "services.lambda_.invocation.event_manager": ("Poller",),
    "services.lambda_.invocation.execution_environment": ("ExecutionEnvironment",),
    "services.lambda_.invocation.lambda_models": (
        "FunctionVersion",
        "InvocationResult",
        "S3Code",
    ),
    "services.lambda_.invocation.logs": (
        "LogHandler",
        "LogItem",
    ),
    "services.lambda_.invocation.plugins": ("RuntimeExecutorPlugin",),
    "services.lambda_.invocation.runtime_executor": ("RuntimeExecutor",),
    "services.lambda_.invocation.version_manager": ("LambdaVersionManager",),
    "services.logs.provider": ("LogsProvider",),
    "services.moto": (
        "call_moto",
        "dispatch_to_moto",
    ),
    "services.plugins": (
        "SERVICE_PLUGINS",
        "Service",
        "aws_provider",
    ),
    "services.s3.models": (
        "S3Object",
        "s3_stores",
    ),
    "services.sts.models": ("sts_stores",),
    "services.sts.provider": ("StsProvider",),
    "services.sqs.models": (
        "StandardQueue",
        "sqs_stores",
    ),
    "utils.archives": ("unzip",),
    "utils.aws.arns": ("parse_arn",),
    "utils.aws.client_types": ("ServicePrincipal",),
    "utils.aws.request_context": ("extract_access_key_id_from_auth_header",),
    "utils.catalog.catalog": ("CatalogPlugin",),
    "utils.catalog.common": (
        "AwsServicesSupportInLatest",
        "CloudFormationResourcesSupportAtRuntime",
    ),
    "utils.patch": ("patch",),
    "utils.threads": ("start_worker_thread",),
}
#: Modules that are used as such, most of them to put something else in place of a name of theirs.
_MODULES: Final[dict[str, str]] = {
    "aws_stack": "utils.aws.aws_stack",
    "handlers": "aws.handlers",
    "config": "config",
    "certificates": "utils.ssl",
    "event_manager": "services.lambda_.invocation.event_manager",
    "hooks": "runtime.hooks",
    "lambda_models": "services.lambda_.invocation.lambda_models",
    "logs": "services.lambda_.invocation.logs",
    "version_manager": "services.lambda_.invocation.version_manager",
    "s3_provider": "services.s3.provider",
    "sqs_poller": "services.lambda_.event_source_mapping.pollers.sqs_poller",
    "spec": "aws.spec",
    "ephemeral": "services.s3.storage.ephemeral",
}
#: What an engine does not have; it is None there, and what is built on it is off (`bench.targets.localstack_settings`).
_ABSENT: Final[dict[str, frozenset[str]]] = {
    # Its IAM is moto's own. It has no catalog that asks its maker's server.
    LOCALEMU: frozenset(
        {"iam_stores", "CatalogPlugin", "AwsServicesSupportInLatest", "CloudFormationResourcesSupportAtRuntime"}
    ),
}
_PLACES: Final = {name: module for module, names in _NAMES.items() for name in names}


def names() -> frozenset[str]:
    """All that is used, by the name under which it is imported from here."""
    return frozenset(_PLACES) | frozenset(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _ABSENT.get(PACKAGE, frozenset()):
        found: Any = None
    elif name in _MODULES:
        found = import_module(f"{PACKAGE}.{_MODULES[name]}")
    elif name in _PLACES:
        found = getattr(import_module(f"{PACKAGE}.{_PLACES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found
