"""One ingest: where its ticks come from, how its bytes are cut into ranges, and what is known of its progress."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from tickstream.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Slices, receipts and lists expire this long after the ingest was received (never after tick time: a file of 2013
#: would vanish). It is longer than every redelivery and redrive together (4 + 14 + 14 days). The manifest of an object
#: that was cut into ranges stays for ever: rollups know those ranges for ever, and no others may follow them.
RETENTION_SECONDS: Final = 60 * 24 * 3600

NO_REASONS: Final[Mapping[Reason, int]] = MappingProxyType({})


#: S3 gives an object of a bucket without versioning this id, or none.
UNVERSIONED: Final = frozenset({"", "null"})

#: Returns the bytes [start, end) of a frozen object version, clipped to its size.
type Read = Callable[[int, int], bytes]


class Format(StrEnum):
    """How an object's rows are written."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    JSON = "json"  # one document
    PARQUET = "parquet"


class Container(StrEnum):
    """What an object's rows are packed into."""

    PLAIN = "plain"
    GZIP = "gzip"
    ZIP = "zip"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one object: what was frozen when the ingest began. `etag` has no quotes."""

    bucket: str
    key: str
    version_id: str
    etag: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read the object.

    columns: the names of a CSV row's fields in order; empty for JSON and Parquet.
    data_start: offset of the first row after the header (in the unpacked bytes where packed; of each member in a zip).
    feed: the whole description by which it is read (`tickstream.feeds.documents.frozen_text`); empty: the native one.
    delimiter: between the fields of CSV.
    indexed: ranges are of the unpacked text, and each has an entry in the object's index (`tickstream.packed_index`).
    replaces: its ticks wait until all are there, and take the place of what came under its key before.
    member: whose rows a range has that is of one file in a zip; known only while it is read.
    """

    format: Format
    container: Container = Container.PLAIN
    columns: tuple[str, ...] = ()
    data_start: int = 0
    feed: str = ""
    delimiter: str = ","
    indexed: bool = False
    member: str = ""
    replaces: bool = False

    @property
    def whole(self) -> bool:
        """Whether the object can only be read from its beginning, as one range."""
        return (self.container is not Container.PLAIN and not self.indexed) or self.format is Format.JSON


class FooterPart(NamedTuple):
    """Where in a Parquet object the metadata of one range stand: offsets of the object, half open.

    start: of the footer. first_row: the number of the first row of the first row group in `groups_start`.
    """

    start: int
    schema_start: int
    schema_end: int
    groups_start: int
    groups_end: int
    first_row: int


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open extent of one range: byte offsets, or row numbers in Parquet. `index` counts from 0.

    footer: in Parquet, where the range's metadata stand; without it all of the footer is read.
    """

    index: int
    start: int
    end: int
    footer: FooterPart | None = None


class IngestState(StrEnum):
    """What `GET /ingest/{ingestId}` and `GET /ingests` say."""

    INDEXING = "indexing"
    PROCESSING = "processing"
    COMPLETE = "complete"
    PARTLY_REJECTED = "partly_rejected"
    REJECTED = "rejected"
    OVERDUE = "overdue"
    RETRACTING = "retracting"
    RETRACTED = "retracted"
    REPLACED = "replaced"


class FeedChoice(StrEnum):
    """How it came that an object is read by its feed, or by none.

    NAMED: its key says so (`feed=NAME/`). OWN, BUILT_IN: it is the only one of yours, or of those that come with the
    functions, that fits key, columns and first rows. NATIVE: none fits, and the object is ticks as they stand.
    """

    NAMED = "named"
    OWN = "own"
    BUILT_IN = "built_in"
    NATIVE = "native"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was decided when an ingest began; put once, and replaced once where its object is indexed first.

    indexing: the ranges are not known before the object's index is made.

    ranges: how many receipts make the ingest complete; 0 for an object without rows or a rejected one.
    spans: the ranges themselves, so that a duplicate event resends exactly these, whatever the settings are by then.
    source, layout: None for ticks that were posted.
    feed_choice: None where there is no layout, and in what older releases wrote.
    accepted, refused: ticks of a POST; 0 for an object.
    put_ms: when an object was put, and put again, by S3's clock; 0 of a POST.
    rejected: why the whole object was refused, with a sentence.
    """

    ingest_id: str
    received_ms: int
    ranges: int
    spans: tuple[Span, ...] = ()
    source: Source | None = None
    layout: Layout | None = None
    accepted: int = 0
    refused: int = 0
    rejected: Reason | None = None
    rejected_detail: str = ""
    indexing: bool = False
    feed_choice: FeedChoice | None = None
    put_ms: int = 0

    @property
    def replaces(self) -> bool:
        """Whether it takes the place of what came under its key before."""
        return self.layout is not None and self.layout.replaces


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an object was refused as a whole, with a sentence."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The commit of one range: its counts and the hours of each symbol that it touched.

    reasons: of its rejected rows, how many have which; empty in what older releases wrote.

    refusal: the range has no ticks and counts as one reject, because its object could not be read as ticks.
    skipped: rows that its feed says are no trades. cancelled: trades that are taken back, and rows that do so.
    """

    ingest_id: str
    index: int
    ticks: int
    rejected: int
    committed_ms: int
    hours: Mapping[str, tuple[int, ...]]
    refusal: Refusal | None = None
    skipped: int = 0
    cancelled: int = 0
    reasons: Mapping[Reason, int] = NO_REASONS


@dataclass(frozen=True, slots=True)
class Commit:
    """What part 0 of a receipt says by itself: that its range is committed, when, and with what counts."""

    index: int
    ticks: int
    rejected: int
    committed_ms: int
    parts: int
    refusal: Refusal | None = None
    skipped: int = 0
    cancelled: int = 0
    reasons: Mapping[Reason, int] = NO_REASONS

    @property
    def is_gone(self) -> bool:
        """Whether it says no more than that the object was not there."""
        return self.refusal is not None and self.refusal.reason is Reason.OBJECT_GONE


@dataclass(frozen=True, slots=True)
class Activity:
    """An ingest that is not known to be complete and rolled up.

    confirmed: bit i is set where range i is known to be rolled up for good. next_range: where the next pass goes on.
    waits: nothing of it counts yet, and nothing is to be confirmed (`Layout.replaces`).
    """

    ingest_id: str
    received_ms: int
    ranges: int
    confirmed: int = 0
    next_range: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A range with slices of a lane's symbols, which no rollup is known to include.

    whole: whether its hours are to be read as a whole, because what their rollups say of it is not to be believed.
    """

    ingest_id: str
    index: int
    received_ms: int
    lane: int
    whole: bool = False


def expires_at_s(received_ms: int) -> int:
    """The epoch second from which DynamoDB may delete what belongs to an ingest."""
    return received_ms // 1000 + RETENTION_SECONDS


def is_forgotten(received_ms: int, now_ms: int) -> bool:
    """Say whether what belongs to an ingest has expired; all of it does in the same second."""
    return expires_at_s(received_ms) <= now_ms // 1000
