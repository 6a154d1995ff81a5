"""Where a run happens: one small interface, one file for each kind of target, and `open_target` to choose one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from bench.engine import ENGINE_VARIABLE
from bench.errors import TargetError
from bench.targets.localstack_settings import IAM_CHECK

REGION = "us-east-1"
#: The image that the docker target runs; later ones need an account of LocalStack's.
IMAGE: Final = "localstack/localstack:4.14.0"


class Kind(StrEnum):
    """The kinds of target."""

    EMBEDDED = "embedded"
    DOCKER = "docker"
    MINISTACK = "ministack"
    ENDPOINT = "endpoint"
    AWS = "aws"


class Capability(StrEnum):
    """What only LocalStack with the bench's extensions can do, in the words of a message."""

    FAULTS = "fault injection"
    JOURNAL = "the journal of requests"
    MEMORY = "measuring the target's memory"


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """Which target is meant. Raises TargetError for what does not go together.

    endpoint_url: of a server that runs, for `endpoint` alone. image: for `docker` alone, None for `IMAGE`.
    confirmed: whether the user has agreed to what a run on AWS creates and costs.
    engine: for `embedded` alone, what lies beneath it; None for what the environment names, else LocalStack.
    unchecked: for `embedded` alone, whether functions may do what their roles forbid.
    budget: for `aws` alone, the dollars beyond which no run is begun.
    """

    kind: Kind = Kind.EMBEDDED
    endpoint_url: str | None = None
    image: str | None = None
    confirmed: bool = False
    unchecked: bool = False
    budget: Decimal | None = None
    engine: str | None = None

    def __post_init__(self) -> None:
        """Check it."""
        if self.endpoint_url is not None and self.kind is not Kind.ENDPOINT:
            raise TargetError("--endpoint-url is of --target endpoint")
        if self.kind is Kind.ENDPOINT and self.endpoint_url is None:
            raise TargetError("--target endpoint needs --endpoint-url, such as http://127.0.0.1:4566")
        if self.endpoint_url is not None and not self.endpoint_url.startswith(("http://", "https://")):
            raise TargetError(f"--endpoint-url begins with http:// or https://, not {self.endpoint_url!r}")
        if self.image is not None and self.kind is not Kind.DOCKER:
            raise TargetError("--image is of --target docker")
        if self.confirmed and self.kind is not Kind.AWS:
            raise TargetError("--yes is of --target aws")
        if self.engine is not None and self.kind is not Kind.EMBEDDED:
            raise TargetError("--engine is of --target embedded")
        if self.unchecked and self.kind is not Kind.EMBEDDED:
            raise TargetError("--no-iam-check is of --target embedded")
        if self.budget is not None and self.kind is not Kind.AWS:
            raise TargetError("--budget is of --target aws: nothing else costs anything")
        if self.budget is not None and not (self.budget.is_finite() and self.budget > 0):
            raise TargetError(f"--budget is a number of dollars above 0, not {self.budget}")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is about to happen on a target.

    template: the stack's, as JSON text. stack_name: its name. code_bucket: the bench's own bucket beside it.
    estimated_usd, estimated_cost: what it will cost on AWS, and that in lines.
    """

    template: str
    stack_name: str
    code_bucket: str
    estimated_usd: Decimal = Decimal(0)
    estimated_cost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a target says before anything is made on it.

    lines: to be printed. refusal: why the run cannot be made there, empty where it can.
    """

    lines: tuple[str, ...] = ()
    refusal: str = ""


