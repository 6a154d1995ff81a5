from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bench.emulator.dynamodb.units import Units
from bench.emulator.observed.journal import Callers, Journal, served_of
from bench.emulator.observed.served import Served
from bench.engine import Request, Response, StsProvider
from tickstream import keys
from tickstream.ingests import Pending
from tickstream.items import key_of_pending
from tickstream.messages import EVENT_DETAIL_TYPE, EVENT_SOURCE, ProcessedRange, event_details

INGEST = "0123456789abcdef0123456789abcdef"
RANGE = keys.range_id(INGEST, 3)


class Clock:
    """Milliseconds that rise by one at each look."""

    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> int:
        """Return the next one."""
        self.now_ms += 1
        return self.now_ms


def _note(journal: Journal, service: str, operation: str, request: Any, answer: Any, **more: Any) -> None:
    fields = {"caller": "f", "status": 200, "request_bytes": 10, "response_bytes": 20, **more}
    journal.note(Served(service=service, operation=operation, request=request, answer=answer, **fields))


def _counts(journal: Journal) -> list[tuple[Any, ...]]:
    return [tuple(one.values()) for one in journal.facts()["requests"]]


def _put_events(*details: str, source: str = EVENT_SOURCE) -> dict[str, Any]:
    entries = [{"Source": source, "DetailType": EVENT_DETAIL_TYPE, "Detail": detail} for detail in details]
    return {"Entries": entries}


def _delete_pending(*indexes: int) -> dict[str, Any]:
    deletes = [{"DeleteRequest": {"Key": key_of_pending(Pending(INGEST, index, 5, 3))}} for index in indexes]
    return {"table": deletes}


(DETAIL,) = event_details([ProcessedRange(INGEST, 3, 1, 0, 5, 6, (1,))])


def test_requests_are_counted_by_service_operation_and_caller() -> None:
    """Bytes and items add up; a failed request is an error and has no items."""
    journal = Journal()
    _note(journal, "s3", "GetObject", {}, {})
    _note(journal, "s3", "GetObject", {}, {}, response_bytes=5)
    _note(journal, "s3", "GetObject", {}, None, status=503)
    _note(journal, "s3", "GetObject", {}, {}, caller="bench")
    assert _counts(journal) == [
        ("s3", "GetObject", "bench", 1, 0, 1, 10, 20, 0, 0, 0, 0),
        ("s3", "GetObject", "f", 3, 1, 2, 30, 45, 0, 0, 0, 0),
    ]


@pytest.mark.parametrize(
    ("service", "operation", "request_", "answer", "items"),
    [
        ("dynamodb", "BatchWriteItem", {"RequestItems": {"t": [{}, {}, {}]}}, {"UnprocessedItems": {"t": [{}]}}, 2),
        ("dynamodb", "BatchWriteItem", {"RequestItems": {"t": [{}, {}, {}]}}, {}, 3),
        ("dynamodb", "BatchGetItem", {"RequestItems": {}}, {"Responses": {"t": [{}, {}]}}, 2),
        ("dynamodb", "GetItem", {}, {}, 0),
        ("dynamodb", "GetItem", {}, {"Item": {}}, 1),
        ("dynamodb", "Query", {}, {"Items": [{}] * 7}, 7),
        ("dynamodb", "PutItem", {}, {}, 1),
        ("sqs", "SendMessageBatch", {"Entries": [{}] * 10}, {"Failed": [{}] * 4}, 6),
        ("sqs", "ReceiveMessage", {}, {}, 0),
        ("sqs", "ReceiveMessage", {}, {"Messages": [{}] * 3}, 3),
        ("events", "PutEvents", _put_events("{}", "{}"), {"FailedEntryCount": 1, "Entries": [{}, {}]}, 1),
        ("s3", "DeleteObjects", {"Delete": {"Objects": [{}, {}]}}, {}, 2),
    ],
)
def test_items_are_what_was_done(service: str, operation: str, request_: Any, answer: Any, items: int) -> None:
    """Entries that the service left undone, and items that were not there, are not counted."""
    journal = Journal()
    _note(journal, service, operation, request_, answer)
    assert journal.facts()["requests"][0]["items"] == items


