"""Objects of zst with large frames: copied in smaller ones beside their index, whatever dies or is lost."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import pytest

from tests.unit.market_analytics.indexing_world import (
    COPIED,
    OBJECTS,
    Bench,
    bars_of_the_text,
    numbers,
)
from tickstream.errors import IndexAwaited, OutOfTime

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def plain() -> dict[str, list[tuple[object, ...]]]:
    """The bars of the text itself."""
    return bars_of_the_text()


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


def test_m22_a_copy_that_is_lost_while_it_is_indexed_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next life finds parts and no copy: it begins with the copy, and ends as one that was never disturbed."""
    monkeypatch.setattr("market_analytics.data_indexer_objects.ENTRIES_A_PART", 2)
    monkeypatch.setattr("tickstream.packed_index.ENTRIES_A_PART", 2)
    whole, bench = Bench(*OBJECTS["zstd of one frame"]), Bench(*OBJECTS["zstd of one frame"])
    whole.arrive()
    whole.index()
    ingest_id, put = bench.arrive(), bench.parts.put

    def put_some(ingest_id: str, part: int, packed: bytes) -> None:
        if part > 2:
            raise OutOfTime("no time")
        put(ingest_id, part, packed)

    monkeypatch.setattr(bench.parts, "put", put_some)
    with pytest.raises(OutOfTime):
        bench.index()
    monkeypatch.setattr(bench.parts, "put", put)
    del bench.parts.copies[ingest_id]
    bench.index()
    assert (bench.parts.parts, bench.parts.copies) == (whole.parts.parts, whole.parts.copies)
    assert [one.span for one in bench.ranges] == [one.span for one in whole.ranges]


def test_m22_a_zstd_that_is_cut_off_within_its_frame_is_refused() -> None:
    """No range of it is queued: what is not whole counts nothing."""
    name, body = OBJECTS["zstd of one frame"]
    bench = Bench(name, body[:-1_000])
    ingest_id = bench.arrive()
    bench.index()
    answer = bench.state(ingest_id)
    assert (answer["state"], answer["reason"]["code"]) == ("rejected", "corrupt_zstd")
    assert not bench.ranges
