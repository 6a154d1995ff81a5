"""Rows that take an earlier trade of the same file back: found in all of it at once, after its rows were judged.

Parts of the truth that are not settled have a column `pair` (the values by which a row is called, NULL where it has
none) and rows with the reason `takes back`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import duckdb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TAKES_BACK: Final = "takes back"


def settle(parts: Sequence[Path], *, newest_first: bool) -> int:
    """Write the parts of a file's truth anew, without what is cancelled; return how many rows those are."""
    if not parts:
        return 0
    with duckdb.connect(config={"memory_limit": "768MB", "threads": 2}) as connection:
        connection.read_parquet([str(part) for part in parts]).create_view("rows")
        found = connection.execute(
            f"""WITH called AS (SELECT DISTINCT pair FROM rows WHERE reason = '{TAKES_BACK}')
            SELECT "offset", pair, reason IS NOT NULL AS takes_back FROM rows SEMI JOIN called USING (pair)
            WHERE reason IS NULL OR reason = '{TAKES_BACK}'
            ORDER BY "offset" {"DESC" if newest_first else "ASC"}"""
        ).fetchall()
        gone = [at for at, _, takes_back in found if takes_back] + _taken(found)
        connection.execute('CREATE TABLE gone AS SELECT unnest($gone::BIGINT[]) AS "offset"', {"gone": gone})
        for part in parts:
            settled = part.with_suffix(".settled")
            connection.sql(
                f"SELECT * EXCLUDE (pair) FROM read_parquet('{part}') ANTI JOIN gone USING (\"offset\") "
                'ORDER BY "offset"'
            ).write_parquet(str(settled))
            settled.replace(part)
    return len(gone)


def _taken(rows: Sequence[tuple[int, list[str], bool]]) -> list[int]:
    """Return where the trades stand that are taken back. rows: in the order in which they happened."""
    standing: dict[tuple[str, ...], list[int]] = {}
    taken = []
    for at, pair, takes_back in rows:
        trades = standing.setdefault(tuple(pair), [])
        if not takes_back:
            trades.append(at)
        elif trades:
            taken.append(trades.pop())
    return taken
