from __future__ import annotations

import csv
import gzip
import json
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import WorkloadError
from bench.ledger.truth import ObjectFile, PostBody, part_path
from bench.synthetic.factory import Factory
from bench.synthetic.market import SESSION_NS, MarketDay
from bench.synthetic.plan import Kind, plan
from bench.workloads import Workload, load, market_day, names
from tickstream.errors import Reason

if TYPE_CHECKING:
    from pathlib import Path

ROW_REASONS = {
    Reason.MALFORMED_ROW,
    Reason.NOT_UTF8,
    Reason.ROW_TOO_LONG,
    Reason.MISSING_FIELD,
    Reason.BAD_SYMBOL,
    Reason.BAD_TIMESTAMP,
    Reason.TIMESTAMP_OUT_OF_RANGE,
    Reason.BAD_PRICE,
    Reason.BAD_SIZE,
}


def workload(ticks: int = 8_000, seed: int = 7, corrupt_fraction: float = 0.02, single_posts: int = 0) -> Workload:
    """Build a small day of 30 symbols, in objects of about 1,000 rows."""
    return market_day(
        ticks=ticks,
        symbols=30,
        seed=seed,
        corrupt_fraction=corrupt_fraction,
        single_posts=single_posts,
        range_bytes=32_768,
    )


def make(folder: Path, what: Workload) -> tuple[list[ObjectFile | PostBody], Path]:
    """Make a workload; returns its pieces and the folder of its truth."""
    objects, truth = folder / "objects", folder / "truth"
    objects.mkdir(parents=True)
    truth.mkdir()
    return list(Factory(what, objects, truth).make()), truth


def all_truth(truth: Path) -> pl.DataFrame:
    """Read the truth of all sources."""
    return pl.read_parquet(truth / "truth-*.parquet")


def test_equal_seeds_make_equal_bytes(tmp_path: Path) -> None:
    """A run can be repeated: the same seed gives the same objects and requests, another seed others."""
    one, _ = make(tmp_path / "one", workload())
    two, _ = make(tmp_path / "two", workload())
    other, _ = make(tmp_path / "other", workload(seed=8))

    def contents(pieces: list[ObjectFile | PostBody]) -> list[bytes]:
        return [piece.path.read_bytes() if isinstance(piece, ObjectFile) else piece.body for piece in pieces]

    assert contents(one) == contents(two)
    assert contents(one) != contents(other)


def test_rows_add_up_and_corrupt_ones_are_the_stated_fraction(tmp_path: Path) -> None:
    """What is attempted is exactly what was asked for, and so is what is corrupt."""
    pieces, truth = make(tmp_path, workload(single_posts=15))
    rows = all_truth(truth)
    assert sum(piece.rows for piece in pieces) == rows.height == 8_015
    assert rows["reason"].is_not_null().sum() == 160


def test_every_kind_of_fault_is_planted(tmp_path: Path) -> None:
    """A pipeline that gets any one reason wrong is found out."""
    _, truth = make(tmp_path, workload())
    assert set(all_truth(truth)["reason"].drop_nulls()) == ROW_REASONS


def test_every_format_is_sent(tmp_path: Path) -> None:
    """CSV in several line ends, JSON lines, gzip, Parquet and POSTs all carry ticks."""
    pieces, _ = make(tmp_path, workload())
    suffixes = {piece.key.partition(".")[2] for piece in pieces if isinstance(piece, ObjectFile)}
    assert suffixes == {"csv", "jsonl", "csv.gz", "parquet"}
    assert any(isinstance(piece, PostBody) for piece in pieces)
    csvs = [
        piece.path.read_bytes() for piece in pieces if isinstance(piece, ObjectFile) and piece.path.suffix == ".csv"
    ]
    assert {content.endswith(b"\n") for content in csvs} == {True, False}
    assert {b"\r\n" in content for content in csvs} == {True, False}


