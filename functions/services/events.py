"""Putting events on a bus in batches, within EventBridge's limits, each until it is in or time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from services import clients
from services.batching import batches
from services.deadlines import Deadline, attempts
from services.failures import explanation, is_transient
from tickstream.errors import ServiceIncomplete

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_events import EventBridgeClient

MAX_ENTRIES_A_REQUEST: Final = 10
MAX_REQUEST_BYTES: Final = 256 * 1024


class EventBus:
    """One bus and one kind of event, for one invocation.

    bus: the bus's name.
    source, detail_type: what rules match on.
    deadline: until when failed entries are put again.
    client: the process's own unless given.
    """

    def __init__(
        self, bus: str, source: str, detail_type: str, deadline: Deadline, client: EventBridgeClient | None = None
    ) -> None:
        self._bus = bus
        self._source = source
        self._detail_type = detail_type
        self._deadline = deadline
        self._client = client or clients.events()

    def put(self, details: Sequence[str]) -> dict[int, str]:
        """Put one event for each JSON text, at least once.

        Returns what could not be put: position in `details` and why. It raises nothing of the service's: what is
        committed is committed, and each event's failure concerns its own range only.
        """
        failed: dict[int, str] = {}
        sized = ((position, self._size_bytes(detail)) for position, detail in enumerate(details))
        for batch in batches(sized, max_entries=MAX_ENTRIES_A_REQUEST, max_bytes=MAX_REQUEST_BYTES):
            failed |= self._put_batch({position: details[position] for position in batch})
        return failed

    def _size_bytes(self, detail: str) -> int:
        # How EventBridge counts an entry: source, type and detail in UTF-8.
        return len(self._source.encode()) + len(self._detail_type.encode()) + len(detail.encode())

    def _put_batch(self, waiting: dict[int, str]) -> dict[int, str]:
        doing = f"EventBridge PutEvents on {self._bus}"
        last_seen = "not tried"
        try:
            for _ in attempts(self._deadline, doing):
                try:
                    answer = self._client.put_events(Entries=[self._entry(detail) for detail in waiting.values()])
                except (BotoCoreError, ClientError) as error:
                    last_seen = str(explanation(error, doing))
                    if not is_transient(error):
                        break
                    continue
                results = zip(list(waiting), answer["Entries"], strict=True)
                undone = {position: result for position, result in results if result.get("ErrorCode")}
                waiting = {position: waiting[position] for position in undone}
                if not waiting:
                    break
                last_seen = "; ".join(
                    sorted({f"{result.get('ErrorCode')}: {result.get('ErrorMessage')}" for result in undone.values()})
                )
        except ServiceIncomplete as error:
            last_seen = f"{error}; last seen: {last_seen}"
        return dict.fromkeys(waiting, last_seen)

    def _entry(self, detail: str) -> Any:
        return {
            "EventBusName": self._bus,
            "Source": self._source,
            "DetailType": self._detail_type,
            "Detail": detail,
        }
