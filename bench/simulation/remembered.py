"""Pure work, done once: decoding takes milliseconds, and a schedule sees the same few objects as all others.

What a pure function read is asked for again each time, so that the calls of services are those of the function itself.
Where they bring other bytes than before, it works anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tickstream.errors import ObjectRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

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


def remembered[**Given, Result](function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Remember the results of a pure function that reads nothing; what it is given must be hashable."""
    known: dict[Hashable, Any] = {}

    def looked_up(*given: Given.args, **named: Given.kwargs) -> Result:
        key = (*given, *named.values())
        if key not in known:
            known[key] = function(*given, **named)
        result: Result = known[key]
        return result

    return looked_up
