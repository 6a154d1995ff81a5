"""Waiting until every file is at rest, or until it is proven that some will not be.

At rest: each acknowledged file is completed or failed, and neither a working queue nor a dead-letter queue holds a
message (what is in a dead-letter queue is still to be recorded and parked).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable  # noqa: TC003 - a dataclass field
from dataclasses import dataclass
from itertools import batched, islice
from typing import TYPE_CHECKING, Final, Protocol

from bench.ledger.waiting import Clock, Completion, wait_until_complete
from bench.measure.failed_imports import require_imports
from bench.targets.reading import queue_depth, read_items

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.ledger.sent import Ledger
    from bench.stack.outputs import FileOutputs
    from bench.targets import Target
    from tickstream.items import Item

POLL_S: Final = 1.0
_KEYS_A_REQUEST: Final = 100
_FILES_A_LOOK: Final = 200
_FINAL: Final = ("completed", "failed")


@dataclass(frozen=True, slots=True)
class FileProgress:
    """One look. Two equal looks: nothing moved between them."""

    acknowledged: int
    validated: int
    processed: int
    completed: int
    failed: int
    queued: int
    in_flight: int
    dead_letters: int
    parked: int

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        done = self.completed + self.failed >= self.acknowledged and not (self.validated or self.processed)
        return done and not (self.queued or self.in_flight or self.dead_letters)

    def describe(self) -> str:
        """Say what is done and what is open."""
        return (
            f"of {self.acknowledged} files {self.validated} rest as validated, {self.processed} as processed, "
            f"{self.completed} completed, {self.failed} failed; {self.queued} messages queued, {self.in_flight} in "
            f"flight, {self.dead_letters} in dead-letter queues, {self.parked} parked"
        )


@dataclass(frozen=True, slots=True)
class Rest(Completion[FileProgress]):
    """How the waiting ended. `backwards`: moves that were seen and must not be, each as text."""

    backwards: tuple[str, ...] = ()


class Watched(Protocol):
    """What the waiting asks of the stack."""

    backwards: list[str]

    def look(self) -> FileProgress: ...  # noqa: D102 - see Watch


class Watch:
    """Looks at the stack's statuses and queues, and sees to it that no status ever goes back.

    A file that is completed or failed is not read again: the verdict reads them all, once. Looking must not be what
    the pipeline waits for, so a look reads some of the open files, in turn.
    """

    def __init__(self, target: Target, outputs: FileOutputs, ledger: Ledger) -> None:
        self._target = target
        self._dynamodb = target.client("dynamodb")
        self._sqs = target.client("sqs")
        self._outputs = outputs
        self._ledger = ledger
        self._open: dict[str, None] = {}
        self._seen: dict[str, tuple[str, int, int]] = {}
        self._status: dict[str, str] = {}
        #: Statuses that were seen to go back, as text.
        self.backwards: list[str] = []

    def look(self) -> FileProgress:
        """Read statuses and queues. Raises ReadBackError, and FunctionError where nothing will ever move."""
        require_imports(self._target, self._outputs.function_names())
        # The ledger first, then queues, then statuses: what moves on meanwhile is seen where it arrives, or keeps the
        # next look from being equal; nothing is taken for done that was sent after the count.
        sent = [f"{self._outputs.bucket_name}/{entry.key}" for entry in self._ledger.acknowledged()]
        self._open.update((file_id, None) for file_id in sent if self._status.get(file_id) not in _FINAL)
        working = [queue_depth(self._sqs, url) for url in self._outputs.working_queues().values()]
        dead = [queue_depth(self._sqs, url) for url in self._outputs.dead_letter_queues().values()]
        parked = sum(queue_depth(self._sqs, self._outputs.parked_queue_url))
        asked = list(islice(self._open, _FILES_A_LOOK))
        for some in batched(asked, _KEYS_A_REQUEST, strict=False):
            for item in self._items(some):
                self._note(item)
        # Those that are still open go to the end of the line.
        for file_id in asked:
            if file_id in self._open:
                self._open[file_id] = self._open.pop(file_id)
        counts = Counter(self._status.values())
        return FileProgress(
            acknowledged=len(sent),
            validated=counts["validated"],
            processed=counts["processed"],
            completed=counts["completed"],
            failed=counts["failed"],
            queued=sum(waiting for waiting, _ in working),
            in_flight=sum(hidden for _, hidden in working),
            dead_letters=sum(map(sum, dead)),
            parked=parked,
        )

    def _note(self, item: Item) -> None:
        file_id, status = item["fileId"]["S"], item["status"]["S"]
        order = (item["sequencer"]["S"], int(item["attempt"]["N"]), int(item["stageRank"]["N"]))
        if (before := self._seen.get(file_id, order)) > order:
            self.backwards.append(f"{file_id}: from {before} to {order}")
        self._seen[file_id], self._status[file_id] = order, status
        if status in _FINAL:
            self._open.pop(file_id, None)

    def _items(self, file_ids: Sequence[str]) -> Iterator[Item]:
        request = {
            "Keys": [{"fileId": {"S": file_id}} for file_id in file_ids],
            "ConsistentRead": True,
            "ProjectionExpression": "fileId, #status, sequencer, attempt, stageRank",
            "ExpressionAttributeNames": {"#status": "status"},
        }
        return read_items(self._dynamodb, self._outputs.processing_table_name, request)


def wait_until_at_rest(
    watch: Watched,
    show: Callable[[FileProgress], None],
    *,
    is_sending: Callable[[], bool],
    stall_s: float,
    clock: Clock | None = None,
) -> Rest:
    """Wait for the files; `show` gets every look.

    is_sending: while it says so, nothing is at rest or stalled yet. stall_s: how long nothing may move; it must be
    longer than a message is out of sight after a failure.
    """

    def awaits(last: FileProgress, _sending: bool) -> str:  # noqa: FBT001 - as `wait_until_complete` calls it
        show(last)
        return ""

    ended = wait_until_complete(
        watch.look, is_sending=is_sending, patience_s=lambda _: stall_s, poll_s=POLL_S, awaits=awaits, clock=clock
    )
    return Rest(ended.complete, ended.last, ended.explanation, tuple(watch.backwards))
