"""`GET /_bench/identity`: by its answer the target knows that the LocalStack on its port is the one it started."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.engine import ROUTER, Response

IDENTITY_PATH: Final = "/_bench/identity"
TOKEN_VARIABLE: Final = "TICKSTREAM_EMULATOR_TOKEN"  # noqa: S105 - the variable's name
_SAMPLE_INTERVAL_S: Final = 1.0
#: At least so many times as long as a sample took passes until the next: each second it was a tenth of LocalStack's
#: time, with many functions on a busy machine.
_PAUSE_RATIO: Final = 49.0
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class MemorySampler:
    """Keeps the largest size, ever seen, of LocalStack and its functions together."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        threading.Thread(target=self._sample, name="memory-sampler", daemon=True).start()

    def _sample(self) -> None:
        while True:
            began_s = time.monotonic()
            self.peak_bytes = max(self.peak_bytes, _resident_bytes())
            time.sleep(max(_SAMPLE_INTERVAL_S, _PAUSE_RATIO * (time.monotonic() - began_s)))


def _resident_bytes() -> int:
    """Return the resident bytes of this process and its functions, which share most of what they imported.

    A page that functions share counts once among them; one that they share with this process counts in full here.
    """
    own_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return own_pages * _PAGE_BYTES + sum(map(_share_bytes, _descendants("self")))


def _descendants(pid: str) -> Iterator[str]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        # Ended meanwhile, here as below.
        with contextlib.suppress(OSError):
            for child in task.read_text(encoding="ascii").split():
                yield child
                yield from _descendants(child)


def _share_bytes(pid: str) -> int:
    """Return a process's size, each page divided by how many processes have it."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


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
