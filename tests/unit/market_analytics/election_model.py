"""A model of `market_analytics.data_aggregator_election`: three events and the schedule, two of them at work at once.

Each step is one request to the table, and all orders of them are walked through; once or twice in each history an
answer is lost, a pass fails, or a holder dies and its lease expires. What it takes for granted is that a lease outlives
its holder. Ranges 0 and 1 are listed in shard 0, range 2 in shard 1.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARD_OF: Final = (0, 0, 1)
EVENTS: Final = len(SHARD_OF)
SCHEDULE: Final = EVENTS
ALL_SHARDS: Final = frozenset(SHARD_OF)
AT_A_TIME: Final = 2
NOBODY: Final = -1
#: Below every counter. Counters are kept as small as they can be: histories that come to the same are the same then.
UNKNOWN: Final = -1_000


class Mistake(StrEnum):
    """What may be planted, to see that the search finds it."""

    NONE = "none"
    RELEASED_BLINDLY = "the lease is released without looking at the counter"
    NOT_COUNTED = "an event that finds somebody at work does not count itself"
    RETRY_LOOKS_AT_ITS_OWN = "whoever finds its own range done ends, also where a pass was left unfinished"
    SHARDS_FORGOTTEN = "a pass that failed does not name the shards that it left"


class At(StrEnum):
    """Where one who would roll up is."""

    NOT_BEGUN = "not begun"
    COUNTS = "counts itself"
    ASKS = "asks whether its own range is done"
    TAKES = "takes the lease"
    LOOKS = "looks who has the lease"
    READS = "reads the list"
    WORKS = "rolls up and takes off the list"
    RELEASES = "releases the lease"
    LOOKS_AGAIN = "looks who came"
    DEAD = "is dead"
    DONE = "is done"


class Lease(NamedTuple):
    """The item: see `data_aggregator_election._Seen`."""

    counter: int = 0
    shards: frozenset[int] = frozenset()
    holder: int = NOBODY
    served: int = UNKNOWN


class One(NamedTuple):
    """One who would roll up. seen: the item as it acts by it. todo: what it found in the list. finished: its pass.

    alone_at: the counter with which it may do its own range alone, if it takes the lease at once.
    """

    at: At = At.NOT_BEGUN
    seen: Lease = Lease()
    alone: bool = False
    alone_at: int = UNKNOWN
    todo: frozenset[int] = frozenset()
    finished: bool = True


class State(NamedTuple):
    """Everything. listed: ranges on the list. faults: how many are left to happen."""

    lease: Lease = Lease()
    ones: tuple[One, ...] = (One(),) * (EVENTS + 1)
    listed: frozenset[int] = frozenset()
    faults: int = 1


def wrong(state: State, at_rest: bool) -> str:  # noqa: FBT001 - as `exploring.explore` calls it
    """Say what must not be."""
    working = [one for one in state.ones if one.at in {At.READS, At.WORKS}]
    if len(working) > 1:
        return "two work at once"
    if at_rest and state.listed:
        return f"all events are over, and nobody has rolled up {sorted(state.listed)}"
    return ""


def steps_with(mistake: Mistake, *, scheduled: bool) -> Callable[[State], Iterator[tuple[str, State]]]:
    """Return what may happen in a state. scheduled: whether the schedule fires, once."""

    def steps(state: State) -> Iterator[tuple[str, State]]:
        at_work = sum(one.at not in {At.NOT_BEGUN, At.DEAD, At.DONE} for one in state.ones)
        for number, one in enumerate(state.ones):
            who = "schedule" if number == SCHEDULE else f"event {number}"
            if one.at is At.NOT_BEGUN:
                if at_work < AT_A_TIME and (scheduled or number != SCHEDULE):
                    begun = state.listed | ({number} if number != SCHEDULE else frozenset())
                    yield f"{who} begins", _with(state, number, one._replace(at=At.COUNTS), listed=begun)
            elif one.at is At.DEAD:
                # Its lease expires, and then Lambda tries the event again.
                if at_work < AT_A_TIME:
                    lease = state.lease._replace(holder=NOBODY) if state.lease.holder == number else state.lease
                    yield f"{who} comes again", _with(state, number, One(At.COUNTS), lease=lease)
            elif one.at is not At.DONE:
                for name, after in _went(mistake, state, number, one):
                    yield f"{who} {name}", after
                if state.faults:
                    dead = _with(state, number, One(At.DEAD), faults=state.faults - 1)
                    yield f"{who} dies before it {one.at}", dead

    return steps


def _went(mistake: Mistake, state: State, number: int, one: One) -> Iterator[tuple[str, State]]:
    lease, name = state.lease, one.at.value
    if one.at is At.COUNTS:
        yield name, _counted(mistake, state, number, one)
    elif one.at is At.ASKS:
        unfinished = one.seen.served == UNKNOWN and mistake is not Mistake.RETRY_LOOKS_AT_ITS_OWN
        is_listed = number in state.listed
        at = At.TAKES if is_listed or unfinished else At.DONE
        alone_at = one.seen.counter + 1 if is_listed and one.seen.served == one.seen.counter - 1 else UNKNOWN
        after = One(At.DONE) if at is At.DONE else one._replace(at=at, alone_at=alone_at)
        yield name, _with(state, number, after)
    elif one.at is At.TAKES:
        mine = Lease(one.seen.counter + 1, one.seen.shards, number)
        if lease.counter != one.seen.counter:
            yield f"{name}, in vain", _with(state, number, one._replace(at=At.LOOKS))
        else:
            yield name, _with(state, number, One(At.READS, mine, alone=mine.counter == one.alone_at), lease=mine)
            if state.faults:
                lost = one._replace(at=At.LOOKS)
                yield f"{name}, and the answer is lost", _with(state, number, lost, lease=mine, faults=state.faults - 1)
    elif one.at is At.LOOKS:
        if lease.holder == number:
            # Others may have counted themselves: then it is not alone.
            yield name, _with(state, number, One(At.READS, lease, alone=lease.counter == one.alone_at))
        elif lease.holder != NOBODY:
            yield name, _with(state, number, One(At.DONE))
        else:
            yield name, _with(state, number, one._replace(at=At.TAKES, seen=lease))
    else:
        yield from _passed(mistake, state, number, one)


def _passed(mistake: Mistake, state: State, number: int, one: One) -> Iterator[tuple[str, State]]:
    name = one.at.value
    if one.at is At.READS:
        todo = {number} if one.alone else {ran for ran in state.listed if SHARD_OF[ran] in one.seen.shards}
        yield name, _with(state, number, one._replace(at=At.WORKS, todo=state.listed & todo))
    elif one.at is At.WORKS:
        done = One(At.RELEASES, one.seen)
        yield name, _with(state, number, done, listed=state.listed - one.todo)
        if state.faults:
            some = frozenset(sorted(one.todo)[:1])
            failed = done._replace(finished=False)
            yield (
                f"{name}, and fails after {sorted(some)}",
                _with(state, number, failed, listed=state.listed - some, faults=state.faults - 1),
            )
    else:
        yield from _released(mistake, state, number, one)


def _counted(mistake: Mistake, state: State, number: int, one: One) -> State:
    lease = state.lease
    is_held = lease.holder != NOBODY
    if is_held and mistake is Mistake.NOT_COUNTED:
        return _with(state, number, One(At.DONE))
    own = ALL_SHARDS if number == SCHEDULE else frozenset({SHARD_OF[number]})
    seen = lease._replace(counter=lease.counter + 1, shards=lease.shards | own)
    begun = At.TAKES if number == SCHEDULE else At.ASKS
    return _with(state, number, One(At.DONE) if is_held else One(begun, seen), lease=seen)


def _released(mistake: Mistake, state: State, number: int, one: One) -> Iterator[tuple[str, State]]:
    lease, name = state.lease, one.at.value
    # One that failed is tried again by Lambda.
    over = One(At.DONE) if one.finished else One(At.COUNTS)
    if one.at is At.LOOKS_AGAIN:
        if lease.holder != number:
            yield name, _with(state, number, over)
        elif one.finished:
            yield name, _with(state, number, One(At.READS, lease))
        else:
            yield name, _with(state, number, one._replace(at=At.RELEASES, seen=lease))
        return
    left = frozenset() if one.finished or mistake is Mistake.SHARDS_FORGOTTEN else one.seen.shards
    counter = one.seen.counter + 1
    free = Lease(counter, left, served=counter if one.finished else UNKNOWN)
    if lease.counter != one.seen.counter and mistake is not Mistake.RELEASED_BLINDLY:
        yield f"{name}, in vain", _with(state, number, one._replace(at=At.LOOKS_AGAIN))
        return
    yield name, _with(state, number, over, lease=free)
    if state.faults:
        lost = one._replace(at=At.LOOKS_AGAIN)
        yield f"{name}, and the answer is lost", _with(state, number, lost, lease=free, faults=state.faults - 1)


def _with(
    state: State,
    number: int,
    one: One,
    *,
    lease: Lease | None = None,
    listed: frozenset[int] | None = None,
    faults: int | None = None,
) -> State:
    ones = (*state.ones[:number], one, *state.ones[number + 1 :])
    lease = state.lease if lease is None else lease
    least = min([lease.counter, *(other.seen.counter for other in ones if other.seen.counter)]) - 1
    if least > 0:
        lease = _lowered(lease, least)
        ones = tuple(
            other._replace(seen=_lowered(other.seen, least), alone_at=_less(other.alone_at, least)) for other in ones
        )
    return State(
        lease,
        ones,
        state.listed if listed is None else listed,
        state.faults if faults is None else faults,
    )


def _lowered(lease: Lease, by: int) -> Lease:
    return lease._replace(counter=lease.counter - by, served=_less(lease.served, by)) if lease.counter else lease


def _less(counter: int, by: int) -> int:
    # One that is out of reach stays so: whatever is below a counter by two is as good as any.
    return counter if counter == UNKNOWN else max(counter - by, -2)
