"""The table as DynamoDB has it: requests of the size that the service takes, what it leaves undone asked for again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import batched, islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from services import clients
from services.conditions import condition_holds
from services.deadlines import Deadline, attempts
from services.expiry import clock_s, is_live
from services.failures import explained, explanation, is_transient
from services.side_by_side import side_by_side
from tickstream.errors import ServiceIncomplete, WritesUnfinished
from tickstream.items import EXPIRY_ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef

    from tickstream.items import Item

#: DynamoDB's limits for one request.
MAX_WRITES_A_REQUEST: Final = 25
MAX_KEYS_A_REQUEST: Final = 100
#: Of items that are put in order: what goes into one request, and how many requests are begun before those before them
#: are all done. Of what lies behind one that is held up, by a partition that is too hot, no more is written in vain; to
#: wait for the last of so many costs nearly nothing.
PUTS_A_REQUEST: Final = MAX_WRITES_A_REQUEST
_REQUESTS_A_TURN: Final = 200


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(clients.PARALLEL_REQUESTS, thread_name_prefix="dynamodb")


class DynamoTable:
    """A `services.table.Table` in DynamoDB, for one invocation.

    name: the table's name.
    deadline: until when what the service left undone is tried again.
    client: the process's own unless given.
    now_s: epoch seconds. One moment for all that the invocation reads: what expires together is gone together.
    """

    def __init__(
        self, name: str, deadline: Deadline, client: DynamoDBClient | None = None, now_s: int | None = None
    ) -> None:
        self.name = name
        self._deadline = deadline
        self._client = client or clients.dynamodb()
        self._now_s = clock_s() if now_s is None else now_s

    def get(self, key: Item) -> Item | None:
        """See Table."""
        with explained(self._doing("GetItem")):
            found = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True).get("Item")
        return found if found is not None and self._is_live(found) else None

    def put(self, item: Item) -> None:
        """See Table."""
        with explained(self._doing("PutItem")):
            self._client.put_item(TableName=self.name, Item=item)

    def put_if_absent(self, item: Item) -> bool:
        """See Table."""
        return self._if_condition_holds(
            "PutItem",
            lambda: self._client.put_item(
                TableName=self.name,
                Item=item,
                ConditionExpression="attribute_not_exists(#symbol) OR #expiry <= :now",
                ExpressionAttributeNames={"#symbol": "symbol", "#expiry": EXPIRY_ATTRIBUTE},
                ExpressionAttributeValues={":now": {"N": str(self._now_s)}},
            ),
        )

    def put_if_equal(self, item: Item, attribute: str, expected: Item) -> bool:
        """See Table."""
        return self._if_condition_holds(
            "PutItem",
            lambda: self._client.put_item(
                TableName=self.name,
                Item=item,
                ConditionExpression="#attribute = :expected AND (attribute_not_exists(#expiry) OR #expiry > :now)",
                ExpressionAttributeNames={"#attribute": attribute, "#expiry": EXPIRY_ATTRIBUTE},
                ExpressionAttributeValues={":expected": expected, ":now": {"N": str(self._now_s)}},
            ),
        )

    def count(self, key: Item, counters: Collection[str]) -> Item:
        """See Table."""
        names = {f"#n{position}": counter for position, counter in enumerate(counters)}
        with explained(self._doing("UpdateItem")):
            return self._client.update_item(
                TableName=self.name,
                Key=key,
                UpdateExpression="ADD " + ", ".join(f"{name} :one" for name in names),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={":one": {"N": "1"}},
                ReturnValues="ALL_NEW",
            )["Attributes"]

    def change_if_equal(
        self, key: Item, changes: Mapping[str, Item | None], expected: Mapping[str, Item | None]
    ) -> Item | None:
        """See Table."""
        request = _conditional_change(changes, expected)
        before: list[Item] = []

        def change() -> None:
            answer = self._client.update_item(TableName=self.name, Key=key, ReturnValues="ALL_OLD", **request)
            before.append(answer.get("Attributes", {}))

        return before[0] if self._if_condition_holds("UpdateItem", change) else None

    def batch_get(self, keys: Iterable[Item]) -> list[Item]:
        """See Table."""
        # A request that names a key twice is refused as a whole.
        unique = {_identity(key): key for key in keys}.values()
        found: list[Item] = []
        for items in side_by_side(_threads(), self._get_chunk, list(batched(unique, MAX_KEYS_A_REQUEST, strict=False))):
            found += items
        return found

    def batch_write(self, puts: Iterable[Item], deletes: Iterable[Item] = ()) -> None:
        """See Table."""
        # A request that names a key twice is refused as a whole; across requests their order would be open.
        writes: dict[tuple[str, str], Any] = {_identity(item): {"PutRequest": {"Item": item}} for item in puts}
        writes |= {_identity(key): {"DeleteRequest": {"Key": key}} for key in deletes}
        chunks = list(batched(writes.values(), MAX_WRITES_A_REQUEST, strict=False))
        for _ in side_by_side(_threads(), self._write_chunk, chunks):
            pass

    def put_in_order(self, items: Sequence[Item]) -> None:
        """See Table."""
        written = 0
        chunks = enumerate(batched(items, PUTS_A_REQUEST, strict=False))
        try:
            for turn in batched(chunks, _REQUESTS_A_TURN, strict=False):
                for count in side_by_side(_threads(), self._put_chunk, turn):
                    written += count
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
        """See Table."""
        condition = "#symbol = :symbol"
        names = {"#symbol": "symbol"}
        values: dict[str, Any] = {":symbol": {"S": partition}}
        if first is not None or last is not None:
            # BETWEEN alone serves all cases: sort keys are not negative and have at most 38 digits.
            condition += " AND #timestamp BETWEEN :first AND :last"
            names["#timestamp"] = "timestamp"
            values[":first"] = {"N": str(first or 0)}
            values[":last"] = {"N": str(10**38 - 1 if last is None else last)}
        request: QueryInputTypeDef = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        if newest_first:
            request["ScanIndexForward"] = False
        if attributes:
            wanted = dict.fromkeys((*attributes, EXPIRY_ATTRIBUTE))
            names |= {f"#{attribute}": attribute for attribute in wanted}
            request["ProjectionExpression"] = ", ".join(f"#{attribute}" for attribute in wanted)
        if limit is not None:
            request["Limit"] = limit  # of a page: the last one may have more than are wanted
        return islice(self._items(request), limit)

    def _items(self, request: QueryInputTypeDef) -> Iterator[Item]:
        while True:
            with explained(self._doing("Query")):
                page = self._client.query(**request)
            yield from filter(self._is_live, page["Items"])
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

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

        def one(name: str) -> list[Item]:
            return list(
                self.query(
                    name, begin.get(name), last, limit=limit_each, attributes=attributes, newest_first=newest_first
                )
            )

        return [item for items in side_by_side(_threads(), one, list(partitions)) for item in items]

    def _is_live(self, item: Item) -> bool:
        return is_live(item, EXPIRY_ATTRIBUTE, self._now_s)

    def _doing(self, action: str) -> str:
        return f"DynamoDB {action} on {self.name}"

    def _if_condition_holds(self, action: str, write: Callable[[], object]) -> bool:
        return condition_holds(self._doing(action), write)

    def _get_chunk(self, keys: Sequence[Item]) -> list[Item]:
        found: list[Item] = []
        request: Any = {self.name: {"Keys": list(keys), "ConsistentRead": True}}
        for _ in attempts(self._deadline, self._doing("BatchGetItem")):
            try:
                answer = self._client.batch_get_item(RequestItems=request)
            except (BotoCoreError, ClientError) as error:
                if not is_transient(error):
                    raise explanation(error, self._doing("BatchGetItem")) from error
                continue
            found += filter(self._is_live, answer["Responses"].get(self.name, []))
            request = answer.get("UnprocessedKeys")
            if not request:
                break
        return found

    def _put_chunk(self, numbered: tuple[int, Sequence[Item]]) -> int:
        """Put a chunk, given with its number, and return its items; the first one is tried even if time is up."""
        number, items = numbered
        if number and not self._deadline.remaining_s():
            raise ServiceIncomplete(f"{self._doing('BatchWriteItem')}: no time is left")
        self._write_chunk([{"PutRequest": {"Item": item}} for item in items])
        return len(items)

    def _write_chunk(self, writes: Sequence[Any]) -> None:
        request: Any = {self.name: list(writes)}
        for _ in attempts(self._deadline, self._doing("BatchWriteItem")):
            try:
                answer = self._client.batch_write_item(RequestItems=request)
            except (BotoCoreError, ClientError) as error:
                # All of a throttled request is undone; of a lost answer nothing is known. Writing again is harmless
                # for every item of this table: it is the same item, or a cache.
                if not is_transient(error):
                    raise explanation(error, self._doing("BatchWriteItem")) from error
                continue
            request = answer.get("UnprocessedItems")
            if not request:
                break


def _conditional_change(changes: Mapping[str, Item | None], expected: Mapping[str, Item | None]) -> Any:
    """Return the expressions of an UpdateItem that sets and removes attributes if others are what they were."""
    names = {attribute: f"#n{number}" for number, attribute in enumerate(dict.fromkeys((*changes, *expected)))}
    values: dict[str, Item] = {}

    def value(item: Item) -> str:
        name = f":v{len(values)}"
        values[name] = item
        return name

    sets = [f"{names[one]} = {value(item)}" for one, item in changes.items() if item is not None]
    removes = [names[one] for one, item in changes.items() if item is None]
    holds = [
        f"attribute_not_exists({names[one]})" if item is None else f"{names[one]} = {value(item)}"
        for one, item in expected.items()
    ]
    parts = [f"{verb} {', '.join(some)}" for verb, some in (("SET", sets), ("REMOVE", removes)) if some]
    request: dict[str, Any] = {
        "UpdateExpression": " ".join(parts),
        "ConditionExpression": " AND ".join(holds),
        "ExpressionAttributeNames": {name: attribute for attribute, name in names.items()},
    }
    return {**request, "ExpressionAttributeValues": values} if values else request


def _identity(item: Item) -> tuple[str, str]:
    return item["symbol"]["S"], item["timestamp"]["N"]