def test_truth_says_where_each_row_stands_and_what_it_holds(tmp_path: Path) -> None:
    """Offsets are of the row's first byte, whatever the line ends and the planted bytes are, and values are exact."""
    pieces, truth = make(tmp_path, workload())
    checked = 0
    for piece in pieces:
        if not isinstance(piece, ObjectFile) or piece.text_path is None:
            continue
        content = piece.text_path.read_bytes()
        columns = content.splitlines()[0].decode().split(",")
        for row in pl.read_parquet(part_path(truth, piece.ordinal)).iter_rows(named=True):
            line = content[row["offset"] : row["offset"] + row["length"]]
            after = content[row["offset"] + row["length"] :][:1]
            assert after in {b"\r", b"\n", b""}
            assert row["offset"] == 0 or content[row["offset"] - 1 : row["offset"]] == b"\n"
            if row["reason"] is not None:
                continue
            if piece.path.suffix == ".jsonl":
                fields = json.loads(line, parse_float=str, parse_int=str)
                fields["size"] = fields.get("size") or fields["volume"]
            else:
                fields = dict(zip(columns, next(csv.reader([line.decode()], strict=True)), strict=True))
            assert fields["symbol"] == row["symbol"]
            assert Decimal(fields["price"]) * 10**9 == row["price_e9"]
            assert Decimal(fields["size"]) * 10**9 == row["size_e9"]
            assert fields["timestamp"] == str(row["timestamp_ns"]) or fields["timestamp"].endswith("Z")
            checked += 1
    assert checked > 7_000


def test_gzip_holds_the_text_that_the_truth_describes(tmp_path: Path) -> None:
    """The offsets of a gzipped object count unpacked bytes."""
    pieces, _ = make(tmp_path, workload())
    gzipped = [piece for piece in pieces if isinstance(piece, ObjectFile) and piece.path.suffix == ".gz"]
    assert gzipped
    for piece in gzipped:
        assert piece.text_path is not None
        assert gzip.decompress(piece.path.read_bytes()) == piece.text_path.read_bytes()


def test_parquet_and_posts_hold_the_values_of_the_truth(tmp_path: Path) -> None:
    """Values that are no text are exact too, and corrupt ones are where the truth says."""
    pieces, truth = make(tmp_path, workload())
    for piece in pieces:
        rows = pl.read_parquet(part_path(truth, piece.ordinal))
        good = rows["reason"].is_null()
        if isinstance(piece, PostBody):
            ticks = json.loads(piece.body)["ticks"]
            kept = [tick for tick, is_good in zip(ticks, good, strict=True) if is_good]
            assert [Decimal(tick["price"]) * 10**9 for tick in kept] == rows.filter(good)["price_e9"].to_list()
        elif piece.path.suffix == ".parquet":
            table = pl.read_parquet(piece.path).filter(good)
            scaled = [int(Decimal(price).scaleb(9)) for price in table["price"]]
            assert scaled == rows.filter(good)["price_e9"].to_list()
            assert table["timestamp"].to_list() == rows.filter(good)["timestamp_ns"].to_list()


def test_the_day_is_realistic(tmp_path: Path) -> None:
    """Ties, repeated ticks, late and displaced ticks, skewed activity and a U-shaped volume are all there."""
    what = workload(ticks=60_000, corrupt_fraction=0.0)
    _, truth = make(tmp_path, what)
    rows = all_truth(truth).sort("source", "offset")
    opening = MarketDay(what).opening_ns
    elapsed = (rows["timestamp_ns"] - opening) / SESSION_NS
    assert 0 <= elapsed.min() < elapsed.max() < 1  # type: ignore[operator]  # polars types min() as any scalar
    assert rows.select("symbol", "timestamp_ns").is_duplicated().sum() > 600
    assert rows.select("symbol", "timestamp_ns", "price_e9", "size_e9").is_duplicated().sum() > 600
    medians = rows.group_by("source").agg(median=pl.col("timestamp_ns").median()).sort("median")
    medians = medians.with_columns(previous=pl.col("median").shift(1))
    late = rows.join(medians, on="source").filter(pl.col("timestamp_ns") < pl.col("previous"))
    assert 100 < late.height < 1_500
    by_source = rows.group_by("source", maintain_order=True).agg(out_of_order=(pl.col("timestamp_ns").diff() < 0).sum())
    assert by_source["out_of_order"].sum() > 300
    counts = rows["symbol"].value_counts(sort=True)["count"]
    assert counts[0] > 5 * counts[-1]
    edges = int(((elapsed < 0.1) | (elapsed > 0.9)).sum())
    middle = int(((elapsed > 0.4) & (elapsed < 0.6)).sum())
    assert edges > 1.5 * middle
    assert (rows["price_e9"] > 0).all()
    assert (rows["size_e9"] > 0).all()


