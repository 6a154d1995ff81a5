"""Which invocation sent a request: each has a trace id of its own, which AWS's SDK sends along with every request.

LocalStack hands one trace id to whatever an event brings about, so several environments may have the same. Here as on
AWS its `Parent` tells them apart. Requests that a function sends by other means than the SDK, or while its module is
imported, belong to no invocation.
"""

import contextlib
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Final

#: The header that botocore adds in Lambda.
TRACE_HEADER: Final = "X-Amzn-Trace-Id"
_PARENT = re.compile(r"\bParent=([^;]*)")


class RunningInvocations:
    """The invocations that run now and how to kill each."""

    def __init__(self) -> None:
        # One step at a time on one dict: threads need no lock.
        self._kills: dict[str, Callable[[], bool]] = {}

    @contextlib.contextmanager
    def running(self, trace_id: str, kill: Callable[[], bool]) -> Iterator[str]:
        """Give an invocation a trace id of its own for as long as it runs.

        trace_id: LocalStack's, `Root=...;Parent=...;Sampled=...`.
        kill: kills the process, returns when it is dead; False where the invocation was over.
        """
        parent = uuid.uuid4().hex[:16]
        self._kills[parent] = kill
        try:
            yield _PARENT.sub(f"Parent={parent}", trace_id)
        finally:
            del self._kills[parent]

    def sender(self, trace_id: str | None) -> Callable[[], bool] | None:
        """Return how to kill the invocation that sent a request with this trace id; None where none that runs did."""
        found = _PARENT.search(trace_id or "")
        return self._kills.get(found[1]) if found else None


RUNNING: Final = RunningInvocations()
