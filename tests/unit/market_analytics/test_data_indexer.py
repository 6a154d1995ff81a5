"""Packed objects that are indexed: the same bars as of the plain one, whatever dies, comes twice or is lost."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import zipfile
from collections import deque
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import pytest
from backports import zstd

import market_analytics.data_query  # noqa: F401 - makes the logger whose child reports states
from market_analytics.data_indexer_objects import Stores as IndexStores
from market_analytics.data_indexer_objects import index_object
from market_analytics.data_ingestion_objects import ingest_object
from market_analytics.data_processor_ranges import commit, read_range
from market_analytics.data_query_ingest import ingest_status
from tests.unit.market_analytics.processor_world import NOW_MS, World
from tickstream.decoding import decode_span
from tickstream.errors import IndexAwaited, MalformedItem, OutOfTime, ServiceIncomplete
from tickstream.indexed_text import StreamFile
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.messages import IndexOrder, RangePointer, decode_message, decode_order, encode_order
from tickstream.packed_index import ENTRY_BYTES, part_of, unpack_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tickstream.bars import Bar
    from tickstream.ingests import Read
    from tickstream.packed_index import Entry

#: Two megabytes of text: ten ranges or more of the least size.
ROWS = 60_000
RANGE_BYTES = 1_000


def text_of(rows: int = ROWS, seed: int = 1) -> bytes:
    """A CSV object with a header; its numbers hardly repeat."""
    chance = random.Random(seed)  # noqa: S311
    lines = [
        b"S%d,%d,%d.%02d,%d\n"
        % (
            chance.randrange(3),
            NOW_MS * 10**6 + at * 10**7,
            chance.randrange(1, 500),
            at % 100,
            chance.randrange(1, 900),
        )
        for at in range(rows)
    ]
    return b"symbol,timestamp,price,size\n" + b"".join(lines)


def zipped(*texts: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of some files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for at, text in enumerate(texts):
            archive.writestr(f"ticks-{at}.csv", text)
    return packed.getvalue()


TEXT = text_of()
#: Cut between two rows: what a member of its own is made of, which has a header in a zip.
HALF = TEXT.index(b"\n", len(TEXT) // 2) + 1
SECOND = TEXT[: TEXT.index(b"\n") + 1] + TEXT[HALF:]
OBJECTS: dict[str, tuple[str, bytes]] = {
    "gzip": ("day.csv.gz", gzip.compress(TEXT, 6)),
    "gzip of two members": ("day.csv.gz", gzip.compress(TEXT[:HALF]) + b"\0" * 100 + gzip.compress(TEXT[HALF:])),
    "gzip of many members": (
        "day.csv.gz",
        b"".join(gzip.compress(TEXT[at : at + 60_000]) for at in range(0, len(TEXT), 60_000)),
    ),
    "zip": ("day.zip", zipped(TEXT)),
    "zip of two files": ("day.zip", zipped(TEXT[:HALF], SECOND)),
    "zip that is not packed": ("day.zip", zipped(TEXT, method=zipfile.ZIP_STORED)),
    "zstd of frames": (
        "day.csv.zst",
        b"".join(zstd.compress(TEXT[at : at + 90_000]) for at in range(0, len(TEXT), 90_000)),
    ),
    "zstd of one frame": ("day.csv.zst", zstd.compress(TEXT)),
    "zstd of small frames and a large one": (
        "day.csv.zst",
        b"".join(map(zstd.compress, (TEXT[:300_000], TEXT[300_000:600_000], TEXT[600_000:]))),
    ),
}

#: Frames of so much text are no ranges.
COPIED = ("zstd of one frame", "zstd of small frames and a large one")


@dataclass
class MemoryParts:
    """Parts of indexes in memory."""

    parts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    copies: dict[str, bytes] = field(default_factory=dict)

    def put_copy(self, ingest_id: str, copy: IO[bytes]) -> None:
        """See IndexParts."""
        self.copies[ingest_id] = b"".join(iter(lambda: copy.read(50_000), b""))

    def copy(self, ingest_id: str, size_bytes: int) -> Read:
        """See IndexParts."""
        copy = self.copies.get(ingest_id, b"")
        if len(copy) != size_bytes:
            raise MalformedItem("no such copy")
        return lambda start, end: copy[start:end]

    def put(self, ingest_id: str, part: int, packed: bytes) -> None:
        """See IndexParts."""
        self.parts[ingest_id, part] = packed

    def get(self, ingest_id: str, part: int) -> bytes | None:
        """See IndexParts."""
        return self.parts.get((ingest_id, part))

    def entry(self, ingest_id: str, index: int) -> Entry | None:
        """See IndexParts."""
        part, start = part_of(index)
        packed = self.parts.get((ingest_id, part))
        try:
            return None if packed is None else unpack_entry(packed[start : start + ENTRY_BYTES])
        except MalformedItem:
            return None


@dataclass
class Bench:
    """An object on its way: both queues, the index and the table."""

    key: str
    body: bytes
    parts: MemoryParts = field(default_factory=MemoryParts)
    orders: deque[IndexOrder] = field(default_factory=deque)
    ranges: deque[RangePointer] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Make the world around it."""
        self.world = World(self.body)
        etag = hashlib.md5(self.body, usedforsecurity=False).hexdigest()
        self.source = Source("bucket", self.key, "v1", etag, len(self.body))

    def read(self, start: int, end: int) -> bytes:
        """Read the object."""
        return self.body[start:end]

    def send(self, bodies: Iterable[str]) -> int:
        """Queue ranges."""
        found = [decode_message(one) for one in bodies]
        self.ranges.extend(one for one in found if isinstance(one, RangePointer))
        return len(found)

    def order(self, bodies: Iterable[str]) -> int:
        """Queue orders."""
        found = [decode_order(one) for one in bodies]
        self.orders.extend(found)
        return len(found)

    def arrive(self) -> str:
        """Deliver the object's event; return its ingest."""
        ingested = ingest_object(
            self.source,
            NOW_MS,
            RANGE_BYTES,
            table=self.world.table,
            read=self.read,
            send=self.send,
            order_index=self.order,
        )
        return ingested.manifest.ingest_id

    def index(self, check: Callable[[], None] = lambda: None) -> None:
        """Work on the first order."""
        stores = IndexStores(
            table=self.world.table,
            parts=self.parts,
            open_object=lambda _: self.read,
            send=self.send,
            check=check,
            now_ms=lambda: NOW_MS,
        )
        index_object(self.orders[0], RANGE_BYTES, stores)
        self.orders.popleft()

    def process(self) -> None:
        """Work on the first range; one whose index is missing goes to the end."""
        stores = self.world.stores()
        stores = type(stores)(
            table=stores.table,
            open_object=stores.open_object,
            open_rejects=stores.open_rejects,
            now_ms=stores.now_ms,
            index_entry=self.parts.entry,
            index_copy=self.parts.copy,
            order_index=lambda order: self.order([encode_order(order)]),
        )
        message = self.ranges.popleft()
        try:
            commit([read_range(message, stores)], stores.table)
        except IndexAwaited:
            self.ranges.append(message)
            raise

    def state(self, ingest_id: str) -> dict[str, Any]:
        """What a caller is told."""
        return ingest_status(self.world.table, ingest_id, NOW_MS + 1, 900)


