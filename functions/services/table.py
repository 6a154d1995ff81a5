"""What the functions ask of the table, and nothing more: the interface behind which DynamoDB stands.

Items and keys are low-level attribute values (`tickstream.items`). Every read is strongly consistent: a reader that
misses a slice that a segment has just replaced would show a wrong bar. An item whose `expiresAt` has passed is not
there, for reads and for conditions alike (`services.expiry`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from tickstream.items import Item


class Table(Protocol):
    """One table with the keys `symbol` (text) and `timestamp` (whole number).

    Every method raises ServiceIncomplete for what a retry may cure, ServiceRefused for what it will not.
    """

    def get(self, key: Item) -> Item | None:
        """Return the item under a primary key (`items.key_of`), or None."""
        ...

    def put(self, item: Item) -> None:
        """Write an item, over any that is there."""
        ...

    def put_if_absent(self, item: Item) -> bool:
        """Write an item unless its key has one; say whether it was written.

        False may also mean that this very call wrote it and lost the answer: a caller that must know compares.
        """
        ...

    def put_if_equal(self, item: Item, attribute: str, expected: Item) -> bool:
        """Replace the item under the same key if its `attribute` is `expected` (`{"N": "1"}`); say whether."""
        ...

    def count(self, key: Item, counters: Collection[str]) -> Item:
        """Add one to each of these counters, which begin at 0; return the whole item as it is then.

        counters: at least one. A retried call may add twice.
        """
        ...

    def change_if_equal(
        self, key: Item, changes: Mapping[str, Item | None], expected: Mapping[str, Item | None]
    ) -> Item | None:
        """Set attributes of an item, or remove those that are None, if each expected one is what it was.

        expected: None where the attribute must not be there. Returns the whole item as it was before (empty if there
        was none), or None where it was not as expected: which may also mean that this very call changed it and lost
        the answer.
        """
        ...

    def batch_get(self, keys: Iterable[Item]) -> list[Item]:
        """Return the items that are there, in no order; a key may be named twice and is read once."""
        ...

    def batch_write(self, puts: Iterable[Item], deletes: Iterable[Item] = ()) -> None:
        """Put items and delete keys, all of them or an error, in no order and not atomically.

        Of several writes to one key the last counts; a delete counts after the puts. When it raises, any part may be
        written, and nothing is written any more after it has raised.
        """
        ...

    def put_in_order(self, items: Sequence[Item]) -> None:
        """Put items of as many keys, one after the other or nearly so, and begin no request when time is up.

        Raises WritesUnfinished, which says how many are written from the first on, for what a retry may cure. At least
        one request is made before it does. Nothing is written any more after it has raised.
        """
        ...

    def query(
        self,
        partition: str,
        first: int | None = None,
        last: int | None = None,
        *,
        limit: int | None = None,
        attributes: Sequence[str] = (),
        newest_first: bool = False,
    ) -> Iterator[Item]:
        """Yield the items of a partition with `first <= sort key <= last`, upwards, page by page as they are used.

        newest_first: downwards. limit: how many at the most. attributes: what to return of each beside its expiry, as
        far as it has them; all, if none is named.
        """
        ...

    def query_each(
        self,
        partitions: Iterable[str],
        limit_each: int | None = None,
        first: Mapping[str, int] | None = None,
        *,
        last: int | None = None,
        attributes: Sequence[str] = (),
        newest_first: bool = False,
    ) -> list[Item]:
        """Return the items of several partitions, read in parallel: of each at most `limit_each`, upwards.

        first: the lowest sort key, by partition. last: the highest one. The rest as in `query`.
        """
        ...
