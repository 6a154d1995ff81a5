"""The status table's twin in memory: what tests run the stages' decisions on, with a place to die before any write."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tickstream.arrival_lists import Placed
from tickstream.status_items import INDEX_PLACE, INDEX_SHARD, statistics_expire_at_s, statistics_key, status_item

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tickstream.file_status import FileStatus
    from tickstream.files import FilePointer


class MemoryStatusTable:
    """A `services.status_table.StatusTable` in this process.

    before_write: called with the file's id before every write; what it raises comes out of `replace` and nothing is
    written. A test dies there, or lets somebody else write in between.
    now_s: epoch seconds, by which statuses expire. At 0 none ever does.
    """

    def __init__(self, before_write: Callable[[str], None] | None = None, now_s: Callable[[], int] = lambda: 0) -> None:
        self.before_write = before_write
        self.now_s = now_s
        self._statuses: dict[str, FileStatus] = {}
        self._statistics: dict[str, tuple[int, bytes]] = {}
        self._lock = threading.Lock()

    def get(self, file_id: str) -> FileStatus | None:
        """See StatusTable."""
        with self._lock:
            return self._live(file_id)

    def replace(self, stored: FileStatus | None, status: FileStatus) -> bool:
        """See StatusTable."""
        if self.before_write is not None:
            self.before_write(status.file_id)
        with self._lock:
            known = self._live(status.file_id)
            expected = None if stored is None else stored.last.order
            if (None if known is None else known.last.order) != expected:
                return False
            self._statuses[status.file_id] = status
            return True

    def get_each(self, file_ids: Sequence[str]) -> list[FileStatus | None]:
        """See StatusTable."""
        return [self.get(file_id) for file_id in file_ids]

    def list_each(self, shards: Sequence[str], limit_each: int, first: int, last: int) -> list[Placed]:
        """See StatusTable. What has expired is listed until it is deleted, which is never here."""
        with self._lock:
            items = [status_item(status) for status in self._statuses.values()]
        found: list[Placed] = []
        for shard in shards:
            placed = (
                Placed(shard, int(item[INDEX_PLACE]["N"]), item["fileId"]["S"])
                for item in items
                if item[INDEX_SHARD]["S"] == shard
            )
            inside = sorted((one for one in placed if first <= one.place <= last), key=_place, reverse=True)
            found += inside[:limit_each]
        return found

    def get_statistics(self, pointer: FilePointer) -> bytes | None:
        """See StatusTable."""
        with self._lock:
            expires_at_s, packed = self._statistics.get(statistics_key(pointer)["fileId"]["S"], (0, b""))
        return packed if expires_at_s > self.now_s() else None

    def put_statistics(self, pointer: FilePointer, packed: bytes) -> None:
        """See StatusTable."""
        if self.before_write is not None:
            self.before_write(pointer.file_id)
        with self._lock:
            self._statistics[statistics_key(pointer)["fileId"]["S"]] = statistics_expire_at_s(pointer), packed

    def _live(self, file_id: str) -> FileStatus | None:
        status = self._statuses.get(file_id)
        return status if status is not None and status.expires_at_s > self.now_s() else None


def _place(placed: Placed) -> int:
    return placed.place
