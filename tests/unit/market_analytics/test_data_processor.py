"""Ranges on a table in memory: committed once, whatever comes twice, fails or dies in between."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from market_analytics import data_processor_ranges
from market_analytics.data_processor_ranges import MAX_RAW_BYTES, reject_line, rejects_key
from tests.unit.market_analytics.processor_world import (
    COLUMNS,
    GOOD,
    HEADER,
    INGEST,
    MIXED,
    NOW_MS,
    Died,
    World,
    commit_range,
    dying,
    pointer,
)
from tickstream import keys
from tickstream.bars import bar_of
from tickstream.decoding import LIMITS
from tickstream.errors import Reason, ServiceIncomplete
from tickstream.hours import Slice
from tickstream.ingests import Container, Format, Layout, Pending, Refusal, Source, Span
from tickstream.items import hour_item_from, pending_from
from tickstream.messages import InlineTicks, RangePointer
from tickstream.ticks import RejectedRow, Tick

if TYPE_CHECKING:
    from services.memory_table import Identity
    from tickstream.items import Item


def test_a_range_becomes_slices_a_receipt_and_an_event() -> None:
    """A range ends as one slice a symbol and hour, a receipt that lists them, an entry in each lane and its event."""
    world = World(GOOD)
    event = commit_range(pointer(GOOD), world.stores())
    receipt = world.receipt()
    assert receipt is not None
    assert (receipt.ticks, receipt.rejected) == (event.ticks, event.rejected) == (3, 0)
    assert receipt.hours == {"AAPL": (491006, 491007), "MSFT": (491006,)}
    assert [bar.ticks for bar in world.bars("AAPL")] == [1, 1]
    assert event.lanes == tuple(sorted({keys.lane_of("AAPL"), keys.lane_of("MSFT")}))
    for lane in event.lanes:
        [entry] = world.table.query(keys.pending_partition(lane))
        assert pending_from(entry) == Pending(INGEST, 0, event.received_ms, lane)
    assert isinstance(hour_item_from(next(world.table.query("AAPL"))), Slice)
    assert world.rejects == {}


def test_m21_rejected_rows_are_kept_with_reason_place_and_text() -> None:
    """Each bad row stands in the range's rejects object; the good ones count."""
    world = World(MIXED)
    event = commit_range(pointer(MIXED), world.stores())
    assert (event.ticks, event.rejected) == (1, 2)
    lines = world.rejects[rejects_key(INGEST, 0)]
    assert [line["reason"] for line in lines] == ["bad_price", "not_utf8"]
    assert lines[0]["offset"] == MIXED.index(b"AAPL,1767623400000000000,+1")
    assert lines[0]["raw"] == "AAPL,1767623400000000000,+1,100"
    assert "raw" not in lines[1]
    assert lines[1]["raw_base64"]


def test_posted_ticks_keep_their_positions() -> None:
    """Inline ticks become bars whose first and last tick stand at their position in the request."""
    world = World(None)
    ticks = tuple((at, Tick("AAPL", 1767623400000000000, (at + 1) * 10**9, 10**9)) for at in (2, 5))
    event = commit_range(InlineTicks(INGEST, NOW_MS, ticks), world.stores())
    assert event.ticks == 2
    [bar] = world.bars("AAPL")
    first, last = (bar_of(tick, INGEST, "", at) for at, tick in ticks)
    assert (bar.first, bar.last) == (first.first, last.last)
    assert (bar.open_e9, bar.close_e9) == (3 * 10**9, 6 * 10**9)


def test_i1_a_death_at_any_write_and_another_delivery_are_one_range() -> None:
    """Killed before each write in turn and delivered again, the table ends the same and no tick counts twice."""
    whole = World(MIXED + GOOD[len(HEADER) :])
    assert whole.body is not None
    message = pointer(whole.body)
    commit_range(message, whole.stores())
    writes = len(whole.table.contents())
    assert writes > 4
    for dies_at in range(writes):
        world = World(whole.body)
        world.table.before_write = dying(dies_at)
        with pytest.raises(Died):
            commit_range(message, world.stores())
        assert world.receipt() is None, f"committed before all was written (write {dies_at})"
        world.table.before_write = None
        commit_range(message, world.stores())
        assert world.table.contents() == whole.table.contents()
        assert world.rejects == whole.rejects


