"""The table of file statuses: one item a file, moved by the rule of `tickstream.file_status` and in no other way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from services import clients
from services.conditions import condition_holds
from services.expiry import clock_s, is_live
from services.failures import explained
from tickstream.errors import ServiceIncomplete
from tickstream.file_status import Outcome, advanced, outcome_of
from tickstream.status_items import EXPIRY_ATTRIBUTE, status_from, status_item, status_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from tickstream.file_status import FileStatus, Move

#: Writers of one file's status: its stages one after the other, at times two uploads at once.
_ATTEMPTS: Final = 10


class StatusTable(Protocol):
    """Where statuses are kept. Every method raises ServiceIncomplete or ServiceRefused; reads are consistent.

    A status that has expired is not there (`services.expiry`).
    """

    def get(self, file_id: str) -> FileStatus | None:
        """Return the status of a file, None where there is none."""
        ...

    def replace(self, stored: FileStatus | None, status: FileStatus) -> bool:
        """Write a status if what was read (None: nothing) is still what is there; say whether."""
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
        with explained(f"DynamoDB GetItem on {self.name}"):
            answer = self._client.get_item(TableName=self.name, Key=status_key(file_id), ConsistentRead=True)
        found = answer.get("Item")
        return status_from(found) if found is not None and is_live(found, EXPIRY_ATTRIBUTE, self._now_s) else None

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
