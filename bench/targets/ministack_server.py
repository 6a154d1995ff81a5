"""MiniStack as the bench runs it, `python -m bench.targets.ministack_server` in place of `python -m ministack`.

Two things are put right, without which no run of some size ends:

- Its S3 answers the range of a version with the whole object (1.5.33): nothing that is read in pieces is read right.
  Where it cuts by itself, its answer stays as it is.
- It unpacks a function's code and layers again for each process, thousands of files, while invocations wait until they
  time out. Then it ends the process, and unpacks them again for the next.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, override

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

#: Status, headers, body.
type Answer = tuple[int, dict[str, str], bytes]

_RANGE: Final = "range"
#: Asks for a checksum of the whole object, which those who get a part of it would hold the part to.
_WHOLE_CHECKSUM: Final = "x-amz-checksum-mode"
_NO_RANGE: Final = b"<Error><Code>InvalidRange</Code><Message>The requested range is not satisfiable</Message></Error>"


def ranged(get_object: Callable[..., Answer], parse_range: Callable[[str, int], tuple[int, int] | None]) -> Any:
    """Return MiniStack's `GetObject` so that a version's range is cut. parse_range: its own, first and last byte."""

    def get(bucket: str, key: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None) -> Answer:
        asked = headers.get(_RANGE, "")
        if not asked or not (query or {}).get("versionId"):
            return get_object(bucket, key, headers, query)
        others = {name: value for name, value in headers.items() if name != _WHOLE_CHECKSUM}
        status, more, body = get_object(bucket, key, others, query)
        bounds = parse_range(asked, len(body)) if status == 200 else None
        if status != 200:
            return status, more, body
        if bounds is None:
            return 416, {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}, _NO_RANGE
        first, last = bounds
        part = body[first : last + 1]
        sizes = {"Content-Length": str(len(part)), "Content-Range": f"bytes {first}-{last}/{len(body)}"}
        return 206, {**more, **sizes}, part

    return get


class UnpackedOnce(zipfile.ZipFile):
    """A zip file of which all is unpacked once in this process, however often it comes and wherever it is wanted.

    What is wanted again are links to it: a function's code is not written to, as on AWS.
    """

    _turn: Final = Lock()
    _unpacked: Final[dict[bytes, Path]] = {}

    @override
    def extractall(
        self,
        path: str | os.PathLike[str] | None = None,
        members: Iterable[str | zipfile.ZipInfo] | None = None,
        pwd: bytes | None = None,
    ) -> None:
        """Unpack it, all members, or link to where it is unpacked. Raises what ZipFile raises."""
        if path is None or members is not None or self.filename is None:
            super().extractall(path, members, pwd)
            return
        with Path(self.filename).open("rb") as file:
            name = hashlib.file_digest(file, "sha256").digest()
        with self._turn:
            whole = self._unpacked.get(name)
            if whole is None:
                # Under its folder for what is passing, which goes when it ends.
                whole = Path(tempfile.mkdtemp(prefix="unpacked-"))
                super().extractall(whole, None, pwd)
                self._unpacked[name] = whole
        for one in whole.iterdir():
            Path(path, one.name).symlink_to(one)


def main() -> None:
    """Run it until it is told to end."""
    s3: Any = import_module("ministack.services.s3")
    s3._get_object = ranged(s3._get_object, s3._parse_range)  # noqa: SLF001 - it has no place for another
    runtime: Any = import_module("ministack.core.lambda_runtime")
    runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": UnpackedOnce})
    import_module("ministack.app").main()


if __name__ == "__main__":
    main()
