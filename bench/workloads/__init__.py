"""A workload as data: what is sent, apart from the system that it is sent to."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from bench.errors import WorkloadError

if TYPE_CHECKING:
    from datetime import date

#: Above this many symbols the four letters of a synthetic symbol run out.
MAX_SYMBOLS = 100_000


@dataclass(frozen=True, slots=True)
class Market:
    """How the ticks of the day behave; shares are fractions from 0 to 1."""

    day: date
    late_share: float
    displaced_share: float
    repeated_share: float
    millisecond_share: float


@dataclass(frozen=True, slots=True)
class Objects:
    """How ticks are packed into S3 objects; shares are fractions of all ticks."""

    ranges_an_object: float
    crlf_every: int
    unterminated_every: int
    jsonl_share: float
    gzip_share: float
    parquet_share: float


@dataclass(frozen=True, slots=True)
class Posts:
    """Which ticks travel through `POST /ingest`; `share` is a fraction of all ticks."""

    share: float
    ticks_a_request: int


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything that decides what is sent; equal workloads are equal bytes.

    ticks: rows attempted through objects and batched POSTs, the corrupt ones among them.
    single_posts: requests of one tick each on top, all of one symbol within one hour.
    corrupt_fraction: how many of `ticks` are planted as corrupt, spread over every kind of fault.
    range_bytes: the pipeline's range size, which the size of the objects follows.
    """

    ticks: int
    symbols: int
    seed: int
    corrupt_fraction: float
    single_posts: int
    range_bytes: int
    market: Market
    objects: Objects
    posts: Posts

    @property
    def attempted(self) -> int:
        """All rows that will be sent."""
        return self.ticks + self.single_posts

    def facts(self) -> dict[str, Any]:
        """The whole workload as plain JSON, for the result file."""
        fields = asdict(self)
        fields["market"]["day"] = self.market.day.isoformat()
        return fields


def market_day(
    *,
    ticks: int,
    symbols: int,
    seed: int,
    corrupt_fraction: float = 0.001,
    single_posts: int = 0,
    range_bytes: int = 8_388_608,
) -> Workload:
    """Build the workload of `market_day.toml`. Raises WorkloadError, which names the limit."""
    if ticks < 0 or single_posts < 0:
        raise WorkloadError("the number of ticks and of posts is 0 or more")
    if not 1 <= symbols <= MAX_SYMBOLS:
        raise WorkloadError(f"the number of symbols is 1 to {MAX_SYMBOLS:,}")
    if not 0 <= corrupt_fraction <= 0.5:
        raise WorkloadError("the corrupt fraction is 0 to 0.5")
    if seed < 0:
        raise WorkloadError("the seed is 0 or more")
    text = resources.files(__name__).joinpath("market_day.toml").read_text(encoding="utf-8")
    described = tomllib.loads(text)
    try:
        return Workload(
            ticks=ticks,
            symbols=symbols,
            seed=seed,
            corrupt_fraction=corrupt_fraction,
            single_posts=single_posts,
            range_bytes=range_bytes,
            market=Market(**described["market"]),
            objects=Objects(**described["objects"]),
            posts=Posts(**described["posts"]),
        )
    except (KeyError, TypeError) as error:
        raise WorkloadError(f"market_day.toml does not describe a workload: {error}") from error
