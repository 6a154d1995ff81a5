"""The settings under which the bench runs LocalStack, and what LocalStack then does not do as AWS does."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.engine import DISTRIBUTIONS, ENGINE_VARIABLE, LOCALEMU, LOCALSTACK
from bench.errors import TargetError

# Recorded in every result: a number is worth nothing without them.
_PACE: Final[Mapping[str, str]] = {
    # Queue addresses without a name that only a DNS server could resolve.
    "SQS_ENDPOINT_STRATEGY": "path",
    # Services load when first used; nothing leaves this machine.
    "EAGER_SERVICE_LOADING": "0",
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    # One poller thread a mapping sleeps this long after every batch: the default of 1 s means ten messages a second.
    "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.001",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.2",
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_ERROR_SEC": "2",
    # For each request of SQS it would ask CloudWatch twice.
    "SQS_DISABLE_CLOUDWATCH_METRICS": "1",
    # Asynchronous retries come after 1 and 2 seconds, not after 1 and 2 minutes.
    "LAMBDA_RETRY_BASE_DELAY": "1",
    # Bounds the processes: throttled asynchronous events are retried, throttled synchronous calls answer 429.
    "LAMBDA_LIMITS_CONCURRENT_EXECUTIONS": "64",
    # Which is less than AWS leaves unreserved in any account, so that nothing could be reserved.
    "LAMBDA_LIMITS_MINIMUM_UNRESERVED_CONCURRENCY": "0",
    # Idle functions give their memory back while a run still goes on.
    "LAMBDA_KEEPALIVE_MS": "120000",
}

#: Whether functions' requests are decided by their roles' policies (bench/emulator/access/check.py); `0`: all are
#: allowed.
IAM_CHECK: Final = "TICKSTREAM_IAM_CHECK"
#: The user's folder for what can be made again (bench/emulator/service_index.py).
CACHE_DIR: Final = "TICKSTREAM_CACHE_DIR"

SETTINGS: Final[Mapping[str, str]] = {
    "LAMBDA_RUNTIME_EXECUTOR": "process",
    "PROVIDER_OVERRIDE_DYNAMODB": "memory",
    "GATEWAY_SERVER": "loopback",
    # What its services ask of each other needs no HTTP.
    "IN_MEMORY_CLIENT": "1",
    "DNS_ADDRESS": "0",
    # With 1, a resource type that LocalStack does not know reports success.
    "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "0",
    IAM_CHECK: "1",
    # A second batch of a queue is decoded while the first one is stored.
    "TICKSTREAM_CONCURRENT_BATCHES": "2",
    **_PACE,
}

#: LocalStack's own image: functions are containers, and what it has no provider for must not fail the whole stack.
CONTAINER_SETTINGS: Final[Mapping[str, str]] = {"CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "1", **_PACE}

_IAM_UNCHECKED: Final = "IAM: policies are stored and not enforced."
_IAM_CHECKED: Final = (
    "IAM: only functions' own requests are checked, against the policies of their role and of the bucket or queue; not "
    "calls from outside, who may invoke a function or assume a role, nor what AWS's services do with a role."
)

_ONE_BATCH: Final = "Lambda: one poller serves a queue, so batches of one queue are processed one after the other."

LOCALSTACK_DOES_NOT: Final[tuple[str, ...]] = (
    _IAM_UNCHECKED,
    "API Gateway: IAM authorization, throttling, usage plans and the stage's method settings are not enforced.",
    "CloudFormation: an update changes no bucket, table, rule, alarm, log group, API model or gateway response.",
    "EventBridge: a target's retry policy and dead-letter queue are stored and never used.",
    "EventBridge: rate(5 minutes) fires from a cron, up to a minute early.",
    "CloudWatch Logs: retention is stored and not enforced.",
    "Lambda: its own CloudWatch metrics (Invocations, Errors, ...) are not recorded.",
    _ONE_BATCH,
    "Lambda: recursion and scaling controls, ScalingConfig and templates' ReservedConcurrentExecutions have no effect.",
    "X-Ray: tracing is accepted, traces are not recorded.",
    "S3: a notification that fails is logged and dropped; every event has the same sequencer.",
    "S3: lifecycle rules are stored and not applied.",
    "SQS: a message moves to its dead-letter queue on the next receive, and its retention is not enforced.",
    "SQS: its own CloudWatch metrics (ages and numbers of messages, ...) are not recorded.",
    "SQS: the event source mapping re-encodes JSON bodies, so numbers in them may lose digits.",
    "DynamoDB: time to live, point-in-time recovery and encryption have no effect; throughput has no limit.",
    "DynamoDB: warm throughput is ignored.",
    "Encryption at rest and in transit: settings are stored; the endpoint is plain HTTP.",
)

#: With the bench's extensions, whose functions are processes.
NOT_EMULATED: Final[tuple[str, ...]] = (
    _IAM_CHECKED,
    "IAM: of calls from outside one thing is enforced, a bucket policy that denies writes to everybody.",
    *(one for one in LOCALSTACK_DOES_NOT if one not in {_IAM_UNCHECKED, _ONE_BATCH}),
    "Lambda: at most two batches of a standard queue are processed at a time, and one of a FIFO queue.",
    "CloudWatch Logs: metric filters with numbers, IS NULL, regular expressions or conditions on fields are refused.",
    "Lambda: START, END and REPORT are text, where functions that log JSON have JSON; of a timeout no filter hears.",
    "Lambda: memory and temporary storage are not limited; a function has the machine's processors to itself.",
    "Lambda: functions run under this machine's Python, system and architecture, not Amazon Linux.",
)


def engine_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings with the engine that they or this process's environment name; LocalStack where neither does.

    LocalEmu's IAM is moto's own, of which the check knows nothing: there it is off. Raises TargetError for another.
    """
    engine = settings.get(ENGINE_VARIABLE) or os.environ.get(ENGINE_VARIABLE) or LOCALSTACK
    if engine not in DISTRIBUTIONS:
        raise TargetError(f"{ENGINE_VARIABLE} is {' or '.join(DISTRIBUTIONS)}, not {engine!r}")
    return {**settings, ENGINE_VARIABLE: engine, **({IAM_CHECK: "0"} if engine == LOCALEMU else {})}


