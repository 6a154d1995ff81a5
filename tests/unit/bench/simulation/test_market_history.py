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
from tickstream.errors import Reason
from tickstream.hours import Revision, Rollup, Slice
from tickstream.ingests import Activity, Pending, Receipt, Refusal
from tickstream.items import (
    activity_item,
    pending_item,
    receipt_items,
    revision_item,
    rollup_item,
    slice_item,
)
from tickstream.ticks import Tick as RealTick

if TYPE_CHECKING:
    from tickstream.items import Item

INGEST = "1" * 32
OTHER = "2" * 32
SYMBOL = "A"


class Scene:
    """One range of three ticks, and whoever writes and reads it, each a step later than the one before."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.history = MarketHistory(self.scheduler)
        maker = Maker()
        self.ticks = [maker.tick(SYMBOL, 3) for _ in range(3)]
        self.history.sent(self.ticks)
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
        self.history.read(SYMBOL, begun, ticks)

    def again(self) -> None:
        """Write the slice of the same ticks once more, as another ingest's, and commit it."""
        self._write(slice_item(Slice(SYMBOL, self.hour, keys.range_id(OTHER, 0), _packed(self.ticks)), OTHER, 0, 1))
        (head,) = receipt_items(Receipt(OTHER, 0, 3, 0, 1, {SYMBOL: (self.hour,)}), 1)
        self._write(head)

    def withdraw(self) -> None:
        """Have the hour do without the range."""
        self._write(revision_item(Revision(SYMBOL, self.hour, 1, frozenset({self.range_id}))))

    def refuse(self) -> None:
        """Commit another range of the ingest, which was refused as a whole."""
        refusal = Refusal(Reason.TOO_MUCH_WORK, "too many rows that are no ticks")
        (head,) = receipt_items(Receipt(INGEST, 1, 0, 1, 1, {}, refusal), 1)
        self._write(head)

    def told(self, state: str, ticks: int = -1, *, refused: bool = False) -> None:
        """Have somebody be told what the ingest is."""
        self.scheduler.step += 1
        begun = self.scheduler.step
        self.scheduler.step += 1
        self.history.told(INGEST, begun, state, ticks=ticks, refused=refused)

    def complete(self, ticks: int) -> None:
        """Have somebody be told that the ingest is complete."""
        self.told("complete", ticks)

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


def test_what_is_taken_back_may_leave_the_bars_and_must_not_stay(scene: Scene) -> None:
    """Since its revision stands in the hour; who began to read before may have it or not."""
    scene.slices()
    scene.receipt()
    scene.complete(3)
    scene.read(scene.ticks)
    before = scene.scheduler.step
    scene.withdraw()
    scene.read(scene.ticks, begun=before)
    scene.read([], begun=before)
    scene.read([])
    assert scene.kinds() == []
    scene.read(scene.ticks)
    assert scene.kinds() == ["taken back and still counted"]


def test_half_of_what_is_taken_back_is_seen(scene: Scene) -> None:
    """An hour does without a range as a whole."""
    scene.slices()
    before = scene.scheduler.step
    scene.withdraw()
    scene.read(scene.ticks[:1], begun=before)
    assert scene.kinds() == ["half a slice"]


def test_who_was_told_that_it_is_retracted_finds_nothing_of_it(scene: Scene) -> None:
    """Whatever revisions there are."""
    scene.slices()
    scene.receipt()
    scene.told("retracting")
    scene.read(scene.ticks)
    assert scene.kinds() == []
    scene.told("retracted")
    scene.read(scene.ticks)
    assert scene.kinds() == ["taken back and still counted"]


def test_the_same_bytes_put_again_count_beside_the_others_until_those_are_hidden(scene: Scene) -> None:
    """Once each, and never the ones for the others."""
    scene.slices()
    scene.receipt()
    assert scene.history.several(SYMBOL) == []
    scene.again()
    assert scene.history.several(SYMBOL) == [frozenset(scene.ticks)]
    scene.read([*scene.ticks, *scene.ticks])
    scene.withdraw()
    scene.read(scene.ticks)
    assert scene.kinds() == []
    scene.read([])
    assert scene.kinds() == ["committed and not visible", "bars shrink", "bars shrink"]


def test_a_state_that_moves_back_is_seen(scene: Scene) -> None:
    """What cannot be taken back says so, and is complete again."""
    scene.slices()
    scene.told("retracting")
    scene.told("complete", 3, refused=True)
    assert scene.kinds() == []
    scene.told("retracted")
    scene.told("retracting")
    assert scene.kinds() == ["a state moved back"]


def test_complete_is_not_said_of_what_was_refused_in_part(scene: Scene) -> None:
    """Whatever ticks the other ranges have."""
    scene.slices()
    scene.refuse()
    scene.complete(3)
    assert scene.kinds() == ["complete though a range was refused"]


def test_ticks_out_of_nowhere_are_seen(scene: Scene) -> None:
    """Read before any slice had them."""
    scene.read(scene.ticks)
    scene.slices()
    assert scene.kinds() == ["read before it was written"]


def test_what_is_listed_is_not_settled(scene: Scene) -> None:
    """Until both lists are empty."""
    items = [pending_item(Pending(INGEST, 0, 1, 0)), activity_item(Activity(INGEST, 1, 1))]
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
