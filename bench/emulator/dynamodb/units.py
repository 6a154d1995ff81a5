"""What DynamoDB bills of each request: write and read request units, by the sizes of the items concerned.

From "DynamoDB read and write operations" in the developer guide. A write is one unit for each begun KB of the larger of
the item before and after, a delete of what it deletes; one whose condition fails is billed as well. A read is one unit
for each begun 4 KB, half of that where it need not be consistent. A Query adds up what it looked at before it rounds,
the other reads round each item; what is not there counts as the smallest item. Transactions take twice as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moto.dynamodb.models import dynamodb_backends

from bench.emulator.dynamodb.table import PartitionedTable, find, item_size_bytes, wire_size_bytes

if TYPE_CHECKING:
    from moto.dynamodb.models.table import Table

    from bench.engine import RequestContext, Response

WRITE_UNIT_BYTES: Final = 1 << 10
READ_UNIT_BYTES: Final = 4 << 10
_CONDITION_FAILED: Final = b"ConditionalCheckFailed"

type Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Units:
    """What one request consumed. read_halves: halves of read request units, so that they are whole numbers."""

    write: int = 0
    read_halves: int = 0


NOTHING: Final = Units()


def metered(context: RequestContext, request: Request, serve: Callable[[], Response]) -> Response:
    """Serve a request and note on its context what it consumed (see `units_of`); under the provider's lock."""
    meter = _METERS.get(context.operation.name)
    if meter is None:
        return serve()
    backend = dynamodb_backends[context.account_id][context.region]
    count = meter(backend.tables, request)
    response = serve()
    if response.status_code < 400 or _CONDITION_FAILED in response.data:
        context.consumed_units = count(response)
    return response


def units_of(context: RequestContext) -> Units:
    """Return what a served request consumed; nothing for other services and for what was refused."""
    units: Units = getattr(context, "consumed_units", NOTHING)
    return units


# --- sizes --------------------------------------------------------------------------------------------------------


def _size_bytes(table: Table | None, key: Request) -> int:
    item = find(table, key)
    return 0 if item is None else item_size_bytes(item)


def write_units(size_bytes: int) -> int:
    """Return the write request units of one item of a size; 0 bytes is an item that is not there."""
    return max(1, -(-size_bytes // WRITE_UNIT_BYTES))


def read_halves(size_bytes: int, *, consistent: bool) -> int:
    """Return the halves of read request units of one read of a size, as `write_units`."""
    return max(1, -(-size_bytes // READ_UNIT_BYTES)) * (2 if consistent else 1)


# --- one meter an operation: looks before the request is served, and returns who counts afterwards ----------------

type _Tables = Mapping[str, Table]
type _Count = Callable[[Response], Units]


@dataclass(frozen=True, slots=True)
class _Write:
    """One item that is written. size_bytes: before, or of what is put, whichever is larger. updated: look again."""

    table: Table | None
    key: Request
    size_bytes: int
    updated: bool = False

    def units(self) -> int:
        return write_units(max(self.size_bytes, _size_bytes(self.table, self.key)) if self.updated else self.size_bytes)


def _put(table: Table | None, item: Request) -> _Write:
    return _Write(table, item, max(_size_bytes(table, item), wire_size_bytes(item)))


def _touched(table: Table | None, key: Request, *, updated: bool = False) -> _Write:
    return _Write(table, key, _size_bytes(table, key), updated)


def _writes(writes: Iterable[_Write], times: int = 1) -> _Count:
    found = tuple(writes)
    return lambda _: Units(write=times * sum(write.units() for write in found))


def _put_item(tables: _Tables, request: Request) -> _Count:
    return _writes([_put(tables.get(request["TableName"]), request["Item"])])


def _update_item(tables: _Tables, request: Request) -> _Count:
    return _writes([_touched(tables.get(request["TableName"]), request["Key"], updated=True)])


def _delete_item(tables: _Tables, request: Request) -> _Count:
    return _writes([_touched(tables.get(request["TableName"]), request["Key"])])


def _batch_write_item(tables: _Tables, request: Request) -> _Count:
    return _writes(
        _put(tables.get(name), put["Item"])
        if (put := write.get("PutRequest"))
        else _touched(tables.get(name), write["DeleteRequest"]["Key"])
        for name, batch in request["RequestItems"].items()
        for write in batch
    )


def _transact_write_items(tables: _Tables, request: Request) -> _Count:
    writes = []
    for entry in request["TransactItems"]:
        for action, one in entry.items():
            table = tables.get(one["TableName"])
            writes.append(
                _put(table, one["Item"]) if action == "Put" else _touched(table, one["Key"], updated=action == "Update")
            )
    return _writes(writes, times=2)


def _reads(sizes: Iterable[tuple[int, bool]], times: int = 1) -> _Count:
    units = Units(read_halves=times * sum(read_halves(size, consistent=consistent) for size, consistent in sizes))
    return lambda _: units


def _get_item(tables: _Tables, request: Request) -> _Count:
    size_bytes = _size_bytes(tables.get(request["TableName"]), request["Key"])
    return _reads([(size_bytes, bool(request.get("ConsistentRead")))])


def _batch_get_item(tables: _Tables, request: Request) -> _Count:
    return _reads(
        (_size_bytes(tables.get(name), key), bool(batch.get("ConsistentRead")))
        for name, batch in request["RequestItems"].items()
        for key in batch["Keys"]
    )


def _transact_get_items(tables: _Tables, request: Request) -> _Count:
    gets = [entry["Get"] for entry in request["TransactItems"]]
    return _reads(((_size_bytes(tables.get(get["TableName"]), get["Key"]), True) for get in gets), times=2)


def _page(tables: _Tables, request: Request) -> _Count:
    table, consistent = tables.get(request["TableName"]), bool(request.get("ConsistentRead"))
    known = (
        isinstance(table, PartitionedTable)
        and table.has_range_key
        and not (request.get("IndexName") or request.get("ScanFilter"))
    )

    def count(response: Response) -> Units:
        # Else moto answers by itself: its answer has more bytes than the items that it is made of.
        size_bytes = table.looked_at_bytes if table is not None and known else len(response.data)
        return Units(read_halves=read_halves(size_bytes, consistent=consistent))

    return count


_METERS: Final[Mapping[str, Callable[[_Tables, Request], _Count]]] = {
    "BatchGetItem": _batch_get_item,
    "BatchWriteItem": _batch_write_item,
    "DeleteItem": _delete_item,
    "GetItem": _get_item,
    "PutItem": _put_item,
    "Query": _page,
    "Scan": _page,
    "TransactGetItems": _transact_get_items,
    "TransactWriteItems": _transact_write_items,
    "UpdateItem": _update_item,
}
