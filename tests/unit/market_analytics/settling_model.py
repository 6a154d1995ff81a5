"""A model of `market_analytics.data_aggregator_confirmation`: what is confirmed is never taken away again.

One hour, three ranges. Aggregators roll up one after the other, because one at a time has claimed the hour's lane; two
settlings come meanwhile. Each step is one request, and everybody may die before each of his. How old a receipt is plays
no part: it keeps a settling from listing again what is just being rolled up, and what is confirmed does not rest on it.
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
    LISTED_AGAIN_BELIEVED = "a range that was listed again is confirmed with the others"
    TWO_AT_ONCE = "somebody claims a lane while the one before is still at work"
    SETTLING_WRITES = "a settling repairs the rollup by itself"


class At(StrEnum):
    """Where somebody is."""

    AWAY = "is away"
    READS = "reads the hour"
    WRITES = "writes the rollup"
    TAKES_OFF = "takes what it rolled up off the list"
    LOOKS = "looks at the rollup"
    REPAIRS = "repairs the rollup"
    LISTS = "lists what is missing again"
    CONFIRMS = "confirms"


class Somebody(NamedTuple):
    """Who is at work. has: the ranges in what it is about to write. todo: what it takes off, lists or confirms."""

    at: At = At.AWAY
    has: Ranges = NONE
    todo: Ranges = NONE
    sure: Ranges = NONE


class State(NamedTuple):
    """Everything.

    committed, listed, rolled_up, confirmed: ranges, in the table. rollers, settler: who rolls up, who settles.
    rollings_up, settlings: how many may still begin.
    """

    committed: Ranges = NONE
    listed: Ranges = NONE
    rolled_up: Ranges = NONE
    confirmed: Ranges = NONE
    rollers: tuple[Somebody, Somebody] = (Somebody(), Somebody())
    settler: Somebody = Somebody()
    rollings_up: int = ROLLINGS_UP
    settlings: int = SETTLINGS


def wrong(state: State, at_rest: bool) -> str:  # noqa: FBT001 - as `exploring.explore` calls it
    """Say what must not be: whatever is confirmed may lose its slices at any time."""
    if lost := state.confirmed - state.rolled_up:
        return f"{sorted(lost)} are confirmed, and in no rollup"
    return ""


def steps_with(mistake: Mistake) -> Callable[[State], Iterator[tuple[str, State]]]:
    """Return what may happen in a state."""
    at_once = 2 if mistake is Mistake.TWO_AT_ONCE else 1

    def steps(state: State) -> Iterator[tuple[str, State]]:
        if len(state.committed) < RANGES:
            new = frozenset({len(state.committed)})
            yield "a range is committed", state._replace(committed=state.committed | new, listed=state.listed | new)
        for number, one in enumerate(state.rollers[:at_once]):
            if one.at is not At.AWAY:
                yield from _rolled_up(state, number, one)
                yield f"roller {number} dies", _roller(state, number, Somebody())
            elif state.rollings_up:
                begun = _roller(state, number, Somebody(At.READS))
                yield f"roller {number} claims the lane", begun._replace(rollings_up=state.rollings_up - 1)
        if state.settler.at is not At.AWAY:
            yield from _settled(mistake, state)
            yield "who settles dies", state._replace(settler=Somebody())
        elif state.settlings:
            yield "a settling begins", state._replace(settler=Somebody(At.LOOKS), settlings=state.settlings - 1)

    return steps


def _roller(state: State, number: int, one: Somebody) -> State:
    rollers = (one, state.rollers[1]) if number == 0 else (state.rollers[0], one)
    return state._replace(rollers=rollers)


def _rolled_up(state: State, number: int, one: Somebody) -> Iterator[tuple[str, State]]:
    name = f"roller {number} {one.at}"
    if one.at is At.READS:
        # All that is listed, or a part of it: its own range alone, or what its lanes have.
        for todo in {state.listed, *(frozenset({listed}) for listed in state.listed)}:
            at_work = Somebody(At.WRITES, state.rolled_up | todo, todo)
            yield f"{name} for {sorted(todo)}", _roller(state, number, at_work)
    elif one.at is At.WRITES:
        taken = Somebody(At.TAKES_OFF, NONE, one.todo)
        yield name, _roller(state._replace(rolled_up=one.has), number, taken)
    else:
        # It goes on where there is something new, or ends.
        after = state._replace(listed=state.listed - one.todo)
        yield f"{name}, and goes on", _roller(after, number, Somebody(At.READS))
        yield f"{name}, and ends", _roller(after, number, Somebody())


def _settled(mistake: Mistake, state: State) -> Iterator[tuple[str, State]]:
    one = state.settler
    name = f"who settles {one.at}"
    if one.at is At.LOOKS:
        wanted = state.committed - state.confirmed
        missing = wanted - state.rolled_up
        believed = wanted if mistake in {Mistake.LISTED_AGAIN_BELIEVED, Mistake.SETTLING_WRITES} else wanted - missing
        if missing and mistake is Mistake.SETTLING_WRITES:
            repaired = Somebody(At.REPAIRS, state.rolled_up | wanted, sure=believed)
            yield name, state._replace(settler=repaired)
        elif missing:
            yield name, state._replace(settler=Somebody(At.LISTS, todo=missing, sure=believed))
        else:
            yield name, state._replace(settler=Somebody(At.CONFIRMS, sure=believed))
    elif one.at is At.REPAIRS:
        yield name, state._replace(rolled_up=one.has, settler=Somebody(At.CONFIRMS, sure=one.sure))
    elif one.at is At.LISTS:
        confirms = Somebody(At.CONFIRMS, sure=one.sure)
        yield name, state._replace(listed=state.listed | one.todo, settler=confirms)
    else:
        yield name, state._replace(confirmed=state.confirmed | one.sure, settler=Somebody())
