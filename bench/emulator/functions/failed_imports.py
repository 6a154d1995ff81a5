"""Which functions cannot be imported: those whose latest start ended with an error before the first event.

Lambda tries such a function again for ever, and SQS its messages for as long as they live: nobody is told.
`bench.measure.failed_imports` is the other side.
"""

import json
import threading
from typing import Any, Final

from bench.emulator.functions.outcomes import Outcome
from bench.engine import ROUTER, Response
from bench.measure.failed_imports import FAILED_IMPORTS_PATH

_SAID_CHARACTERS: Final = 500


class FailedImports:
    """Function's name to what its import said; from the executor's loop and LocalStack's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}

    def note(self, function: str, failure: Outcome | None) -> None:
        """Take the end of a start: with None the function has come to its first event."""
        with self._lock:
            if failure is None:
                self._said.pop(function, None)
            else:
                self._said[function] = words(failure)

    def all(self) -> dict[str, str]:
        """Return those that there are now."""
        with self._lock:
            return dict(self._said)


def words(failure: Outcome) -> str:
    """Return what an import said, in one line, cut."""
    try:
        document = json.loads(failure.payload)
        said = f"{document['errorType']}: {document['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        said = failure.payload.decode(errors="replace")
    return " ".join(said.split())[:_SAID_CHARACTERS]


FAILED_IMPORTS: Final = FailedImports()


def add_route() -> None:
    """Serve them; called once, while LocalStack starts."""

    def failed_imports(*_: Any, **__: Any) -> Response:
        return Response(json.dumps(FAILED_IMPORTS.all()), content_type="application/json")

    ROUTER.add(FAILED_IMPORTS_PATH, failed_imports, methods=["GET"])
