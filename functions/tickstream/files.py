"""A file on its way through the stages: what the messages of file processing say.

A message is a pointer, its results are in the status item. It names version, sequencer and attempt, so that no two
messages that mean different work have the same body: queues that drop repeated bodies within five minutes then drop
repetitions only, never a file uploaded again and never a redrive.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tickstream.errors import MalformedItem
from tickstream.messages import layout_fields, layout_from, source_fields, source_from
from tickstream.strict_fields import MAX_EPOCH_MS, MAX_NAME_BYTES, quoted, read_fields

if TYPE_CHECKING:
    from tickstream.ingests import Layout, Source

#: Beyond any number of redrives.
MAX_ATTEMPT: Final = 10**6


@dataclass(frozen=True, slots=True)
class FilePointer:
    """One validated version of one file.

    sequencer: orders the versions of the key (`tickstream.notifications`).
    attempt: from 0; a redrive raises it.
    received_ms: when the version was created, in Unix milliseconds: the status expires some time after it.
    """

    source: Source
    sequencer: str
    attempt: int
    received_ms: int
    layout: Layout

    @property
    def file_id(self) -> str:
        """`bucket/key`."""
        return file_id_of(self.source)


def file_id_of(source: Source) -> str:
    """Return `bucket/key`: a bucket's name has no slash, so it can be taken apart again."""
    return f"{source.bucket}/{source.key}"


def group_of(file_id: str) -> str:
    """Return the message group of a file: 32 hex digits, because a key may have characters that a group may not."""
    return hashlib.sha256(file_id.encode()).hexdigest()[:32]


def redriven(pointer: FilePointer) -> FilePointer:
    """Return the pointer to send when its message is taken out of the parked queue again."""
    return replace(pointer, attempt=pointer.attempt + 1)


def encode_pointer(pointer: FilePointer) -> str:
    """Write a message body: the same pointer is always the same text."""
    fields = {
        "fileId": pointer.file_id,
        **source_fields(pointer.source),
        "sequencer": pointer.sequencer,
        "attempt": pointer.attempt,
        "received_ms": pointer.received_ms,
        "layout": layout_fields(pointer.layout),
    }
    return json.dumps(fields, separators=(",", ":"))


def names_in(body: object) -> dict[str, str]:
    """Return what the log calls the file of a message by; nothing where the message cannot be read."""
    try:
        return {"file_id": decode_pointer(body).file_id}
    except MalformedItem:
        return {}


def decode_pointer(body: object) -> FilePointer:
    """Read a message body. Raises MalformedItem for everything that is none of this pipeline's."""
    fields = read_fields(body, "not a pointer to a file")
    pointer = FilePointer(
        source=source_from(fields.values),
        sequencer=fields.text("sequencer"),
        attempt=fields.whole("attempt", 0, MAX_ATTEMPT),
        received_ms=fields.whole("received_ms", 0, MAX_EPOCH_MS),
        layout=layout_from(fields.values.get("layout")),
    )
    named = fields.text("fileId", most_bytes=2 * MAX_NAME_BYTES + 1)
    if named != pointer.file_id:
        raise MalformedItem(f"not a pointer to a file: it contradicts itself about {quoted(named)}")
    return pointer
