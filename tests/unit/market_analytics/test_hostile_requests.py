"""Requests as an attack: nothing internal is reached, nothing breaks, and no answer tells of the inside."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from market_analytics import data_ingestion, data_query
from market_analytics.data_ingestion_requests import check_ticks, read_request
from market_analytics.data_query_request import _digest_of
from services import clients
from services.memory_table import MemoryTable
from tests.unit.market_analytics.query_world import DAY_NS, INGEST, Context, get, post, put_ticks, tick
from tickstream import keys
from tickstream.errors import BadRequest, Reason
from tickstream.page_tokens import _checksum
from tickstream.promises import MAX_INGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

#: Partition keys of the pipeline's own items, and what might be taken for them.
INTERNAL = [
    keys.ingest_partition(INGEST),
    keys.activity_partition(INGEST),
    keys.pending_partition(0),
    keys.idempotency_partition("caller", "key"),
    "aggregator#lease",
    "INGEST#" + INGEST.upper(),
    "#",
]
#: The same, as they might be smuggled into a path: decoded twice, or as another character that looks like it.
SMUGGLED = [
    "ingest\uff03" + INGEST,
    "pending\u00230",
    "AAPL\u0000ingest#",
]


@pytest.fixture
def table() -> MemoryTable:
    """A table with a symbol's bars and an ingest's items."""
    table = MemoryTable()
    put_ticks(table, [tick("AAPL", minute) for minute in range(3)])
    return table


@pytest.mark.parametrize("symbol", [*INTERNAL, *SMUGGLED])
def test_no_question_reaches_internal_items(table: MemoryTable, symbol: str) -> None:
    """A symbol that names the pipeline's own items is refused as none, however it is written."""
    with pytest.raises(BadRequest) as refused:
        get(table, symbol)
    assert (refused.value.status, refused.value.code) == (400, "bad_symbol")
    with pytest.raises(BadRequest) as refused:
        post(table, {"symbols": ["AAPL", symbol]})
    assert (refused.value.status, refused.value.code) == (400, "bad_symbol")


@pytest.mark.parametrize("symbol", [*INTERNAL, *SMUGGLED])
def test_no_posted_tick_becomes_an_internal_item(symbol: str) -> None:
    """A tick for a symbol that names the pipeline's own items is refused alone."""
    body = json.dumps({"ticks": [{"symbol": symbol, "price": 1, "size": 1}, {"symbol": "A", "price": 1, "size": 1}]})
    checked = check_ticks(read_request({"body": body}).entries, DAY_NS)
    assert [refused.reason for refused in checked.refused] == [Reason.BAD_SYMBOL]
    assert [one.symbol for _, one in checked.accepted] == ["A"]


def test_a_percent_sign_that_was_decoded_once_stays_one(table: MemoryTable) -> None:
    """What is encoded twice is a symbol with a percent sign, and never what a second decoding would make of it."""
    with pytest.raises(BadRequest) as refused:
        get(table, "ingest%2523" + INGEST)
    assert (refused.value.status, refused.value.code) == (404, "unknown_symbol")
    put_ticks(table, [tick("A%23", 0)])
    assert get(table, "A%2523")["symbol"] == "A%23"


@pytest.mark.parametrize("ingest_id", ["../" + INGEST, INGEST.upper(), INGEST + "\n", "ingest#" + INGEST, "0" * 33])
def test_an_ingest_id_is_nothing_else(table: MemoryTable, ingest_id: str) -> None:
    """What is no ingest id is refused before anything is read."""
    event = {"httpMethod": "GET", "resource": "/ingest/{ingestId}", "pathParameters": {"ingestId": ingest_id}}
    with pytest.raises(BadRequest) as refused:
        data_query.respond(event, table, data_query.Settings("table", 900, "bucket"), DAY_NS)
    assert refused.value.code == "bad_ingest_id"


def forged(*fields: Any) -> str:
    """A token with a right checksum, which whoever reads this code can make."""
    payload = json.dumps(list(fields)).encode()
    return base64.urlsafe_b64encode(_checksum(payload) + payload).decode().rstrip("=")