class Target(Protocol):
    """A place with the AWS API in which a stack can be deployed and driven. Entering starts it."""

    @property
    def kind(self) -> Kind:
        """What kind of target it is."""

    @property
    def region(self) -> str:
        """The AWS region of every client."""

    @property
    def architecture(self) -> str:
        """For which processors the functions' bundles are built: `arm64` or `x86_64`. Final after `preflight`."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do of what only some can; once started."""

    @property
    def outlives_run(self) -> bool:
        """Whether what is deployed stays when the target is left, so that the run itself must destroy it."""

    @property
    def reuses_names_after_s(self) -> int:
        """For how long after the deletion of a stack its names may not be used again."""

    @property
    def shows_objects_after_s(self) -> int:
        """For how long after a bucket is versioned its new objects may be answered as if they were not there."""

    @property
    def endpoint_url(self) -> str | None:
        """The address for every AWS client; None for AWS itself."""

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings that the target runs with and that a result may depend on."""

    @property
    def not_emulated(self) -> tuple[str, ...]:
        """What this target does not do as AWS does, one sentence each: never to be reported as passed."""

    @property
    def scratch_dir(self) -> Path | None:
        """A folder that goes when the target ends, even where this process is killed; None where there is none."""

    def client(self, service: str) -> Any:
        """Return a boto3 client for ``service``, with time limits and retries; shared and thread-safe."""

    def api_url(self, rest_api_id: str, stage: str) -> str:
        """Return how a REST API's stage is reached over HTTP from here, without a trailing slash."""

    def object_url(self, bucket: str, key: str) -> str:
        """Return the address under which the target's own CloudFormation reads an object."""

    def adapted(self, template: str, parameters: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
        """Return a template's text and its parameters as they are deployed there: unchanged on most targets."""

    def preflight(self, request: RunRequest) -> Preflight:
        """Find out, before anything is deployed, what the target cannot do. Raises TargetError if it is not there."""

    def describe(self) -> Mapping[str, str]:
        """Return what a result file says of the target: its kind, versions, address."""

    def memory_bytes(self) -> int:
        """Return the largest resident size so far of the target's own processes; 0 where it has none here."""

    def keep_log(self) -> Path | None:
        """Save the target's log to where it stays and return where; None where there is none."""

    def start(self) -> None:
        """Start the target, or connect to it; return when it answers. Raises `bench.errors.TargetError`."""

    def stop(self) -> None:
        """End what `start` started."""

    def __enter__(self) -> Self:
        """See `start`."""

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """See `stop`."""


def open_target(choice: TargetChoice, *, detached: bool = False) -> Target:
    """Return the chosen target, not yet started. ``detached``: it stays when this process ends."""
    # Each kind is loaded when it is asked for: the docker SDK takes longer than a usage error may.
    match choice.kind:
        case Kind.EMBEDDED:
            from bench.targets.embedded import EmbeddedTarget  # noqa: PLC0415

            overrides = {IAM_CHECK: "0"} if choice.unchecked else {}
            if choice.engine:
                overrides[ENGINE_VARIABLE] = choice.engine
            return EmbeddedTarget(detached=detached, overrides=overrides)
        case Kind.DOCKER:
            from bench.targets.docker import DockerTarget  # noqa: PLC0415

            return DockerTarget(choice.image or IMAGE, detached=detached)
        case Kind.MINISTACK:
            from bench.targets.ministack import MiniStackTarget  # noqa: PLC0415

            if detached:
                raise TargetError(
                    "--target ministack ends with the bench: to keep one, start `ministack` and use --target endpoint"
                )
            return MiniStackTarget()
        case Kind.ENDPOINT:
            from bench.targets.endpoint import EndpointTarget  # noqa: PLC0415

            return EndpointTarget(choice.endpoint_url or "")
        case Kind.AWS:
            from bench.targets.aws import AwsTarget  # noqa: PLC0415

            return AwsTarget(confirmed=choice.confirmed, budget=choice.budget)


def require(target: Target, needs: Iterable[tuple[Capability, str]]) -> None:
    """Raise TargetError, in one line, for what a started target cannot do. ``needs``: what for, such as `--faults`."""
    missing = [f"{wanted} needs {capability}" for capability, wanted in needs if capability not in target.capabilities]
    if missing:
        raise TargetError(
            f"{'; '.join(missing)}: --target {target.kind} cannot do that, it is no LocalStack with this bench's "
            "extensions (--target embedded is)"
        )
