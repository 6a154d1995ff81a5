"""`GET /_bench/tables`: how many items each table has, and their bytes as DynamoDB bills their storage."""

import json
from typing import Any, Final

from moto.dynamodb.models import dynamodb_backends

from bench.emulator.dynamodb import provider as dynamodb
from bench.emulator.dynamodb.table import item_size_bytes
from bench.engine import ROUTER, Response
from bench.measure.stored import TABLES_PATH

#: What DynamoDB adds to each item for its index.
_ITEM_BYTES: Final = 100


def add_route() -> None:
    """Serve it; called once, while LocalStack starts."""

    def tables(*_: Any, **__: Any) -> Response:
        with dynamodb.LOCK:
            found = {
                table.name: [item_size_bytes(item) + _ITEM_BYTES for item in table.all_items()]
                for _, _, backend in dynamodb_backends.iter_backends()
                for table in backend.tables.values()
            }
        body = {name: {"items": len(sizes), "bytes": sum(sizes)} for name, sizes in found.items()}
        return Response(json.dumps(body), content_type="application/json")

    ROUTER.add(TABLES_PATH, tables, methods=["GET"])
