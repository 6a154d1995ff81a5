"""`GET /_bench/identity`: by its answer the target knows that the LocalStack on its port is the one it started."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any, Final

from localstack.http import Response
from localstack.services.edge import ROUTER

IDENTITY_PATH: Final = "/_bench/identity"
TOKEN_VARIABLE: Final = "TICKSTREAM_EMULATOR_TOKEN"  # noqa: S105 - the variable's name
_SAMPLE_INTERVAL_S: Final = 0.5
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class MemorySampler:
    """Keeps the largest sum, ever seen, of the resident sizes of LocalStack and the functions it has started."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        threading.Thread(target=self._sample, name="memory-sampler", daemon=True).start()

    def _sample(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, _resident_bytes())
            time.sleep(_SAMPLE_INTERVAL_S)


def _resident_bytes() -> int:
    """Return the resident bytes of this process and its children, pages that they share counted in each."""
    children = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    total = 0
    for pid in ("self", *children.split()):
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        except OSError:
            continue  # ended between the two reads
    return total


def add_route() -> None:
    """Serve the identity of this LocalStack; called once, while it starts."""
    sampler = MemorySampler()

    def identity(*_: Any, **__: Any) -> Response:
        body = {
            "token": os.environ.get(TOKEN_VARIABLE),
            "pid": os.getpid(),
            "peak_resident_bytes": sampler.peak_bytes,
        }
        return Response(json.dumps(body), content_type="application/json")

    ROUTER.add(IDENTITY_PATH, identity)
