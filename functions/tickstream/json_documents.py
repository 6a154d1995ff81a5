"""The rows of one JSON document, however large, one after the other: it is never in memory as a whole."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, Protocol

from ijson.backends import yajl2_c as ijson
from ijson.common import IncompleteJSONError, JSONError

from tickstream.errors import ObjectRejected, Reason
from tickstream.rows import Ambiguous

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_BYTES: Final = 256 << 10
#: Deeper ones are no documents of ticks, and cost memory for each level.
_MOST_LEVELS: Final = 64
#: Stands for any name in a path.
ANY: Final = "*"


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int = ..., /) -> bytes:
        """Return at most so many bytes; none at the end."""
        ...


type Event = tuple[str, Any]


def rows_within(file: Readable, property_path: str) -> Iterator[tuple[str, Any]]:
    """Yield what `*` in the path stands for, or an empty text, and a row; numbers are Decimal or int.

    property_path: names with points (`result.trades`) of the array that holds the rows; empty: the document is it.
    Raises ObjectRejected (corrupt_json), also where the document was cut off, then after the rows before.
    """
    wanted = property_path.split(".") if property_path else []
    path: list[str | None] = []  # a name for each object, None for each array that we are in
    events = _events(file)
    for event, value in events:
        if event == "map_key":
            path[-1] = value
        elif path and path[-1] is None and event != "end_array" and _fits(path[:-1], wanted):
            yield _starred(path, wanted), _value(event, value, events)
        elif event in {"start_map", "start_array"}:
            if len(path) >= _MOST_LEVELS:
                raise ObjectRejected(Reason.CORRUPT_JSON, f"nested deeper than {_MOST_LEVELS} levels")
            path.append("" if event == "start_map" else None)
        elif event in {"end_map", "end_array"}:
            path.pop()


def values_at_top(file: Readable) -> dict[str, str]:
    """Return the plain values at the top of a document, beside whatever holds its rows.

    Raises as `rows_within` does.
    """
    found: dict[str, str] = {}
    level, name = 0, ""
    for event, value in _events(file):
        level += event.startswith("start_")
        level -= event.startswith("end_")
        if event == "map_key" and level == 1:
            name = value
        elif level == 1 and event in {"string", "number", "boolean"}:
            found[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def is_one_document(head: bytes) -> bool:
    """Say whether the first value of a text goes on beyond its first line, as no line of JSON lines does."""
    first, end, rest = head.partition(b"\n")
    if not end or not rest.strip():
        return False
    try:
        # A line that is a value, or none at all, says nothing of the next one.
        for _ in ijson.basic_parse(io.BytesIO(first), use_float=False):
            pass
    except IncompleteJSONError as error:
        return "premature EOF" in str(error) or "incomplete" in str(error).lower()
    except (JSONError, UnicodeDecodeError, ArithmeticError):
        return False
    return False


def _events(file: Readable) -> Iterator[Event]:
    try:
        yield from ijson.basic_parse(file, buf_size=_READ_BYTES, use_float=False)
    except IncompleteJSONError as error:
        raise ObjectRejected(Reason.CORRUPT_JSON, "the document ends too early, or goes on behind its end") from error
    except (JSONError, UnicodeDecodeError, ArithmeticError) as error:
        raise ObjectRejected(Reason.CORRUPT_JSON, f"no JSON: {str(error)[:200]!r}") from error


def _fits(path: list[str | None], wanted: list[str]) -> bool:
    return len(path) == len(wanted) and all(
        have is not None and want in (ANY, have) for have, want in zip(path, wanted, strict=True)
    )


def _starred(path: list[str | None], wanted: list[str]) -> str:
    return next((have or "" for have, want in zip(path, wanted, strict=False) if want == ANY), "")


def _value(event: str, value: Any, events: Iterator[Event]) -> Any:
    """Build the value that begins with an event, of the events that follow it."""
    if event not in {"start_map", "start_array"}:
        return value
    stack: list[tuple[list[tuple[str, Any]] | None, list[Any], str]] = []
    pairs: list[tuple[str, Any]] | None = [] if event == "start_map" else None
    items: list[Any] = []
    key = ""
    for kind, one in events:
        if kind == "map_key":
            key = one
            continue
        if kind in {"start_map", "start_array"}:
            if len(stack) >= _MOST_LEVELS:
                raise ObjectRejected(Reason.CORRUPT_JSON, f"nested deeper than {_MOST_LEVELS} levels")
            stack.append((pairs, items, key))
            pairs, items = ([] if kind == "start_map" else None), []
            continue
        done = one
        if kind in {"end_map", "end_array"}:
            done = items if pairs is None else _object(pairs)
            if not stack:
                return done
            pairs, items, key = stack.pop()
        if pairs is None:
            items.append(done)
        else:
            pairs.append((key, done))
    raise ObjectRejected(Reason.CORRUPT_JSON, "the document ends too early")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Ambiguous:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Ambiguous()
