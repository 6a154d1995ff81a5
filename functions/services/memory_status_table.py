"""The status table's twin in memory: what tests run the stages' decisions on, with a place to die before any write."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream.file_status import FileStatus


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

    def _live(self, file_id: str) -> FileStatus | None:
        status = self._statuses.get(file_id)
        return status if status is not None and status.expires_at_s > self.now_s() else None
