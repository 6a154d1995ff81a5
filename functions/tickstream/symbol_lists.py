"""The lists of symbols that have bars, in the order of their characters: one of each lane.

The table sorts by numbers, so a symbol stands where its characters say, read as one number. 37 digits hold 15
characters; symbols that go on behind those stand in a list of their own, that of all which begin so, and the list above
has a **link** to it, behind the symbol that ends there. A symbol of 64 characters is in the fifth list.

| item | `symbol` | `timestamp` |
|---|---|---|
| symbol | `symbols#LANE#ABOVE` | its characters behind ABOVE |
| link | `symbols#LANE#ABOVE` | the 15 characters behind ABOVE with which others go on |

An item has its key and nothing else: it says that the symbol had bars once. It never changes, so that it may be written
twice, late and in any order; and it never goes, because whoever reads sees by the hours themselves what bars there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tickstream import keys
from tickstream.items import key_of, sort_key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tickstream.items import Item

#: Characters that a number holds: with 16 it had more than the 38 digits that DynamoDB keeps.
CHARACTERS_A_LIST: Final = 15
_FIRST, _LAST = "\0", "\x7f"

#: Reads a partition: items from a sort key to another (both included), upwards, so many at most.
type ReadList = Callable[[str, int, int, int], Sequence[Item]]


def symbol_items(symbol: str) -> tuple[Item, ...]:
    """Build all items by which a symbol is found."""
    lane = keys.lane_of(symbol)
    return tuple(
        key_of(
            keys.symbols_partition(lane, symbol[:at]),
            _place(symbol[at:], goes_on=len(symbol) > at + CHARACTERS_A_LIST),
        )
        for at in range(0, len(symbol), CHARACTERS_A_LIST)
    )


def symbols_of(read: ReadList, lane: int, prefix: str, start: str, at_a_time: int) -> Iterator[str]:
    """Yield the symbols of a lane that begin with a prefix and do not come before `start`, in order.

    at_a_time: how many items are read at once.
    """
    yield from _in_list(read, lane, "", (prefix, max(prefix, start)), at_a_time)


def _in_list(read: ReadList, lane: int, above: str, wanted: tuple[str, str], at_a_time: int) -> Iterator[str]:
    prefix, start = wanted
    depth = len(above)
    # Of a prefix that ends above this list, or a start that lies before it, nothing is left to say.
    first = _place(start[depth:] if start.startswith(above) else "", goes_on=False)
    last = _place(prefix[depth:].ljust(CHARACTERS_A_LIST, _LAST), goes_on=True)
    while items := read(keys.symbols_partition(lane, above), first, last, at_a_time):
        for item in items:
            name, goes_on = _named(above, sort_key_of(item))
            if goes_on:
                yield from _in_list(read, lane, name, wanted, at_a_time)
            elif name >= start:
                yield name
        if len(items) < at_a_time:
            return
        first = sort_key_of(items[-1]) + 1


def _place(characters: str, *, goes_on: bool) -> int:
    of_list = characters[:CHARACTERS_A_LIST].ljust(CHARACTERS_A_LIST, _FIRST)
    return 2 * int.from_bytes(of_list.encode()) + goes_on


def _named(above: str, place: int) -> tuple[str, bool]:
    characters, goes_on = divmod(place, 2)
    return above + characters.to_bytes(CHARACTERS_A_LIST).decode().rstrip(_FIRST), bool(goes_on)
