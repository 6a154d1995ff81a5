"""The table of file statuses: one item a file, moved by the rule of `tickstream.file_status` and in no other way.

Beside it an upload's statistics have an item of their own: a status is written three times and read more often, each
time for what it weighs.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from services import clients
from services.conditions import condition_holds
from services.expiry import clock_s, is_live
from services.failures import explained
from services.side_by_side import side_by_side
from tickstream.arrival_lists import Placed
from tickstream.errors import ServiceIncomplete
from tickstream.file_status import Outcome, advanced, outcome_of
from tickstream.status_items import (
    EXPIRY_ATTRIBUTE,
    INDEX,
    INDEX_PLACE,
    INDEX_SHARD,
    statistics_from,
    statistics_item,
    statistics_key,
    status_from,
    status_item,
    status_key,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from tickstream.file_status import FileStatus, Move
    from tickstream.files import FilePointer
    from tickstream.items import Item

#: Writers of one file's status: its stages one after the other, at times two uploads at once.
_ATTEMPTS: Final = 10


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(clients.PARALLEL_REQUESTS, thread_name_prefix="dynamodb")


class StatusTable(Protocol):
    """Where statuses are kept. Every method raises ServiceIncomplete or ServiceRefused; reads are consistent.

    What has expired is not there (`services.expiry`).
    """

    def get(self, file_id: str) -> FileStatus | None:
        """Return the status of a file, None where there is none."""
        ...

    def replace(self, stored: FileStatus | None, status: FileStatus) -> bool:
        """Write a status if what was read (None: nothing) is still what is there; say whether."""
        ...

    def get_each(self, file_ids: Sequence[str]) -> list[FileStatus | None]:
        """Return the statuses of several files, read side by side, in their order."""
        ...

    def list_each(self, shards: Sequence[str], limit_each: int, first: int, last: int) -> list[Placed]:
        """Return the files in some shards of the index, of each so many at most, the newest first, between two places.

        It may miss what was written moments ago.
        """
        ...

    def get_statistics(self, pointer: FilePointer) -> bytes | None:
        """Return the packed statistics of an upload, None where there are none."""
        ...

    def put_statistics(self, pointer: FilePointer, packed: bytes) -> None:
        """Write the packed statistics of an upload; written again they are the same."""
        ...


def make_move(table: StatusTable, file_id: str, move: Move) -> Outcome:
    """Make a move if it counts, and say what it came to.

    Two writers at once: the condition lets one through, the other reads again and decides anew. A write whose answer
    was lost looks like a lost race, is found on reading again, and counts as repeated.
    Raises ServiceIncomplete, ServiceRefused, MalformedItem.
    """
    for _ in range(_ATTEMPTS):
        stored = table.get(file_id)
        outcome = outcome_of(stored, move)
        if outcome is not Outcome.ACCEPTED or table.replace(stored, advanced(stored, move)):
            return outcome
    raise ServiceIncomplete(f"the status of {file_id} changed {_ATTEMPTS} times while it was to be moved")


class DynamoStatusTable:
    """A `StatusTable` in DynamoDB.

    name: the table's name.
    client: the process's own unless given. now_s: epoch seconds, one moment for the whole invocation.
    """

    def __init__(self, name: str, client: DynamoDBClient | None = None, now_s: int | None = None) -> None:
        self.name = name
        self._client = client or clients.dynamodb()
        self._now_s = clock_s() if now_s is None else now_s

    def get(self, file_id: str) -> FileStatus | None:
        """See StatusTable."""
        found = self._get(status_key(file_id))
        return None if found is None else status_from(found)

    def replace(self, stored: FileStatus | None, status: FileStatus) -> bool:
        """See StatusTable."""
        request: dict[str, Any] = {"TableName": self.name, "Item": status_item(status)}
        if stored is None:
            request["ConditionExpression"] = "attribute_not_exists(#file) OR #expiry <= :now"
            request["ExpressionAttributeNames"] = {"#file": "fileId", "#expiry": EXPIRY_ATTRIBUTE}
            request["ExpressionAttributeValues"] = {":now": {"N": str(self._now_s)}}
        else:
            # These three are the order of the last move: every accepted move changes them, so nothing else can differ.
            sequencer, attempt, rank = stored.last.order
            request["ConditionExpression"] = "#sequencer = :sequencer AND #attempt = :attempt AND #rank = :rank"
            request["ExpressionAttributeNames"] = {
                "#sequencer": "sequencer",
                "#attempt": "attempt",
                "#rank": "stageRank",
            }
            request["ExpressionAttributeValues"] = {
                ":sequencer": {"S": sequencer},
                ":attempt": {"N": str(attempt)},
                ":rank": {"N": str(rank)},
            }
        return condition_holds(f"DynamoDB PutItem on {self.name}", lambda: self._client.put_item(**request))

    def get_each(self, file_ids: Sequence[str]) -> list[FileStatus | None]:
        """See StatusTable."""
        return list(side_by_side(_threads(), self.get, file_ids))

    def list_each(self, shards: Sequence[str], limit_each: int, first: int, last: int) -> list[Placed]:
        """See StatusTable."""
        found = side_by_side(_threads(), lambda shard: self._listed(shard, limit_each, first, last), shards)
        return [one for of_shard in found for one in of_shard]

    def _listed(self, shard: str, limit: int, first: int, last: int) -> list[Placed]:
        # One page of keys alone: a hundred thousand fit.
        with explained(f"DynamoDB Query on {self.name}"):
            answer = self._client.query(
                TableName=self.name,
                IndexName=INDEX,
                KeyConditionExpression="#shard = :shard AND #place BETWEEN :first AND :last",
                ExpressionAttributeNames={"#shard": INDEX_SHARD, "#place": INDEX_PLACE},
                ExpressionAttributeValues={
                    ":shard": {"S": shard},
                    ":first": {"N": str(first)},
                    ":last": {"N": str(last)},
                },
                ScanIndexForward=False,
                Limit=limit,
            )
        return [Placed(shard, int(item[INDEX_PLACE]["N"]), item["fileId"]["S"]) for item in answer["Items"]]

    def get_statistics(self, pointer: FilePointer) -> bytes | None:
        """See StatusTable."""
        found = self._get(statistics_key(pointer))
        return None if found is None else statistics_from(found)

    def put_statistics(self, pointer: FilePointer, packed: bytes) -> None:
        """See StatusTable.

        Without a condition: they follow from the upload's bytes alone, so whoever writes them, twice or late, writes
        what is there.
        """
        item = statistics_item(pointer, packed)
        with explained(f"DynamoDB PutItem on {self.name}"):
            self._client.put_item(TableName=self.name, Item=item)

    def _get(self, key: Item) -> Item | None:
        with explained(f"DynamoDB GetItem on {self.name}"):
            answer = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        found = answer.get("Item")
        return found if found is not None and is_live(found, EXPIRY_ATTRIBUTE, self._now_s) else None
