from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest

from bench.ledger.truth import HIGH_LOW, OPEN_CLOSE, VOLUME, ObjectFile, part_path
from bench.synthetic.factory import Factory
from bench.synthetic.vendors import VENDORS
from bench.workloads import Workload, load, names
from tickstream.bars import merge_bars
from tickstream.decoding import decode_span
from tickstream.errors import Reason, RowRejected
from tickstream.feeds.documents import thawed
from tickstream.feeds.rows import row_parser
from tickstream.ingests import Source
from tickstream.layouts import sniff
from tickstream.pairs import PairRow, PairTask, RangePairs, name_of
from tickstream.ranges import plan_spans
from tickstream.rows import Cancelled, Skipped
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tickstream.bars import Bar
    from tickstream.decoding import Decoded
    from tickstream.ingests import Layout, Read

MASSIVE: Final = "massive-us-stocks-trades"
ALGOSEEK: Final = "algoseek-trades"
#: New York, 5 January 2026.
OPENING_NS: Final = 1_767_623_400 * 10**9
CLOSING_NS: Final = 1_767_646_800 * 10**9
SMALL_RANGE: Final = 24_000
#: What stands for `NAMES` in the files.
COLUMNS: Final = {
    MASSIVE: ("ticker", "sip_timestamp", "price", "size", "conditions", "correction"),
    ALGOSEEK: ("Ticker", "Timestamp", "Price", "Quantity", "Conditions", "EventType"),
}
NAMES: Final = ("symbol", "time", "price", "size", "codes", "mark")
VALUES: Final = ("symbol", "timestamp_ns", "price_e9", "size_e9", "sequence", "updates")


@dataclass(frozen=True)
class Made:
    """A workload's objects of vendors, with the truth of each."""

    objects: tuple[ObjectFile, ...]
    truth_folder: Path

    def truth(self, piece: ObjectFile) -> pl.DataFrame:
        """Read what an object holds."""
        return pl.read_parquet(part_path(self.truth_folder, piece.ordinal))


def made(folder: Path, workload: Workload) -> Made:
    """Make a workload."""
    objects, truth = folder / "objects", folder / "truth"
    objects.mkdir(parents=True)
    truth.mkdir()
    pieces = tuple(Factory(workload, objects, truth).make())
    of_vendors = [one for one in pieces if isinstance(one, ObjectFile) and one.feed and not one.repeat]
    return Made(tuple(of_vendors), truth)


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A dirty day whose objects have a few ranges each."""
    return made(tmp_path_factory.mktemp("dirty"), load("dirty", ticks=60_000, symbols=30, range_bytes=SMALL_RANGE))


@pytest.fixture(scope="module")
def trading_day(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A trading day, smaller than usual."""
    return made(tmp_path_factory.mktemp("day"), load("trading-day", ticks=100_000, symbols=120))


def opened(piece: ObjectFile) -> tuple[Source, Read, Layout]:
    """Find out how the pipeline reads an object."""
    content = piece.path.read_bytes()
    source = Source("bucket", piece.key, "", piece.etag, len(content))

    def read(start: int, end: int) -> bytes:
        return content[start:end]

    return source, read, sniff(source, read)


def text_rows(piece: ObjectFile) -> Iterator[tuple[int, bytes]]:
    """Each row of an object's text with its offset, without the header."""
    assert piece.text_path is not None
    lines = piece.text_path.read_bytes().splitlines(keepends=True)
    offset = len(lines[0])
    for line in lines[1:]:
        yield offset, line.rstrip(b"\r\n")
        offset += len(line)


def strictly_read(piece: ObjectFile) -> tuple[dict[int, Tick], dict[int, str], Counter[type]]:
    """Read an object row by row: ticks and reasons by offset, and how many rows are skipped and cancelled."""
    _, _, layout = opened(piece)
    parse = row_parser(layout, piece.key)
    ticks: dict[int, Tick] = {}
    reasons: dict[int, str] = {}
    others: Counter[type] = Counter()
    pairs: list[PairRow] = []
    for offset, raw in text_rows(piece):
        try:
            judged = parse(raw, offset)
        except RowRejected as refusal:
            reasons[offset] = str(refusal.reason)
            continue
        if isinstance(judged, Tick):
            ticks[offset] = judged
            pairs += [PairRow(offset, name_of(judged.pair), takes_back=False)] * bool(judged.pair)
        else:
            others[type(judged)] += 1
            if isinstance(judged, Cancelled) and judged.takes_back:
                pairs.append(PairRow(offset, name_of(judged.takes_back), takes_back=True))
    for offset in RangePairs(pairs, is_descending=False).taken_back():
        del ticks[offset]
        others[Cancelled] += 1
    return ticks, reasons, others


