"""What the pipeline's reader and the bench's make of one file, and texts of which files are generated."""

from __future__ import annotations

import csv
import io
from collections import Counter
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bench.ledger.truth import HIGH_LOW, OPEN_CLOSE, VOLUME
from bench.own_file.taking import take_in
from tickstream.errors import ObjectRejected
from tickstream_client.feeds.trial import try_file

if TYPE_CHECKING:
    from tickstream.feeds.catalogue import Catalogue

type Found = tuple[Any, ...]

UPDATES: Final = ("updates_open_close", "updates_high_low", "updates_volume")

MANY: Final = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def both(content: bytes, key: str, catalogue: Catalogue, *, range_bytes: int = 16 << 20) -> tuple[Found, Found]:
    """What the pipeline and the bench make of a file: ticks, counts of the others, and the first that are rejected.

    range_bytes: of the ranges that the pipeline cuts it into.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        truth = folder / "truth"
        truth.mkdir()
        path = folder / "file"
        path.write_bytes(content)
        with patch("tickstream_client.feeds.trial._RANGE_BYTES", range_bytes):
            pipeline = _pipeline(path, key, catalogue)
        return pipeline, _bench(path, key, catalogue, truth)


def _pipeline(path: Path, key: str, catalogue: Catalogue) -> Found:
    out = io.StringIO()
    try:
        trial = try_file(path, key, catalogue, out)
    except ObjectRejected as refusal:
        return ("refused", refusal.reason.value)
    ticks = sorted(
        (
            row["symbol"],
            int(row["timestamp_ns"]),
            Decimal(row["price"]),
            Decimal(row["size"]),
            int(row["sequence"] or 0),
            *(row[name] for name in UPDATES),
        )
        for row in csv.DictReader(out.getvalue().splitlines())
    )
    rejects = sorted((row.offset, row.reason.value) for row in trial.first_rejects)
    first = rejects if trial.rejected.total() == len(rejects) else []
    return (trial.feed, ticks, trial.skipped, trial.cancelled, dict(trial.rejected), first)


def _bench(path: Path, key: str, catalogue: Catalogue, truth: Path) -> Found:
    taken = take_in(path, path.parent, truth, key=key, catalogue=catalogue)
    if taken.refusal:
        return ("refused", taken.refusal.partition(":")[0])
    rows = pl.read_parquet(truth / "truth-*.parquet").to_dicts()
    ticks = sorted(
        (
            row["symbol"],
            row["timestamp_ns"],
            Decimal(row["price_e9"]).scaleb(-9),
            Decimal(row["size_e9"]).scaleb(-9),
            row["sequence"],
            *("true" if row["updates"] & bit else "false" for bit in (OPEN_CLOSE, HIGH_LOW, VOLUME)),
        )
        for row in rows
        if row["reason"] is None
    )
    rejects = sorted((row["offset"], row["reason"]) for row in rows if row["reason"] is not None)
    assert taken.rows == len(rows) + taken.skipped + taken.cancelled
    counts = dict(Counter(reason for _, reason in rejects))
    # The trial keeps the first five.
    return (taken.feed, ticks, taken.skipped, taken.cancelled, counts, rejects if len(rejects) <= 5 else [])


DIGITS: Final = st.sampled_from(
    ["0", "1", "5", "12", "187", "999999999", "9000000000", "123456789012345678901234567890"]
)
NUMBERS: Final = st.one_of(
    st.sampled_from(
        [
            "",
            " 1",
            "-0",
            "1.",
            ".5",
            "+1",
            "1e3",
            "1.347e-05",
            "1E+2",
            "-2.5",
            "1e-9",
            "1e-10",
            "0e99999999999999999999",
            "1e99999999999999999999",
            "8999999999.999999999",
            "1_0",
            "NaN",
            "inf",
            "1,5",
            "1.10000000000000",
            "0" * 63 + "1",
            "0" * 64 + "1",
            "1e65",
            "1e-65",
            "\uff11",
            "999999999999999.999999999",
            "1e15",
            "123.4500000000000001",
        ]
    ),
    st.builds("{}.{}".format, DIGITS, DIGITS),
    DIGITS,
)
SYMBOLS: Final = st.sampled_from(
    [
        "A",
        "a",
        "BRK.B",
        "O:SPY260918C00770000",
        "^GSPC",
        "GC=F",
        "1000PEPE/USDT:USDT",
        "",
        " A",
        "A B",
        "A#",
        "#A",
        "é",
        "A" * 64,
        "A" * 65,
        "NULL",
        '"',
        "A\\B",
        "ß",
    ]
)
NANOSECONDS: Final = st.sampled_from(
    [
        "1767623400123456789",
        "631152000000000000",
        "631151999999999999",
        "4102444799999999999",
        "4102444800000000000",
        "1767623400",
        "99999999999999999999",
        "-1",
        "1.5",
        "",
    ]
)
OFFSETS: Final = st.sampled_from(
    ["Z", "", " UTC", "+00", "+0000", "-05:30", "+23:59", "+24:00", " +00", "UTC", "+05:75", "z"]
)
SECONDS: Final = st.sampled_from(
    [
        "2026-01-05 14:30:00",
        "2026-01-05T14:30:00",
        "2026-02-30T14:30:00",
        "2024-02-29 23:59:59",
        "1989-12-31T23:59:59",
        "2026-01-05T24:00:00",
        "2026-01-05T14:60:00",
        "2026-01-05T14:30",
        "2026-1-5 14:30:00",
        "2026-01-05T14:30:60",
    ]
)
FRACTIONS: Final = st.sampled_from(["", ".1", ".123456789", ".1234567891", ",5", "."])
MOMENTS: Final = st.one_of(NANOSECONDS, st.builds("{}{}{}".format, SECONDS, FRACTIONS, OFFSETS))
#: Good values come often enough for whole rows to be ticks.
SYMBOL: Final = st.one_of(st.just("A"), SYMBOLS)
MOMENT: Final = st.one_of(st.just("1767623400123456789"), st.just("2026-01-05 14:30:00.5+01"), MOMENTS)
NUMBER: Final = st.one_of(st.just("187.5"), NUMBERS)
LINE_ENDS: Final = st.sampled_from(["\n", "\n", "\r\n"])
