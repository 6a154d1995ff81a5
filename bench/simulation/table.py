"""DynamoDB in memory, behind the calls of boto3's client that the functions make."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.expressions import condition, update
from bench.simulation.services import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.simulation.services import Calls
    from tickstream.items import Item

#: A page of a Query has 1 MB on AWS. Here a page has few enough items that ordinary answers take more than one.
PAGE_ITEMS: Final = 100

type Key = tuple[str, int]
#: Told of every write: the key, what stood there, and what stands there now.
type Watch = Callable[[Key, Item | None, Item | None], None]


class Table:
    """One table: its items, by partition and, in order, by sort key.

    partition_key, sort_key: names of the keys; of a table without a sort key it is empty.
    """

    def __init__(self, partition_key: str, sort_key: str = "", watch: Watch | None = None) -> None:
        self.items: dict[Key, Item] = {}
        self._partition_key = partition_key
        self._sort_key = sort_key
        self._order: dict[str, list[int]] = {}
        self._watch = watch

    def key_of(self, item: Mapping[str, Any]) -> Key:
        """Return the key that an item, or a request, names."""
        sort_key = int(item[self._sort_key]["N"]) if self._sort_key else 0
        return item[self._partition_key]["S"], sort_key

    def put(self, key: Key, item: Item | None) -> None:
        """Write an item, or delete it (None)."""
        before = self.items.get(key)
        if item is not None:
            if before is None:
                insort(self._order.setdefault(key[0], []), key[1])
            self.items[key] = dict(item)
        elif before is not None:
            del self.items[key]
            self._order[key[0]].remove(key[1])
        if self._watch is not None:
            self._watch(key, before, item)

    def between(self, partition: str, first: int, last: int, *, upwards: bool = True) -> Iterator[Item]:
        """Yield the items of a partition whose sort keys are in these bounds, in order."""
        sort_keys = self._order.get(partition, [])
        within = sort_keys[bisect_left(sort_keys, first) : bisect_right(sort_keys, last)]
        for sort_key in within if upwards else reversed(within):
            yield self.items[partition, sort_key]

    def expire(self, attribute: str, now_s: int) -> None:
        """Delete what has expired, as DynamoDB does within days."""
        for key, item in list(self.items.items()):
            if attribute in item and int(item[attribute]["N"]) <= now_s:
                self.put(key, None)


class TableClient:
    """boto3's client of DynamoDB, as far as the functions use it. tables: by name."""

    def __init__(self, tables: Mapping[str, Table], calls: Calls) -> None:
        self._tables = tables
        self._calls = calls

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> Any:  # noqa: N803 - boto3's names
        """See DynamoDB."""
        _must_be_consistent(ConsistentRead)
        table = self._tables[TableName]
        key = table.key_of(Key)

        def get() -> Any:
            found = table.items.get(key)
            return {} if found is None else {"Item": dict(found)}

        return self._calls.make(f"GetItem {key[0]}", get)

    def put_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Item: Item,  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] | None = None,  # noqa: N803
        ExpressionAttributeValues: Mapping[str, Any] | None = None,  # noqa: N803
    ) -> Any:
        """See DynamoDB."""
        table = self._tables[TableName]
        key = table.key_of(Item)
        holds = condition(ConditionExpression) if ConditionExpression else None

        def put() -> Any:
            known = table.items.get(key, {})
            if holds is not None and not holds(known, ExpressionAttributeNames or {}, ExpressionAttributeValues or {}):
                raise refused("ConditionalCheckFailedException", "PutItem")
            table.put(key, Item)
            return {}

        return self._calls.make(f"PutItem {key[0]}", put)

    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: Item,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str],  # noqa: N803
        ExpressionAttributeValues: Mapping[str, Any],  # noqa: N803
        ReturnValues: str,  # noqa: N803
        ConditionExpression: str = "",  # noqa: N803
    ) -> Any:
        """See DynamoDB. It returns the whole item as it was before, or as it is then."""
        table = self._tables[TableName]
        key = table.key_of(Key)
        names, values, does = ExpressionAttributeNames, ExpressionAttributeValues, update(UpdateExpression)
        holds = condition(ConditionExpression) if ConditionExpression else None

        def change() -> Any:
            before = table.items.get(key)
            if holds is not None and not holds(before or {}, names, values):
                raise refused("ConditionalCheckFailedException", "UpdateItem")
            item = dict(before or Key)
            for name, value in does.adds:
                item[names[name]] = _sum(item.get(names[name]), values[value])
            item |= {names[name]: values[value] for name, value in does.sets}
            for name in does.removes:
                item.pop(names[name], None)
            table.put(key, item)
            answers = {"ALL_NEW": {"Attributes": dict(item)}, "ALL_OLD": {"Attributes": dict(before)} if before else {}}
            return answers[ReturnValues]

        return self._calls.make(f"{'UpdateItem' if holds else 'Count'} {key[0]}", change)

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> Any:  # noqa: N803
        """See DynamoDB. Torn, it leaves keys unprocessed."""
        ((name, wanted),) = RequestItems.items()
        _must_be_consistent(wanted["ConsistentRead"])
        table = self._tables[name]
        # In an order of its own: answers have none.
        keys = sorted((table.key_of(key), key) for key in wanted["Keys"])

        def get(most: int) -> Any:
            found = [dict(table.items[key]) for key, _ in keys[:most] if key in table.items]
            rest = [key for _, key in keys[most:]]
            undone = {"UnprocessedKeys": {name: {**wanted, "Keys": rest}}} if rest else {}
            return {"Responses": {name: found}, **undone}

        return self._calls.make(f"BatchGetItem {keys[0][0][0]}", lambda: get(len(keys)), get)

    def batch_write_item(self, *, RequestItems: Mapping[str, Any]) -> Any:  # noqa: N803
        """See DynamoDB. Torn, it leaves writes unprocessed."""
        ((name, wanted),) = RequestItems.items()
        table = self._tables[name]
        writes: list[tuple[Key, Item | None, Any]] = []
        for one in wanted:
            item = one["PutRequest"]["Item"] if "PutRequest" in one else None
            writes.append((table.key_of(one["DeleteRequest"]["Key"] if item is None else item), item, one))
        writes.sort(key=_first)

        def write(most: int) -> Any:
            for key, item, _ in writes[:most]:
                table.put(key, item)
            rest = [one for _, _, one in writes[most:]]
            return {"UnprocessedItems": {name: rest}} if rest else {}

        return self._calls.make(f"BatchWriteItem {writes[0][0][0]}", lambda: write(len(writes)), write)

    def query(
        self,
        *,
        TableName: str,  # noqa: N803
        KeyConditionExpression: str,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str],  # noqa: N803
        ExpressionAttributeValues: Mapping[str, Any],  # noqa: N803
        ConsistentRead: bool,  # noqa: N803
        ProjectionExpression: str = "",  # noqa: N803
        Limit: int = PAGE_ITEMS,  # noqa: N803
        ScanIndexForward: bool = True,  # noqa: N803
        ExclusiveStartKey: Item | None = None,  # noqa: N803
    ) -> Any:
        """See DynamoDB. Torn, a page ends early."""
        _must_be_consistent(ConsistentRead)
        table = self._tables[TableName]
        partition, first, last = _bounds(KeyConditionExpression, ExpressionAttributeNames, ExpressionAttributeValues)
        if ExclusiveStartKey is not None:
            begun = table.key_of(ExclusiveStartKey)[1]
            first, last = (max(first, begun + 1), last) if ScanIndexForward else (first, min(last, begun - 1))
        wanted = [ExpressionAttributeNames[name.strip()] for name in ProjectionExpression.split(",") if name]

        def page(most: int) -> Any:
            found: list[Item] = []
            for item in table.between(partition, first, last, upwards=ScanIndexForward):
                if len(found) == most:
                    key = {name: found[-1][name] for name in ("symbol", "timestamp")}
                    return {"Items": _projected(found, wanted), "LastEvaluatedKey": key}
                found.append(item)
            return {"Items": _projected(found, wanted)}

        return self._calls.make(f"Query {partition}", lambda: page(min(Limit, PAGE_ITEMS)), page)


