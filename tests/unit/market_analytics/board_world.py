"""The board and who would work, for the tests of the election: a clock that is turned, and calls that are heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market_analytics.data_aggregator_election import PARTITION, ROLLING_UP, Election, Ended
from tickstream.items import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from market_analytics.data_aggregator_election import Lanes, Share, Work
    from services.memory_table import MemoryTable
    from tickstream.items import Item

HOLD_MS = 60_000


class Clock:
    """A wall clock that tests turn."""

    ms = 1_000_000

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self.ms


type Heard = list[Lanes]


def election(
    table: MemoryTable, clock: Clock, *, calls: Heard | None = None, wait: Callable[[float], None] | None = None
) -> Election:
    """One who would roll up, with plenty of time. calls: hears of whom it calls."""
    heard = [] if calls is None else calls
    return Election(table, ROLLING_UP, HOLD_MS, clock.now_ms, lambda: False, heard.append, wait)


def run(
    table: MemoryTable,
    clock: Clock,
    work: Callable[[], object],
    own: Callable[[], Callable[[], object] | None] | None = None,
    *,
    lanes: Collection[int] = (1,),
) -> bool:
    """An event, of a range in one lane, that waits for nobody."""

    def part() -> Work | None:
        found = own and own()
        return finished(found) if found else None

    return election(table, clock).run(lanes, finished(work), own and part)


def finished(work: Callable[[], object]) -> Work:
    """A pass that comes to its end."""

    def finish(_lanes: Lanes, _share: Share) -> Ended:
        work()
        return Ended.FINISHED

    return finish


def board(table: MemoryTable) -> Item:
    """What stands on the board."""
    return table.get(key_of(PARTITION, ROLLING_UP)) or {}


def never() -> None:
    """Work that must not be begun."""
    raise AssertionError("worked beside a holder")