def test_a_range_is_announced_by_the_first_event_that_was_taken() -> None:
    """Not by an entry that failed, nor by somebody else's, nor by a later repetition."""
    journal = Journal(Clock())
    for request, result in (
        (_put_events(DETAIL), {"ErrorCode": "InternalFailure"}),
        (_put_events(DETAIL, source="somebody"), {"EventId": "1"}),
        (_put_events("no JSON"), {"EventId": "1"}),
    ):
        _note(journal, "events", "PutEvents", request, {"Entries": [result]})
    _note(journal, "events", "PutEvents", _put_events(DETAIL), None, status=500)
    assert journal.facts()["ranges"] == {}
    _note(journal, "events", "PutEvents", _put_events("{}", DETAIL), {"Entries": [{"EventId": "1"}, {"EventId": "2"}]})
    announced = journal.facts()["ranges"]
    _note(journal, "events", "PutEvents", _put_events(DETAIL), {"Entries": [{"EventId": "3"}]})
    assert journal.facts()["ranges"] == announced == {str(RANGE): (1_005, None)}


def test_a_range_is_rolled_up_when_its_entry_is_deleted() -> None:
    """Not by a delete that failed or was left undone, nor by one of another list or of another table."""
    journal = Journal(Clock())
    _note(journal, "dynamodb", "BatchWriteItem", {"RequestItems": _delete_pending(3)}, None, status=500)
    others = [{"DeleteRequest": {"Key": {"symbol": {"S": "AAPL"}, "timestamp": {"N": "7"}}}}]
    others += [{"DeleteRequest": {"Key": {"fileId": {"S": "bucket/key"}}}}, {"PutRequest": {"Item": {}}}]
    _note(journal, "dynamodb", "BatchWriteItem", {"RequestItems": {"table": others}}, {})
    undone = {"UnprocessedItems": _delete_pending(3)}
    _note(journal, "dynamodb", "BatchWriteItem", {"RequestItems": _delete_pending(3, 4)}, undone)
    _note(journal, "dynamodb", "BatchWriteItem", {"RequestItems": _delete_pending(3)}, {})
    assert journal.facts()["ranges"] == {
        str(keys.range_id(INGEST, 4)): (None, 1_003),
        str(RANGE): (None, 1_004),
    }


def test_invocations_are_billed_by_their_report_lines() -> None:
    """What a function prints is not billed; an event that ran twice is, twice."""
    report = "REPORT RequestId: 1-2\tDuration: 10.20 ms\tBilled Duration: {} ms\tMemory Size: 512 MB\tMax Memory: 9 MB"
    journal = Journal()
    log = f"START RequestId: 1-2\nsaid REPORT RequestId: x\n{report.format(11)}\n"
    journal.note_invocation("f", log, failed=False)
    journal.note_invocation("f", log + report.format(100) + "\n", failed=True)
    # 26 bytes a line beside the text; a log with two reports is one log.
    log_bytes = 2 * len(log) + len(report.format(100)) + 1 + 26 * 7
    assert journal.facts()["functions"] == [
        {"function": "f", "memory_mb": 512, "invocations": 3, "errors": 2, "billed_ms": 122, "log_bytes": log_bytes}
    ]


def test_a_reset_begins_anew_and_the_facts_are_json() -> None:
    """Requests before the run are not the run's; ranges of a run that goes on beside it are still told."""
    journal = Journal()
    _note(journal, "events", "PutEvents", _put_events(DETAIL), {"Entries": [{"EventId": "2"}]})
    assert str(RANGE) in json.loads(json.dumps(journal.facts()))["ranges"]
    journal.reset()
    facts = journal.facts()
    assert (facts["requests"], facts["functions"]) == ([], [])
    assert str(RANGE) in facts["ranges"]


def _context(**fields: Any) -> Any:
    made = {
        "service": SimpleNamespace(service_name="sqs"),
        "operation": SimpleNamespace(name="SendMessage"),
        "request": Request("POST", "/", body=b"12345", headers=fields.pop("headers", {})),
        "service_request": {"QueueUrl": "q"},
        "service_response": {},
        "is_internal_call": False,
        "internal_request_params": None,
        "account_id": "000000000000",
        "partition": "aws",
    }
    return SimpleNamespace(**{**made, **fields})


def _signed(access_key: str) -> dict[str, str]:
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={access_key}/20260105/us-east-1/sqs/aws4_request, S=1"}


def test_a_request_is_its_functions_by_the_credentials() -> None:
    """The session of a role is named after its function; whoever has no session is from outside."""
    context: Any = SimpleNamespace(account_id="000000000000", partition="aws", request=SimpleNamespace(headers={}))
    arn = "arn:aws:iam::000000000000:role/r"
    key = StsProvider().assume_role(context, arn, "data-processor")["Credentials"]["AccessKeyId"]
    callers = Callers()
    for _ in range(2):
        assert callers.of(_context(headers=_signed(key))) == "data-processor"
        assert callers.of(_context(headers=_signed("test"))) == "bench"
    assert callers.of(_context()) == "bench"


