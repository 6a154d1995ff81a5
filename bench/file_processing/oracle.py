"""What each file's totals must be: SQL over the truth, in another engine than the pipeline's, no code shared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import duckdb

from bench.ledger.truth import VOLUME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ExpectedTotals:
    """What a file has. Volume in 10^-9, notional in 10^-18, Unix nanoseconds (None where there is no tick).

    bad_rows: offset and reason of the first ten.
    """

    ticks: int
    rejected: int
    symbols: int
    bars: int
    volume_e9: int
    notional_e18: int
    first_ns: int | None
    last_ns: int | None
    bad_rows: tuple[tuple[int, str], ...] = ()


NOTHING: Final = ExpectedTotals(0, 0, 0, 0, 0, 0, None, None)


def expected_totals(truth: Path) -> dict[int, ExpectedTotals]:
    """Compute the totals of each file, by its ordinal; a file without rows is not there (`NOTHING`)."""
    with duckdb.connect(config={"memory_limit": "768MB", "threads": 2}) as connection:
        connection.read_parquet(str(truth / "truth-*.parquet")).create_view("rows")
        bad_rows: dict[int, list[tuple[int, str]]] = {}
        for ordinal, offset, reason in connection.execute(_FIRST_BAD_ROWS).fetchall():
            bad_rows.setdefault(ordinal, []).append((offset, reason))
        return {
            ordinal: _totals(values, bad_rows.get(ordinal, []))
            for ordinal, *values in connection.execute(_TOTALS).fetchall()
        }


def _totals(values: Sequence[Any], bad_rows: Sequence[tuple[int, str]]) -> ExpectedTotals:
    *counts, volume, upper, lower, first, last = values
    sums = (volume, upper * _SIZE_SPLIT + lower, first, last)
    return replace(ExpectedTotals(*[*counts, *sums]), bad_rows=tuple(bad_rows))


# Sums are HUGEINT (128 bits, an overflow is an error), prices and sizes integers of 10^-9: exact to the last digit.
# Price times size may be wider: the size is cut in two.
_SIZE_SPLIT: Final = 10**12
_TOTALS: Final = f"""
SELECT source,
    count(*) FILTER (reason IS NULL), count(*) FILTER (reason IS NOT NULL),
    count(DISTINCT symbol), count(DISTINCT (symbol, timestamp_ns // 60000000000)) FILTER (reason IS NULL),
    coalesce(sum(size_e9::HUGEINT) FILTER (updates & {VOLUME} <> 0), 0),
    coalesce(sum(price_e9::HUGEINT * (size_e9::HUGEINT // {_SIZE_SPLIT})) FILTER (updates & {VOLUME} <> 0), 0),
    coalesce(sum(price_e9::HUGEINT * (size_e9::HUGEINT % {_SIZE_SPLIT})) FILTER (updates & {VOLUME} <> 0), 0),
    min(timestamp_ns), max(timestamp_ns)
FROM rows GROUP BY source
"""  # noqa: S608 - nothing of it comes from outside

_FIRST_BAD_ROWS: Final = """
SELECT source, "offset", reason FROM rows WHERE reason IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY source ORDER BY "offset") <= 10 ORDER BY 1, 2
"""
