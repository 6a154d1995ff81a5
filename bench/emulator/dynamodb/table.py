"""A table of moto's DynamoDB whose Query costs what it returns, and whose numbers are exact.

moto walks, sorts and copies the whole table for every Query (18 a second at 12,000 items) and compares numbers with
a fraction as floats. Here a partition keeps its sort keys in order, and a number is an integer or a Decimal.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Context, Decimal
from typing import Any, Final

import moto.dynamodb.models as backend
import moto.dynamodb.models.dynamo_type as types
from moto.dynamodb import comparisons, responses
from moto.dynamodb.exceptions import IncorrectDataType
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from bench.emulator.dynamodb.partition import Partitions
from bench.engine import patch

PAGE_SIZE_BYTES: Final = 1 << 20
MAX_ITEM_SIZE_BYTES: Final = 400 << 10


class PartitionedTable(Table):  # type: ignore[misc] # moto is untyped here
    """moto's table with ordered partitions. Every call is made under the provider's lock."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        #: Of the items that the last Query looked at: what DynamoDB bills it by.
        self.looked_at_bytes = 0
        if self.has_range_key:
            self.items: Partitions = Partitions()

    def query(  # noqa: PLR0917 - moto's signature
        self,
        hash_key: DynamoType,
        range_comparison: str | None,
        range_objs: list[DynamoType],
        limit: int | None,
        exclusive_start_key: Mapping[str, Any] | None,
        scan_index_forward: bool,  # noqa: FBT001 - moto's signature
        projection_expressions: list[list[str]] | None,
        index_name: str | None = None,
        consistent_read: bool = False,  # noqa: FBT001, FBT002 - moto's signature
        filter_expression: Any = None,
        **filter_kwargs: Any,
    ) -> tuple[list[Item], int, dict[str, Any] | None]:
        """Return the page's items, how many were looked at, and the key to go on from, if any.

        As in DynamoDB, the limit and the page size count what was looked at, before the filter; a page that ends
        because of either has a key to go on from, even where nothing follows.
        """
        if index_name or filter_kwargs or not self.has_range_key:
            return super().query(  # type: ignore[no-any-return] # moto is untyped here
                hash_key, range_comparison, range_objs, limit, exclusive_start_key, scan_index_forward,
                projection_expressions, index_name, consistent_read, filter_expression, **filter_kwargs,
            )  # fmt: skip
        forward = scan_index_forward is not False
        partition = self.items.get(hash_key)
        self.looked_at_bytes = 0
        if partition is None:
            return [], 0, None
        low, high = partition.positions(range_comparison, [value.cast_value for value in range_objs])
        if exclusive_start_key:
            start = DynamoType(exclusive_start_key[str(self.range_key_attr)]).cast_value
            if forward:
                low = max(low, partition.after(start))
            else:
                high = min(high, partition.before(start))
        page, ended_early, self.looked_at_bytes = _page(partition.between(low, high, forward=forward), limit)
        go_on_from = self._get_last_evaluated_key(page[-1], None) if ended_early else None
        return _answered(page, filter_expression, projection_expressions), len(page), go_on_from

    def scan(  # noqa: PLR0917 - moto's signature
        self,
        filters: Mapping[str, tuple[str, list[DynamoType]]],
        limit: int | None,
        exclusive_start_key: Mapping[str, Any] | None,
        filter_expression: Any = None,
        index_name: str | None = None,
        consistent_read: bool = False,  # noqa: FBT001, FBT002 - moto's signature
        projection_expression: list[list[str]] | None = None,
        segments: tuple[int, int] | tuple[None, None] = (None, None),
    ) -> tuple[list[Item], int, dict[str, Any] | None]:
        """Return the page's items, how many were looked at, and the key to go on from, as `query` does.

        moto sorts and copies the whole table for every page. What is put while somebody scans is found where it
        stands behind the page, as in DynamoDB.
        """
        if index_name or filters or not self.has_range_key:
            return super().scan(  # type: ignore[no-any-return] # moto is untyped here
                filters, limit, exclusive_start_key, filter_expression, index_name, consistent_read,
                projection_expression, segments,
            )  # fmt: skip
        items = self._items_after(exclusive_start_key)
        if segments != (None, None):
            items = (item for item in items if item.is_within_segment(segments))
        page, ended_early, self.looked_at_bytes = _page(items, limit)
        go_on_from = self._get_last_evaluated_key(page[-1], None) if ended_early else None
        return _answered(page, filter_expression, projection_expression), len(page), go_on_from

    def _items_after(self, key: Mapping[str, Any] | None) -> Iterator[Item]:
        if key is None:
            partitions = self.items.from_key(None)
        else:
            start = DynamoType(key[str(self.hash_key_attr)])
            partitions = self.items.from_key(start)
            if begun := self.items.get(start):
                next(partitions)
                first = begun.after(DynamoType(key[str(self.range_key_attr)]).cast_value)
                yield from begun.between(first, len(begun), forward=True)
        for partition in partitions:
            yield from partition.between(0, len(partition), forward=True)


