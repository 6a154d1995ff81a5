"""DataIngestion's handler: which event goes where, and what a caller is told when it goes wrong."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from market_analytics import data_ingestion
from tickstream import keys
from tickstream.errors import ConfigurationError, MalformedItem, ServiceIncomplete

if TYPE_CHECKING:
    from tickstream.notifications import ObjectCreated


@dataclass
class Context:
    """What Lambda says of an invocation."""

    aws_request_id: str = "request-1"
    function_name: str = "DataIngestion-dev"
    memory_limit_in_mb: int = 3072
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:DataIngestion-dev"

    def get_remaining_time_in_millis(self) -> int:
        """All of its time."""
        return 29_000


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the function writes to its log, a line of JSON each."""
    stream = io.StringIO()
    monkeypatch.setattr(data_ingestion.logger.registered_handler, "stream", stream)
    return stream


def handle(event: dict[str, Any]) -> Any:
    """Invoke the handler."""
    context: Any = Context()
    return data_ingestion.handler(event, context)


def record(key: str) -> dict[str, Any]:
    """A record of an S3 event."""
    found = {"key": key, "size": 7, "eTag": "e", "versionId": "v"}
    return {"eventTime": "2026-01-05T14:30:00.000Z", "s3": {"bucket": {"name": "bucket"}, "object": found}}


POST = {"requestContext": {"accountId": "1"}, "headers": {}, "body": '{"symbol":"A","price":1,"size":1}'}


def test_the_test_event_of_s3_is_ignored(log: io.StringIO) -> None:
    """S3's test event names no object: nothing is done, and a line says so."""
    assert handle({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "bucket"}) is None
    line = json.loads(log.getvalue())
    assert (line["level"], line["bucket"], line["function_request_id"]) == ("INFO", "bucket", "request-1")


@pytest.mark.parametrize("event", [{}, {"Records": None}, {"Records": [{"Sns": {}}]}])
def test_m08_an_event_of_nobody_fails(event: dict[str, Any]) -> None:
    """What is no event of this function fails, so that Lambda puts it into the dead-letter queue."""
    with pytest.raises(MalformedItem):
        handle(event)


def test_a_folder_is_no_ingest(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    """What S3's console puts for a folder is passed over; an empty object, or a name like a folder's, is not."""
    ingested: list[str] = []
    monkeypatch.setattr(data_ingestion, "_ingest_one", lambda created, _: ingested.append(created.source.key))
    records = [record("feeds/2026/"), record("feeds/2026/"), record("empty")]
    for empty in (records[0], records[2]):
        empty["s3"]["object"]["size"] = 0
    handle({"Records": records})
    assert ingested == ["feeds/2026/", "empty"]
    assert "a folder" in json.loads(log.getvalue())["message"]


def test_m03_a_failing_object_stops_no_other_of_its_event(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    """All objects of an event are tried; the failure comes out at the end, so that the event is delivered again."""
    tried: list[str] = []

    def ingest(created: ObjectCreated, _: Any) -> None:
        tried.append(created.source.key)
        if created.source.key == "bad":
            raise ServiceIncomplete("throttled")

    monkeypatch.setattr(data_ingestion, "_ingest_one", ingest)
    with pytest.raises(MalformedItem):
        handle({"Records": [record("first"), record("bad"), {"s3": None}, record("last")]})
    assert tried == ["first", "bad", "last"]
    refused, unreadable = (json.loads(line) for line in log.getvalue().splitlines())
    ingest_id = keys.object_ingest_id("bucket", "bad", "e", 7)
    assert (refused["key"], refused["ingest_id"], refused["function_request_id"]) == ("bad", ingest_id, "request-1")
    assert "throttled" in refused["exception"]
    assert "not a record of an S3 event" in unreadable["exception"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ServiceIncomplete("DynamoDB PutItem on MarketDataState-dev: throttled"), 503, "try_again"),
        (ConfigurationError("the environment variable TABLE_NAME is missing"), 500, "internal_error"),
        (ZeroDivisionError("arn:aws:secret"), 500, "internal_error"),
    ],
)
def test_m21_a_failure_is_answered_without_its_inside(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO, error: Exception, status: int, code: str
) -> None:
    """A caller gets a status, a code and the request's id; what went wrong stands in the log only."""

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(data_ingestion, "_take", fail)
    answer = handle(POST)
    fault = json.loads(answer["body"])["error"]
    assert (answer["statusCode"], fault["code"]) == (status, code)
    assert "request-1" in fault["message"]
    assert str(error) not in answer["body"]
    line = json.loads(log.getvalue())
    assert line["level"] == "ERROR"
    assert str(error) in line["exception"]


def test_m21_refused_ticks_beyond_a_hundred_are_counted(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    """An answer lists the first hundred reasons and says how many more there are; a caller's mistake is no error."""
    # No service is asked, but the clients are made.
    for name in (
        "TABLE_NAME",
        "QUEUE_URL",
        "LARGE_RANGE_QUEUE_URL",
        "INDEX_QUEUE_URL",
        "REJECTED_BUCKET",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("RANGE_BYTES", "1024")
    monkeypatch.setenv("SAME_KEY", "add")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    answer = handle({**POST, "body": json.dumps({"ticks": [{"symbol": "A\nERROR forged"}] * 105})})
    fault = json.loads(answer["body"])["error"]
    assert (answer["statusCode"], fault["code"]) == (400, "all_ticks_rejected")
    assert len(fault["reasons"]) == 100
    assert fault["reasonsOmitted"] == 5
    assert fault["reasons"][7] == {"position": 7, "reason": "missing_field", "detail": "price is missing"}
    lines = log.getvalue().splitlines()
    assert [json.loads(line)["level"] for line in lines] == ["INFO"]