def test_parts_cover_the_day_without_gaps() -> None:
    """The windows of the parts follow each other from the first tick to the last."""
    parts = plan(workload())
    assert parts[0].window[0] == 0.0
    assert parts[-1].window[1] == 1.0
    assert all(one.window[1] == following.window[0] for one, following in pairwise(parts))
    assert {part.kind for part in parts} == set(Kind)


def test_single_posts_are_one_symbol_in_one_hour(tmp_path: Path) -> None:
    """`--posts N` makes N requests of one tick whose hour must be compacted."""
    pieces, truth = make(tmp_path, workload(ticks=0, single_posts=50))
    rows = all_truth(truth)
    assert [piece.rows for piece in pieces] == [1] * 50
    assert rows["symbol"].n_unique() == 1
    assert (rows["timestamp_ns"] // (3_600 * 10**9)).n_unique() == 1


@given(
    name=st.sampled_from(names()),
    ticks=st.integers(0, 20_000),
    corrupt_fraction=st.floats(0, 0.5),
    seed=st.integers(0, 9),
)
def test_a_plan_is_the_workload_to_the_row(name: str, ticks: int, corrupt_fraction: float, seed: int) -> None:
    """In any size, no row is missing or planned twice, and no part is asked to spoil what it does not have."""
    what = load(name, ticks=ticks, corrupt_fraction=corrupt_fraction, seed=seed)
    parts = plan(what)
    assert sum(part.rows for part in parts) == ticks
    assert all(0 <= part.corrupt <= part.rows - (part.kind is Kind.JSON_LINES) for part in parts)
    # A last part of JSON lines may have no row to spoil for what is still missing.
    planted, stated = sum(part.corrupt for part in parts), round(ticks * corrupt_fraction)
    assert planted == stated or (planted < stated and parts[-1].kind is Kind.JSON_LINES)
    turns = [part.turn for part in parts]
    assert all(one[1] == following[0] for one, following in pairwise(turns))
    if what.streams and ticks:
        assert len(parts) == min(what.streams * what.rounds, ticks)


@pytest.mark.parametrize("name", names())
def test_pieces_come_in_the_order_of_the_schedule(name: str, tmp_path: Path) -> None:
    """Each piece has its own time within the schedule; where there is no schedule all go at once."""
    # What counts is their order, not how many streams there are.
    fewer = {"streams": 100} if load(name).streams else {}
    singles = 7 if load(name).rounds == 1 else 0
    what = load(name, ticks=3_000, single_posts=singles, **fewer)
    pieces, _ = make(tmp_path, what)
    times = [piece.intended_s for piece in pieces]
    assert times == sorted(times)
    assert times[0] == 0.0
    if what.duration_s:
        assert what.duration_s * 0.9 < times[-1] <= what.duration_s
        assert len(set(times)) > len(times) / 2
    else:
        assert set(times) == {0.0}
    assert sum(piece.rows for piece in pieces) == 3_000 + singles


def share_between(pieces: list[ObjectFile | PostBody], start_s: float, end_s: float) -> float:
    """What fraction of the rows is meant to go in an interval."""
    rows = sum(piece.rows for piece in pieces if start_s <= piece.intended_s < end_s)
    return rows / sum(piece.rows for piece in pieces)


def test_the_volume_curve_is_the_schedule(tmp_path: Path) -> None:
    """A burst is sent at open and close alone, a trading day more at both ends, a soak evenly."""
    shares = {}
    for name in ("burst", "trading-day", "soak"):
        what = load(name, ticks=30_000)
        pieces, _ = make(tmp_path / name, what)
        end_s = what.duration_s
        ends = share_between(pieces, 0, end_s * 0.1) + share_between(pieces, end_s * 0.9, end_s + 1)
        shares[name] = (ends, share_between(pieces, end_s * 0.4, end_s * 0.6))
    assert shares["burst"][0] > 0.9
    assert shares["burst"][1] < 0.03
    assert shares["trading-day"][0] > 1.5 * shares["trading-day"][1]
    assert all(share == pytest.approx(0.2, abs=0.03) for share in shares["soak"])


def test_a_burst_trades_at_open_and_close(tmp_path: Path) -> None:
    """The ticks' own timestamps have the two peaks too, so that few hours take all the load."""
    what = load("burst", ticks=5_000)
    _, truth = make(tmp_path, what)
    elapsed = (all_truth(truth)["timestamp_ns"].drop_nulls() - MarketDay(what).opening_ns) / SESSION_NS
    assert int(((elapsed < 0.1) | (elapsed > 0.9)).sum()) > 0.95 * len(elapsed)


def test_each_stream_is_one_symbol_of_the_whole_day(tmp_path: Path) -> None:
    """As many objects as there are streams, each with ticks of one symbol from open to close."""
    pieces, truth = make(tmp_path, load("streams", ticks=4_000, streams=40, symbols=8))
    assert len(pieces) == 40
    rows = all_truth(truth).filter(pl.col("reason").is_null())
    of_one = rows.group_by("source").agg(
        symbols=pl.col("symbol").n_unique(), hours=(pl.col("timestamp_ns") // (3_600 * 10**9)).n_unique()
    )
    assert of_one["symbols"].to_list() == [1] * 40
    assert of_one["hours"].min() == 7
    assert rows["symbol"].n_unique() == 8


def test_each_round_of_a_stream_is_the_next_minute_of_its_symbol(tmp_path: Path) -> None:
    """One object of each symbol a round, in the order of the rounds, with a minute of the day each."""
    what = load("trickle", ticks=300, streams=10, symbols=10, rounds=3)
    pieces, truth = make(tmp_path, what)
    assert [getattr(piece, "round", None) for piece in pieces] == [0] * 10 + [1] * 10 + [2] * 10
    rows = all_truth(truth)
    opening_ns = MarketDay(what).opening_ns
    of_one = rows.group_by("source").agg(
        pl.col("symbol").unique(), minutes=((pl.col("timestamp_ns") - opening_ns) // (60 * 10**9)).unique()
    )
    minutes = dict(of_one.select("source", "minutes").iter_rows())
    assert {source: found for source, found in minutes.items() if found != [source // 10]} == {}
    for round_ in range(3):
        of_round = of_one.filter(pl.col("source") // 10 == round_)
        assert of_round["symbol"].explode().n_unique() == 10


def test_a_dirty_day_has_many_ties(tmp_path: Path) -> None:
    """Many ticks of one symbol share one timestamp, in one object and across objects."""
    _, truth = make(tmp_path, load("dirty", ticks=10_000, symbols=10))
    rows = all_truth(truth).filter(pl.col("reason").is_null())
    moments = rows.group_by("symbol", "timestamp_ns").agg(pl.len(), sources=pl.col("source").n_unique())
    assert moments.filter(pl.col("len") >= 5)["len"].sum() > 0.15 * rows.height
    assert moments.filter(pl.col("sources") > 1).height > 50


def test_an_object_that_is_uploaded_twice_is_the_same_object_without_rows(tmp_path: Path) -> None:
    """A repeat has the key, the bytes and the ordinal of its first upload; some follow at once, some at the end."""
    pieces, _ = make(tmp_path, load("dirty", ticks=10_000))
    first = {piece.ordinal: piece for piece in pieces if isinstance(piece, ObjectFile) and not piece.repeat}
    repeats = [piece for piece in pieces if isinstance(piece, ObjectFile) and piece.repeat]
    assert len(repeats) > 5
    for again in repeats:
        assert (again.key, again.path, again.etag) == (
            first[again.ordinal].key,
            first[again.ordinal].path,
            first[again.ordinal].etag,
        )
        assert again.rows == 0
    at_once = [one for one, following in pairwise(pieces) if one.ordinal == following.ordinal]
    assert 0 < len(at_once) < len(repeats)
    assert isinstance(pieces[-1], ObjectFile)
    assert pieces[-1].repeat


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"ticks": -1}, "ticks: .* equal to 0,"),
        ({"symbols": 0}, "symbols: .* equal to 1,"),
        ({"symbols": 100_001}, "symbols: .* equal to 100000,"),
        ({"corrupt_fraction": 0.6}, "corrupt_fraction: .* equal to 0.5,"),
        ({"seed": -1}, "seed: .* equal to 0,"),
    ],
)
def test_impossible_workloads_are_refused(changes: dict[str, float], limit: str) -> None:
    """The message names the limit that was passed."""
    asked = {"ticks": 10, "symbols": 5, "seed": 1, "corrupt_fraction": 0.001} | changes
    with pytest.raises(WorkloadError, match=limit):
        market_day(**asked)  # type: ignore[arg-type]  # the table mixes whole numbers and fractions
