"""What is remembered of pure functions: the same results, however often they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.simulation.remembered import remembered_of_one, remembered_of_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def test_parts_are_remembered_in_their_order() -> None:
    """The same parts are put together once, from whatever they come; others, and another order, anew."""
    made: list[tuple[bytes, ...]] = []

    def joined(parts: Iterable[bytes]) -> bytes:
        made.append(tuple(parts))
        return b"".join(made[-1])

    looked_up = remembered_of_parts(joined)
    asked: list[Iterable[bytes]] = [[b"a", b"b"], iter((b"a", b"b")), (b"b", b"a"), ()]
    assert [looked_up(parts) for parts in asked] == [b"ab", b"ab", b"ba", b""]
    assert made == [(b"a", b"b"), (b"b", b"a"), ()]


def test_what_is_equal_and_not_the_same_is_asked_anew() -> None:
    """What a thing yields is kept whole, by which thing it is: nothing that came later takes its place."""
    asked: list[int] = []

    def twice(numbers: list[int]) -> Iterator[int]:
        asked.append(id(numbers))
        yield from (2 * number for number in numbers)

    looked_up = remembered_of_one(twice)
    one, other = [1, 2], [1, 2]
    assert [tuple(looked_up(numbers)) for numbers in (one, other, one)] == [(2, 4)] * 3
    assert asked == [id(one), id(other)]
