"""Packed objects that are indexed: the same bars as of the plain one, whatever dies, comes twice or is lost."""

from __future__ import annotations

import pytest

from tests.unit.market_analytics.indexing_world import (
    COPIED,
    OBJECTS,
    ROWS,
    TEXT,
    Bench,
    bars_of_the_text,
    numbers,
    zipped,
)
from tickstream.errors import IndexAwaited, OutOfTime, ServiceIncomplete
from tickstream.packed_index import ENTRY_BYTES


@pytest.fixture(scope="module")
def plain() -> dict[str, list[tuple[object, ...]]]:
    """The bars of the text itself."""
    return bars_of_the_text()


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
