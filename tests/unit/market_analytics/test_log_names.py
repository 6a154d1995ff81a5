"""Lines of the log: whose ingest is at work, and never another's.

That lines of invocations name something at all is checked after every unit test (`tests/unit/conftest.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from market_analytics import data_aggregator, data_ingestion, data_processor
from services.deadlines import Deadline
from services.memory_table import MemoryTable
from tests.log_lines import nameless
from tests.unit.market_analytics.processor_world import INGEST, World, pointer, rows
from tickstream.errors import ServiceIncomplete, ServiceRefused
from tickstream.messages import EVENT_DETAIL_TYPE, ProcessedRange, encode_message, event_details

type Lines = list[dict[str, Any]]

_POST = {"requestContext": {"accountId": "1"}, "headers": {}, "body": '{"symbol":"A","price":1,"size":1}'}


@dataclass
class Context:
    """What Lambda says of an invocation."""

    aws_request_id: str
    function_name: str = "F-dev"
    memory_limit_in_mb: int = 3072
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:F-dev"

    def get_remaining_time_in_millis(self) -> int:
        """All of its time."""
        return 50_000


@pytest.fixture(autouse=True)
def _stack(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "TABLE_NAME",
        "QUEUE_URL",
        "LARGE_RANGE_QUEUE_URL",
        "INDEX_QUEUE_URL",
        "REJECTED_BUCKET",
        "EVENT_BUS_NAME",
        "SAME_KEY",
        "AWS_ACCESS_KEY_ID",
    ):
        monkeypatch.setenv(name, "none")
    for name in ("RANGE_BYTES", "COMPACTION_THRESHOLD", "OVERDUE_SECONDS"):
        monkeypatch.setenv(name, "1024")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def test_m21_a_failed_call_names_the_ingest_that_it_began(monkeypatch: pytest.MonkeyPatch, logged: Lines) -> None:
    """A 503 may have been taken or not: the log says by which id it would be found. The next call begins without it."""

    class Throttled(MemoryTable):
        def batch_write(self, *_: Any, **__: Any) -> None:
            raise ServiceIncomplete("throttled")

    tables = iter([Throttled(), MemoryTable()])
    monkeypatch.setattr(data_ingestion, "DynamoTable", lambda *_: next(tables))
    first: Any = Context("request-1")
    assert data_ingestion.handler(_POST, first)["statusCode"] == 503  # type: ignore[index]  # an API's answer
    (failed,) = logged
    assert len(failed["ingest_id"]) == 32
    assert failed["function_request_id"] == "request-1"
    second: Any = Context("request-2")
    data_ingestion.handler({**_POST, "body": "{}"}, second)
    refused = logged[1]
    assert (refused["function_request_id"], refused["message"]) == ("request-2", "refused")
    assert "ingest_id" not in refused


def test_m21_whatever_is_logged_of_a_range_names_its_ingest(monkeypatch: pytest.MonkeyPatch, logged: Lines) -> None:
    """Also what a library says, which knows nothing of ingests; and after the range its name is gone."""
    world = World(rows(b"A,1767623400000000000,1,1"))
    message = encode_message(pointer(world.body or b""))

    def read(*_: Any) -> None:
        Logger(child=True).warning("deep inside")
        raise ServiceRefused("no")

    monkeypatch.setattr(data_processor, "read_range", read)
    records = [{"messageId": "1", "body": message}, {"messageId": "2", "body": "?"}]
    data_processor.process_batch(records, world.stores(), lambda _: {}, Deadline.after(1000.0))
    inside, failed, unreadable = sorted(logged, key=lambda line: str(line["message_id"]))
    for line in (inside, failed):
        assert (line["ingest_id"], line["range"], line["message_id"]) == (INGEST, 0, "1")
    assert "ingest_id" not in unreadable
    assert unreadable["message"] == "message cannot be read"


def test_m21_a_failed_pass_names_the_event_that_began_it(monkeypatch: pytest.MonkeyPatch, logged: Lines) -> None:
    """Lambda's own line about the failure knows the request only."""

    class Refusing(MemoryTable):
        def batch_get(self, *_: Any, **__: Any) -> Any:
            raise ServiceRefused("no")

    monkeypatch.setattr(data_aggregator, "DynamoTable", lambda *_: Refusing())
    (detail,) = event_details([ProcessedRange(INGEST, 0, 1, 0, 1, 1, (0,))])
    context: Any = Context("request-1")
    with pytest.raises(ServiceRefused):
        data_aggregator.handler({"detail-type": EVENT_DETAIL_TYPE, "detail": json.loads(detail)}, context)
    (line,) = logged
    assert (line["message"], line["woken_by"], line["level"]) == ("event not served", [f"{INGEST}/0"], "ERROR")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"message": "range committed"}, 1),
        ({"message": "range committed", "ingest_id": "i"}, 0),
        ({"message": "message not processed", "exception_name": "MalformedItem"}, 1),
        ({"message": "message cannot be read", "exception_name": "MalformedItem"}, 0),
        ({"message": "message cannot be read", "exception_name": "ValueError"}, 1),
        ({"message": "open ingests surveyed"}, 0),
        ({"message": "anything else"}, 1),
    ],
)
def test_a_line_without_a_name_is_noticed(line: dict[str, Any], expected: int) -> None:
    """The check after every test lets nothing pass but what is about no ingest, or cannot be read."""
    assert len(nameless([line])) == expected