def test_the_receipt_is_the_last_write_and_its_part_0_the_last_of_it() -> None:
    """A receipt of several parts commits with part 0, when everything else is there."""
    hours = 40_000
    ticks = tuple(
        (at, Tick(f"S{at % 100}", (631_152_000 + 3600 * (at // 100)) * 10**9, 10**9, 10**9)) for at in range(hours)
    )
    order: list[Identity] = []
    world = World(None)
    world.table.before_write = order.append
    commit_range(InlineTicks(INGEST, NOW_MS, ticks), world.stores())
    receipt = world.receipt()
    assert receipt is not None
    assert sum(len(found) for found in receipt.hours.values()) == hours
    partition = keys.ingest_partition(INGEST)
    parts = [sort_key for name, sort_key in order if name == partition]
    assert len(parts) > 1
    # The entries go with part 0; a batch has no order.
    slices = [position for position, (name, _) in enumerate(order) if "#" not in name]
    assert slices[-1] < order.index((partition, parts[0]))
    assert order[-1][0] == partition
    assert keys.receipt_index_and_part(parts[-1]) == (0, 0)


def test_i2_a_second_delivery_changes_nothing_that_counts() -> None:
    """The same message later leaves the same items but for the time of the commit."""
    world = World(GOOD)
    commit_range(pointer(GOOD), world.stores())
    before = _without_commit_time(world.table.contents())
    world.now_ms += 60_000
    commit_range(pointer(GOOD), world.stores())
    assert _without_commit_time(world.table.contents()) == before


def _without_commit_time(items: dict[Identity, Item]) -> dict[Identity, Item]:
    return {
        identity: {name: value for name, value in item.items() if name != "committedMs"}
        for identity, item in items.items()
    }


def test_an_object_that_is_gone_is_a_result() -> None:
    """A range whose object is gone commits no ticks and one reject that says so."""
    world = World(None)
    event = commit_range(pointer(GOOD), world.stores())
    assert (event.ticks, event.rejected) == (0, 1)
    [line] = world.rejects[rejects_key(INGEST, 0)]
    assert line == {"offset": 0, "reason": "object_gone", "detail": "gone"}
    receipt = world.receipt()
    assert receipt is not None
    assert receipt.refusal == Refusal(Reason.OBJECT_GONE, "gone")


def test_i1_a_range_keeps_its_ticks_when_its_object_goes_later() -> None:
    """Processed, then the object deleted, then the message once more: the receipt stays and its event is repeated."""
    world = World(MIXED)
    first = commit_range(pointer(MIXED), world.stores())
    before, rejects = world.table.contents(), dict(world.rejects)
    world.body = None
    assert commit_range(pointer(MIXED), world.stores()) == first
    assert world.table.contents() == before
    assert world.rejects == rejects


def test_a_known_gap_a_death_among_the_slices_then_a_deletion_leaves_them() -> None:
    """The gap that the design names: the range is refused, the slices written before count until they expire."""
    world = World(GOOD)
    world.table.before_write = dying(1)
    with pytest.raises(Died):
        commit_range(pointer(GOOD), world.stores())
    world.table.before_write = None
    world.body = None
    assert commit_range(pointer(GOOD), world.stores()).ticks == 0
    receipt = world.receipt()
    assert receipt is not None
    assert receipt.refusal is not None
    assert len(world.bars("AAPL")) + len(world.bars("MSFT")) == 1
    assert all("expiresAt" in item for item in world.table.contents().values())


def test_i1_a_reader_that_was_faster_than_the_deletion_wins() -> None:
    """Two deliveries at once, one of which finds the object gone: the ticks of the other count, in either order."""
    world = World(None)
    rival = World(GOOD, table=world.table)

    def race(identity: Identity) -> None:
        if identity[0] == keys.ingest_partition(INGEST):
            world.table.before_write = None
            commit_range(pointer(GOOD), rival.stores())

    world.table.before_write = race
    event = commit_range(pointer(GOOD), world.stores())
    receipt = world.receipt()
    assert receipt is not None
    assert receipt.ticks == event.ticks == 3


def test_a_range_that_costs_too_much_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is committed as refused, by name, and its message does not come again."""
    monkeypatch.setattr(data_processor_ranges, "LIMITS", replace(LIMITS, cpu_s=-1.0))
    world = World(GOOD)
    assert commit_range(pointer(GOOD), world.stores()).ticks == 0
    receipt = world.receipt()
    assert receipt is not None
    assert receipt.refusal is not None
    assert receipt.refusal.reason is Reason.TOO_MUCH_WORK


def test_a_range_without_time_left_comes_again() -> None:
    """Nothing is written where the invocation ends first, and the next one commits it."""
    world = World(GOOD)
    with pytest.raises(ServiceIncomplete, match="no time left"):
        commit_range(pointer(GOOD), replace(world.stores(), in_time=lambda: False))
    assert world.receipt() is None
    assert commit_range(pointer(GOOD), world.stores()).ticks == 3


def test_a_truncated_gzip_counts_nothing() -> None:
    """An object that breaks off is refused as a whole: half of it now and all of it later would count twice."""
    import gzip  # noqa: PLC0415 - only here

    packed = gzip.compress(GOOD)[:-10]
    whole = pointer(GOOD)
    source = Source("bucket", "t.csv.gz", "v1", "e" * 32, len(packed))
    layout = Layout(Format.CSV, container=Container.GZIP, columns=COLUMNS, data_start=len(HEADER))
    world = World(packed)
    event = commit_range(
        RangePointer(INGEST, NOW_MS, Span(0, 0, len(packed)), source, layout),
        world.stores(),
    )
    assert (event.ticks, event.rejected, event.ingest_id) == (0, 1, whole.ingest_id)
    assert world.bars("AAPL") == []
    assert world.rejects[rejects_key(INGEST, 0)][0]["reason"] == "corrupt_gzip"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain", {"raw": "plain"}),
        ("\u00e9\u0000\u2028".encode(), {"raw": "\u00e9\u0000\u2028"}),
        (b"\xff\xfe", {"raw_base64": "//4="}),
        (b"x" * (MAX_RAW_BYTES + 5), {"raw": "x" * MAX_RAW_BYTES, "raw_bytes": MAX_RAW_BYTES + 5}),
        (("x" + "\u00e9" * MAX_RAW_BYTES).encode()[:MAX_RAW_BYTES], {"raw": "x" + "\u00e9" * (MAX_RAW_BYTES // 2 - 1)}),
    ],
)
def test_the_raw_text_of_a_reject_is_kept_as_far_as_stated(raw: bytes, expected: dict[str, Any]) -> None:
    """Text stays text, other bytes are Base64, and what is cut says how long it was; always on one line."""
    line = reject_line(RejectedRow(7, Reason.MALFORMED_ROW, "why", raw))
    assert b"\n" not in line
    assert json.loads(line) == {"offset": 7, "reason": "malformed_row", "detail": "why", **expected}