def numbers(bars: Iterable[Bar]) -> list[tuple[object, ...]]:
    """Bars without what says of which object they are."""
    return [(*bar[:8], bar.begin_ns, bar.end_ns) for bar in bars]


@pytest.fixture(scope="module")
def plain() -> dict[str, list[tuple[object, ...]]]:
    """The bars of the text itself."""
    head = TEXT.index(b"\n") + 1
    layout = Layout(Format.CSV, columns=("symbol", "timestamp", "price", "size"), data_start=head)
    source = Source("bucket", "day.csv", "v1", "e", len(TEXT))
    found = decode_span(source, layout, Span(0, head, len(TEXT)), lambda start, end: TEXT[start:end])
    return {
        symbol: numbers(bar for (name, _), bars in sorted(found.bars.items()) if name == symbol for bar in bars)
        for symbol in ("S0", "S1", "S2")
    }


@pytest.mark.parametrize("name", OBJECTS)
def test_m22_a_packed_object_is_cut_into_ranges_with_the_bars_of_its_text(
    name: str, plain: dict[str, list[tuple[object, ...]]]
) -> None:
    """However it is packed: indexed first, then as many ranges as its text has, and the same bars."""
    bench = Bench(*OBJECTS[name])
    ingest_id = bench.arrive()
    assert bench.state(ingest_id)["state"] == "indexing"
    bench.index()
    assert len(bench.ranges) > 7
    while bench.ranges:
        bench.process()
    answer = bench.state(ingest_id)
    assert (answer["state"], answer["ticks"], answer["rejected"]) == ("complete", ROWS, 0)
    assert {symbol: numbers(bench.world.bars(symbol)) for symbol in plain} == plain


