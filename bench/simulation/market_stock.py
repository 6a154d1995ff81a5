"""The stock out of which schedules of market analytics take what they send.

It is fixed, so that all schedules see the same bytes and each is decoded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.simulation.ticks import Maker, Tick

SYMBOLS: Final = ("AAA", "BBB")
_HEADING: Final = "symbol,timestamp,price,size\n"
#: Objects, posts and ranges that a schedule chooses from. Of each the first few, the hot ones, hit one hour, where most
#: can go wrong; the others spread over two symbols and two hours.
STOCK: Final = 12
HOT: Final = 4
#: Objects beside them of which a range is refused, unless the whole object is one.
DAMAGED: Final = 4
#: Rows that are no ticks, enough of them for one range to have more than it may (`market.seams`) however it is cut.
_NO_TICKS: Final = "AAA,1,x\n" * 12
MOST_REJECTS: Final = 2


@dataclass(frozen=True, slots=True)
class Parcel:
    """Ticks that are sent together. name: of the object, or the post's key. damaged_at: so many rows are before it."""

    name: str
    ticks: tuple[Tick, ...]
    damaged_at: int | None = None

    def text(self) -> str:
        """Write them as an object."""
        rows = [tick.row() for tick in self.ticks]
        if self.damaged_at is not None:
            rows.insert(self.damaged_at, _NO_TICKS)
        return _HEADING + "".join(rows)


def _stock() -> tuple[tuple[Parcel, ...], tuple[Parcel, ...], tuple[Parcel, ...]]:
    maker = Maker()
    objects = [Parcel(f"object-{n}.csv", tuple(_ticks(maker, n, 2 + n % 5))) for n in range(STOCK)]
    posts = [Parcel(f"post-{n}", tuple(_ticks(maker, n, 1 + n % 3))) for n in range(STOCK)]
    ranges = [Parcel(f"range-{n}", tuple(_ticks(maker, n, 1 + n % 2))) for n in range(STOCK)]
    objects += [Parcel(f"damaged-{n}.csv", tuple(_ticks(maker, n, 4 + n)), 2 + n % 2 * 2) for n in range(DAMAGED)]
    return tuple(objects), tuple(posts), tuple(ranges)


def _ticks(maker: Maker, number: int, count: int) -> list[Tick]:
    ticks = []
    for position in range(count):
        spread = number >= HOT
        symbol = SYMBOLS[(number + position) % 2 if spread else position % 4 == 3]
        minute = (0, 1, 59, 60, 119)[(number * 3 + position) % 5] if spread else position % 2
        ticks.append(maker.tick(symbol, minute))
    return ticks


OBJECTS, POSTS, RANGES = _stock()

#: Keys under which other bytes are put again, and of each the symbols and minutes of its versions: some have nothing
#: where others have. The minutes are nobody else's, the hours are.
KEYS: Final = ("day-0.csv", "day-1.csv")
_SHAPES: Final = (
    ((0, 2), (0, 3), (1, 2), (0, 61), (1, 61)),
    ((0, 2), (1, 3), (0, 2), (1, 2), (0, 3)),
    ((0, 2), (1, 61), (0, 3), (0, 61), (0, 3)),
    ((0, 2), (0, 3), (1, 2), (1, 3), (0, 61)),
)
VERSIONS_A_KEY: Final = len(_SHAPES)
#: The last of each key is damaged.
DAMAGED_VERSION: Final = VERSIONS_A_KEY - 1


def _versions() -> tuple[Parcel, ...]:
    maker = Maker()
    return tuple(
        Parcel(
            key,
            tuple(maker.tick(SYMBOLS[symbol], minute) for symbol, minute in shape),
            2 if number == DAMAGED_VERSION else None,
        )
        for key in KEYS
        for number, shape in enumerate(_SHAPES)
    )


#: Those of the first key, then those of the second.
VERSIONS: Final = _versions()
