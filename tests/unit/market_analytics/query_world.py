"""A table in memory and the questions that a caller can ask DataQuery about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from market_analytics import data_query
from market_analytics.data_query import Settings, respond
from tickstream import keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import Bar, bar_of, merge_bars
from tickstream.hours import Slice
from tickstream.items import slice_item
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.memory_table import MemoryTable

BUCKET = "market-data-test"
CONFIG = Settings("table", overdue_seconds=900, data_bucket=BUCKET)
DAY_NS = 1_381_104_000 * 10**9  # 2013-10-07T00:00:00Z
NOW_NS = DAY_NS + 24 * keys.NS_PER_HOUR
INGEST = "0123456789abcdef" * 2


def put_ticks(table: MemoryTable, ticks: Iterable[Tick], index: int = 0) -> None:
    """Store ticks as the slices that one range of one ingest has."""
    hours: dict[tuple[str, int], list[Bar]] = {}
    for offset, tick in enumerate(ticks):
        key = (tick.symbol, keys.hour_of(tick.timestamp_ns))
        hours.setdefault(key, []).append(bar_of(tick, INGEST, "", index * 10**6 + offset))
    range_id = keys.range_id(INGEST, index)
    table.batch_write(
        slice_item(Slice(symbol, hour, range_id, encode_bars(merge_bars(bars))), INGEST, index, 0)
        for (symbol, hour), bars in hours.items()
    )


def tick(symbol: str, minute: int, price: int = 100, size: int = 1) -> Tick:
    """One tick in that minute of the day."""
    return Tick(symbol, DAY_NS + minute * keys.NS_PER_MINUTE, price * 10**9, size * 10**9)


def get(table: MemoryTable, symbol: str, **parameters: str) -> dict[str, Any]:
    """`GET /bars/{symbol}`: the fields of the answer."""
    event = {
        "httpMethod": "GET",
        "resource": "/bars/{symbol+}",
        "pathParameters": {"symbol": symbol},
        "multiValueQueryStringParameters": {name: [value] for name, value in parameters.items()} or None,
    }
    return respond(event, table, CONFIG, NOW_NS)


def post(table: MemoryTable, body: Any, now_ns: int = NOW_NS) -> dict[str, Any]:
    """`POST /bars`: the fields of the answer."""
    text = body if isinstance(body, str) else json.dumps(body)
    return respond({"httpMethod": "POST", "resource": "/bars", "body": text}, table, CONFIG, now_ns)


def status(table: MemoryTable, ingest_id: str, now_ms: int = 1_000) -> dict[str, Any]:
    """`GET /ingest/{ingestId}`: the fields of the answer."""
    event = {"httpMethod": "GET", "resource": "/ingest/{ingestId}", "pathParameters": {"ingestId": ingest_id}}
    return respond(event, table, CONFIG, now_ms * 10**6)


def ingests(table: MemoryTable, now_ms: int, /, **parameters: str) -> dict[str, Any]:
    """`GET /ingests`: the fields of the answer. `from_`, because Python has the other word."""
    event = {
        "httpMethod": "GET",
        "resource": "/ingests",
        "multiValueQueryStringParameters": {name.rstrip("_"): [value] for name, value in parameters.items()} or None,
    }
    return respond(event, table, CONFIG, now_ms * 10**6)


def symbols(table: MemoryTable, **parameters: str) -> dict[str, Any]:
    """`GET /symbols`: the fields of the answer."""
    event = {
        "httpMethod": "GET",
        "resource": "/symbols",
        "multiValueQueryStringParameters": {name: [value] for name, value in parameters.items()} or None,
    }
    return respond(event, table, CONFIG, NOW_NS)


def invoke(event: dict[str, Any]) -> dict[str, Any]:
    """The whole handler."""
    return data_query.handler(event, Context())  # type: ignore[arg-type]  # a part of the context is enough


class Context:
    """As much of Lambda's context as the handler reads."""

    aws_request_id = "request-1"
    function_name = memory_limit_in_mb = invoked_function_arn = "test"

    def get_remaining_time_in_millis(self) -> int:
        """The whole of the function's timeout."""
        return 29_000
