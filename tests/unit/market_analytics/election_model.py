"""A model of `market_analytics.data_aggregator_election`: three events, the schedule, calls; two are at work at once.

Each step is one request, and all orders of them are walked through; once or twice in each history an answer is lost, a
pass fails or is out of time, or a holder dies and its claims expire. What it takes for granted is that a claim outlives
its holder, and so all who began before it. There are two lanes: range 0 has symbols of one, range 2 of the other, range
1 of both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from tests.unit.market_analytics.election_states import (
    AT_A_TIME,
    CALLED,
    EVENTS,
    LANES,
    LANES_OF,
    NOBODY,
    NONE,
    SCHEDULE,
    At,
    Board,
    One,
    State,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.market_analytics.election_states import Lanes


class Mistake(StrEnum):
    """What may be planted, to see that the search finds it."""

    NONE = "none"
    LEFT_BLINDLY = "lanes are left without looking whether any waits"
    LEFT_TO_OTHERS = "lanes are left while somebody else works, without looking"
    OTHERS_TAKEN_FOR_ALIVE = "whoever leaves does not mind what was named of lanes that others work on"
    NOT_NAMED = "an event that finds somebody at work does not name its lanes"
    RETRY_LOOKS_AT_ITS_OWN = "whoever finds its own range done ends, also where a pass was left undone"
    UNDONE_FORGOTTEN = "lanes whose pass failed are left as if it had come to its end"
    NEXT_NOT_CALLED = "lanes are left out of time, and nobody is called"
    CALLED_FOR_ITS_OWN = "whoever is called looks at nothing else, also where nobody is at work any more"
    COUNTED_ONLY = "an event is taken for the only one where its lanes were named once, by whomever"
    ALONE_BESIDE_OTHERS = "an event does its own range alone, whoever else named lanes that it claims"


def own_lanes(number: int) -> Lanes:
    """Return the lanes that somebody names."""
    return LANES_OF[number] if number < EVENTS else frozenset(LANES)


def wrong(state: State, at_rest: bool) -> str:  # noqa: FBT001 - as `exploring.explore` calls it
    """Say what must not be."""
    at_work: list[int] = []
    for one in state.ones:
        if one.at in {At.READS, At.WORKS, At.SHARES, At.GOES_ON}:
            at_work += one.lanes
    if len(set(at_work)) < len(at_work):
        return "two work at one lane"
    if at_rest and state.listed:
        return f"all events are over, and nobody has rolled up {sorted(state.listed)}"
    return ""


def steps_with(
    mistake: Mistake, *, events: int = EVENTS, scheduled: bool = False, shares: bool = True
) -> Callable[[State], Iterator[tuple[str, State]]]:
    """Return what may happen in a state.

    events: so many come, the last ones. scheduled: whether the schedule fires, once. shares: whether lanes are given
    away.
    """

    def steps(state: State) -> Iterator[tuple[str, State]]:
        at_work = [number for number, one in enumerate(state.ones) if one.at not in {At.NOT_BEGUN, At.DEAD, At.DONE}]
        for number, one in enumerate(state.ones):
            who = {SCHEDULE: "schedule", CALLED: "called"}.get(number, f"event {number}")
            may_begin = len(at_work) < AT_A_TIME
            if number == CALLED and one.at in {At.NOT_BEGUN, At.DONE}:
                for call in state.calls if may_begin else ():
                    called = One(At.BEGINS, one.life + (one.at is At.DONE), given=call)
                    yield f"{who} for {sorted(call)} begins", _begun(state, number, called, calls=state.calls - {call})
            elif one.at is At.NOT_BEGUN:
                if may_begin and (scheduled if number == SCHEDULE else number >= EVENTS - events):
                    listed = {(number, lane) for lane in own_lanes(number)} if number < EVENTS else set()
                    yield (
                        f"{who} begins",
                        _begun(state, number, one._replace(at=At.NAMES), listed=state.listed | listed),
                    )
            elif one.at is At.DEAD:
                # Its claims expire, when all who began before it are dead; then Lambda tries the event again.
                older = state.begun[: state.begun.index(number)]
                if may_begin and not set(older) & set(at_work):
                    gone = {_life(other, state.ones[other].life) for other in (*older, number)}
                    board = state.board._replace(gone=state.board.gone | gone)
                    yield f"{who} comes again", _begun(state, number, _again(number, one), board=board)
            elif one.at is not At.DONE:
                for name, after in _went(mistake, state, number, one, shares=shares):
                    yield f"{who} {name}", after
                if state.faults:
                    dead = one._replace(at=At.DEAD, lanes=NONE, seen=Board())
                    yield f"{who} dies before it {one.at}", _with(state, number, dead, faults=state.faults - 1)

    return steps


def _life(number: int, life: int) -> int:
    return life * len(State().ones) + number


def _again(number: int, one: One) -> One:
    called = number == CALLED
    return One(At.BEGINS if called else At.NAMES, one.life + 1, given=one.given if called else NONE)


def _begun(
    state: State, number: int, one: One, *, listed: frozenset[tuple[int, int]] | None = None,
    board: Board | None = None, calls: frozenset[Lanes] | None = None,
) -> State:  # fmt: skip
    after = _with(state, number, one, listed=listed, board=board)
    order = (*(other for other in state.begun if other != number), number)
    return after._replace(begun=order, calls=state.calls if calls is None else calls)


def _went(mistake: Mistake, state: State, number: int, one: One, *, shares: bool) -> Iterator[tuple[str, State]]:
    name = one.at.value
    if one.at in {At.NAMES, At.BEGINS, At.ASKS}:
        after = _with(state, number, *_begins(mistake, state, number, one))
        if one.at is At.NAMES:
            ones = [other._replace(last=False, is_fresh=False) for other in after.ones]
            ones[number] = after.ones[number]
            after = after._replace(ones=tuple(ones))
        yield name, after
    elif one.at is At.CLAIMS:
        yield from _claimed(mistake, state, number, one)
    elif one.at is At.LOOKS_WHO:
        mine = state.board.claimed_by(_life(number, one.life))
        seen = one._replace(seen=state.board)
        claimed = seen._replace(at=At.READS, lanes=mine, last=False, alone=False)
        yield name, _with(state, number, claimed if mine else _to_claim(mistake, number, seen))
    elif one.at in {At.READS, At.WORKS}:
        yield from _passed(state, number, one, shares=shares)
    elif one.at in {At.GOES_ON, At.LOOKS_WHAT}:
        yield from _went_on(mistake, state, number, one)
    else:
        yield from _left(mistake, state, number, one)


def _begins(mistake: Mistake, state: State, number: int, one: One) -> tuple[One, Board]:
    board = state.board
    if one.at is At.BEGINS:
        return _to_claim(mistake, number, one._replace(seen=board, is_fresh=True)), board
    if one.at is At.NAMES:
        if mistake is Mistake.NOT_NAMED and board.anybody_works():
            return _over(one), board
        own = own_lanes(number)
        board = board._replace(named=tuple(board.named[lane] + (lane in own) for lane in LANES))
        seen = one._replace(seen=board, is_fresh=True, last=True)
        if board.anybody_works():
            return _over(one), board
        return (_to_claim(mistake, number, seen) if number == SCHEDULE else seen._replace(at=At.ASKS)), board
    is_listed = any(entry[0] == number for entry in state.listed)
    left = one.seen.anything_is_left() and mistake is not Mistake.RETRY_LOOKS_AT_ITS_OWN
    # Only one whose own range is listed does it alone.
    return (_to_claim(mistake, number, one._replace(alone=is_listed)) if is_listed or left else _over(one)), board


def _over(one: One) -> One:
    return One(At.DONE, one.life)


def _wanted(mistake: Mistake, number: int, one: One) -> Lanes:
    waiting = one.seen.waiting_for(NONE)
    if one.seen.anybody_works() or (number == CALLED and mistake is Mistake.CALLED_FOR_ITS_OWN):
        return waiting & one.given  # which is nothing but for one who is called
    return waiting


def _to_claim(mistake: Mistake, number: int, one: One) -> One:
    return one._replace(at=At.CLAIMS) if _wanted(mistake, number, one) else _over(one)


def _claimed(mistake: Mistake, state: State, number: int, one: One) -> Iterator[tuple[str, State]]:
    name, wanted, life = one.at.value, _wanted(mistake, number, one), _life(number, one.life)
    before = state.board
    if any(before.claims[lane] != one.seen.claims[lane] for lane in wanted):
        yield f"{name}, in vain", _with(state, number, one._replace(at=At.LOOKS_WHO))
        return
    board = before.changed(dict.fromkeys(wanted, life), wanted)
    others = any(before.named[lane] != 1 or before.claims[lane] != NOBODY for lane in wanted)
    others |= wanted != own_lanes(number) or not (one.last or mistake is Mistake.COUNTED_ONLY)
    alone = one.alone and (not others or mistake is Mistake.ALONE_BESIDE_OTHERS)
    yield (
        name,
        _with(
            state,
            number,
            one._replace(at=At.READS, seen=board, is_fresh=True, lanes=wanted, last=False, alone=alone),
            board,
        ),
    )
    yield from _answer_lost(state, number, one._replace(at=At.LOOKS_WHO), board, name)


def _answer_lost(state: State, number: int, one: One, board: Board, name: str) -> Iterator[tuple[str, State]]:
    if state.faults:
        yield f"{name}, and the answer is lost", _with(state, number, one, board, faults=state.faults - 1)


def _passed(state: State, number: int, one: One, *, shares: bool) -> Iterator[tuple[str, State]]:
    name = one.at.value
    if one.at is At.READS:
        todo = {entry for entry in state.listed if entry[1] in one.lanes and (not one.alone or entry[0] == number)}
        yield name, _with(state, number, one._replace(at=At.WORKS, todo=frozenset(todo)))
        if shares and len(one.lanes) > 1:
            yield "shares", _with(state, number, one._replace(at=At.SHARES, given=frozenset(sorted(one.lanes)[:1])))
        return
    done = one._replace(at=At.GOES_ON, todo=frozenset(), alone=False)
    yield name, _with(state, number, done, listed=state.listed - one.todo)
    some = frozenset(sorted(one.todo)[:1])
    for what, has_failed in ((", and fails", True), (", and is out of time", False)):
        if state.faults and (some or has_failed):
            undone = done._replace(at=At.UNDOES, has_failed=has_failed)
            after = _with(state, number, undone, listed=state.listed - some, faults=state.faults - 1)
            yield f"{name}{what} after {len(some)}", after


def _went_on(mistake: Mistake, state: State, number: int, one: One) -> Iterator[tuple[str, State]]:
    name, life, board = one.at.value, _life(number, one.life), state.board
    if one.at is At.LOOKS_WHAT:
        mine, looked = board.claimed_by(life), one._replace(seen=board, is_fresh=True)
        if mine & one.more:
            yield name, _with(state, number, looked._replace(at=At.READS, lanes=mine, more=NONE))
        else:
            kept = looked._replace(at=At.GOES_ON, lanes=one.lanes & mine, more=NONE)
            yield name, _with(state, number, kept if kept.lanes else _over(one))
        return
    seen, more = one.seen, one.seen.waiting_for(one.lanes)
    if mistake is Mistake.LEFT_BLINDLY:
        more = NONE
    if more:
        holds = all(board.claims[lane] == seen.claims[lane] for lane in one.lanes | more)
    else:
        blind = mistake is Mistake.LEFT_BLINDLY or (
            mistake is Mistake.LEFT_TO_OTHERS
            and any(seen.is_worked_on(lane) for lane in LANES if lane not in one.lanes)
        )
        unclaimed = (lane for lane in LANES if lane in one.lanes or not seen.is_worked_on(lane))
        none_named = one.is_fresh
        if mistake is Mistake.OTHERS_TAKEN_FOR_ALIVE:
            none_named = not any(board.named[lane] for lane in unclaimed)
        holds = blind or (board.claims == seen.claims and none_named)
    looks = one._replace(at=At.LOOKS_WHAT, more=more)
    if not holds:
        yield f"{name}, in vain", _with(state, number, looks)
        return
    claims = dict.fromkeys(one.lanes, NOBODY) | dict.fromkeys(more, life)
    after = board.changed(claims, more)
    on = one._replace(at=At.READS, seen=after, is_fresh=True, lanes=more) if more else _over(one)
    yield name, _with(state, number, on, after)
    yield from _answer_lost(state, number, looks, after, name)


def _left(mistake: Mistake, state: State, number: int, one: One) -> Iterator[tuple[str, State]]:
    name, life, board = one.at.value, _life(number, one.life), state.board
    if one.at in {At.SHARES, At.UNDOES}:
        shares = one.at is At.SHARES
        lanes = one.given if shares else one.lanes
        to = NOBODY if mistake is Mistake.UNDONE_FORGOTTEN and not shares else -2 - life
        after = board.changed(dict.fromkeys(lanes, to))
        kept = one._replace(lanes=one.lanes - lanes)
        yield name, _with(state, number, _has_left(mistake, kept._replace(seen=after, is_fresh=True)), after)
        looks = kept._replace(at=At.LOOKS_SHARED if shares else At.LOOKS_UNDONE)
        yield from _answer_lost(state, number, looks, after, name)
    elif one.at in {At.LOOKS_SHARED, At.LOOKS_UNDONE}:
        was = At.SHARES if one.at is At.LOOKS_SHARED else At.UNDOES
        yield name, _with(state, number, _has_left(mistake, one._replace(at=was, seen=board, is_fresh=True)))
    else:
        on = one._replace(at=At.READS, given=NONE) if one.at is At.CALLS else _over(one)
        calls = state.calls | {one.given}
        yield name, _with(state, number, on)._replace(calls=calls)


def _has_left(mistake: Mistake, one: One) -> One:
    """Return where somebody goes on that has given lanes away, or left them undone."""
    if one.at is At.SHARES:
        return one._replace(at=At.CALLS)
    if one.has_failed:
        return One(At.NAMES, one.life + 1) if not one.given else One(At.BEGINS, one.life + 1, given=one.given)
    waiting = one.seen.waiting_for(NONE)
    calls = waiting and mistake is not Mistake.NEXT_NOT_CALLED
    return one._replace(at=At.CALLS_NEXT, given=waiting) if calls else _over(one)


def _with(
    state: State,
    number: int,
    one: One,
    board: Board | None = None,
    *,
    listed: frozenset[tuple[int, int]] | None = None,
    faults: int | None = None,
) -> State:
    ones = (*state.ones[:number], one, *state.ones[number + 1 :])
    begun = tuple(other for other in state.begun if other != number) if one.at is At.DONE else state.begun
    board = state.board if board is None else board
    # What nobody holds any more need not be known as gone.
    known = {claim for view in (board, *(other.seen for other in ones)) for claim in view.claims}
    return State(
        board._replace(gone=board.gone & known),
        ones,
        state.listed if listed is None else listed,
        state.calls,
        begun,
        state.faults if faults is None else faults,
    )
