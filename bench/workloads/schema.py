"""What a workload is made of. A value out of bounds, an unknown key and a missing key are refused."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic reads the fields' types
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

#: Above this many symbols the four letters of a synthetic symbol run out.
MAX_SYMBOLS: Final = 100_000
#: Seconds of a session, which rounds divide.
_SESSION_S: Final = 23_400
#: An answer of the API lists the reasons of so many refused ticks, and each of them is checked.
MAX_TICKS_A_REQUEST: Final = 100

type Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
type Number = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
type Share = Annotated[float, Field(strict=True, ge=0, le=1)]

_CLOSED: Final = ConfigDict(extra="forbid")


class Volume(StrEnum):
    """How a session's volume is spread over it."""

    U_SHAPED = "u-shaped"
    PEAKS = "peaks"
    CONSTANT = "constant"


class DayFile(StrEnum):
    """As what a vendor sends a whole day: one file, or none of that kind."""

    NONE = "none"
    CSV = "csv"
    GZIP = "csv.gz"
    ZIP = "zip"
    ZSTD = "csv.zst"


@dataclass(frozen=True, slots=True, config=_CLOSED)
class Market:
    """How the ticks of the day behave; shares are fractions of the ticks, or of the symbols for milliseconds.

    late: in an object after their time. displaced: out of order within their object. repeated: equal to the tick
    before in every field. tied: at a moment that all such ticks of ten minutes share, as the prints of an auction do.
    """

    day: date
    volume: Volume
    late_share: Share
    displaced_share: Share
    repeated_share: Share
    tied_share: Share
    millisecond_share: Share


@dataclass(frozen=True, slots=True, config=_CLOSED)
class Objects:
    """How ticks are packed into S3 objects.

    ranges_an_object: size of a CSV object in ranges of the pipeline. at_least: so many objects however large a range
    is. Shares of formats are fractions of all ticks, what is left is CSV; uploaded_twice_share is one of the objects.
    """

    ranges_an_object: Annotated[float, Field(strict=True, gt=0, le=1_000)]
    at_least: Number
    crlf_every: Number
    unterminated_every: Number
    jsonl_share: Share
    gzip_share: Share
    parquet_share: Share
    uploaded_twice_share: Share


@dataclass(frozen=True, slots=True, config=_CLOSED)
class Posts:
    """Which ticks travel through `POST /ingest`; `share` is a fraction of all ticks."""

    share: Share
    ticks_a_request: Annotated[int, Field(strict=True, ge=1, le=MAX_TICKS_A_REQUEST)]


@dataclass(frozen=True, slots=True, config=_CLOSED)
class Conditions:
    """How much travels in vendors' files of US shares, with sale conditions, cancels and auctions, and how these are.

    share: a fraction of all ticks (or of the streams), half of it in each vendor's files; gzip_share is one of these.
    The others are fractions of the rows of such a file: odd_lot, of fewer than 100 shares. sweep: over several
    exchanges at once. extended: with a condition of extended hours, few of them within regular ones. average_price:
    for volume only. prior_reference: no open and close. cancelled, corrected: trades of which a later row says so.
    quote: no trades, where the vendor has them in the same file. The first and the last object of a vendor have the
    auctions of the day.
    """

    share: Share
    gzip_share: Share
    odd_lot_share: Share
    sweep_share: Share
    extended_share: Share
    average_price_share: Share
    prior_reference_share: Share
    cancelled_share: Share
    corrected_share: Share
    quote_share: Share

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.sweep_share + self.extended_share + self.average_price_share + self.prior_reference_share > 1:
            raise ValueError("sweeps, extended hours, average prices and prior references are together at most 1")
        if 3 * (self.cancelled_share + self.corrected_share) + self.quote_share > 0.5:
            raise ValueError("three times what is cancelled or corrected, and quotes, are together at most 0.5")
        return self


@dataclass(frozen=True, slots=True, config=_CLOSED)
class Workload:
    """Everything that decides what is sent and when; equal workloads are equal bytes on an equal schedule.

    ticks: rows attempted through objects and batched POSTs, the corrupt ones among them.
    corrupt_fraction: how many of `ticks` are planted as corrupt, spread over every kind of fault.
    single_posts: requests of one tick each on top, all of one symbol within one hour.
    streams: so many objects, each one symbol's feed of the whole day; 0: objects hold all symbols, one part of the day
    after the other, and `objects` says how large they are.
    rounds: so many objects each stream puts. A round begins when everything of the one before is committed: it is as
    long as the target takes.
    round_s: so much of the market's day is in an object of a round, one round after the other; 0: the whole day, in as
    many parts as there are rounds.
    day_file: what would be CSV objects of the native format is one file of this kind instead.
    duration_s: the day takes so long to send; 0: everything is meant to go at once.
    range_bytes: the pipeline's range size, which the size of the objects follows.
    retracted_share: of the objects that are put once, so many are taken back through the API while the run goes on.
    replaced_share: of those, so many are put cut off before all else, and take the place of that; the stack is deployed
    with `SameKey=replace`.
    """

    name: str
    ticks: Count
    symbols: Annotated[int, Field(strict=True, ge=1, le=MAX_SYMBOLS)]
    seed: Annotated[int, Field(strict=True, ge=0)]
    corrupt_fraction: Annotated[float, Field(strict=True, ge=0, le=0.5)]
    single_posts: Count
    streams: Annotated[int, Field(strict=True, ge=0, le=100_000)]
    rounds: Annotated[int, Field(strict=True, ge=1, le=1_000)]
    round_s: Annotated[float, Field(strict=True, ge=0, le=_SESSION_S)]
    day_file: DayFile
    duration_s: Annotated[float, Field(strict=True, ge=0, le=86_400)]
    retracted_share: Share
    replaced_share: Share
    range_bytes: Number
    market: Market
    objects: Objects
    posts: Posts
    conditions: Conditions

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        objects = self.objects
        formats = objects.jsonl_share + objects.gzip_share + objects.parquet_share
        if formats + self.posts.share + self.conditions.share > 1:
            raise ValueError("the shares of JSON lines, gzip, Parquet, POSTs and vendors' files are together at most 1")
        if self.streams and self.day_file is not DayFile.NONE:
            raise ValueError("streams are many objects, a day file is one")
        if self.rounds > 1 and not self.streams:
            raise ValueError("rounds are of streams")
        if self.rounds > 1 and (self.duration_s or self.posts.share or self.single_posts):
            raise ValueError("what comes in rounds has no schedule, and no requests beside it")
        if self.rounds * self.round_s > _SESSION_S:
            raise ValueError(f"the rounds are longer than the day of {_SESSION_S:,} seconds")
        if self.retracted_share and self.posts.share == 1:
            raise ValueError("what is taken back are objects, and there are only requests")
        if self.replaced_share and self.posts.share == 1:
            raise ValueError("what is replaced are objects, and there are only requests")
        return self

    @property
    def attempted(self) -> int:
        """All rows that will be sent."""
        return self.ticks + self.single_posts

    def window(self, round_: int) -> tuple[float, float]:
        """Which share of the day a round's objects hold (0 to 1)."""
        share = self.round_s / _SESSION_S or 1 / self.rounds
        return round_ * share, min(1.0, (round_ + 1) * share)

    def facts(self) -> dict[str, Any]:
        """The whole workload as plain JSON, for the result file."""
        facts: dict[str, Any] = WORKLOAD.dump_python(self, mode="json")
        return facts


#: Makes workloads of nested dictionaries, and the other way round.
WORKLOAD: Final = TypeAdapter(Workload)