@pytest.mark.parametrize(
    ("service", "parameters", "caller"),
    [
        ("sqs", {"service_principal": "lambda"}, "aws:lambda"),
        ("sqs", {"source_arn": "arn"}, "localstack"),
        ("lambda", {"service_principal": "events"}, "localstack"),
    ],
)
def test_what_aws_bills_of_internal_requests_is_told_apart(
    service: str, parameters: dict[str, str], caller: str
) -> None:
    """Lambda's polls are paid by the queue's owner; an event that invokes a function is an invocation already."""
    context = _context(
        service=SimpleNamespace(service_name=service), is_internal_call=True, internal_request_params=parameters
    )
    assert Callers().of(context) == caller


def test_what_was_served_is_read_from_the_request_and_its_answer() -> None:
    """Bodies are counted in bytes, of an answer that is a stream as it says itself."""
    served = served_of(_context(), Response(b"1234567", status=200), Callers())
    assert served is not None
    assert (served.operation, served.caller, served.status) == ("SendMessage", "bench", 200)
    assert (served.request_bytes, served.response_bytes) == (5, 7)
    stream = Response(iter([b"12", b"3"]), headers={"Content-Length": "3"})
    served = served_of(_context(), stream, Callers())
    assert served is not None
    assert served.response_bytes == 3


def test_calls_of_the_api_are_requests_and_other_routes_are_not() -> None:
    """Each resource is one operation, whatever the symbol; LocalStack's own routes are nobody's requests."""
    none = {"service": None, "operation": None, "service_request": None, "service_response": None}
    called = _context(**none)
    called.request = Request("GET", "/_aws/execute-api/abc/dev/bars/AAPL")
    served = served_of(called, Response(b"{}"), Callers())
    assert served is not None
    assert (served.service, served.operation, served.caller) == ("execute-api", "GET /bars", "bench")
    called.request = Request("GET", "/_localstack/health")
    assert served_of(called, Response(b"{}"), Callers()) is None


def _chunks(service: str, operation: str, request: Any, answer: Any = None, **more: Any) -> tuple[int, int]:
    journal = Journal()
    _note(journal, service, operation, request, answer or {}, **more)
    (found,) = journal.facts()["requests"]
    return found["chunks"], found["fifo_chunks"]


def test_sqs_is_billed_by_begun_64_kb_of_a_request() -> None:
    """AWS's page: a request of 256 KB is four; an empty receive is one; FIFO queues have their own price."""
    kib = "x" * 1024
    batch = {"Entries": [{"MessageBody": kib * 32}] * 8}
    assert _chunks("sqs", "SendMessageBatch", batch) == (4, 0)
    assert _chunks("sqs", "SendMessage", {"MessageBody": kib * 64}) == (1, 0)
    assert _chunks("sqs", "SendMessage", {"MessageBody": kib * 64 + "x"}) == (2, 0)
    assert _chunks("sqs", "ReceiveMessage", {}) == (1, 0)
    assert _chunks("sqs", "ReceiveMessage", {}, {"Messages": [{"Body": "é" * 40_000}]}) == (2, 0)
    assert _chunks("sqs", "DeleteMessage", {"QueueUrl": "http://x/stages-dev.fifo"}) == (0, 1)
    assert _chunks("s3", "PutObject", {}) == (0, 0)


def test_eventbridge_is_billed_by_begun_64_kb_of_each_event_that_it_took() -> None:
    """Two small events are two; one of more than 64 KB with its source and type is two; a refused one is none."""
    small, large = {"Source": "s", "DetailType": "d", "Detail": "{}"}, {"Source": "s", "Detail": "x" * 65_536}
    answer = {"Entries": [{"EventId": "1"}, {"EventId": "2"}, {"ErrorCode": "InternalFailure"}]}
    assert _chunks("events", "PutEvents", {"Entries": [small, large, small]}, answer) == (3, 0)
    assert _chunks("events", "PutEvents", {"Entries": [small]}, {"Entries": []}) == (0, 0)


def test_what_dynamodb_consumed_is_added_up_also_of_failures() -> None:
    """A failed condition is an error without items, and is billed."""
    journal = Journal()
    for status in (200, 400):
        _note(journal, "dynamodb", "PutItem", {}, {}, status=status, units=Units(write=3, read_halves=1))
    (found,) = journal.facts()["requests"]
    assert (found["items"], found["errors"], found["write_units"], found["read_half_units"]) == (1, 1, 6, 2)