def test_the_truth_is_what_the_strict_reader_makes_of_each_row(dirty: Made) -> None:
    """Ticks with what they update and their sequence, reasons, and who is taken back: two programs agree on all."""
    assert {piece.feed for piece in dirty.objects} == {MASSIVE, ALGOSEEK}
    for piece in dirty.objects:
        ticks, reasons, others = strictly_read(piece)
        truth = dirty.truth(piece)
        good = truth.filter(pl.col("reason").is_null())
        assert {row["offset"]: tuple(int(row[name]) for name in VALUES[1:]) for row in good.iter_rows(named=True)} == {
            offset: (one.timestamp_ns, one.price_e9, one.size_e9, one.sequence, int(one.updates))
            for offset, one in ticks.items()
        }
        assert dict(good.select("offset", "symbol").iter_rows()) == {at: one.symbol for at, one in ticks.items()}
        corrupt = truth.filter(pl.col("reason").is_not_null())
        assert dict(corrupt.select("offset", "reason").iter_rows()) == reasons
        assert (others[Skipped], others[Cancelled]) == (piece.skipped, piece.cancelled)
        assert piece.rows == truth.height + piece.skipped + piece.cancelled


def test_the_feed_that_must_read_an_object_is_chosen_by_its_header(dirty: Made) -> None:
    """Nothing in the key tells it, and gzipped ones are found as well."""
    packed = set()
    for piece in dirty.objects:
        _, _, layout = opened(piece)
        assert thawed(layout.feed).name == piece.feed
        packed.add((piece.feed, layout.whole))
    assert packed == {(feed, whole) for feed in VENDORS for whole in (True, False)}


def decoded_ranges(piece: ObjectFile, *, across: bool) -> list[Decoded]:
    """Decode an object range by range as the pipeline does. across: whether pairs are found across ranges."""
    source, read, layout = opened(piece)
    spans = plan_spans(source, layout, SMALL_RANGE, read)

    def each(tasks: Iterable[PairTask]) -> list[Decoded]:
        return [decode_span(source, layout, span, read, pairs=task) for span, task in zip(spans, tasks, strict=True)]

    names_taken = frozenset(row.name for one in each([PairTask()] * len(spans)) for row in one.pair_rows)
    watched = each([PairTask(names_taken)] * len(spans))
    found = [RangePairs(one.pair_rows, is_descending=False) for one in watched]
    balances = [one.balances() for one in found]
    later = [balances[index + 1 :] if across else [] for index in range(len(found))]
    return each(PairTask(taken_back=one.taken_back(rest)) for one, rest in zip(found, later, strict=True))


def expected_bars(good: pl.DataFrame) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Fold the ticks of one object into minutes: open, high, low, close, volume and ticks."""
    updates, price = pl.col("updates"), pl.col("price_e9")
    prices, extremes = price.filter(updates & OPEN_CLOSE != 0), price.filter(updates & HIGH_LOW != 0)
    bars = (
        good.sort("timestamp_ns", "sequence", "offset")
        .group_by("symbol", minute=pl.col("timestamp_ns") // (60 * 10**9), maintain_order=True)
        .agg(
            open=prices.first(),
            high=extremes.max(),
            low=extremes.min(),
            close=prices.last(),
            volume=pl.col("size_e9").cast(pl.Int64).filter(updates & VOLUME != 0).sum(),
            ticks=pl.len(),
        )
    )
    return {(symbol, minute): tuple(rest) for symbol, minute, *rest in bars.iter_rows()}


def test_the_pipelines_decoding_gives_the_bars_of_the_truth(dirty: Made) -> None:
    """Plain objects range by range and gzipped ones whole; most pairs stand in two ranges, and all are found."""
    missed = 0
    for piece in dirty.objects:
        truth = dirty.truth(piece)
        good = truth.filter(pl.col("reason").is_null())
        ranges = decoded_ranges(piece, across=True)
        assert (len(ranges) > 1) is not piece.path.name.endswith(".gz")
        assert sum(one.ticks for one in ranges) == good.height
        assert sum(one.skipped for one in ranges) == piece.skipped
        assert sum(one.cancelled for one in ranges) == piece.cancelled
        rejects = {reject.offset: reject.reason for one in ranges for reject in one.rejects}
        assert rejects == dict(truth.filter(pl.col("reason").is_not_null()).select("offset", "reason").iter_rows())
        assert merged(ranges) == expected_bars(good)
        if piece.feed == ALGOSEEK:
            missed += piece.cancelled - sum(one.cancelled for one in decoded_ranges(piece, across=False))
    assert missed > 20


def merged(ranges: Sequence[Decoded]) -> dict[tuple[str, int], tuple[Any, ...]]:
    """The bars of all ranges together, in the fields of `expected_bars`."""
    of_symbol: dict[str, list[tuple[Bar, ...]]] = {}
    for one in ranges:
        for (symbol, _), bars in one.bars.items():
            of_symbol.setdefault(symbol, []).append(bars)
    return {
        (symbol, bar.minute): (bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9, bar.volume_e9, bar.ticks)
        for symbol, groups in of_symbol.items()
        for bar in merge_bars(*groups)
    }


def sales(day: Made, feed: str) -> pl.DataFrame:
    """All rows of one vendor's files, plain and gzipped, by the same names; rows that are no CSV are left out."""
    columns = COLUMNS[feed]
    found: list[list[str]] = []
    for piece in day.objects:
        if piece.feed != feed:
            continue
        assert piece.text_path is not None
        header = next(csv.reader([piece.text_path.read_text(encoding="latin-1").partition("\n")[0]]))
        for _, raw in text_rows(piece):
            fields = next(csv.reader([raw.decode("latin-1")]))
            if len(fields) == len(header):
                row = dict(zip(header, fields, strict=True))
                found.append([row[name] for name in columns])
    return pl.DataFrame(found, schema=NAMES, orient="row")