def not_emulated(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return what LocalStack with the bench's extensions does not do under some settings."""
    if settings.get(IAM_CHECK) == "0":
        return tuple(_IAM_UNCHECKED if one == _IAM_CHECKED else one for one in NOT_EMULATED)
    return NOT_EMULATED


def localstack_environment(settings: Mapping[str, str], state_dir: Path, port: int, token: str) -> dict[str, str]:
    """Return the whole environment of a LocalStack process: nothing of the user's own, credentials least of all."""
    listen = f"127.0.0.1:{port}"
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(state_dir),
        # LocalStack unpacks functions below the temporary folder, and plux caches entry points below the home: both
        # belong to this one run.
        "TMPDIR": str(state_dir / "tmp"),
        "FILESYSTEM_ROOT": str(state_dir / "localstack"),
        # On a machine that is a container LocalStack would take /var/lib/localstack for its own, and share it with
        # every other LocalStack there: one that started read a key that another was writing.
        "OVERRIDE_IN_DOCKER": "0",
        "GATEWAY_LISTEN": listen,
        f"{settings.get(ENGINE_VARIABLE, LOCALSTACK).upper()}_HOST": listen,
        "TICKSTREAM_EMULATOR_TOKEN": token,
        **_kept_between_runs(),
        **_interpreter_variables(),
        **settings,
    }


def _kept_between_runs() -> dict[str, str]:
    """Return where this user keeps what can be made again; nowhere for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return {}
    return {CACHE_DIR: str(folder / "tickstream")}


def _interpreter_variables() -> dict[str, str]:
    """Return what this Python needs of the environment to start at all: where its libpython is, if only that says it.

    Asked of the Python itself: elsewhere the path may lead to libraries that LocalStack is not to load.
    """
    path = os.environ.get("LD_LIBRARY_PATH")
    if not path:
        return {}
    alone = subprocess.run([sys.executable, "-I", "-S", "-c", ""], env={}, capture_output=True, check=False)
    return {"LD_LIBRARY_PATH": path} if alone.returncode else {}
