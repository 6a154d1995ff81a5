from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import InputError
from bench.ledger.sent import Origin
from bench.market_analytics.oracle import Oracle
from bench.own_file.taking import take_in
from tickstream.rows import judge_line, parse_csv_row
from tickstream.ticks import RejectedRow, Tick

DATA = Path(__file__).parents[4] / "../shared/data"
HEADER = b"symbol,timestamp,price,size,exchange,conditions\n"
GOOD_NS = 1_767_623_400_123_456_789


def truth_of(tmp_path: Path, content: bytes, name: str = "ticks.csv") -> list[dict[str, object]]:
    """Take a file in and return its truth, row by row."""
    path = tmp_path / name
    path.write_bytes(content)
    folder, truth = tmp_path / "work", tmp_path / "truth"
    folder.mkdir()
    truth.mkdir()
    taken = take_in(path, folder, truth)
    rows = pl.read_parquet(truth / "truth-*.parquet").sort("offset").to_dicts()
    assert taken.rows == len(rows)
    return rows


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"A,1767623400123456789,1.10,5,P,", None),
        (b"A,2026-01-05T14:30:00.123456789Z,1.10,5,P,", None),
        (b"A,2026-01-05T16:30:00.123456789+02:00,1.10,5,P,", None),
        (b'A,1767623400123456789,1.10,5,P,"@,T"', None),
        (b"a b,1767623400123456789,1.10,5,P,", "bad_symbol"),
        (b"A,1767623400,1.10,5,P,", "timestamp_out_of_range"),
        (b"A,2026-02-30T14:30:00Z,1.10,5,P,", "bad_timestamp"),
        (b"A,2026-01-05T14:30:00,1.10,5,P,", "bad_timestamp"),
        (b"A,1767623400123456789,1e,5,P,", "bad_price"),
        (b"A,1767623400123456789,9000000000,5,P,", "bad_price"),
        (b"A,1767623400123456789,1.1234567891,5,P,", "bad_price"),
        (b"A,1767623400123456789,1.10,-5,P,", "bad_size"),
        (b"A,1767623400123456789,,5,P,", "missing_field"),
        (b"A,1767623400123456789,1.10", "malformed_row"),
        (b'"A,1767623400123456789,1.10,5,P,', "malformed_row"),
        (b"A,1767623400123456789,1.10,5,\xff,", "not_utf8"),
    ],
)
def test_rows_are_judged(tmp_path: Path, row: bytes, reason: str | None) -> None:
    """Each kind of row gets its reason, and a good one its exact values."""
    (judged,) = truth_of(tmp_path, HEADER + row + b"\r\n")
    assert judged["reason"] == reason
    assert (judged["offset"], judged["length"]) == (len(HEADER), len(row))
    if reason is None:
        assert judged["timestamp_ns"] == GOOD_NS
        assert judged["price_e9"] == 1_100_000_000
        assert judged["size_e9"] == 5_000_000_000


NUMBERS = st.one_of(
    st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,11}\.[0-9]{0,9}0{0,60}", fullmatch=True),
    st.text("0123456789.eE+-", min_size=1, max_size=70),
)


@settings(max_examples=20)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=50))
def test_numbers_are_judged_as_the_pipeline_judges_them(numbers: list[tuple[str, str]]) -> None:
    """Signs, exponents and zeros in SQL: the same ticks and reasons as the pipeline's strict reader has."""
    rows = [f"A,{GOOD_NS},{price},{size},P,".encode() for price, size in numbers]
    with TemporaryDirectory() as folder:
        judged = truth_of(Path(folder), HEADER + b"\n".join(rows))
    columns = HEADER.decode().strip().split(",")
    for row, found in zip(rows, judged, strict=True):
        tick = judge_line(row, 0, partial(parse_csv_row, columns=columns))
        assert tick is not None
        assert isinstance(tick, (Tick, RejectedRow))
        expected = (tick.reason, None, None) if isinstance(tick, RejectedRow) else (None, tick.price_e9, tick.size_e9)
        assert (found["reason"], found["price_e9"], found["size_e9"]) == expected


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_offsets_count_every_byte_before_a_row(tmp_path: Path, line_end: bytes) -> None:
    """Line ends, blank lines and characters of several bytes all move the rows behind them; the last needs no end."""
    row = b"A,1767623400123456789,1.10,5,P,"
    content = HEADER[:-1] + line_end + row + "é".encode() + line_end * 2 + row + line_end + row
    rows = truth_of(tmp_path, content)
    first = len(HEADER) - 1 + len(line_end)
    second = first + len(row) + 2 + 2 * len(line_end)
    assert [judged["offset"] for judged in rows] == [first, second, second + len(row) + len(line_end)]
    assert [judged["reason"] for judged in rows] == [None, None, None]