def _answered(page: list[Item], filter_expression: Any, projection: list[list[str]] | None) -> list[Item]:
    """Return what of a page meets a filter, and of that what is asked for."""
    items = page if filter_expression is None else [item for item in page if filter_expression.expr(item)]
    return [item.project(projection) for item in items] if projection else items


def _page(items: Iterator[Item], limit: int | None) -> tuple[list[Item], bool, int]:
    """Return the items of one page, whether the page ended before the items did, and the items' bytes."""
    page: list[Item] = []
    page_bytes = 0
    for item in items:
        size_bytes = item_size_bytes(item)
        if page and page_bytes + size_bytes > PAGE_SIZE_BYTES:
            return page, True, page_bytes
        page_bytes += size_bytes
        page.append(item)
        if len(page) == limit:
            return page, True, page_bytes
    return page, False, page_bytes


def find(table: Table | None, key: Mapping[str, Any]) -> Item | None:
    """Return the item under the key that is part of ``key``, None where there is none, or no table."""
    if table is None:
        return None
    # Not by moto's get_item, which leaves an empty partition where it finds none. What has no key, moto refuses.
    names = [table.hash_key_attr, table.range_key_attr] if table.has_range_key else [table.hash_key_attr]
    found = table.items
    for name in names:
        if found is None or name not in key:
            return None
        found = found.get(DynamoType(key[name]))
    return found


def item_size_bytes(item: Item) -> int:
    """Return an item's size as DynamoDB counts it: names and values in UTF-8, binaries unencoded.

    It is kept with the item until `forget_size`: pages add up the sizes of the same items again and again.
    """
    size_bytes: int | None = item.__dict__.get(_SIZE)
    if size_bytes is None:
        size_bytes = item.__dict__[_SIZE] = _size_bytes(item)
    return size_bytes


def forget_size(item: Item) -> None:
    """Have an item that was changed in place be counted anew."""
    item.__dict__.pop(_SIZE, None)


_SIZE: Final = "_bench_size_bytes"


def _size_bytes(item: Item) -> int:
    return sum(len(name.encode()) + _value_size_bytes(value) for name, value in item.attrs.items())


