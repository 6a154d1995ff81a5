"""What a dead message is about and how it is put back: reading one message, without doing anything.

A message is sent before it is deleted, so whoever dies in between sends it twice. Each reader says why that changes
nothing. What none of them can read is not the pipeline's: putting it back would only make it die again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tickstream.errors import MalformedItem
from tickstream.files import decode_pointer, encode_pointer, file_id_of, group_of, redriven
from tickstream.keys import object_ingest_id
from tickstream.messages import (
    CALL_DETAIL_TYPE,
    EVENT_DETAIL_TYPE,
    call_from_detail,
    decode_message,
    decode_order,
    names_of,
    ranges_from_detail,
)
from tickstream.notifications import records_of, source_of
from tickstream.revisions import ORDER_DETAIL_TYPE, order_from_detail
from tickstream.strict_fields import read_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tickstream.ingests import Source

    #: As SQS's client returns it, with all attributes.
    type Message = Mapping[str, Any]
    #: Raises MalformedItem for a message that is not the pipeline's.
    type Reader = Callable[[Message], DeadLetter]

#: As EventBridge calls what a schedule sends.
_SCHEDULED: Final = "Scheduled Event"
#: Where Lambda and EventBridge say why they gave a message up; SQS says nothing.
_REASONS: Final = ("ErrorMessage", "ERROR_MESSAGE", "ERROR_CODE")
_EXCERPT: Final = 160


@dataclass(frozen=True, slots=True)
class ToQueue:
    """Sent to a queue. group: its message group in a FIFO queue, empty in others."""

    url: str
    body: str
    group: str = ""

    @property
    def destination(self) -> str:
        """Who gets it."""
        return queue_name(self.url)


@dataclass(frozen=True, slots=True)
class ToFunction:
    """A function is invoked asynchronously. event: JSON, verbatim as it had it before."""

    name: str
    event: str

    @property
    def destination(self) -> str:
        """Who gets it."""
        return self.name


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that can be put back.

    ids: of the ingests or files that it is about; none in an event that does not name any. about: the same for people
    to read.
    """

    ids: tuple[str, ...]
    about: str
    way: ToQueue | ToFunction


def queue_name(url: str) -> str:
    """Return the name in a queue's URL."""
    return url.rpartition("/")[2]


def range_reader(queue_url: str) -> Reader:
    """Read messages of a queue of ranges, which go there again, from the beginning.

    Sent twice, a range is processed twice: its slices and its receipt are written again under the same keys.
    """

    def read(message: Message) -> DeadLetter:
        names = names_of(decode_message(message["Body"]))
        about = f"ingest {names['ingest_id']}, range {names['range']}"
        return DeadLetter((str(names["ingest_id"]),), about, ToQueue(queue_url, message["Body"]))

    return read


def order_reader(queue_url: str) -> Reader:
    """Read orders of IndexQueue, which go there again.

    Sent twice, an index is made twice, or gone on with twice: its parts follow from the object's bytes.
    """

    def read(message: Message) -> DeadLetter:
        order = decode_order(message["Body"])
        about = f"{order.source.key} (ingest {order.ingest_id})"
        return DeadLetter((order.ingest_id,), about, ToQueue(queue_url, message["Body"]))

    return read


def object_reader(function: str, bucket: str) -> Reader:
    """Read S3's events for DataIngestion, which is invoked with them again.

    Invoked twice, it finds the manifest of the same bytes under the same key, and sends what has no receipt.
    """

    def read(message: Message) -> DeadLetter:
        sources = _sources(message["Body"], bucket)
        ids = tuple(object_ingest_id(one.bucket, one.key, one.etag, one.size_bytes) for one in sources)
        about = ", ".join(f"{one.key} (ingest {name})" for one, name in zip(sources, ids, strict=True))
        return DeadLetter(ids, about, ToFunction(function, message["Body"]))

    return read


def event_reader(function: str) -> Reader:
    """Read EventBridge's events for DataAggregator, which is invoked with them again.

    Whether it failed on one or never got it, the event is the same. Invoked twice, it finds that its ranges are
    rolled up; the schedule's event and a call for help only make it look for work.
    """

    def read(message: Message) -> DeadLetter:
        kind, detail = _delivered(message["Body"])
        way = ToFunction(function, message["Body"])
        if kind == _SCHEDULED:
            return DeadLetter((), "the schedule", way)
        if kind == CALL_DETAIL_TYPE:
            work, lanes = call_from_detail(detail)
            return DeadLetter((), f"a call for help with {work}, lanes {', '.join(map(str, sorted(lanes)))}", way)
        if kind != EVENT_DETAIL_TYPE or not isinstance(detail, dict):
            raise MalformedItem(f"not an event for {function}: detail-type {kind!r}")
        ranges = ranges_from_detail(detail)
        ids = tuple(dict.fromkeys(str(one.ingest_id) for one in ranges))
        return DeadLetter(ids, "; ".join(f"ingest {one.ingest_id}, range {one.index}" for one in ranges), way)

    return read


