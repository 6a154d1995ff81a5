"""DataQuery: the read-only half of the API: bars of one symbol and of many, symbols, what became of what came in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aws_lambda_powertools import Logger

from market_analytics.data_query_bars import PAGE_SECONDS, bar_fields, read_page
from market_analytics.data_query_ingest import ingest_status
from market_analytics.data_query_ingests import listed_ingests
from market_analytics.data_query_request import BarsQuery, encode_token, query_of_body, query_of_path
from market_analytics.data_query_symbols import listed_symbols
from services import settings
from services.api_answers import answer_with
from services.api_requests import body_of, parameters_of
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.log_lines import one_line
from tickstream.errors import BadRequest
from tickstream.promises import MAX_QUESTION_BYTES
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from market_analytics.data_query_bars import ToldBar
    from market_analytics.data_query_request import NextBar
    from services.table import Table

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """The function's environment."""

    table_name: str
    overdue_seconds: int
    data_bucket: str

    @classmethod
    def from_env(cls) -> Self:
        """Read it. Raises ConfigurationError naming what is missing."""
        return cls(
            settings.text("TABLE_NAME"),
            settings.whole_number("OVERDUE_SECONDS", minimum=1),
            settings.text("DATA_BUCKET"),
        )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway (REST, proxy integration); never raises."""

    def fields() -> dict[str, Any]:
        config = Settings.from_env()
        return respond(event, DynamoTable(config.table_name, Deadline.of(context)), config, time.time_ns())

    return answer_with(fields, logger, context.aws_request_id)


def respond(event: Mapping[str, Any], table: Table, config: Settings, now_ns: int) -> dict[str, Any]:
    """Return the fields of a 200. Raises BadRequest for everything that is the caller's.

    Routed by hand and not by powertools' resolver: five routes, of which one has a greedy parameter whose slashes
    and percent signs must reach us as they were sent.
    """
    route = (event.get("httpMethod"), event.get("resource"))
    path: Mapping[str, str] = event.get("pathParameters") or {}
    if route == ("GET", "/bars/{symbol+}"):
        return _bars_of_one(table, query_of_path(path.get("symbol", ""), parameters_of(event), now_ns), now_ns)
    if route == ("POST", "/bars"):
        _refuse_parameters(event)
        return _bars_of_many(table, query_of_body(body_of(event, MAX_QUESTION_BYTES), now_ns), now_ns)
    if route == ("GET", "/ingest/{ingestId}"):
        _refuse_parameters(event)
        return ingest_status(table, path.get("ingestId", ""), now_ns // 10**6, config.overdue_seconds)
    if route == ("GET", "/ingests"):
        bucket, overdue_seconds = config.data_bucket, config.overdue_seconds
        return listed_ingests(table, parameters_of(event), bucket, now_ns // 10**6, overdue_seconds, _page_clock())
    if route == ("GET", "/symbols"):
        return listed_symbols(table, parameters_of(event), _page_clock())
    raise BadRequest("unknown_route", "no such method on this path", status=404)


def _bars_of_one(table: Table, query: BarsQuery, now_ns: int) -> dict[str, Any]:
    symbol = query.symbols[0]
    page = read_page(table, query, now_ns, _page_clock())
    if page.unknown:
        raise BadRequest("unknown_symbol", f"no tick of {symbol} was ever ingested", status=404)
    bars = [_bar(query, bar) for bar in page.bars.get(symbol, ())]
    return {"symbol": symbol, **_window(query), "bars": bars, **_next(query, page.next_at)}


def _bars_of_many(table: Table, query: BarsQuery, now_ns: int) -> dict[str, Any]:
    page = read_page(table, query, now_ns, _page_clock())
    bars = {symbol: [_bar(query, bar) for bar in of_one] for symbol, of_one in page.bars.items()}
    return {**_window(query), "bars": bars, "unknown": list(page.unknown), **_next(query, page.next_at)}


def _page_clock() -> Callable[[], bool]:
    deadline = Deadline.after(PAGE_SECONDS)
    return lambda: deadline.remaining_s() == 0


def _bar(query: BarsQuery, told: ToldBar) -> dict[str, Any]:
    session = query.grid.session_of(told.bar.minute)
    return bar_fields(told) if session is None else {"session": session.isoformat(), **bar_fields(told)}


def _window(query: BarsQuery) -> dict[str, str]:
    said = {"session": query.session, "hours": query.hours, "fill": query.fill}
    return {
        "interval": query.interval,
        **{name: value for name, value in said.items() if value is not None},
        "from": iso_8601(query.from_ns),
        "to": iso_8601(query.to_ns),
    }


def _next(query: BarsQuery, next_at: NextBar | None) -> dict[str, str]:
    return {} if next_at is None else {"nextToken": encode_token(query, next_at)}


def _refuse_parameters(event: Mapping[str, Any]) -> None:
    if parameters_of(event):
        raise BadRequest("unknown_parameter", "this path takes no query parameters")
