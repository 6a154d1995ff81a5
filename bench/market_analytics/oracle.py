"""What the bars must be: SQL over the truth table, in another engine than the pipeline's, sharing no code with it.

Sums are HUGEINT (128 bits, an overflow is an error), prices and sizes integers of 10^-9: exact to the last digit. Price
times size may be wider: the size is cut in two, and the halves' sums are put together here.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import duckdb

from bench.ledger.truth import HIGH_LOW, OPEN_CLOSE, VOLUME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from bench.ledger.sent import Origin

#: symbol -> minute since 1970 -> bar
type BarTable = Mapping[str, Mapping[int, "ExpectedBar"]]

_MEMORY: Final = "768MB"
#: Cuts a size into `size // SIZE_SPLIT` and `size % SIZE_SPLIT`.
SIZE_SPLIT: Final = 10**12


@dataclass(frozen=True, slots=True)
class ExpectedBar:
    """One symbol's minute. Prices and volume in 10^-9, notional in 10^-18.

    Open and close are None where no tick may set them, and so are high and low; ticks counts all.
    """

    open_e9: int | None
    high_e9: int | None
    low_e9: int | None
    close_e9: int | None
    volume_e9: int
    ticks: int
    notional_e18: int


@dataclass(frozen=True, slots=True)
class LoneTick:
    """A tick in a minute in which nobody but its source has ticks of its symbol. Volume in 10^-9."""

    ordinal: int
    offset: int
    symbol: str
    minute: int
    volume_e9: int


@dataclass(frozen=True, slots=True)
class PlantedReject:
    """A row that must be rejected: where it stands, how long its text is (0: no text), and why."""

    ordinal: int
    offset: int
    length: int
    reason: str


def coarser(bars: Mapping[int, ExpectedBar], minutes: int) -> dict[int, ExpectedBar]:
    """Return the bars of an interval, aligned to 1970, by the minute in which each starts."""
    found: dict[int, ExpectedBar] = {}
    for minute in sorted(bars):
        bar, start = bars[minute], minute - minute % minutes
        whole = found.get(start)
        found[start] = (
            bar
            if whole is None
            else ExpectedBar(
                open_e9=bar.open_e9 if whole.open_e9 is None else whole.open_e9,
                high_e9=max(_known(whole.high_e9, bar.high_e9), default=None),
                low_e9=min(_known(whole.low_e9, bar.low_e9), default=None),
                close_e9=whole.close_e9 if bar.close_e9 is None else bar.close_e9,
                volume_e9=whole.volume_e9 + bar.volume_e9,
                ticks=whole.ticks + bar.ticks,
                notional_e18=whole.notional_e18 + bar.notional_e18,
            )
        )
    return found


def _known(*prices_e9: int | None) -> list[int]:
    return [price_e9 for price_e9 in prices_e9 if price_e9 is not None]


class Oracle:
    """Answers from the truth table, for the sources that were acknowledged (each once, however often sent)."""

    def __init__(self, truth: Path, origins: Iterable[Origin]) -> None:
        self._folder = truth
        self._truth = str(truth / "truth-*.parquet")
        self._has_truth = any(truth.glob("truth-*.parquet"))
        self._origins = [(origin.ordinal, origin.source, origin.etag) for origin in origins]

    def among(self, origins: Iterable[Origin]) -> Oracle:
        """Return the oracle of the same truth for other sources."""
        return Oracle(self._folder, origins)

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = duckdb.connect(config={"memory_limit": _MEMORY, "threads": 2})
        try:
            connection.execute("CREATE TABLE origins (source INTEGER, name VARCHAR, etag VARCHAR)")
            if self._origins:
                connection.executemany("INSERT INTO origins VALUES (?, ?, ?)", self._origins)
            # The place of a source among equal timestamps: by name, then ETag, byte by byte.
            connection.execute(
                "CREATE TABLE ranked AS "
                "SELECT source, rank() OVER (ORDER BY encode(name), encode(etag)) AS place FROM origins"
            )
            if self._has_truth:
                connection.read_parquet(self._truth).create_view("rows")
                connection.execute("CREATE VIEW sent AS SELECT * FROM rows JOIN ranked USING (source)")
            else:
                connection.execute(_NOTHING_SENT)
            yield connection
        finally:
            connection.close()

    def bars(self) -> dict[str, dict[int, ExpectedBar]]:
        """Compute every bar of every symbol."""
        bars: dict[str, dict[int, ExpectedBar]] = {}
        with self._open() as connection:
            narrow, short = connection.execute(_SHAPE).fetchone() or (False, False)
            size, position = "BIGINT" if narrow else "HUGEINT", _SHORT_POSITION if short else _POSITION
            cursor = connection.execute(_BARS.format(size=size, position=position))
            while rows := cursor.fetchmany(50_000):
                for symbol, minute, *values, upper, lower in rows:
                    bars.setdefault(symbol, {})[minute] = ExpectedBar(*[*values, upper * SIZE_SPLIT + lower])
        return bars

    def drawn_ends(self) -> dict[tuple[str, int], frozenset[str]]:
        """Return of symbols and minutes what of their bars, `open` or `close`, depends on ids that are drawn.

        Those whose first or last moment several sources share, a POST among them: its place is that of its ingest's id.
        """
        with self._open() as connection:
            rows = connection.execute(_DRAWN_ENDS).fetchall()
        ends = ("open", "close")
        return {
            (symbol, minute): frozenset(name for name, is_drawn in zip(ends, drawn, strict=True) if is_drawn)
            for symbol, minute, *drawn in rows
        }

    def planted(self) -> list[PlantedReject]:
        """List every row that must be rejected, by source and offset."""
        with self._open() as connection:
            rows = connection.execute(
                'SELECT source, "offset", length, reason FROM sent WHERE reason IS NOT NULL ORDER BY 1, 2'
            ).fetchall()
        return [PlantedReject(*row) for row in rows]

    def hours_of(self, ordinal: int) -> frozenset[tuple[str, int]]:
        """Symbol and hour (since 1970) of each good row of a source, whether it was acknowledged or not."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT DISTINCT symbol, timestamp_ns // 3600000000000 FROM rows WHERE source = ? AND reason IS NULL",
                [ordinal],
            ).fetchall()
        return frozenset((symbol, int(hour)) for symbol, hour in rows)

    def lone_ticks(self, ordinals: Iterable[int], *, most: int) -> list[LoneTick]:
        """List ticks that are alone in their symbol's minute with their own source, whatever was acknowledged.

        Of each source those of one hour, in which it has most of them, and of at most so many symbols of that hour.
        """
        wanted = sorted(set(ordinals))
        if not wanted or not self._has_truth:
            return []
        with self._open() as connection:
            connection.execute("CREATE TABLE wanted (source INTEGER)")
            connection.executemany("INSERT INTO wanted VALUES (?)", [(ordinal,) for ordinal in wanted])
            rows = connection.execute(_LONE_TICKS, [most]).fetchall()
        return [LoneTick(*row) for row in rows]

    def reasons_of(self, ordinal: int) -> dict[int, str]:
        """Offset and reason of each corrupt row of a source, whether it was acknowledged or not."""
        with self._open() as connection:
            rows = connection.execute(
                'SELECT "offset", reason FROM rows WHERE source = ? AND reason IS NOT NULL', [ordinal]
            ).fetchall()
        return dict(rows)

    def good_ticks(self, ordinal: int, start: int, end: int) -> int:
        """Count the good rows of one source whose offsets lie in [start, end)."""
        with self._open() as connection:
            row = connection.execute(
                'SELECT count(*) FROM sent WHERE source = ? AND "offset" >= ? AND "offset" < ? AND reason IS NULL',
                [ordinal, start, end],
            ).fetchone()
        return int(row[0]) if row else 0


