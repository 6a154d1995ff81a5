"""Putting files, and finding out what became of each.

A file's fate is the ingest of its key and version. The same bytes put again under the same key are no new ingest: then
it is the one whose object has this one's ETag and size.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from tickstream_client.errors import UsageError
from tickstream_client.protocol import ingests
from tickstream_client.protocol.steps import Found, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tickstream_client.protocol.ingests import Patience
    from tickstream_client.protocol.retries import Retries
    from tickstream_client.protocol.steps import Call, Stream
    from tickstream_client.records import FileStatus, Ingest, Upload

#: Told while a file is sent: the file, bytes sent so far, bytes in all.
type Progress = Callable[[Path, int, int], None]

#: Files under way at a time: most of them only wait for their fates.
UPLOADS_AT_ONCE: Final = 32
#: What S3 allows.
MAX_KEY_BYTES: Final = 1_024
_FEED: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


class Store(Protocol):
    """S3, as far as it is needed. Each method blocks, and raises UploadError."""

    def put(self, path: Path, key: str, progress: Progress | None) -> Upload:
        """Put a file, in parts where it is large."""

    def is_same(self, upload: Upload, version_id: str) -> bool:
        """Whether an older version of the key has the bytes of this one."""


def key_of(path: Path, prefix: str, feed: str | None) -> str:
    """Return the key under which a file is put: `feed=FEED/`, the prefix, the file's name. Raises UsageError."""
    if feed is not None and not _FEED.fullmatch(feed):
        raise UsageError(f"feed {feed!r}: a feed's name is of lower-case letters, digits and -")
    folder = prefix.strip("/")
    key = "/".join(part for part in (f"feed={feed}" if feed else "", folder, path.name) if part)
    if len(key.encode()) > MAX_KEY_BYTES:
        raise UsageError(f"{path}: its key would have more than {MAX_KEY_BYTES} bytes")
    return key


def checked_files(files: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return files that are there. Raises UsageError for one that is not, and for two that would have one key."""
    paths = [Path(files)] if isinstance(files, str | Path) else [Path(one) for one in files]
    if not paths:
        raise UsageError("no file: name at least one")
    names: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            raise UsageError(f"{path} is {'no file' if path.exists() else 'not there'}")
        if (other := names.setdefault(path.name, path)) is not path:
            raise UsageError(f"{other} and {path} would have the same key")
    return paths


def uploaded(  # noqa: PLR0917 - what a file is put with
    path: Path,
    key: str,
    store: Store,
    retries: Retries,
    patience: Callable[[], Patience] | None,
    progress: Progress | None,
    *,
    is_market: bool,
) -> Stream[Upload]:
    """Put a file and, with patience, wait for its fate: as it is when the patience ends."""
    upload: Upload = yield Work(partial(store.put, path, key, progress))
    if patience is not None:
        look = partial(_ingest_of if is_market else _status_of, upload, store, retries)
        upload = replace(upload, fate=(yield from _fate(look, patience())))
    yield Found(upload)


def _fate(look: Callable[[], Call[Ingest | FileStatus | None]], patience: Patience) -> Call[Ingest | FileStatus | None]:
    while True:
        fate = yield from look()
        if (fate is not None and fate.is_final) or patience.is_over:
            return fate
        yield from patience.pause()


def _ingest_of(upload: Upload, store: Store, retries: Retries) -> Call[Ingest | FileStatus | None]:
    asked = ingests.list_question(upload.key, None, None, None, upload.bucket)
    found = yield from _collected(ingests.ingests(asked, retries))
    for one in found:
        if one.version_id == upload.version_id:
            return one
    for one in found:
        if one.size_bytes != upload.size_bytes or one.version_id is None:
            continue
        # Taken back or replaced, the same bytes are a new ingest, which is still to come.
        if one.state not in {"retracted", "replaced"} and (yield Work(partial(store.is_same, upload, one.version_id))):
            return one
    return None


def _status_of(upload: Upload, store: Store, retries: Retries) -> Call[Ingest | FileStatus | None]:  # noqa: ARG001 - as its twin
    asked = ingests.list_question(upload.key, None, None, None, upload.bucket)
    for one in (yield from _collected(ingests.files(asked, retries))):
        if one.version_id == upload.version_id:
            return one
    return None


def _collected[T](stream: Stream[T]) -> Call[list[T]]:
    """Run a stream to its end within another one."""
    found: list[T] = []
    reply = None
    while True:
        try:
            step = stream.send(reply)
        except StopIteration:
            return found
        if isinstance(step, Found):
            found.append(step.item)
            reply = None
        else:
            reply = yield step
