"""The judge of a schedule at rest: what is in the bars, and what ingests say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bench.simulation.market_at_rest import Wanted, wrong_states
from bench.simulation.market_history import MarketHistory
from bench.simulation.market_stock import OBJECTS, STOCK, SYMBOLS
from bench.simulation.scheduler import Scheduler
from tickstream.ingests import Format, Layout, Manifest, Source
from tickstream.items import manifest_item

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.simulation.market_stock import Parcel
    from bench.simulation.ticks import Tick

INGEST = "1" * 32
OTHER = "2" * 32


@dataclass
class AtRest:
    """A schedule that has come to rest: an object that was put, and what became of the ingests that it began."""

    scheduler: Scheduler
    history: MarketHistory
    number: int = 0

    @property
    def parcel(self) -> Parcel:
        """The object."""
        return OBJECTS[self.number]

    def put(self, at_ms: int) -> None:
        """Put it."""
        self.scheduler.now_ms = at_ms
        self.history.put(self.parcel.name)

    def begin(self, ingest_id: str) -> None:
        """Have it begin an ingest."""
        source = Source("data", self.parcel.name, "v", "e", 1)
        item = manifest_item(Manifest(ingest_id, 1, ranges=1, source=source, layout=Layout(Format.CSV)))
        self.history.wrote((item["symbol"]["S"], int(item["timestamp"]["N"])), None, item)

    def is_asked(self, ingest_id: str, at_ms: int) -> None:
        """Have an ingest be taken back; somebody asked at that time, and was told a moment later that it is done."""
        self.scheduler.now_ms = at_ms
        self.history.retracting(ingest_id)
        self.scheduler.now_ms = at_ms + 10
        self.history.ordered(ingest_id, 1, "retracted")

    def kinds(self, ticks: Iterable[Tick] = ()) -> list[str]:
        """Return what is wrong when somebody reads these."""
        wanted = Wanted(self.history)
        for symbol in SYMBOLS:
            self.history.read(symbol, 1, [tick for tick in ticks if tick.symbol == symbol])
            wanted.violations += wanted.judged(symbol, self.history, "at rest")
        return sorted({one.kind for one in (*wrong_states(self.history), *wanted.violations)})


@pytest.fixture
def at_rest() -> AtRest:
    """Nothing was put yet."""
    scheduler = Scheduler()
    return AtRest(scheduler, MarketHistory(scheduler))


def test_at_rest_an_object_counts_as_often_as_it_should(at_rest: AtRest) -> None:
    """Once; not at all when it was taken back; once again when it was put after that."""
    ticks = at_rest.parcel.ticks
    at_rest.put(100_000)
    assert at_rest.kinds() == ["never begun"]
    at_rest.begin(INGEST)
    at_rest.history.told(INGEST, 1, "complete", ticks=len(ticks))
    assert at_rest.kinds(ticks) == []
    assert at_rest.kinds() == ["ticks lost at rest"]
    assert at_rest.kinds([*ticks, ticks[0]]) == ["ticks counted twice at rest"]
    at_rest.is_asked(INGEST, 110_000)
    assert at_rest.kinds() == []
    assert at_rest.kinds(ticks) == ["ticks of what was taken back at rest"]
    at_rest.put(120_000)
    assert at_rest.kinds() == ["put again and not begun"]
    at_rest.begin(OTHER)
    at_rest.history.told(OTHER, 1, "complete", ticks=len(ticks))
    assert at_rest.kinds(ticks) == []
    assert at_rest.kinds() == ["ticks lost at rest"]


def test_at_rest_a_put_of_the_moment_in_which_it_was_taken_back_may_be_either(at_rest: AtRest) -> None:
    """Clocks are off by two seconds at most."""
    at_rest.put(100_000)
    at_rest.begin(INGEST)
    at_rest.is_asked(INGEST, 110_000)
    at_rest.put(111_900)
    assert at_rest.kinds() == at_rest.kinds(at_rest.parcel.ticks) == []


def test_at_rest_nobody_begins_again_what_nobody_put_again(at_rest: AtRest) -> None:
    """The put that began it is the one that was taken back."""
    at_rest.put(100_000)
    at_rest.begin(INGEST)
    at_rest.is_asked(INGEST, 100_001)
    at_rest.begin(OTHER)
    at_rest.history.told(OTHER, 1, "complete", ticks=len(at_rest.parcel.ticks))
    assert at_rest.kinds(at_rest.parcel.ticks) == ["taken back and begun again"]


@pytest.mark.parametrize(
    ("ordered", "refused", "state", "kinds"),
    [
        (False, False, "retracted", ["not complete at rest"]),
        (True, False, "retracting", ["not taken back at rest"]),
        (True, False, "complete", ["not taken back at rest"]),
        (True, True, "complete", []),
        (True, True, "retracted", ["not taken back at rest"]),
    ],
)
def test_at_rest_an_ingest_is_taken_back_if_somebody_asked_for_it(
    at_rest: AtRest, *, ordered: bool, refused: bool, state: str, kinds: list[str]
) -> None:
    """Or it says that it cannot be."""
    at_rest.begin(INGEST)
    at_rest.history.ingests[INGEST].ordered_ms = 1 if ordered else None
    at_rest.history.told(INGEST, 1, state, refused=refused)
    assert [one.kind for one in wrong_states(at_rest.history)] == kinds


def test_at_rest_a_damaged_object_is_in_no_bar(at_rest: AtRest) -> None:
    """Nor is it complete."""
    at_rest.number = STOCK
    at_rest.put(100_000)
    at_rest.begin(INGEST)
    at_rest.history.told(INGEST, 1, "rejected")
    assert at_rest.kinds() == []
    assert at_rest.kinds(at_rest.parcel.ticks[:1]) == ["ticks of what was taken back at rest"]
    at_rest.history.told(INGEST, 1, "complete", ticks=2)
    assert at_rest.kinds() == ["not complete at rest"]