# The total order is (timestamp, sequence, source, ETag, offset): more bits than any number here has, so it is a row.
# Without sequences it is a number of 63 + 23 + 40 bits, and sizes that fit are cut in halves of 64: half of the time.
_POSITION: Final = '(timestamp_ns, sequence, place, "offset")'
_SHORT_POSITION: Final = f'(timestamp_ns::HUGEINT * {2**23} + place) * {2**40} + "offset"'
_SHAPE: Final = f"""
SELECT max(size_e9) < {2**63},
    min(sequence) = 0 AND max(sequence) = 0 AND max(place) < {2**23} AND min("offset") >= 0 AND max("offset") < {2**40}
FROM sent WHERE reason IS NULL
"""  # noqa: S608 - nothing of it comes from outside
_BARS: Final = f"""
WITH good AS (
    SELECT symbol, timestamp_ns // 60000000000 AS minute, price_e9,
        updates & {OPEN_CLOSE} <> 0 AS sets_ends, updates & {HIGH_LOW} <> 0 AS sets_extremes,
        CASE WHEN updates & {VOLUME} <> 0 THEN size_e9::{{size}} ELSE 0 END AS size_e9,
        {{position}} AS position
    FROM sent WHERE reason IS NULL
)
SELECT symbol, minute,
    arg_min(price_e9, position) FILTER (sets_ends),
    max(price_e9) FILTER (sets_extremes), min(price_e9) FILTER (sets_extremes),
    arg_max(price_e9, position) FILTER (sets_ends),
    sum(size_e9), count(*),
    sum(price_e9::HUGEINT * (size_e9 // {SIZE_SPLIT})), sum(price_e9::HUGEINT * (size_e9 % {SIZE_SPLIT}))
FROM good GROUP BY symbol, minute
"""  # noqa: S608 - nothing of it comes from outside

