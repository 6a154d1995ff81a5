"""Pure work, done once: decoding takes milliseconds, and a schedule sees the same few objects as all others.

What a pure function read is asked for again each time, so that the calls of services are those of the function itself.
Where they bring other bytes than before, it works anew.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from tickstream.errors import ObjectRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from tickstream.ingests import Read


class Remembered:
    """A pure function of what it is given and of what it reads.

    function: called as `function(*given, read)`. read_at: which of its positional arguments reads.
    """

    def __init__(self, function: Callable[..., Any], read_at: int) -> None:
        self._function = function
        self._read_at = read_at
        self._known: dict[Hashable, tuple[list[tuple[int, int, bytes]], Any, ObjectRejected | None]] = {}

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Return what the function returns, or raise the ObjectRejected that it raises."""
        read: Read = given[self._read_at]
        key = (*given[: self._read_at], *(one for one in given[self._read_at + 1 :] if _is_part_of_key(one)))
        known = self._known.get(key)
        if known is not None:
            reads, result, refusal = known
            if all(read(start, end) == found for start, end, found in reads):
                if refusal is not None:
                    raise refusal.with_traceback(None)
                return result
        return self._anew(key, given, named, read)

    def _anew(self, key: Hashable, given: tuple[Any, ...], named: dict[str, Any], read: Read) -> Any:
        reads: list[tuple[int, int, bytes]] = []

        def noting(start: int, end: int) -> bytes:
            found = read(start, end)
            reads.append((start, end, found))
            return found

        arguments = [*given]
        arguments[self._read_at] = noting
        try:
            result = self._function(*arguments, **named)
        except ObjectRejected as refusal:
            # An object that is gone is no property of what was read.
            if refusal.reason.value != "object_gone":
                self._known[key] = reads, None, refusal
            raise
        self._known[key] = reads, result, None
        return result


def _is_part_of_key(argument: object) -> bool:
    return isinstance(argument, int | str | bytes | tuple)


#: Of each function so many results are kept: schedules have more unlike each other than memory holds.
_MOST_KEPT: Final = 50_000


def remembered[**Given, Result](function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Remember the results of a pure function that reads nothing; what it is given must be hashable."""
    return cast("Callable[Given, Result]", lru_cache(_MOST_KEPT)(function))


def remembered_of_parts[Part: Hashable, Result](
    function: Callable[[Iterable[Part]], Result],
) -> Callable[[Iterable[Part]], Result]:
    """Remember the results of a pure function of several things in their order."""
    of_parts: Callable[[tuple[Part, ...]], Result] = remembered(function)
    return lambda parts: of_parts(tuple(parts))


def remembered_of_one[One, Item](function: Callable[[One], Iterable[Item]]) -> Callable[[One], Iterable[Item]]:
    """Remember what a pure function yields of a thing that is itself remembered, by its identity."""
    known: dict[int, tuple[One, tuple[Item, ...]]] = {}

    def looked_up(one: One) -> tuple[Item, ...]:
        # What is kept is alive, so nothing else has its number.
        if id(one) not in known:
            known[id(one)] = one, tuple(function(one))
        return known[id(one)][1]

    return looked_up
