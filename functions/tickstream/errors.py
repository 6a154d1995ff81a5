"""The error family of the functions. Everything that the code raises on purpose stands here.

TickstreamError
├── ConfigurationError    an environment variable is missing or makes no sense: the deployment is wrong
├── RowRejected           one row is not a tick: recorded with its reason, its neighbours go on
├── ObjectRejected        a whole object cannot be read as ticks: recorded with its reason, never retried
├── MalformedItem         a stored item or a message is not what this code writes: never guessed around
├── BadRequest            a caller's mistake, answered with a 4xx
├── ServiceIncomplete     a service left part of a batch undone after all retries: the caller retries the whole
│   └── ComeAgain         nothing failed, and nothing can be done yet
│       ├── NotShownYet   S3 lists an object's version and does not show it yet, which may take minutes
│       ├── IndexAwaited  the index of the range's object is not there, and is being made
│       ├── OutOfTime     the work goes on in another invocation, from where this one ends
│       ├── RangesAwaited other ranges of the object have not told what this one has to know
│       └── WritesUnfinished  only a part is written: the table is throttled, or no time is left
└── ServiceRefused        a service refuses what no retry cures (rights, names, limits): the deployment is wrong
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reason(StrEnum):
    """Why a row or an object was rejected: stable codes, stored with the raw text and counted."""

    MALFORMED_ROW = "malformed_row"
    NOT_UTF8 = "not_utf8"
    ROW_TOO_LONG = "row_too_long"
    MISSING_FIELD = "missing_field"
    BAD_SYMBOL = "bad_symbol"
    BAD_TIMESTAMP = "bad_timestamp"
    TIMESTAMP_OUT_OF_RANGE = "timestamp_out_of_range"
    BAD_PRICE = "bad_price"
    BAD_SIZE = "bad_size"
    BAD_SEQUENCE = "bad_sequence"
    BAD_CONDITION = "bad_condition"
    # Whole objects:
    UNKNOWN_FORMAT = "unknown_format"
    MISSING_COLUMN = "missing_column"
    DUPLICATE_COLUMN = "duplicate_column"
    UNSUITABLE_COLUMN = "unsuitable_column"
    CORRUPT_GZIP = "corrupt_gzip"
    CORRUPT_PARQUET = "corrupt_parquet"
    CORRUPT_ZIP = "corrupt_zip"
    CORRUPT_ZSTD = "corrupt_zstd"
    CORRUPT_JSON = "corrupt_json"
    ENCRYPTED = "encrypted"
    UNKNOWN_FEED = "unknown_feed"
    AMBIGUOUS_FEED = "ambiguous_feed"
    INCOMPLETE_FEED = "incomplete_feed"
    TOO_LARGE = "too_large"
    TOO_MUCH_WORK = "too_much_work"
    OBJECT_GONE = "object_gone"


#: A detail is stored, logged and answered, and may quote what came from outside: names of any length, for one.
MAX_OBJECT_DETAIL: Final = 1_000
MAX_ROW_DETAIL: Final = 300


def cut(text: str, characters: int) -> str:
    """Return a text of at most so many characters, which says where it was cut."""
    return text if len(text) <= characters else text[: characters - 4] + " ..."


class TickstreamError(Exception):
    """The root of the family."""


class ConfigurationError(TickstreamError):
    """The function's environment is incomplete or contradicts itself."""


class RowRejected(TickstreamError):
    """One row is not a tick.

    reason: the stable code.
    detail: one sentence for a person, without the row itself; cut.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = cut(detail, MAX_ROW_DETAIL)
        super().__init__(f"{reason}: {self.detail}")


class ObjectRejected(TickstreamError):
    """A whole object cannot be read as ticks; trying again would not help. `detail` is cut."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = cut(detail, MAX_OBJECT_DETAIL)
        super().__init__(f"{reason}: {self.detail}")


class MalformedItem(TickstreamError):
    """A stored item or a message does not have the shape that this code writes."""


class BadRequest(TickstreamError):
    """The caller's mistake.

    status: the HTTP status of the answer.
    code: a stable code in snake_case.
    details: what the answer says beside them, as plain JSON.
    """

    def __init__(
        self, code: str, message: str, *, status: int = 400, details: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class ServiceIncomplete(TickstreamError):
    """A service left entries of a batch undone after every retry."""


class ComeAgain(ServiceIncomplete):
    """Nothing failed, and nothing can be done yet.

    first_delay_s, longest_delay_s: after how many seconds it is worth to look again, and how far they grow.
    """

    first_delay_s = 5
    longest_delay_s = 300


class NotShownYet(ComeAgain):
    """S3 lists a version of an object and answers that it is not there: new ones may take minutes to show.

    Within AWS's 15 minutes it is asked for eight times.
    """


class IndexAwaited(ComeAgain):
    """The index of the range's object is not there, and was ordered."""

    longest_delay_s = 60


class OutOfTime(ComeAgain):
    """The work is longer than an invocation, and goes on in the next one from where this one ends."""

    first_delay_s = 0


class RangesAwaited(ComeAgain):
    """Other ranges of the object have not told yet what this one has to know."""

    first_delay_s = 1
    longest_delay_s = 60


class WritesUnfinished(ComeAgain):
    """Items that were to be put in order are written only in part: the table throttles, or no time is left.

    written: how many, from the first on, surely are. More may be.

    The delay does not grow far: the queue of large ranges has a ceiling, so that they never press the table all at
    once, and a single large range that has the table to itself would have it idle for as long as it waits.
    """

    first_delay_s = 5
    longest_delay_s = 120

    def __init__(self, why: str, written: int) -> None:
        self.written = written
        super().__init__(f"{why} ({written} items are written)")


class ServiceRefused(TickstreamError):
    """A service refused a request for good; the message says what to look at."""