WINDOW = (DAY_NS, DAY_NS + keys.NS_PER_HOUR)
MINUTE = DAY_NS // keys.NS_PER_MINUTE


def test_a_forged_token_may_ask_what_its_maker_may_ask(table: MemoryTable) -> None:
    """The checksum is no secret: a token like the API's own is as good as one."""
    token = forged(3, _digest_of(("AAPL",)), "1m", None, None, None, *WINDOW, 0, MINUTE + 1, None)
    assert len(get(table, "AAPL", nextToken=token)["bars"]) == 2


@pytest.mark.parametrize(
    ("interval", "figures"),
    [
        ("1m", (10**40, 10**40, 0, MINUTE)),  # no such year
        ("1m", (-(10**40), DAY_NS, 0, MINUTE)),
        ("1m", (WINDOW[1], WINDOW[0], 0, MINUTE)),  # backwards
        ("1m", (*WINDOW, 1, MINUTE)),  # a symbol beyond the list
        ("1m", (*WINDOW, -1, MINUTE)),
        ("1m", (*WINDOW, 0, MINUTE - 1)),  # before the window
        ("1m", (*WINDOW, 0, MINUTE + 61)),  # and after
        ("5m", (*WINDOW, 0, MINUTE + 1)),  # between two bars
        ("1m", (*WINDOW, 0, 10**30)),
        ("1m", (float(WINDOW[0]), WINDOW[1], 0, MINUTE)),
        ("1m", (float("inf"), WINDOW[1], 0, MINUTE)),
        ("1m", (*WINDOW, True, MINUTE)),
        ("1m", (str(WINDOW[0]), WINDOW[1], 0, MINUTE)),
        ("1m", (None, WINDOW[1], 0, MINUTE)),
        ("1m", (*WINDOW, 0)),  # too few
        ("1m", (*WINDOW, 0, MINUTE, 0)),
        (["1m"], (*WINDOW, 0, MINUTE)),
        ("7m", (*WINDOW, 0, MINUTE)),
    ],
)
def test_a_forged_token_that_points_elsewhere_is_refused(
    table: MemoryTable, interval: Any, figures: tuple[Any, ...]
) -> None:
    """Nothing in a token is trusted: what no page of this question could have had is a 400, never a 500."""
    token = forged(3, _digest_of(("AAPL",)), interval, None, None, None, *figures, None)
    with pytest.raises(BadRequest) as refused:
        get(table, "AAPL", nextToken=token)
    assert refused.value.code == "bad_token"


@pytest.mark.parametrize("payload", [b"", b"null", b"{}", b"[" * 700, b"1" * 700, b"\xff\xfe", b'[1,"x"'])
def test_a_forged_token_of_another_shape_is_refused(table: MemoryTable, payload: bytes) -> None:
    """Whatever stands behind the checksum, it is a token or a 400."""
    token = base64.urlsafe_b64encode(_checksum(payload) + payload).decode().rstrip("=")
    with pytest.raises(BadRequest) as refused:
        post(table, {"symbols": ["AAPL"], "nextToken": token})
    assert refused.value.code == "bad_token"


def test_a_token_of_one_symbol_gives_no_page_of_another(table: MemoryTable) -> None:
    """A token is bound to its symbols: neither those of others nor internal partitions can be put in."""
    token = forged(3, _digest_of(("ingest#" + INGEST,)), "1m", None, None, None, *WINDOW, 0, MINUTE, None)
    with pytest.raises(BadRequest, match="other symbols"):
        get(table, "AAPL", nextToken=token)


GOOD = '{"symbol":"A","price":1,"size":1}'


