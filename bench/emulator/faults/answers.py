"""What AWS answers to batches of which it left something undone, and what it would answer to what was not done at all.

Requests and answers are as boto3 has them: mappings with AWS's own names.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

type Parameters = Mapping[str, Any]
type Answer = dict[str, Any]
type CarryOut = Callable[[Parameters], Answer]

_UNDONE: Final = "left undone by the bench"


def answer_in_part(operation: str, request: Parameters, carry_out: CarryOut) -> Answer:
    """Have every other entry of a batch carried out, and answer as the service does that left the rest undone.

    The first of two entries is done; a single one is not. Entries stand in the answer as they stand in the request.
    carry_out: sends a request of the same operation to the service and returns its answer.
    """
    return _IN_PART[operation](request, carry_out)


def answer_dropped(operation: str, request: Parameters) -> Answer:
    """Answer a request that is not carried out as if it were: with success and ids where callers read them.

    Everything else is answered with nothing, which of a read means that nothing was found.
    """
    make = _DROPPED.get(operation)
    return make(request) if make else {}


def _is_undone(position: int, entries: int) -> bool:
    return entries == 1 or position % 2 == 1


def _split[Entry](entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return what is done and what is left undone."""
    done = [entry for position, entry in enumerate(entries) if not _is_undone(position, len(entries))]
    undone = [entry for position, entry in enumerate(entries) if _is_undone(position, len(entries))]
    return done, undone


def _by_table(writes: Sequence[tuple[str, Any]]) -> dict[str, list[Any]]:
    tables: dict[str, list[Any]] = {}
    for table, write in writes:
        tables.setdefault(table, []).append(write)
    return tables


def _batch_write(request: Parameters, carry_out: CarryOut) -> Answer:
    done, undone = _split([(table, write) for table, writes in request["RequestItems"].items() for write in writes])
    answer = carry_out({**request, "RequestItems": _by_table(done)}) if done else {}
    unprocessed = _by_table(undone)
    for table, writes in (answer.get("UnprocessedItems") or {}).items():
        unprocessed.setdefault(table, []).extend(writes)
    return {**answer, "UnprocessedItems": unprocessed}


def _batch_get(request: Parameters, carry_out: CarryOut) -> Answer:
    asked: Mapping[str, Mapping[str, Any]] = request["RequestItems"]
    done, undone = _split([(table, key) for table, wanted in asked.items() for key in wanted["Keys"]])

    def wanted(keys: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        # What else the request says of a table (attributes, consistency) comes back with its keys.
        return {table: {**asked[table], "Keys": found} for table, found in _by_table(keys).items()}

    answer = carry_out({**request, "RequestItems": wanted(done)}) if done else {"Responses": {}}
    unprocessed = wanted(undone)
    for table, left in (answer.get("UnprocessedKeys") or {}).items():
        keys = unprocessed.get(table, {}).get("Keys", [])
        unprocessed[table] = {**left, "Keys": [*keys, *left["Keys"]]}
    return {**answer, "UnprocessedKeys": unprocessed}


def _send_batch(request: Parameters, carry_out: CarryOut) -> Answer:
    done, undone = _split(request["Entries"])
    answer = carry_out({**request, "Entries": done}) if done else {}
    failed = [
        {"Id": entry["Id"], "SenderFault": False, "Code": "InternalError", "Message": _UNDONE} for entry in undone
    ]
    return {**answer, "Successful": answer.get("Successful") or [], "Failed": [*(answer.get("Failed") or []), *failed]}


def _put_events(request: Parameters, carry_out: CarryOut) -> Answer:
    entries = request["Entries"]
    done, undone = _split(entries)
    answer = carry_out({**request, "Entries": done}) if done else {}
    results = iter(answer.get("Entries") or [])
    # A result belongs to the entry that stands where it stands.
    merged = [
        {"ErrorCode": "ThrottlingException", "ErrorMessage": _UNDONE}
        if _is_undone(position, len(entries))
        else next(results)
        for position in range(len(entries))
    ]
    return {**answer, "FailedEntryCount": (answer.get("FailedEntryCount") or 0) + len(undone), "Entries": merged}


_IN_PART: Final[Mapping[str, Callable[[Parameters, CarryOut], Answer]]] = {
    "BatchWriteItem": _batch_write,
    "BatchGetItem": _batch_get,
    "SendMessageBatch": _send_batch,
    "PutEvents": _put_events,
}


def _sent(message: Mapping[str, Any]) -> dict[str, Any]:
    digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False).hexdigest()
    return {"MessageId": str(uuid.uuid4()), "MD5OfMessageBody": digest}


_DROPPED: Final[Mapping[str, Callable[[Parameters], Answer]]] = {
    "PutEvents": lambda request: {
        "FailedEntryCount": 0,
        "Entries": [{"EventId": str(uuid.uuid4())} for _ in request["Entries"]],
    },
    "SendMessage": _sent,
    "SendMessageBatch": lambda request: {
        "Successful": [{"Id": entry["Id"], **_sent(entry)} for entry in request["Entries"]],
        "Failed": [],
    },
    "DeleteMessageBatch": lambda request: {
        "Successful": [{"Id": entry["Id"]} for entry in request["Entries"]],
        "Failed": [],
    },
    "ChangeMessageVisibilityBatch": lambda request: {
        "Successful": [{"Id": entry["Id"]} for entry in request["Entries"]],
        "Failed": [],
    },
    "BatchWriteItem": lambda _: {"UnprocessedItems": {}},
    "BatchGetItem": lambda request: {
        "Responses": {table: [] for table in request["RequestItems"]},
        "UnprocessedKeys": {},
    },
    "Query": lambda _: {"Items": [], "Count": 0, "ScannedCount": 0},
}