def test_json_lines_keep_their_digits(tmp_path: Path) -> None:
    """A number of nine decimals in JSON is not read as a float."""
    line = b'{"symbol":"A","timestamp":1767623400123456789,"price":123456789.123456789,"volume":"0.000000001"}\n'
    (judged,) = truth_of(tmp_path, line, "ticks.jsonl")
    assert (judged["reason"], judged["price_e9"], judged["size_e9"]) == (None, 123_456_789_123_456_789, 1)


def test_parquet_is_read_by_row_number(tmp_path: Path) -> None:
    """Offsets of Parquet are row numbers; a null is a missing field."""
    table = pl.DataFrame(
        {
            "symbol": ["A", "B"],
            "timestamp": [GOOD_NS, GOOD_NS],
            "price": [Decimal("1.10"), None],
            "size": [Decimal(5), Decimal(6)],
        },
        schema_overrides={"price": pl.Decimal(38, 9), "size": pl.Decimal(38, 9)},
    )
    table.write_parquet(tmp_path / "made.parquet")
    rows = truth_of(tmp_path, (tmp_path / "made.parquet").read_bytes(), "ticks.parquet")
    assert [(row["offset"], row["reason"], row["price_e9"]) for row in rows] == [
        (0, None, 1_100_000_000),
        (1, "missing_field", None),
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"symbol,timestamp,price\nA,1,2\n", "missing_column: no column size"),
        (b"symbol,timestamp,price,size,size\n", "duplicate_column"),
        (gzip.compress(HEADER + b"A,1,2,3,,\n", mtime=0)[:-6], "corrupt_gzip"),
        (b"PK\x03\x04 and no more", "corrupt_zip"),
        (b"\x28\xb5\x2f\xfd and no more", "corrupt_zstd"),
        (b"PAR1 and no more", "corrupt_parquet"),
    ],
)
def test_the_truth_of_a_file_may_be_that_it_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    """A file that nobody can read has no rows, and the reason for which the pipeline must refuse it."""
    path = tmp_path / "ticks.csv"
    path.write_bytes(content)
    truth = tmp_path / "truth"
    truth.mkdir()
    taken = take_in(path, tmp_path, truth)
    assert taken.refusal.startswith(why)
    assert taken.rows == pl.read_parquet(truth / "truth-*.parquet").height == 0


def test_a_file_that_is_not_there_is_said_in_one_sentence(tmp_path: Path) -> None:
    """It is the user's mistake, said in one line."""
    with pytest.raises(InputError, match="cannot be read") as caught:
        take_in(tmp_path / "none.csv", tmp_path, tmp_path)
    assert "\n" not in str(caught.value)


def test_real_day_has_the_bars_that_were_computed_elsewhere(tmp_path: Path) -> None:
    """388,417 real trades: the oracle's 2,310 bars equal those of the data's own author in every field."""
    trades = DATA / "trades-20131007.csv.gz"
    if not trades.is_file():
        pytest.skip(f"the real trades are not part of the project, they would be {trades}")
    truth = tmp_path / "truth"
    truth.mkdir()
    taken = take_in(trades, tmp_path, truth)
    bars = Oracle(truth, [Origin(0, taken.key, taken.etag)]).bars()
    assert taken.rows == 388_417
    with (DATA / "bars-20131007.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(map(len, bars.values())) == len(rows) == 2_310
    for row in rows:
        bar = bars[row["symbol"]][int(row["minute"]) // 60_000_000_000]
        prices = [Decimal(row[name]).scaleb(9) for name in ("open", "high", "low", "close")]
        assert [bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9] == prices
        assert bar.volume_e9 == Decimal(row["volume"]).scaleb(9)
        assert bar.notional_e18 == Decimal(row["notional"]).scaleb(18)
        assert bar.ticks == int(row["ticks"])