def _first(write: tuple[Key, Item | None, Any]) -> Key:
    return write[0]


def _projected(items: Sequence[Item], wanted: Sequence[str]) -> list[Item]:
    if not wanted:
        return [dict(item) for item in items]
    return [{name: item[name] for name in wanted if name in item} for item in items]


def _bounds(expression: str, names: Mapping[str, str], values: Mapping[str, Any]) -> tuple[str, int, int]:
    """Return the partition and the bounds of the sort key of a key condition: all that the functions ask for."""
    words = _words(expression)
    if words[1] != "=" or (len(words) > 3 and words[5] != "BETWEEN"):
        raise refused("ValidationException", "Query")
    partition: str = values[words[2]]["S"]
    if len(words) == 3:
        return partition, 0, 10**38
    if names[words[4]] != "timestamp":
        raise refused("ValidationException", "Query")
    return partition, int(values[words[6]]["N"]), int(values[words[8]]["N"])


@cache
def _words(expression: str) -> Sequence[str]:
    return expression.split()


def _sum(known: Any, more: Any) -> Any:
    ((kind, value),) = more.items()
    if kind == "N":
        return {"N": str(int(known["N"] if known else 0) + int(value))}
    return {kind: sorted({*(known[kind] if known else ()), *value})}


def _must_be_consistent(consistent: bool) -> None:  # noqa: FBT001
    """Raise for a read that may miss what was just written: the pipeline has none, and this table no such reads."""
    if not consistent:
        raise refused("ValidationException", "a read that is not consistent")
