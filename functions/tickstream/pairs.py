"""Rows that take an earlier trade of the same object back, wherever the two stand in it.

A row that takes back names a trade by some of its values, and takes the latest trade before it that has them and was
not taken yet. Which one that is depends on all trades and cancels of that name, and those may stand in any range. So
an object whose feed has pairs is looked at more than once: which names are taken back at all; then, for these few, what
each range has of them; and then each range knows by itself which of its trades count.

Everything here follows from the object alone: any number of functions, in any order, find the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

NAME_BYTES: Final = 12
#: Names that are taken back in an object, and of which a range has trades: an item of each range holds them all.
MAX_NAMES: Final = 15_000


class PairRow(NamedTuple):
    """A row of a name that is taken back. takes_back: whether it is the one that does so."""

    offset: int
    name: bytes
    takes_back: bool


class Balance(NamedTuple):
    """What a range has of a name: rows that take trades of ranges before it, and trades that those behind it may take.

    Within the range they stand in this order: what cancels each other is left out.
    """

    wanting: int
    left: int


@dataclass(frozen=True, slots=True)
class PairTask:
    """What decoding has to do about pairs.

    watched: names whose trades it tells. taken_back: offsets of trades that are cancelled.
    """

    watched: frozenset[bytes] = frozenset()
    taken_back: frozenset[int] = frozenset()


NO_PAIRS: Final = PairTask()


def name_of(pair: str) -> bytes:
    """Return the name that two rows of a pair share: 96 bits of a hash of their values."""
    return hashlib.blake2b(pair.encode(), digest_size=NAME_BYTES).digest()


class RangePairs:
    """The pairs of one range, or of a whole object. rows: of names that are taken back, in any order.

    is_descending: whether the newest row comes first, so that what is earlier stands behind.
    """

    def __init__(self, rows: Iterable[PairRow], *, is_descending: bool) -> None:
        self._taken: set[int] = set()
        self._wanting: dict[bytes, int] = {}
        self._left: dict[bytes, list[int]] = {}
        for row in sorted(rows, reverse=is_descending):
            left = self._left.setdefault(row.name, [])
            if not row.takes_back:
                left.append(row.offset)
            elif left:
                self._taken.add(left.pop())
            else:
                self._wanting[row.name] = self._wanting.get(row.name, 0) + 1

    def balances(self) -> dict[bytes, Balance]:
        """Return what the range has of each name."""
        return {name: Balance(self._wanting.get(name, 0), len(left)) for name, left in self._left.items()}

    def taken_back(self, later: Sequence[Mapping[bytes, Balance]] = ()) -> frozenset[int]:
        """Return the offsets of the trades that are taken back, here or by later ranges, which are given in order."""
        taken = set(self._taken)
        for name, left in self._left.items():
            wanting = 0
            for balances in reversed(later):
                balance = balances.get(name, _NOTHING)
                wanting = max(0, wanting - balance.left) + balance.wanting
            if wanting:
                taken.update(left[-wanting:])
        return frozenset(taken)


_NOTHING: Final = Balance(0, 0)


def task_of_whole(rows: Callable[[PairTask], Iterable[PairRow]], *, is_descending: bool) -> PairTask:
    """Return which trades are taken back of an object that is read from its beginning to its end by one reader.

    rows: reads it once, and yields its rows of pairs. It is read once more where any row takes another back.
    """
    names = frozenset(row.name for row in rows(NO_PAIRS))
    if not names:
        return NO_PAIRS
    return PairTask(taken_back=RangePairs(rows(PairTask(watched=names)), is_descending=is_descending).taken_back())
