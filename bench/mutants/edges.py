"""Objects of a few rows that a nearly right pipeline gets wrong: what a random market hardly ever has."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from bench.ledger.truth import ObjectFile, write_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Where the keys begin of the objects that a condition may hold back.
HELD_PREFIX: Final = "edges/held/"
#: The object whose slices a condition may keep from being written.
FIRST_KEY: Final = "edges/a.csv"
#: An object that a condition may hold back, one of which a segment has ticks, and one of several ranges.
LATE_KEY: Final = f"{HELD_PREFIX}e.csv"
SEGMENT_KEY: Final = "edges/d.jsonl"
WIDE_KEY: Final = "edges/w.csv"

_NOON_NS: Final = 1_767_614_400 * 10**9  # 2026-01-05T12:00:00Z, before the synthetic market opens
_SECOND_NS: Final = 10**9
_MINUTE_NS: Final = 60 * _SECOND_NS
_HOUR_NS: Final = 60 * _MINUTE_NS
_HEADER: Final = "symbol,timestamp,price,size\n"


@dataclass(frozen=True, slots=True)
class _Row:
    symbol: str
    timestamp_ns: int
    price: str
    size: str

    def csv(self) -> str:
        return f"{self.symbol},{self.timestamp_ns},{self.price},{self.size}\n"

    def json(self) -> str:
        return f'{{"symbol":"{self.symbol}","timestamp":{self.timestamp_ns},"price":{self.price},"size":{self.size}}}\n'


def make_edges(folder: Path, truth: Path, first_ordinal: int) -> Iterator[ObjectFile]:
    """Write the objects into a folder, and the truth of each; ordinals count from `first_ordinal`."""
    contents = (
        (FIRST_KEY, [*_often(1), *_together("10.01", "10.02", 0), *_exact()]),
        ("edges/b.csv", [*_often(2), *_together("10.03", "10.04", 1), *_large()]),
        ("edges/c.csv.gz", [*_often(3), *_often(3)]),
        (WIDE_KEY, _wide()),
        (SEGMENT_KEY, [*_often(4), _Row("PRECISE", _NOON_NS, "123456789.123456789", "1.5")]),
        # One key, twice, and of one size: the second replaces the first, and the ticks of both count.
        (LATE_KEY, [*_often(5), _Row("SELDOM", _NOON_NS + _SECOND_NS, "8.5", "5")]),
        (LATE_KEY, [*_often(6), _Row("SELDOM", _NOON_NS + _SECOND_NS, "8.6", "6")]),
    )
    for ordinal, (key, rows) in enumerate(contents, first_ordinal):
        yield _object(folder, truth, ordinal, key, rows)


def _often(number: int) -> list[_Row]:
    """Ticks of a symbol that every object has, in three hours: they are compacted."""
    start_ns = _NOON_NS + number * _SECOND_NS
    return [_Row("OFTEN", start_ns + hour * _HOUR_NS, f"{20 + number}.{hour}", str(number)) for hour in range(3)]


def _together(first: str, second: str, shift_s: int) -> list[_Row]:
    """Ticks that two objects have at one timestamp, and ticks of one that lie around those of the other."""
    at_ns = _NOON_NS + 10 * _SECOND_NS
    return [
        _Row("TIES", at_ns, first, "100"),
        _Row("TIES", at_ns, second, "200"),
        _Row("LATE", at_ns + (20 + shift_s) * _SECOND_NS, first, "100"),
        _Row("LATE", at_ns - shift_s * _SECOND_NS, second, "200"),
    ]


def _wide() -> list[_Row]:
    """Enough ticks for several ranges, so that rows cross their ends."""
    return [
        _Row("WIDE", _NOON_NS + number * _SECOND_NS, f"30.{number % 100:02d}", str(1 + number))
        for number in range(2_500)
    ]


def _large() -> list[_Row]:
    """Ticks whose size takes more than 64 bits, and price times size more than 128."""
    return [_Row("LARGE", _NOON_NS, price, "999999999999999.999999999") for price in ("8999999999.999999999", "-1")]


def _exact() -> list[_Row]:
    """Ticks that only exact arithmetic gets right, and ticks at the ends of hours."""
    return [
        # Equal in every field, and still two trades.
        *[_Row("TWIN", _NOON_NS, "50.5", "10")] * 2,
        # As floats, some of these are a little too small.
        *(_Row("CENTS", _NOON_NS + cents * _MINUTE_NS, f"16.{cents:02d}", "100") for cents in range(30)),
        _Row("PRECISE", _NOON_NS + _MINUTE_NS, "123456789.123456789", "1234.56789"),
        _Row("COIN/USD", _NOON_NS, "43210.12", "0.00012345"),
        _Row("COIN/USD", _NOON_NS, "43210.13", "0.10000001"),
        # Its VWAP is 2.5 x 10^-9, whose even neighbour is 2.
        _Row("HALF", _NOON_NS, "0.000000002", "1"),
        _Row("HALF", _NOON_NS, "0.000000003", "1"),
        # A spread: below zero, and its VWAP is -2.5 x 10^-9.
        _Row("SPREAD", _NOON_NS, "-0.000000002", "1"),
        _Row("SPREAD", _NOON_NS, "-0.000000003", "1.0000000000"),
        # No volume, so no VWAP.
        _Row("^INDEX", _NOON_NS, "-37.63", "0"),
        _Row("^INDEX", _NOON_NS, "0", "0"),
        # Each size fits 64 bits, their sum does not.
        *[_Row("MANY", _NOON_NS, "0.5", "5000000000.5")] * 2,
        _Row("coin/usd", _NOON_NS, "1.347e-05", "1E3"),
        _Row("HOUR", _NOON_NS + _HOUR_NS - 1, "7.1", "1"),
        _Row("HOUR", _NOON_NS + _HOUR_NS, "7.2", "1"),
        # The synthetic market's last minute: no bar of the workload is later.
        _Row("HOUR", _NOON_NS + 9 * _HOUR_NS - 1, "7.3", "1"),
        _Row("SELDOM", _NOON_NS, "8.4", "4"),
    ]


def _object(folder: Path, truth: Path, ordinal: int, key: str, rows: Sequence[_Row]) -> ObjectFile:
    header, texts = _HEADER.encode(), [row.csv().encode() for row in rows]
    if key.endswith(".jsonl"):
        header, texts = b"", [row.json().encode() for row in rows]
    content = text = header + b"".join(texts)
    if key.endswith(".gz"):
        # Two members, as from joining two files, and no newline at the end.
        text = text.removesuffix(b"\n")
        half = len(text) - len(texts[-1]) - 7  # within a row
        content = gzip.compress(text[:half], mtime=0) + gzip.compress(text[half:], mtime=0)
    path = folder / f"edge-{ordinal}"
    path.write_bytes(content)
    text_path = folder / f"edge-{ordinal}.text"
    text_path.write_bytes(text)
    lengths = [len(one) - 1 for one in texts]
    offsets = [len(header) + sum(lengths[:index]) + index for index in range(len(texts))]
    frame = pl.DataFrame(
        {
            "source": ordinal,
            "offset": offsets,
            "length": lengths,
            "symbol": [row.symbol for row in rows],
            "timestamp_ns": [row.timestamp_ns for row in rows],
            "price_e9": [_e9(row.price) for row in rows],
            "size_e9": pl.Series([_e9(row.size) for row in rows], dtype=pl.Int128),
            "reason": pl.Series([None] * len(rows), dtype=pl.String),
        }
    )
    write_part(truth, ordinal, frame)
    etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return ObjectFile(ordinal, key, path, len(rows), len(content), etag, text_path)


def _e9(decimal: str) -> int:
    return int(Decimal(decimal).scaleb(9))
