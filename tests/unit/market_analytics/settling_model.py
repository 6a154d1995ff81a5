"""A model of `market_analytics.data_aggregator_confirmation`: what is confirmed is never taken away again.

One hour, three ranges. Aggregators roll up one after the other, because the lease lets one work at a time; two
settlings come meanwhile. Each step is one request, and everybody may die before each of his. How old a receipt is plays
no part: it keeps a settling from repairing what is just being rolled up, and what is confirmed does not rest on it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RANGES: Final = 3
ROLLINGS_UP: Final = 3
SETTLINGS: Final = 2

type Ranges = frozenset[int]
NONE: Final[Ranges] = frozenset()


class Mistake(StrEnum):
    """What may be planted, to see that the search finds it."""

    NONE = "none"
    REPAIR_BELIEVED = "a range is confirmed in an hour that the same settling has repaired"
    TOO_OFTEN = "a settling begins while somebody lives who saw the one before"


class At(StrEnum):
    """Where somebody is."""

    AWAY = "is away"
    READS = "reads the hour"
    WRITES = "writes the rollup"
    TAKES_OFF = "takes what it rolled up off the list"
    LOOKS = "looks at the rollup"
    READS_ALL = "reads all slices, to repair the hour"
    REPAIRS = "writes the repaired rollup"
    CONFIRMS = "confirms"


class Somebody(NamedTuple):
    """Who is at work. has: the ranges in what it is about to write, or confirm. todo: what it takes off the list."""

    at: At = At.AWAY
    has: Ranges = NONE
    todo: Ranges = NONE


class State(NamedTuple):
    """Everything.

    committed, listed, rolled_up, confirmed: ranges, in the table. roller, settler: who rolls up, who settles.
    rollings_up, settlings: how many may still begin.
    saw: whether the roller lives since before the last settling ended.
    """

    committed: Ranges = NONE
    listed: Ranges = NONE
    rolled_up: Ranges = NONE
    confirmed: Ranges = NONE
    roller: Somebody = Somebody()
    settler: Somebody = Somebody()
    rollings_up: int = ROLLINGS_UP
    settlings: int = SETTLINGS
    saw: bool = False


def wrong(state: State, at_rest: bool) -> str:  # noqa: FBT001 - as `exploring.explore` calls it
    """Say what must not be: whatever is confirmed may lose its slices at any time."""
    if lost := state.confirmed - state.rolled_up:
        return f"{sorted(lost)} are confirmed, and in no rollup"
    return ""


def steps_with(mistake: Mistake) -> Callable[[State], Iterator[tuple[str, State]]]:
    """Return what may happen in a state."""

    def steps(state: State) -> Iterator[tuple[str, State]]:
        if len(state.committed) < RANGES:
            new = frozenset({len(state.committed)})
            yield "a range is committed", state._replace(committed=state.committed | new, listed=state.listed | new)
        if state.roller.at is At.AWAY:
            if state.rollings_up:
                begun = Somebody(At.READS)
                yield "a rolling up begins", state._replace(roller=begun, rollings_up=state.rollings_up - 1, saw=False)
        else:
            yield from _rolled_up(state)
            yield "who rolls up dies", state._replace(roller=Somebody(), saw=False)
        if state.settler.at is At.AWAY:
            if state.settlings and (not state.saw or mistake is Mistake.TOO_OFTEN):
                yield "a settling begins", state._replace(settler=Somebody(At.LOOKS), settlings=state.settlings - 1)
        else:
            yield from _settled(mistake, state)
            yield "who settles dies", _gone(state)

    return steps


def _rolled_up(state: State) -> Iterator[tuple[str, State]]:
    one = state.roller
    name = f"who rolls up {one.at}"
    if one.at is At.READS:
        # All that is listed, or a part of it: its own range alone, or what its shards have.
        for todo in {state.listed, *(frozenset({listed}) for listed in state.listed)}:
            at_work = Somebody(At.WRITES, state.rolled_up | todo, todo)
            yield f"{name} for {sorted(todo)}", state._replace(roller=at_work)
    elif one.at is At.WRITES:
        yield name, state._replace(rolled_up=one.has, roller=Somebody(At.TAKES_OFF, NONE, one.todo))
    else:
        # It goes on where there is something new, or ends.
        listed = state.listed - one.todo
        yield f"{name}, and goes on", state._replace(listed=listed, roller=Somebody(At.READS))
        yield f"{name}, and ends", state._replace(listed=listed, roller=Somebody(), saw=False)


def _settled(mistake: Mistake, state: State) -> Iterator[tuple[str, State]]:
    one = state.settler
    name = f"who settles {one.at}"
    if one.at is At.LOOKS:
        wanted = state.committed - state.confirmed
        if wanted - state.rolled_up:
            # Everything of an hour that must be repaired is doubtful.
            believed = wanted if mistake is Mistake.REPAIR_BELIEVED else NONE
            yield name, state._replace(settler=Somebody(At.READS_ALL, NONE, believed))
        else:
            yield name, state._replace(settler=Somebody(At.CONFIRMS, NONE, wanted))
    elif one.at is At.READS_ALL:
        yield name, state._replace(settler=Somebody(At.REPAIRS, state.rolled_up | state.committed, one.todo))
    elif one.at is At.REPAIRS:
        yield name, state._replace(rolled_up=one.has, settler=Somebody(At.CONFIRMS, NONE, one.todo))
    else:
        yield name, _gone(state._replace(confirmed=state.confirmed | one.todo))


def _gone(state: State) -> State:
    """Have the one who settles be gone; whoever rolls up now may have seen what he wrote."""
    return state._replace(settler=Somebody(), saw=state.roller.at is not At.AWAY)