@pytest.mark.parametrize(
    "body",
    [
        '{"ticks":' + "[" * 400_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"symbols":' + '{"a":' * 10_000 + "1" + "}" * 10_001,
        '{"symbol":"A","price":' + "9" * 800_000 + ',"size":1}',
        '{"symbol":"A","timestamp":' + "9" * 800_000 + ',"price":1,"size":1}',
        '{"symbol":"A","price":1e999999999,"size":-1e-999999999}',
        '{"symbol":"A","price":Infinity,"size":1}',
        '{"symbol":"A","price":-Infinity,"size":NaN}',
        '{"symbol":"A","symbol":"B","price":1,"size":1}',
        '{"ticks":[],"ticks":[' + GOOD + "]}",
        '{"symbol":"\\ud800","price":1,"size":1}',
        '{"symbol":"A","price":"\\u0000","size":1}',
        '{"symbol":"\uff21","price":"\uff11","size":"\u0661"}',
        '\ufeff{"symbol":"A","price":1,"size":1}',
        '{"symbol":"A","price":1,"size":1}{}',
        "{" * 900,
        "\x00",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_monstrous_body_is_a_clear_400(body: str) -> None:
    """Depth, huge numbers, NaN, double keys, odd characters: each of both POSTs refuses, and neither breaks."""
    for module, event in ((data_ingestion, {"requestContext": {}}), (data_query, BARS)):
        answer = handled(module, {**event, "body": body})
        assert answer["statusCode"] in {400, 413}, answer
        assert answer["statusCode"] == 400 or len(body) > 64 * 1024


BARS = {"httpMethod": "POST", "resource": "/bars"}


def handled(module: Any, event: dict[str, Any]) -> dict[str, Any]:
    """What a whole handler answers."""
    answer: dict[str, Any] = module.handler(event, Context())
    return answer


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the handlers find their settings."""
    for name, value in {
        "TABLE_NAME": "MarketDataState-secret",
        "QUEUE_URL": "https://sqs/secret",
        "LARGE_RANGE_QUEUE_URL": "https://sqs/secret-large",
        "INDEX_QUEUE_URL": "https://sqs/secret-index",
        "RANGE_BYTES": "1024",
        "SAME_KEY": "add",
        "REJECTED_BUCKET": "secret-rejects",
        "DATA_BUCKET": "secret-data",
        "OVERDUE_SECONDS": "900",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("size", "status"), [(MAX_INGEST_BYTES, 400), (MAX_INGEST_BYTES + 1, 413)])
@pytest.mark.parametrize("encoded", [False, True])
def test_the_size_of_a_body_counts_unpacked(size: int, status: int, *, encoded: bool) -> None:
    """A body that comes in Base64 has the size of what it stands for."""
    body = "[" + " " * (size - 2) + "]"
    sent = base64.b64encode(body.encode()).decode() if encoded else body
    answer = handled(data_ingestion, {"requestContext": {}, "body": sent, "isBase64Encoded": encoded})
    assert answer["statusCode"] == status


TABLE_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/MarketDataState-secret"


class Failing:
    """A client of AWS of which every call fails, and says too much."""

    def __init__(self, code: str, status: int) -> None:
        self._error = ClientError(
            {
                "Error": {"Code": code, "Message": f"User: {TABLE_ARN} is not authorized"},
                "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item] # as much as is read
            },
            "Query",
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**_: Any) -> Any:
            raise self._error

        return call


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDeniedException", 400), ("ResourceNotFoundException", 400), ("ValidationException", 400)],
)
@pytest.mark.parametrize(
    "event",
    [
        {"httpMethod": "GET", "resource": "/bars/{symbol+}", "pathParameters": {"symbol": "AAPL"}},
        {**BARS, "body": '{"symbols":["AAPL"]}'},
        {"httpMethod": "GET", "resource": "/ingest/{ingestId}", "pathParameters": {"ingestId": INGEST}},
        {"requestContext": {}, "body": GOOD},
    ],
    ids=lambda event: event.get("resource", "/ingest"),
)
def test_m21_a_failing_table_is_answered_without_its_inside(
    monkeypatch: pytest.MonkeyPatch, event: dict[str, Any], code: str, status: int
) -> None:
    """Where a service refuses, the caller gets a 500 with the request's id: no ARN, name, code or trace."""
    monkeypatch.setattr(clients, "dynamodb", lambda: Failing(code, status))
    monkeypatch.setattr(clients, "sqs", lambda: Failing(code, status))
    log = io.StringIO()
    module = data_query if "resource" in event else data_ingestion
    monkeypatch.setattr(module.logger.registered_handler, "stream", log)
    answer = handled(module, event)
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"]) == {
        "error": {"code": "internal_error", "message": "unexpected failure (request request-1)"}
    }
    assert TABLE_ARN in log.getvalue()
