"""LocalStack's DynamoDB provider `dynamodb:memory`: moto's, in process, without Java, with DynamoDB's limits.

moto has no locks and LocalStack many threads: one lock serialises the whole of each request, its answer included,
so that a conditional write is atomic and no answer is written out while another request changes the item.
"""

import copy
import json
import threading
from collections.abc import Mapping
from typing import Any, Final

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table

from bench.emulator.dynamodb import requests as dynamodb_requests
from bench.emulator.dynamodb import table as dynamodb_table
from bench.emulator.dynamodb import units as dynamodb_units
from bench.emulator.dynamodb import updates
from bench.emulator.dynamodb.table import MAX_ITEM_SIZE_BYTES, forget_size, item_size_bytes, wire_size_bytes
from bench.engine import (
    CommonServiceException,
    DispatchTable,
    DynamodbApi,
    ForwardingFallbackDispatcher,
    RequestContext,
    Response,
    Service,
    ServiceRequest,
    dispatch_to_moto,
)

MAX_BATCH_WRITES: Final = 25
# A partition key of at most 2,048 bytes, a sort key of at most 1,024, and their names.
MAX_KEY_BYTES: Final = 2048 + 1024 + 2 * 255
#: Held while a request is served.
LOCK: Final = threading.Lock()


class MemoryDynamoDb(DynamodbApi):  # type: ignore[misc] # LocalStack is untyped here
    """Implements nothing itself: every operation falls through to moto."""


def create_service() -> Service:
    """Return the service that LocalStack loads for the `dynamodb` API."""
    dynamodb_table.install()
    dynamodb_requests.install()
    updates.install()
    return Service.for_provider(MemoryDynamoDb(), dispatch_table_factory=_dispatch_table)


def _dispatch_table(provider: object) -> DispatchTable:
    return ForwardingFallbackDispatcher(provider, _serve)


def _serve(context: RequestContext, request: ServiceRequest | None) -> Response:
    operation = context.operation.name
    asked: Mapping[str, Any] = request or {}

    def serve() -> Response:
        return _update(context, asked) if operation == "UpdateItem" else dispatch_to_moto(context)

    with LOCK:
        if operation in _CHECKS:
            _CHECKS[operation](context, asked)
        response = dynamodb_units.metered(context, asked, serve)
    dynamodb_requests.note_answer(context, response)
    return response


def _table(context: RequestContext, name: str) -> Table:
    """Return the table; an unknown one is moto's error, raised when it serves the request."""
    return dynamodb_backends[context.account_id][context.region].get_table(name)


def _check_put(context: RequestContext, request: Mapping[str, Any]) -> None:
    _check_sizes(context, [request["Item"]])


def _check_batch_write(context: RequestContext, request: Mapping[str, Any]) -> None:
    """Refuse what BatchWriteItem refuses, before any of it is written."""
    batches: Mapping[str, list[Mapping[str, Any]]] = request["RequestItems"]
    writes = sum(len(batch) for batch in batches.values())
    if not 1 <= writes <= MAX_BATCH_WRITES:
        raise _invalid(
            "1 validation error detected: Value at 'requestItems' failed to satisfy constraint: Map value must "
            f"satisfy constraint: [Member must have length less than or equal to {MAX_BATCH_WRITES}, Member must "
            "have length greater than or equal to 1]"
        )
    for name, batch in batches.items():
        key_names = _table(context, name).table_key_attrs
        puts = [write["PutRequest"]["Item"] for write in batch if "PutRequest" in write]
        deletes = [write["DeleteRequest"]["Key"] for write in batch if "DeleteRequest" in write]
        # moto compares whole items; DynamoDB refuses two writes of one key whatever they hold.
        keys = [json.dumps([item.get(key) for key in key_names], default=str) for item in (*puts, *deletes)]
        if len(set(keys)) != len(keys):
            raise _invalid("Provided list of item keys contains duplicates")
        _check_sizes(context, puts)


def _update(context: RequestContext, request: Mapping[str, Any]) -> Response:
    """Serve UpdateItem, and take it back where it made the item too large."""
    backend = dynamodb_backends[context.account_id][context.region]
    item = backend.get_item(request["TableName"], request["Key"])
    values = request.get("ExpressionAttributeValues") or {}
    largest = (item_size_bytes(item) if item else 0) + wire_size_bytes(values)
    if largest + MAX_KEY_BYTES <= MAX_ITEM_SIZE_BYTES:
        return dispatch_to_moto(context)
    before = copy.deepcopy(item)
    response = dispatch_to_moto(context)
    after = backend.get_item(request["TableName"], request["Key"])
    if after is not None and item_size_bytes(after) > MAX_ITEM_SIZE_BYTES:
        table = _table(context, request["TableName"])
        if before is None:
            table.delete_item(after.hash_key, after.range_key)
        else:
            after.attrs = before.attrs
            forget_size(after)
        raise _invalid("Item size to update has exceeded the maximum allowed size")
    return response


def _check_sizes(context: RequestContext, items: list[Mapping[str, Any]]) -> None:
    # No item has more bytes than the JSON that it came in.
    if len(context.request.data) > MAX_ITEM_SIZE_BYTES and any(
        wire_size_bytes(item) > MAX_ITEM_SIZE_BYTES for item in items
    ):
        raise _invalid("Item size has exceeded the maximum allowed size")


def _invalid(message: str) -> CommonServiceException:
    return CommonServiceException("ValidationException", message)


_CHECKS: Final = {
    "PutItem": _check_put,
    "BatchWriteItem": _check_batch_write,
}
