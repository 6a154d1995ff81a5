"""The table's twin in memory: what tests run the functions' decisions on, with a place to die before any write."""

from __future__ import annotations

import copy
import threading
from bisect import bisect_left, bisect_right, insort
from itertools import islice
from typing import TYPE_CHECKING

from services.expiry import is_live
from tickstream.errors import ServiceIncomplete, WritesUnfinished
from tickstream.items import EXPIRY_ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from tickstream.items import Item

type Identity = tuple[str, int]


class MemoryTable:
    """A `services.table.Table` in this process. Each write is atomic; a batch is as many writes as it has entries.

    before_write: called with the key of every single write before it happens; what it raises comes out of the method
    and the write does not happen. A test dies there, or lets somebody else write in between.
    now_s: epoch seconds, by which items expire. At 0 none ever does.
    """

    def __init__(
        self, before_write: Callable[[Identity], None] | None = None, now_s: Callable[[], int] = lambda: 0
    ) -> None:
        self.before_write = before_write
        self.now_s = now_s
        self._items: dict[Identity, Item] = {}
        self._sort_keys: dict[str, list[int]] = {}
        self._lock = threading.RLock()

    def get(self, key: Item) -> Item | None:
        """See Table."""
        with self._lock:
            return copy.deepcopy(self._live(_identity(key)))

    def put(self, item: Item) -> None:
        """See Table."""
        self._write(_identity(item), lambda _: True, item)

    def put_if_absent(self, item: Item) -> bool:
        """See Table."""
        return self._write(_identity(item), lambda known: known is None, item)

    def put_if_equal(self, item: Item, attribute: str, expected: Item) -> bool:
        """See Table."""
        return self._write(_identity(item), lambda known: known is not None and known.get(attribute) == expected, item)

    def count(self, key: Item, counters: Collection[str]) -> Item:
        """See Table."""
        self._about_to_write(_identity(key))
        with self._lock:
            known = self._items.get(_identity(key), dict(key))
            counted = {name: {"N": str(int(known.get(name, {"N": "0"})["N"]) + 1)} for name in counters}
            self._store(_identity(key), {**known, **counted})
            return copy.deepcopy(self._items[_identity(key)])

    def change_if_equal(
        self, key: Item, changes: Mapping[str, Item | None], expected: Mapping[str, Item | None]
    ) -> Item | None:
        """See Table."""
        self._about_to_write(_identity(key))
        with self._lock:
            known = copy.deepcopy(self._items.get(_identity(key), {}))
            if any(known.get(name) != value for name, value in expected.items()):
                return None
            changed = {name: value for name, value in {**key, **known, **changes}.items() if value is not None}
            self._store(_identity(key), changed)
            return known

    def batch_get(self, keys: Iterable[Item]) -> list[Item]:
        """See Table."""
        with self._lock:
            found = (self._live(identity) for identity in {_identity(key) for key in keys})
            return [copy.deepcopy(item) for item in found if item is not None]

    def batch_write(self, puts: Iterable[Item], deletes: Iterable[Item] = ()) -> None:
        """See Table."""
        writes: dict[Identity, Item | None] = {_identity(item): item for item in puts}
        writes |= {_identity(key): None for key in deletes}
        for identity, item in writes.items():
            self._write(identity, lambda _: True, item)

    def put_in_order(self, items: Sequence[Item]) -> None:
        """See Table."""
        for written, item in enumerate(items):
            try:
                self.put(item)
            except ServiceIncomplete as error:
                raise WritesUnfinished(str(error), written) from error

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
        """See Table. Every item is read when it is asked for, as late as a paged Query could."""
        now_s = self.now_s()
        found = (self._downwards if newest_first else self._between)(partition, first or 0, last)
        live = (item for item in found if is_live(item, EXPIRY_ATTRIBUTE, now_s))
        wanted = (*attributes, EXPIRY_ATTRIBUTE)
        for item in islice(live, limit):
            yield {name: item[name] for name in wanted if name in item} if attributes else item

    def _between(self, partition: str, first: int, last: int | None) -> Iterator[Item]:
        position = first
        while True:
            with self._lock:
                sort_keys = self._sort_keys.get(partition, [])
                index = bisect_left(sort_keys, position)
                if index == len(sort_keys) or (last is not None and sort_keys[index] > last):
                    return
                position = sort_keys[index] + 1
                item = copy.deepcopy(self._items[partition, sort_keys[index]])
            yield item

    def _downwards(self, partition: str, first: int, last: int | None) -> Iterator[Item]:
        position = last
        while True:
            with self._lock:
                sort_keys = self._sort_keys.get(partition, [])
                index = (len(sort_keys) if position is None else bisect_right(sort_keys, position)) - 1
                if index < 0 or sort_keys[index] < first:
                    return
                position = sort_keys[index] - 1
                item = copy.deepcopy(self._items[partition, sort_keys[index]])
            yield item

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
        """See Table."""
        begin = first or {}
        return [
            item
            for name in partitions
            for item in self.query(
                name, begin.get(name), last, limit=limit_each, attributes=attributes, newest_first=newest_first
            )
        ]

    def contents(self) -> dict[Identity, Item]:
        """Return a copy of all items by partition and sort key, expired ones too."""
        with self._lock:
            return copy.deepcopy(self._items)

    def _write(self, identity: Identity, condition: Callable[[Item | None], bool], item: Item | None) -> bool:
        self._about_to_write(identity)
        with self._lock:
            if not condition(self._live(identity)):
                return False
            self._store(identity, item)
            return True

    def _live(self, identity: Identity) -> Item | None:
        item = self._items.get(identity)
        return item if item is not None and is_live(item, EXPIRY_ATTRIBUTE, self.now_s()) else None

    def _about_to_write(self, identity: Identity) -> None:
        # Outside the lock: whoever the hook lets write in between is a writer like any other.
        if self.before_write is not None:
            self.before_write(identity)

    def _store(self, identity: Identity, item: Item | None) -> None:
        partition, sort_key = identity
        if item is not None:
            if identity not in self._items:
                insort(self._sort_keys.setdefault(partition, []), sort_key)
            self._items[identity] = copy.deepcopy(item)
        elif self._items.pop(identity, None) is not None:
            self._sort_keys[partition].remove(sort_key)


def _identity(item: Item) -> Identity:
    return item["symbol"]["S"], int(item["timestamp"]["N"])