_DRAWN_ENDS: Final = f"""
WITH good AS (
    SELECT symbol, timestamp_ns // 60000000000 AS minute, (timestamp_ns, sequence) AS moment, source,
        etag = '' AS is_posted
    FROM sent JOIN origins USING (source) WHERE reason IS NULL AND updates & {OPEN_CLOSE} <> 0
), ends AS (
    SELECT symbol, minute, min(moment) AS first, max(moment) AS last FROM good GROUP BY symbol, minute
), drawn AS (
    SELECT symbol, minute,
        count(DISTINCT source) FILTER (moment = first) > 1
            AND coalesce(bool_or(is_posted) FILTER (moment = first), false) AS of_open,
        count(DISTINCT source) FILTER (moment = last) > 1
            AND coalesce(bool_or(is_posted) FILTER (moment = last), false) AS of_close
    FROM good JOIN ends USING (symbol, minute) GROUP BY symbol, minute
)
FROM drawn WHERE of_open OR of_close
"""  # noqa: S608 - nothing of it comes from outside

_LONE_TICKS: Final = f"""
WITH good AS (
    SELECT source, "offset", symbol, timestamp_ns // 60000000000 AS minute,
        CASE WHEN updates & {VOLUME} <> 0 THEN size_e9::HUGEINT ELSE 0 END AS size_e9
    FROM rows WHERE reason IS NULL
), alone AS (
    SELECT symbol, minute, min(source) AS source FROM good GROUP BY symbol, minute HAVING min(source) = max(source)
), found AS (
    SELECT good.*, minute // 60 AS hour FROM good JOIN alone USING (symbol, minute, source)
    WHERE source IN (FROM wanted)
), counted AS (
    SELECT source, hour, symbol, count(*) AS ticks, sum(count(*)) OVER (PARTITION BY source, hour) AS of_hour
    FROM found GROUP BY source, hour, symbol
), ranked AS (
    SELECT source, hour, symbol, row_number() OVER (PARTITION BY source ORDER BY of_hour DESC, hour, ticks DESC, symbol)
        AS place, first_value(hour) OVER (PARTITION BY source ORDER BY of_hour DESC, hour) AS best
    FROM counted
)
SELECT source, "offset", symbol, minute, size_e9
FROM found JOIN ranked USING (source, hour, symbol) WHERE hour = best AND place <= ? ORDER BY source, "offset"
"""  # noqa: S608 - nothing of it comes from outside

_NOTHING_SENT: Final = """
CREATE TABLE sent (
    source INTEGER, "offset" BIGINT, length BIGINT, symbol VARCHAR, timestamp_ns BIGINT, sequence BIGINT,
    price_e9 BIGINT, size_e9 DECIMAL(38, 0), updates UTINYINT, reason VARCHAR, place BIGINT
)
"""