@pytest.mark.parametrize(
    ("feed", "sweeps", "extended", "odd_lots"),
    [(MASSIVE, "14", "12", "37"), (ALGOSEEK, "20$", "20..$", "^[8A]")],
)
def test_shares_are_about_those_of_the_workload(
    trading_day: Made, feed: str, sweeps: str, extended: str, odd_lots: str
) -> None:
    """A vendor has its part of all rows, and odd lots, sweeps and extended hours have theirs of these."""
    asked = load("trading-day").conditions
    pieces = [piece for piece in trading_day.objects if piece.feed == feed]
    assert sum(piece.rows for piece in pieces) == 20_000
    assert sum(piece.rows for piece in pieces if piece.path.suffix == ".gz") == 20_000 * asked.gzip_share
    rows = sales(trading_day, feed)
    small = rows["size"].cast(pl.Float64, strict=False) < 100
    assert small.mean() == pytest.approx(asked.odd_lot_share, rel=0.1)
    for pattern, share in (
        (sweeps, asked.sweep_share),
        (extended, asked.extended_share),
        (odd_lots, asked.odd_lot_share),
    ):
        assert rows["codes"].str.contains(pattern).mean() == pytest.approx(share, rel=0.15)


def test_cancels_and_corrections_have_their_records(trading_day: Made) -> None:
    """Of each trade that is taken back or corrected a row behind it tells, as often as the workload says."""
    asked = load("trading-day").conditions
    marks = Counter(sales(trading_day, MASSIVE)["mark"])
    assert (
        marks["7"] + marks["8"] == marks["10"] + marks["11"] == pytest.approx(20_000 * asked.cancelled_share, rel=0.5)
    )
    assert marks["7"] == marks["11"] > 0
    # At least one an object.
    assert marks["1"] == marks["12"] == sum(piece.feed == MASSIVE for piece in trading_day.objects)
    events = Counter(sales(trading_day, ALGOSEEK)["mark"])
    assert events["TRADE CANCELLED"] == pytest.approx(20_000 * asked.cancelled_share, rel=1)
    assert events["QUOTE BID"] + events["QUOTE ASK"] == pytest.approx(20_000 * asked.quote_share, rel=0.05)


def test_a_dirty_day_has_all_that_conditions_can_do(dirty: Made) -> None:
    """Each set of updates, extended hours on both sides of both bounds, and each fault of a vendor's row."""
    truth = pl.concat(dirty.truth(piece) for piece in dirty.objects)
    assert set(truth["updates"]) == {0, VOLUME, HIGH_LOW | VOLUME, OPEN_CLOSE | HIGH_LOW | VOLUME}
    assert {OPENING_NS - 1, OPENING_NS, CLOSING_NS - 1, CLOSING_NS} <= set(truth["timestamp_ns"])
    planted = {str(reason) for one in VENDORS.values() for reason, _ in one.faults}
    assert set(truth["reason"].drop_nulls()) == planted >= {Reason.BAD_CONDITION, Reason.BAD_SEQUENCE}
    extended = sales(dirty, MASSIVE).filter(codes="12", mark="0")["time"].cast(pl.Int64, strict=False).drop_nulls()
    regular = extended.is_between(OPENING_NS, CLOSING_NS, closed="left").sum()
    assert 0.1 * extended.len() < regular < 0.4 * extended.len()