def revision_reader(function: str) -> Reader:
    """Read EventBridge's events for DataRevision, which is invoked with them again.

    They name entries of a list, and an entry its ingest by no more than a hash. Invoked twice, it goes on with an entry
    from where that is, and passes over one that is no longer there; the schedule's event only makes it look for work.
    """

    def read(message: Message) -> DeadLetter:
        kind, detail = _delivered(message["Body"])
        way = ToFunction(function, message["Body"])
        if kind == _SCHEDULED:
            return DeadLetter((), "the schedule", way)
        if kind != ORDER_DETAIL_TYPE:
            raise MalformedItem(f"not an event for {function}: detail-type {kind!r}")
        return DeadLetter((), f"ingests that are taken back: {len(order_from_detail(detail))}", way)

    return read


def undelivered_reader(readers: Mapping[str, Reader]) -> Reader:
    """Read events that EventBridge could not deliver, with the reader of the function (by name) that each was for.

    A target that is none of these is not followed, whoever noted it.
    """

    def read(message: Message) -> DeadLetter:
        target = _attributes(message).get("TARGET_ARN", "").rpartition(":")[2]
        if (reader := readers.get(target)) is None:
            raise MalformedItem(f"was for no function of this stack: {target!r}")
        return reader(message)

    return read


def file_event_reader(function: str, bucket: str) -> Reader:
    """Read S3's events for the file validator, which is invoked with them again.

    It finds by a file's status that this is a new attempt. Invoked twice, it finds its move made and sends the same
    message, which the queue or the next stage drops.
    """

    def read(message: Message) -> DeadLetter:
        ids = tuple(file_id_of(one) for one in _sources(message["Body"], bucket))
        return DeadLetter(ids, ", ".join(ids), ToFunction(function, message["Body"]))

    return read


def pointer_reader(queue_url: str) -> Reader:
    """Read messages of a stage's FIFO queue, which go there again as a new attempt.

    A new attempt has a body of its own: otherwise the queue might take it for a repetition, and the stage for one
    that failed. Sent twice, it has the same body twice, which the queue drops or the stage finds done.
    """

    def read(message: Message) -> DeadLetter:
        pointer = decode_pointer(message["Body"])
        body, group = encode_pointer(redriven(pointer)), group_of(pointer.file_id)
        return DeadLetter((pointer.file_id,), pointer.file_id, ToQueue(queue_url, body, group))

    return read


def parked_reader(readers: Mapping[tuple[str, str], Reader]) -> Reader:
    """Read parked messages with the reader of the stage and origin that the recorder has noted.

    An origin that is none of this stack's is not followed, whoever noted it.
    """

    def read(message: Message) -> DeadLetter:
        said = _attributes(message)
        noted = said.get("stage", ""), said.get("origin", "")
        if (reader := readers.get(noted)) is None:
            raise MalformedItem(f"parked by nobody of this stack: stage {noted[0]!r}, origin {noted[1]!r}")
        dead_letter = reader(message)
        return DeadLetter(dead_letter.ids, f"{dead_letter.about} ({noted[0]})", dead_letter.way)

    return read


def excerpt(text: str) -> str:
    """Return the beginning of a text that anybody may have written, fit for a terminal."""
    return "".join(character if character.isprintable() else " " for character in text[:_EXCERPT])


def why(message: Message) -> str:
    """Return what is on record of why a message died, empty where nothing is."""
    said = _attributes(message)
    return next((excerpt(said[name]) for name in _REASONS if said.get(name)), "")


def _attributes(message: Message) -> dict[str, str]:
    found = message.get("MessageAttributes", {})
    return {name: str(value.get("StringValue", "")) for name, value in found.items()}


def _sources(body: str, bucket: str) -> tuple[Source, ...]:
    sources = tuple(source_of(record) for record in records_of(_fields(body)))
    if not sources:
        raise MalformedItem("not an event of S3")
    if foreign := [one.bucket for one in sources if one.bucket != bucket]:
        raise MalformedItem(f"an event of the bucket {foreign[0]}, not of {bucket}")
    return sources


def _delivered(body: str) -> tuple[Any, Any]:
    """Return type and detail of an event of EventBridge."""
    event = _fields(body)
    return event.get("detail-type"), event.get("detail")


def _fields(body: str) -> Mapping[str, Any]:
    return read_fields(body, "not a dead letter of this stack").values