@pytest.mark.parametrize("name", [name for name in OBJECTS if name not in COPIED])
def test_m22_an_index_that_dies_anywhere_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of time at any look at the clock, it goes on from its last part, and every byte is as made in one go."""
    monkeypatch.setattr("market_analytics.data_indexer_objects.ENTRIES_A_PART", 2)
    monkeypatch.setattr("tickstream.packed_index.ENTRIES_A_PART", 2)
    whole = Bench(*OBJECTS[name])
    whole.arrive()
    whole.index()
    bench = Bench(*OBJECTS[name])
    bench.arrive()
    lives, looks = 0, 0
    while bench.orders:
        lives += 1
        left = [4 + lives]

        def check(left: list[int] = left) -> None:
            nonlocal looks
            looks += 1
            left[0] -= 1
            if left[0] < 0:
                raise OutOfTime("no time")

        try:
            bench.index(check)
        except OutOfTime:
            assert lives < 300
    assert lives > 2
    assert bench.parts.parts == whole.parts.parts
    assert [one.span for one in bench.ranges] == [one.span for one in whole.ranges]


@pytest.mark.parametrize("name", COPIED)
def test_m22_a_copy_in_smaller_frames_may_die_anywhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of time before, in or after the copy, the next life ends with the same copy, index and ranges."""
    monkeypatch.setattr("market_analytics.data_indexer_objects.ENTRIES_A_PART", 2)
    monkeypatch.setattr("tickstream.packed_index.ENTRIES_A_PART", 2)
    whole, looks = Bench(*OBJECTS[name]), []
    whole.arrive()
    whole.index(lambda: looks.append(1))
    assert len(looks) > 20
    for last in range(1, len(looks)):
        bench, left = Bench(*OBJECTS[name]), iter(range(last))
        bench.arrive()

        def check(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise OutOfTime("no time")

        with pytest.raises(OutOfTime):
            bench.index(check)
        bench.index()
        assert (bench.parts.parts, bench.parts.copies) == (whole.parts.parts, whole.parts.copies)
        assert [one.span for one in bench.ranges] == [one.span for one in whole.ranges]


def test_m22_a_frame_that_outlasts_a_whole_life_is_refused() -> None:
    """Nobody could go on within it: the object is refused, in one sentence, not tried for ever."""
    bench = Bench(*OBJECTS["zstd of one frame"])
    ingest_id, parts = bench.arrive(), bench.parts

    def out_of_time(_ingest_id: str, copy: IO[bytes]) -> None:
        copy.read(1)
        raise OutOfTime("no time")

    bench.parts.put_copy = out_of_time  # type: ignore[assignment,method-assign]
    with pytest.raises(OutOfTime):
        bench.index()
    bench.index()
    answer = bench.state(ingest_id)
    assert (answer["state"], answer["reason"]["code"]) == ("rejected", "too_much_work")
    assert not parts.parts


@pytest.mark.parametrize("harm", ["deleted", "damaged", "cut off"])
def test_m22_a_copy_that_is_lost_or_wrong_is_made_again(harm: str, plain: dict[str, list[tuple[object, ...]]]) -> None:
    """No range is refused for it, nor counted: it waits for the copy, which is made anew."""
    bench = Bench(*OBJECTS["zstd of one frame"])
    ingest_id = bench.arrive()
    bench.index()
    copy = bench.parts.copies.pop(ingest_id)
    if harm != "deleted":
        begin, end = (50_000, 50_400) if harm == "damaged" else (len(copy) - 50_000, len(copy))
        bench.parts.copies[ingest_id] = copy[:begin] + bytes(end - begin) + copy[end:]
    awaited = 0
    for _ in range(len(bench.ranges)):
        try:
            bench.process()
        except IndexAwaited:
            awaited += 1
    assert awaited
    while bench.orders:
        bench.index()
    assert bench.parts.copies[ingest_id] == copy
    while bench.ranges:
        bench.process()
    assert bench.state(ingest_id)["state"] == "complete"
    assert {symbol: numbers(bench.world.bars(symbol)) for symbol in plain} == plain


def test_m22_a_zstd_that_is_cut_off_within_its_frame_is_refused() -> None:
    """No range of it is queued: what is not whole counts nothing."""
    name, body = OBJECTS["zstd of one frame"]
    bench = Bench(name, body[:-1_000])
    ingest_id = bench.arrive()
    bench.index()
    answer = bench.state(ingest_id)
    assert (answer["state"], answer["reason"]["code"]) == ("rejected", "corrupt_zstd")
    assert not bench.ranges


@pytest.mark.parametrize("pack", [gzip.compress, zipped])
def test_m22_what_is_unpacked_for_an_index_and_for_a_range_is_bounded(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it twice, and a little: unpacked again for each piece that is read, a day would take hours."""
    unpacked, read = [0], StreamFile.read

    def counted(self: StreamFile, size: int = -1) -> bytes:
        data = read(self, size)
        unpacked[0] += len(data)
        return data

    monkeypatch.setattr(StreamFile, "read", counted)
    for module in ("indexed_text", "index_making"):
        monkeypatch.setattr(f"tickstream.{module}.READ_BYTES", 65_536)
    # Larger than any buffer on the way.
    bench = Bench("day", pack(TEXT + TEXT[HALF:] * 20))
    bench.arrive()
    bench.index()
    assert unpacked[0] < 4 * len(bench.body)
    unpacked[0] = 0
    bench.process()
    # A range is far smaller, but its last row may be long, so that megabytes of text behind it are unpacked too.
    assert unpacked[0] < len(bench.body) / 4


def test_m22_a_row_that_goes_on_far_beyond_its_range_is_read_to_its_end() -> None:
    """Rows of up to a mebibyte, each of which ends ranges behind the one in which it begins: every tick once."""
    chance = random.Random(3)  # noqa: S311
    rows = 9
    lines = [
        b"S,%d,1.5,%d,%s\n" % (NOW_MS * 10**6 + at, at + 1, chance.randbytes(150_000 + at * 40_000).hex().encode())
        for at in range(rows)
    ]
    text = b"symbol,timestamp,price,size,note\n" + b"".join(lines)
    bench = Bench("notes.csv.gz", gzip.compress(text, 1))
    ingest_id = bench.arrive()
    bench.index()
    assert len(bench.ranges) > rows
    while bench.ranges:
        bench.process()
    answer = bench.state(ingest_id)
    assert (answer["state"], answer["ticks"], answer["rejected"]) == ("complete", rows, 0)
    assert sum(bar.volume_e9 for bar in bench.world.bars("S")) == sum(range(1, rows + 1)) * 10**9


def test_m22_an_event_that_comes_twice_while_indexing_counts_once(plain: dict[str, list[tuple[object, ...]]]) -> None:
    """Two orders, two indexes at once and ranges sent twice: every tick once."""
    bench = Bench(*OBJECTS["gzip"])
    bench.arrive()
    bench.arrive()
    assert len(bench.orders) == 2
    bench.index()
    bench.index()
    while bench.ranges:
        bench.process()
    assert {symbol: numbers(bench.world.bars(symbol)) for symbol in plain} == plain


def test_m22_a_zip_of_very_many_files_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """More files than an object may have ranges, and little text: one range, as of a small zip."""
    monkeypatch.setattr("market_analytics.data_indexer_objects.MAX_RANGES", 10)
    head, *lines = TEXT.splitlines(keepends=True)
    files = [head + b"".join(lines[at : at + 5_000]) for at in range(0, ROWS, 5_000)]
    bench = Bench("many.zip", zipped(*files))
    ingest_id = bench.arrive()
    bench.index()
    assert (len(files), len(bench.ranges)) == (12, 1)
    bench.process()
    assert (bench.state(ingest_id)["state"], bench.state(ingest_id)["ticks"]) == ("complete", ROWS)


@pytest.mark.parametrize("harm", ["lost", "of another place"])
def test_m22_no_range_is_planned_by_a_part_of_an_index(harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is gone, or another's, when ranges are planned: the order comes again, and all ranges are there."""
    monkeypatch.setattr("market_analytics.data_indexer_objects.ENTRIES_A_PART", 2)
    monkeypatch.setattr("tickstream.packed_index.ENTRIES_A_PART", 2)
    bench = Bench(*OBJECTS["gzip"])
    ingest_id, keep = bench.arrive(), bench.parts.get

    def get(ingest_id: str, part: int) -> bytes | None:
        if part == 2:
            return None if harm == "lost" else keep(ingest_id, 1)
        return keep(ingest_id, part)

    monkeypatch.setattr(bench.parts, "get", get)
    with pytest.raises(ServiceIncomplete):
        bench.index()
    assert bench.state(ingest_id)["state"] == "indexing"
    monkeypatch.setattr(bench.parts, "get", keep)
    bench.index()
    while bench.ranges:
        bench.process()
    assert (bench.state(ingest_id)["state"], bench.state(ingest_id)["ticks"]) == ("complete", ROWS)


def test_m22_ranges_that_miss_an_index_together_are_not_multiplied(
    plain: dict[str, list[tuple[object, ...]]],
) -> None:
    """Each range orders it, one makes it, and no range is sent again: each comes back by itself."""
    bench = Bench(*OBJECTS["gzip"])
    ingest_id = bench.arrive()
    bench.index()
    ranges = len(bench.ranges)
    bench.parts.parts.clear()
    for _ in range(ranges):
        with pytest.raises(IndexAwaited):
            bench.process()
    assert len(bench.orders) == ranges
    while bench.orders:
        bench.index()
    assert len(bench.ranges) == ranges
    while bench.ranges:
        bench.process()
    assert bench.state(ingest_id)["state"] == "complete"
    assert {symbol: numbers(bench.world.bars(symbol)) for symbol in plain} == plain


@pytest.mark.parametrize("harm", ["deleted", "damaged", "of another place"])
def test_m22_an_index_that_is_lost_or_wrong_is_made_again(
    harm: str, plain: dict[str, list[tuple[object, ...]]]
) -> None:
    """A range whose entry is gone, damaged or another's counts nothing; it has the index made anew and waits for it."""
    bench = Bench(*OBJECTS["gzip"])
    ingest_id = bench.arrive()
    bench.index()
    bench.process()
    packed = bench.parts.parts.pop((ingest_id, 0))
    if harm == "damaged":
        bench.parts.parts[ingest_id, 0] = packed[:40_000] + b"x" + packed[40_001:]
    elif harm == "of another place":
        bench.parts.parts[ingest_id, 0] = packed[:ENTRY_BYTES] + packed[2 * ENTRY_BYTES : 3 * ENTRY_BYTES] * 9
    before = {symbol: numbers(bench.world.bars(symbol)) for symbol in plain}
    with pytest.raises(IndexAwaited):
        bench.process()
    assert {symbol: numbers(bench.world.bars(symbol)) for symbol in plain} == before
    assert bench.orders[0].missing is not None
    while bench.orders:
        bench.index()
    assert bench.parts.parts[ingest_id, 0] == packed
    while bench.ranges:
        bench.process()
    assert {symbol: numbers(bench.world.bars(symbol)) for symbol in plain} == plain


@pytest.mark.parametrize(
    ("name", "reason", "harm"),
    [
        *(
            (name, "corrupt_gzip", harm)
            for name in ("gzip", "gzip of two members")
            for harm in ("cut off", "a bit", "more behind")
        ),
        # One that is cut off has no directory: nobody finds files in it. What is behind one is nobody's.
        ("zip", "corrupt_zip", "a bit"),
    ],
)
def test_m22_what_is_not_as_it_was_packed_is_refused_as_a_whole(name: str, reason: str, harm: str) -> None:
    """A gzip that is cut off, has another bit, or something behind it: refused before any range, with the reason."""
    key, body = OBJECTS[name]
    middle = len(body) // 3
    body = {
        "cut off": body[:-9],
        "a bit": body[:middle] + bytes([body[middle] ^ 4]) + body[middle + 1 :],
        "more behind": body + b"more",
    }[harm]
    bench = Bench(key, body)
    ingest_id = bench.arrive()
    bench.index()
    assert not bench.ranges
    answer = bench.state(ingest_id)
    assert (answer["state"], answer["reason"]["code"]) == ("rejected", reason)