def test_cancels_leave_some_trades_of_their_values(dirty: Made) -> None:
    """Of equal trades the latest is taken, what comes behind a cancel stays, and so do cancels that find none."""
    stayed = found_none = 0
    for piece in dirty.objects:
        if piece.feed != ALGOSEEK:
            continue
        ticks, _, others = strictly_read(piece)
        takers: Counter[str] = Counter()
        _, _, layout = opened(piece)
        parse = row_parser(layout, piece.key)
        for offset, raw in text_rows(piece):
            try:
                judged = parse(raw, offset)
            except RowRejected:
                continue
            if isinstance(judged, Cancelled):
                takers[judged.takes_back] += 1
        found_none += 2 * takers.total() - others[Cancelled]
        stayed += sum(tick.pair in takers for tick in ticks.values())
    assert stayed > 20
    assert found_none > 20


@pytest.mark.parametrize(
    ("feed", "printed_as", "recorded_as", "at_ns"),
    [
        (MASSIVE, "17,41", "16", OPENING_NS),
        (MASSIVE, "8,41", "15", CLOSING_NS),
        (ALGOSEEK, "20000040", "04000000", OPENING_NS),
        (ALGOSEEK, "20200080", "01000000", CLOSING_NS),
    ],
)
def test_auctions_are_large_and_their_official_records_count_for_nothing(
    trading_day: Made, feed: str, printed_as: str, recorded_as: str, at_ns: int
) -> None:
    """Right after 09:30 and 16:00 in New York each share has one print, and one record of it with no volume."""
    rows = sales(trading_day, feed)
    printed, recorded = rows.filter(codes=printed_as), rows.filter(codes=recorded_as)
    held = printed["symbol"].to_list()
    assert len(held) == len(set(held)) > 40
    assert (printed["size"].cast(pl.Float64) >= 5_000).all()
    values = ["symbol", "price", "size"]
    assert sorted(printed.select(values).iter_rows()) == sorted(recorded.select(values).iter_rows())
    truth = pl.concat(trading_day.truth(piece) for piece in trading_day.objects if piece.feed == feed)
    near = truth.filter(pl.col("timestamp_ns").is_between(at_ns, at_ns + 3 * 10**9))
    of_prints = near.filter(pl.col("updates") == 7, pl.col("size_e9") >= 5_000 * 10**9)
    both = of_prints.join(near.filter(updates=0), on=["symbol", "price_e9", "size_e9"], suffix="_record")
    assert sorted(both["symbol"]) == sorted(held)
    assert (both["timestamp_ns"] < both["timestamp_ns_record"]).all()


def test_vendors_files_are_a_function_of_the_seed(tmp_path: Path) -> None:
    """The same seed gives the same bytes and the same truth, another one others."""
    found = []
    for number, seed in enumerate((3, 3, 4)):
        day = made(tmp_path / str(number), load("dirty", ticks=8_000, seed=seed))
        assert len({piece.feed for piece in day.objects}) == 2
        found.append([(one.path.read_bytes(), one.cancelled, day.truth(one).rows()) for one in day.objects])
    assert found[0] == found[1] != found[2]


def test_shares_alone_have_conditions(trading_day: Made) -> None:
    """No coin is in a vendor's file of US shares."""
    assert not any(
        "/" in name for piece in trading_day.objects for name in trading_day.truth(piece)["symbol"].drop_nulls()
    )


def test_other_workloads_have_no_vendors_files(tmp_path: Path) -> None:
    """What the goals of speed are stated for stays byte for byte what it was, so that results can be compared."""
    assert {name for name in names() if load(name).conditions.share} == {"dirty", "trading-day"}
    objects, truth = tmp_path / "objects", tmp_path / "truth"
    objects.mkdir()
    truth.mkdir()
    digest = hashlib.sha256()
    for piece in Factory(load("reference", ticks=5_000), objects, truth).make():
        assert isinstance(piece, ObjectFile)
        assert (piece.feed, piece.cancelled) == ("", 0)
        digest.update(piece.path.read_bytes())
    assert digest.hexdigest() == "744508fe692b5fd44d7f2c2f66d198feddbd29586cc06539fa28a5cba4350061"
