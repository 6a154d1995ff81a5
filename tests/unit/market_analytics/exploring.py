"""All states that a model can come to, by plain search: small models of what several processes do at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable


@dataclass(frozen=True, slots=True)
class Explored[State]:
    """What a search has found.

    states: how many there are. at_rest: those without a next one. broken: the steps to the nearest state that must not
    be, with what is wrong in it; empty where there is none. stuck: how many states never come to rest.
    """

    states: int
    at_rest: tuple[State, ...]
    broken: tuple[str, ...]
    stuck: int


def explore[State: Hashable](
    first: State,
    steps: Callable[[State], Iterable[tuple[str, State]]],
    wrong: Callable[[State, bool], str],
    most: int = 2_000_000,
) -> Explored[State]:
    """Walk through all states. steps: what may happen in a state. wrong: what is wrong in it, at rest or not, if any.

    Raises AssertionError beyond so many states: the model is too large to be walked through in a test.
    """
    came_from: dict[State, tuple[State | None, str]] = {first: (None, "")}
    before: dict[State, list[State]] = {}
    at_rest: list[State] = []
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        following = list(steps(state))
        if not following:
            at_rest.append(state)
        if what := wrong(state, not following):
            return Explored(len(came_from), tuple(at_rest), (*_way_to(state, came_from), what), 0)
        for name, after in following:
            before.setdefault(after, []).append(state)
            if after not in came_from:
                came_from[after] = state, name
                waiting.append(after)
        assert len(came_from) <= most, f"more than {most} states"
    return Explored(len(came_from), tuple(at_rest), (), len(came_from) - len(_that_come_to(at_rest, before)))


def _way_to[State: Hashable](state: State, came_from: dict[State, tuple[State | None, str]]) -> list[str]:
    way: list[str] = []
    at: State | None = state
    while at is not None:
        at, name = came_from[at]
        way.append(name)
    return [name for name in reversed(way) if name]


def _that_come_to[State: Hashable](ends: Iterable[State], before: dict[State, list[State]]) -> set[State]:
    found = set(ends)
    waiting = deque(found)
    while waiting:
        for earlier in before.get(waiting.popleft(), ()):
            if earlier not in found:
                found.add(earlier)
                waiting.append(earlier)
    return found