def wire_size_bytes(attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the same of an item as a request has it, without making moto's objects of it first."""
    return sum(len(name.encode()) + _wire_value_size_bytes(value) for name, value in attributes.items())


def _wire_value_size_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind in SCALAR_SIZES:
        return SCALAR_SIZES[kind](content)
    if kind[:-1] in SCALAR_SIZES:  # a set
        return sum(map(SCALAR_SIZES[kind[:-1]], content))
    if kind == "L":
        return 3 + sum(1 + _wire_value_size_bytes(element) for element in content)
    if kind == "M":
        return 3 + len(content) + wire_size_bytes(content)
    return 1


def _value_size_bytes(value: DynamoType) -> int:
    content = value.value
    if value.type in SCALAR_SIZES:
        return SCALAR_SIZES[value.type](content)
    if value.type[:-1] in SCALAR_SIZES:  # a set
        return sum(map(SCALAR_SIZES[value.type[:-1]], content))
    if value.type == "L":
        return 3 + sum(1 + _value_size_bytes(element) for element in content)
    if value.type == "M":
        return 3 + sum(1 + len(name.encode()) + _value_size_bytes(element) for name, element in content.items())
    return 1


def _string_size_bytes(content: str) -> int:
    return len(content.encode())


def _binary_size_bytes(content: str | bytes) -> int:
    if isinstance(content, bytes):
        return len(content)
    return len(content) * 3 // 4 - content[-2:].count("=")


def _number_size_bytes(content: str) -> int:
    negative = content.startswith("-")
    digits = len(content) - negative - content.count(".")
    return -(-digits // 2) + 1 + negative


SCALAR_SIZES: Final[dict[str, Callable[[Any], int]]] = {
    "S": _string_size_bytes,
    "B": _binary_size_bytes,
    "N": _number_size_bytes,
}


def _number(text: str) -> int | Decimal:
    """Return a number exactly; integers, by far the most, stay Python's own."""
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def install() -> None:
    """Make moto create its tables as `PartitionedTable` and treat numbers exactly; a second call changes nothing."""
    if backend.Table is PartitionedTable:
        return
    backend.Table = PartitionedTable
    inexact_cast, inexact_operand = DynamoType.cast_value.fget, comparisons.AttributeValue.expr

    def cast_value(value: DynamoType) -> Any:
        return _number(value.value) if value.type == "N" else inexact_cast(value)

    def operand(value: Any, item: Item | None) -> Any:
        return _number(value.value) if value.type == "N" else inexact_operand(value, item)

    def added(value: DynamoType, other: DynamoType) -> DynamoType:
        return _arithmetic(_ARITHMETIC.add, value, other)

    def subtracted(value: DynamoType, other: DynamoType) -> DynamoType:
        return _arithmetic(_ARITHMETIC.subtract, value, other)

    def fill(attributes: dict[str, Any], key: str, value: Any) -> None:
        # moto adds the whole item up again for every attribute; the provider checks an item once, when it is
        # complete (see `bench.emulator.dynamodb.provider`).
        dict.__setitem__(attributes, key, value)

    DynamoType.cast_value = property(cast_value)
    DynamoType.__add__ = added
    DynamoType.__sub__ = subtracted
    comparisons.AttributeValue.expr = operand
    types.LimitedSizeDict.__setitem__ = fill

    # Of all that moto does with items only this changes one in place; TransactWriteItems calls it, too.
    @patch(backend.DynamoDBBackend.update_item)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def update_item(update: Any, self: Any, table_name: str, key: Mapping[str, Any], *more: Any, **named: Any) -> Item:
        try:
            return update(self, table_name, key, *more, **named)
        finally:
            if item := find(self.tables.get(table_name), key):
                forget_size(item)

    for operation in ("get_item", "put_item", "query", "scan"):
        counted = getattr(responses.DynamoHandler, operation)
        setattr(responses.DynamoHandler, operation, _without_capacity(counted))


def _without_capacity(counted: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return moto's operation without its parsing and writing each answer anew to add a capacity nobody asked for."""
    plain: Callable[[Any], Any] = counted.__wrapped__  # type: ignore[attr-defined] # functools.wraps sets it

    def answer(handler: Any) -> Any:
        wanted = handler.body.get("ReturnConsumedCapacity", "NONE")
        return plain(handler) if wanted == "NONE" else counted(handler)

    return answer


# DynamoDB's numbers have 38 digits; Python's decimals by default 28.
_ARITHMETIC: Final = Context(prec=38)


def _arithmetic(operation: Callable[[Decimal, Decimal], Decimal], value: DynamoType, other: DynamoType) -> DynamoType:
    if value.type != "N" or other.type != "N":
        raise IncorrectDataType
    return DynamoType({"N": f"{operation(Decimal(value.value), Decimal(other.value)):f}"})
