"""The table as DynamoDB has it: requests of the size that the service takes, what it leaves undone asked for again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import batched, islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from services import clients
from services.conditions import condition_holds
from services.deadlines import Deadline, attempts
from services.expiry import clock_s, is_live
from services.failures import explained, explanation, is_transient
from tickstream.items import EXPIRY_ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef

    from tickstream.items import Item

#: DynamoDB's limits for one request.
MAX_WRITES_A_REQUEST: Final = 25
MAX_KEYS_A_REQUEST: Final = 100


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

    def add(self, key: Item, attribute: str, amount: int, names: str, more: Collection[str]) -> Item:
        """See Table."""
        with explained(self._doing("UpdateItem")):
            return self._client.update_item(
                TableName=self.name,
                Key=key,
                UpdateExpression="ADD #attribute :amount, #names :more",
                ExpressionAttributeNames={"#attribute": attribute, "#names": names},
                ExpressionAttributeValues={":amount": {"N": str(amount)}, ":more": {"SS": sorted(more)}},
                ReturnValues="ALL_NEW",
            )["Attributes"]

    def batch_get(self, keys: Iterable[Item]) -> list[Item]:
        """See Table."""
        # A request that names a key twice is refused as a whole.
        unique = {_identity(key): key for key in keys}.values()
        found: list[Item] = []
        for items in self._in_parallel(self._get_chunk, list(batched(unique, MAX_KEYS_A_REQUEST, strict=False))):
            found += items
        return found

    def batch_write(self, puts: Iterable[Item], deletes: Iterable[Item] = ()) -> None:
        """See Table."""
        # A request that names a key twice is refused as a whole; across requests their order would be open.
        writes: dict[tuple[str, str], Any] = {_identity(item): {"PutRequest": {"Item": item}} for item in puts}
        writes |= {_identity(key): {"DeleteRequest": {"Key": key}} for key in deletes}
        self._in_parallel(self._write_chunk, list(batched(writes.values(), MAX_WRITES_A_REQUEST, strict=False)))

    def query(
        self,
        partition: str,
        first: int | None = None,
        last: int | None = None,
        *,
        limit: int | None = None,
        attributes: Sequence[str] = (),
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
        self, partitions: Iterable[str], limit_each: int | None = None, first: Mapping[str, int] | None = None
    ) -> list[Item]:
        """See Table."""
        begin = first or {}
        found = self._in_parallel(
            lambda name: list(self.query(name, begin.get(name), limit=limit_each)), list(partitions)
        )
        return [item for items in found for item in items]

    def _is_live(self, item: Item) -> bool:
        return is_live(item, EXPIRY_ATTRIBUTE, self._now_s)

    def _doing(self, action: str) -> str:
        return f"DynamoDB {action} on {self.name}"

    def _if_condition_holds(self, action: str, write: Callable[[], object]) -> bool:
        return condition_holds(self._doing(action), write)

    def _in_parallel[Chunk, Result](self, work: Callable[[Chunk], Result], chunks: Sequence[Chunk]) -> list[Result]:
        if len(chunks) <= 1:
            return [work(chunk) for chunk in chunks]
        futures = [_threads().submit(work, chunk) for chunk in chunks]
        try:
            return [future.result() for future in futures]
        finally:
            # After an error too nothing may be left running: Lambda freezes the process when the invocation ends, and
            # a write would go out in the middle of a later one, after the caller has been told that it failed.
            for future in futures:
                future.cancel()
            wait(futures)

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


def _identity(item: Item) -> tuple[str, str]:
    return item["symbol"]["S"], item["timestamp"]["N"]
