"""Where a run happens: one small interface, one file for each kind of target."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

REGION = "us-east-1"


class Target(Protocol):
    """A place with the AWS API in which a stack can be deployed and driven. Entering starts it."""

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

    def describe(self) -> Mapping[str, str]:
        """Return what a result file says of the target: its kind, versions, address."""

    def memory_bytes(self) -> int:
        """Return the largest resident size so far of the target's own processes; 0 where it has none here."""

    def __enter__(self) -> Self:
        """Start the target, or connect to it; return when it answers. Raises `bench.errors.TargetError`."""

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End what entering started."""
