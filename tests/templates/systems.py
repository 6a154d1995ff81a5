"""What a system's template is to say, written down by hand: the other half of every check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.templates.reading import ENV, Json, sub

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

type Grant = tuple[tuple[str, ...], tuple[Json, ...]]
"""Actions, sorted, and the resources that they are allowed on."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function: its physical name without environment, and its handler."""

    name: str
    handler: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue.

    Attributes:
        name: whole physical name.
        retention_days: that it keeps messages.
        dead_letters_of: whose dead letters it takes, if any's.
        visibility_s: for which a received message is hidden.

    """

    name: str
    retention_days: int
    dead_letters_of: str | None = None
    visibility_s: int = 300

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue."""
        return self.name.endswith(".fifo")


@dataclass(frozen=True, slots=True)
class Route:
    """A method of the API: its verb, its path, and the logical id of the function that answers.

    outlived: its function serves events as well, for longer than a call lasts. Whoever is answered 504 asks again.
    """

    method: str
    path: str
    function: str
    outlived: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm: metrics, each with the dimension that it is of (empty: none), whose sum may not rise above a limit."""

    metrics: Sequence[tuple[str, str]]
    above: int


@dataclass(frozen=True, slots=True)
class System:
    """One pipeline's stack.

    Attributes:
        buckets: logical id to the name's part before environment, account and region.
        functions: by logical id.
        memory_mb: of each function, by default.
        queues: by logical id.
        tables: logical ids.
        api: logical id.
        api_name: physical name.
        routes: by logical id of the method.
        throttle: requests a second, and burst.
        tags: of every resource that can carry tags.
        namespace: of the error counts.
        outputs: value by key.
        address: output with the API's address.
        alarms: by logical id.
        counts: filters beside those of errors, by logical id: the function whose log it is, metric, and message.
        grants: what each function's role allows beside its own logs and tracing.

    """

    buckets: Mapping[str, str]
    functions: Mapping[str, Function]
    memory_mb: int
    queues: Mapping[str, Queue]
    tables: Sequence[str]
    api: str
    api_name: str
    routes: Mapping[str, Route]
    throttle: tuple[int, int]
    tags: Mapping[str, str]
    namespace: str
    outputs: Mapping[str, Json]
    address: str
    alarms: Mapping[str, Alarm]
    counts: Mapping[str, tuple[str, str, str]]
    grants: Mapping[str, Sequence[Grant]]

    def bucket_arn(self, title: str) -> str:
        """Return a bucket's ARN as the template writes it within Sub."""
        return bucket_arn(self.buckets[title])


def bucket_name(prefix: str) -> str:
    """Return a bucket's name as the template writes it within Sub."""
    return f"{prefix}-{ENV}-${{AWS::AccountId}}-${{AWS::Region}}"


def bucket_arn(prefix: str) -> str:
    """Return a bucket's ARN as the template writes it within Sub."""
    return f"arn:${{AWS::Partition}}:s3:::{bucket_name(prefix)}"


def api_address(api: str) -> Json:
    """Return the address of an API's stage as the template writes it."""
    return sub(f"https://${{{api}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/{ENV}")
