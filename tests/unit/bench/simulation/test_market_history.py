"""The judge of what readers see while a schedule runs: each of its judgements can fall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.simulation.market_history import MarketHistory
from bench.simulation.scheduler import Scheduler
from bench.simulation.table import Table
from bench.simulation.ticks import Maker, Tick
from tickstream import keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import bar_of, merge_bars
from tickstream.hours import Rollup, Slice
from tickstream.ingests import Activity, Pending, Receipt
from tickstream.items import activity_item, pending_item, receipt_items, rollup_item, slice_item
from tickstream.ticks import Tick as RealTick

if TYPE_CHECKING:
    from tickstream.items import Item

INGEST = "1" * 32
SYMBOL = "A"


class Scene:
    """One range of three ticks, and whoever writes and reads it, each a step later than the one before."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.history = MarketHistory(self.scheduler)
        maker = Maker()
        self.ticks = [maker.tick(SYMBOL, 3) for _ in range(3)]
        self.history.sent(self.ticks, surely=True)
        self.range_id = keys.range_id(INGEST, 0)
        self.hour = self.ticks[0].bar[1] // 60

    def _write(self, item: Item) -> None:
        self.scheduler.step += 1
        self.history.wrote((item["symbol"]["S"], int(item["timestamp"]["N"])), None, item)

    def slices(self) -> None:
        """Write the range's slice."""
        self._write(slice_item(Slice(SYMBOL, self.hour, self.range_id, _packed(self.ticks)), INGEST, 0, 1))

    def receipt(self) -> None:
        """Commit the range."""
        (head,) = receipt_items(Receipt(INGEST, 0, 3, 0, 1, {SYMBOL: (self.hour,)}), 1)
        self._write(head)

    def read(self, ticks: list[Tick], begun: int | None = None) -> None:
        """Have a reader find these."""
        self.scheduler.step += 1
        begun = self.scheduler.step if begun is None else begun
        self.scheduler.step += 1
        self.history.read(SYMBOL, begun, set(ticks))

    def complete(self, ticks: int) -> None:
        """Have somebody be told that the ingest is complete."""
        self.scheduler.step += 1
        self.history.complete(INGEST, ticks)

    def kinds(self) -> list[str]:
        """Return what is wrong."""
        return [violation.kind for violation in self.history.violations()]


@pytest.fixture
def scene() -> Scene:
    """A history in which nothing has happened."""
    return Scene()


def test_whoever_reads_all_that_was_written_finds_nothing_wrong(scene: Scene) -> None:
    """Nothing before the slices, everything between them and the receipt or not, everything after it."""
    scene.read([])
    scene.slices()
    scene.read([])
    scene.receipt()
    scene.read(scene.ticks)
    scene.complete(3)
    scene.read(scene.ticks)
    assert scene.kinds() == []


def test_a_committed_range_that_a_later_reader_misses_is_seen(scene: Scene) -> None:
    """It began after the receipt; one that began before may miss it."""
    scene.slices()
    before = scene.scheduler.step
    scene.receipt()
    scene.read([], begun=before)
    assert scene.kinds() == []
    scene.read([])
    assert scene.kinds() == ["committed and not visible"]


def test_a_receipt_before_its_slices_is_seen(scene: Scene) -> None:
    """What a reader in between must have had is known only later."""
    scene.receipt()
    scene.read([])
    scene.slices()
    assert scene.kinds() == ["committed and not visible"]


def test_half_a_slice_is_seen(scene: Scene) -> None:
    """An hour of a range is there as a whole or not at all, committed or not."""
    scene.slices()
    scene.read(scene.ticks[:2])
    assert scene.kinds() == ["half a slice"]


def test_bars_that_shrink_are_seen(scene: Scene) -> None:
    """From one reader to the next that begins when the first has ended; not of two at once."""
    scene.slices()
    scene.read(scene.ticks)
    scene.read([], begun=scene.scheduler.step - 1)
    assert scene.kinds() == []
    scene.read([])
    assert scene.kinds() == ["bars shrink"]


def test_an_answer_before_its_time_is_seen(scene: Scene) -> None:
    """Complete, and somebody who reads afterwards misses a tick; or complete with other ticks than were written."""
    scene.slices()
    scene.complete(3)
    scene.read([])
    assert scene.kinds() == ["complete and not visible"]
    other = Scene()
    other.slices()
    other.complete(2)
    assert other.kinds() == ["complete with another count"]


def test_ticks_out_of_nowhere_are_seen(scene: Scene) -> None:
    """Read before any slice had them."""
    scene.read(scene.ticks)
    scene.slices()
    assert scene.kinds() == ["read before it was written"]


def test_what_is_listed_is_not_settled(scene: Scene) -> None:
    """Until both lists are empty."""
    items = [pending_item(Pending(INGEST, 0, 1)), activity_item(Activity(INGEST, 1, 1))]
    for item in items:
        scene.history.wrote((item["symbol"]["S"], int(item["timestamp"]["N"])), None, item)
    assert scene.history.lists_pending()
    for item in items:
        assert not scene.history.is_settled
        scene.history.wrote((item["symbol"]["S"], int(item["timestamp"]["N"])), item, None)
    assert scene.history.is_settled


@pytest.mark.parametrize("included", [False, True])
def test_a_committed_range_that_no_rollup_includes_is_named(scene: Scene, *, included: bool) -> None:
    """By the hours of the table as they stand."""
    table = Table("symbol", "timestamp", scene.history.wrote)
    ranges = frozenset({scene.range_id}) if included else frozenset()
    piece = slice_item(Slice(SYMBOL, scene.hour, scene.range_id, _packed(scene.ticks)), INGEST, 0, 1)
    for item in (piece, rollup_item(Rollup(SYMBOL, scene.hour, ranges, 0, _packed(scene.ticks)))):
        table.put(table.key_of(item), item)
    scene.receipt()
    assert scene.history.not_rolled_up(table) == ([] if included else [f"{INGEST}/0"])


def _packed(ticks: list[Tick]) -> bytes:
    bars = [
        (bar_of(RealTick(SYMBOL, one.timestamp_ns, one.price * 10**9, (1 << one.bit) * 10**9), "s", "", one.bit),)
        for one in ticks
    ]
    return encode_bars(merge_bars(*bars))
