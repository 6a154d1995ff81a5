"""What is read in a dead message: how it is put back, and what is left alone because it is not the pipeline's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench.redrive.dead_letters import (
    ToFunction,
    ToQueue,
    event_reader,
    excerpt,
    file_event_reader,
    object_reader,
    order_reader,
    parked_reader,
    pointer_reader,
    range_reader,
    revision_reader,
    undelivered_reader,
    why,
)
from tickstream.errors import MalformedItem
from tickstream.files import FilePointer, encode_pointer, group_of
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.keys import object_ingest_id
from tickstream.messages import (
    CalledFor,
    IndexOrder,
    ProcessedRange,
    RangePointer,
    call_detail,
    encode_message,
    encode_order,
    event_details,
)
from tickstream.revisions import key_of_revising, order_detail

if TYPE_CHECKING:
    from bench.redrive.dead_letters import Reader

QUEUE = "http://sqs/000000000000/work-dev"
FIFO = "http://sqs/000000000000/data-processor-dev.fifo"
SOURCE = Source("bucket-dev", "feeds/a b.csv", "v1", "e" * 32, 25)
LAYOUT = Layout(Format.CSV, columns=("symbol", "timestamp", "price", "size"), data_start=28)
RANGE = encode_message(RangePointer("i" * 32, 1, Span(4, 0, 25), SOURCE, LAYOUT))
ORDER = encode_order(IndexOrder("i" * 32, 1, SOURCE, LAYOUT))
POINTER = FilePointer(SOURCE, "0A", 2, 1, LAYOUT)
(DETAIL,) = event_details([ProcessedRange("i" * 32, 4, 10, 0, 1, 2, (1,))])
CALL = call_detail(CalledFor.SURVEY, (3, 1))
TAKEN_BACK = order_detail([key_of_revising("a" * 32, 1_000), key_of_revising("b" * 32, 2_000)])


def event(bucket: str = SOURCE.bucket) -> str:
    """An event of S3 about the source."""
    found = {"key": "feeds/a+b.csv", "versionId": "v1", "eTag": SOURCE.etag, "size": 25}
    return json.dumps({"Records": [{"s3": {"bucket": {"name": bucket}, "object": found}}]})


def delivered(detail_type: str, detail: str = DETAIL) -> str:
    """An event as EventBridge delivers it."""
    return json.dumps({"detail-type": detail_type, "detail": json.loads(detail)})


def message(body: str, **attributes: str) -> dict[str, Any]:
    """A message as SQS returns it."""
    return {"Body": body, "MessageAttributes": {name: {"StringValue": text} for name, text in attributes.items()}}


PARKED = parked_reader(
    {
        ("validator", "file-validator-dev"): file_event_reader("file-validator-dev", SOURCE.bucket),
        ("processor", "data-processor-dev.fifo"): pointer_reader(FIFO),
    }
)


UNDELIVERED = undelivered_reader(
    {
        "DataAggregator-dev": event_reader("DataAggregator-dev"),
        "DataRevision-dev": revision_reader("DataRevision-dev"),
    }
)


def test_a_range_goes_back_to_its_queue_as_it_was() -> None:
    """The same text, so that the same range is processed."""
    letter = range_reader(QUEUE)(message(RANGE))
    assert letter.way == ToQueue(QUEUE, RANGE)
    assert letter.ids == ("i" * 32,)
    assert "range 4" in letter.about


def test_an_order_to_index_goes_back_to_its_queue_as_it_was() -> None:
    """The same text, so that the index goes on behind its last part; said by the object that it is about."""
    letter = order_reader(QUEUE)(message(ORDER))
    assert letter.way == ToQueue(QUEUE, ORDER)
    assert letter.ids == ("i" * 32,)
    assert SOURCE.key in letter.about


def test_an_object_event_goes_to_the_function_verbatim() -> None:
    """Its ingest is the one that the function will make of it, the key decoded as the function decodes it."""
    letter = object_reader("DataIngestion-dev", SOURCE.bucket)(message(event()))
    assert letter.way == ToFunction("DataIngestion-dev", event())
    assert letter.ids == (object_ingest_id(SOURCE.bucket, SOURCE.key, SOURCE.etag, 25),)


@pytest.mark.parametrize(
    ("body", "ids", "about"),
    [
        (delivered("MarketDataProcessed"), ("i" * 32,), f"ingest {'i' * 32}, range 4"),
        (delivered("LanesWaiting", CALL), (), "a call for help with survey, lanes 1, 3"),
        (delivered("Scheduled Event", "{}"), (), "the schedule"),
    ],
)
def test_an_event_goes_to_the_aggregator_verbatim(body: str, ids: tuple[str, ...], about: str) -> None:
    """A range's event, another aggregator's call and the schedule's alike."""
    letter = event_reader("DataAggregator-dev")(message(body))
    assert letter.way == ToFunction("DataAggregator-dev", body)
    assert (letter.ids, letter.about) == (ids, about)


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (delivered("RevisionWaiting", TAKEN_BACK), "ingests that are taken back: 2"),
        (delivered("Scheduled Event", "{}"), "the schedule"),
    ],
)
def test_an_event_goes_to_the_one_who_takes_back_verbatim(body: str, about: str) -> None:
    """An order and the schedule's alike."""
    letter = revision_reader("DataRevision-dev")(message(body))
    assert letter.way == ToFunction("DataRevision-dev", body)
    assert (letter.ids, letter.about) == ((), about)


@pytest.mark.parametrize("function", ["DataAggregator-dev", "DataRevision-dev"])
def test_an_undelivered_event_goes_to_the_function_that_it_was_for(function: str) -> None:
    """Both have a schedule, and its event does not say whose it is: EventBridge notes that beside it."""
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    letter = UNDELIVERED(message(delivered("Scheduled Event", "{}"), TARGET_ARN=arn, ERROR_CODE="NO_PERMISSIONS"))
    assert letter.way.destination == function


@pytest.mark.parametrize("noted", [{}, {"TARGET_ARN": "arn:aws:lambda:us-east-1:123456789012:function:another"}])
def test_an_undelivered_event_names_no_destination_of_its_own(noted: dict[str, str]) -> None:
    """Whoever can write to the queue must not have any function invoked."""
    with pytest.raises(MalformedItem, match="for no function of this stack"):
        UNDELIVERED(message(delivered("Scheduled Event", "{}"), **noted))


def test_a_pointer_goes_back_as_a_new_attempt_of_its_file() -> None:
    """With its attempt raised, in the group of its file, and the same each time it is put back."""
    letter = pointer_reader(FIFO)(message(encode_pointer(POINTER)))
    file_id = "bucket-dev/feeds/a b.csv"
    again = encode_pointer(replace(POINTER, attempt=3))
    assert letter.way == ToQueue(FIFO, again, group_of(file_id))
    assert letter.ids == (file_id,)
    assert pointer_reader(FIFO)(message(encode_pointer(POINTER))) == letter


def test_a_parked_message_goes_to_where_it_failed() -> None:
    """A validator's event to the function, a pointer to the queue of its stage."""
    validator = PARKED(message(event(), stage="validator", origin="file-validator-dev"))
    processor = PARKED(message(encode_pointer(POINTER), stage="processor", origin="data-processor-dev.fifo"))
    assert validator.way == ToFunction("file-validator-dev", event())
    assert processor.way.destination == "data-processor-dev.fifo"


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        (range_reader(QUEUE), "hello"),
        (range_reader(QUEUE), '{"kind": "greeting"}'),
        (range_reader(QUEUE), event()),
        (range_reader(QUEUE), ORDER),
        (order_reader(QUEUE), "hello"),
        (order_reader(QUEUE), RANGE),
        (object_reader("f", SOURCE.bucket), RANGE),
        (object_reader("f", SOURCE.bucket), "[]"),
        (object_reader("f", SOURCE.bucket), '{"Records": []}'),
        (object_reader("f", SOURCE.bucket), '{"Records": ["x"]}'),
        (object_reader("f", SOURCE.bucket), event("somebody-else")),
        (event_reader("f"), event()),
        (event_reader("f"), delivered("Something Else")),
        (event_reader("f"), '{"detail-type": "MarketDataProcessed", "detail": {"ingest": "i"}}'),
        (event_reader("f"), '{"detail-type": "MarketDataProcessed", "detail": [1]}'),
        (event_reader("f"), delivered("RevisionWaiting", TAKEN_BACK)),
        (event_reader("f"), delivered("LanesWaiting", '{"work": "rollups", "lanes": []}')),
        (revision_reader("f"), event()),
        (revision_reader("f"), delivered("MarketDataProcessed")),
        (revision_reader("f"), delivered("RevisionWaiting")),
        (revision_reader("f"), delivered("RevisionWaiting", '{"entries": []}')),
        (revision_reader("f"), delivered("RevisionWaiting", '{"entries": [["pending#1", "1"]]}')),
        (revision_reader("f"), delivered("RevisionWaiting", "[1]")),
        (pointer_reader(FIFO), RANGE),
        (PARKED, encode_pointer(POINTER)),
    ],
)
def test_what_is_not_the_pipelines_is_not_read(reader: Reader, body: str) -> None:
    """It would only fail again, so it has to stay where somebody can look at it."""
    with pytest.raises(MalformedItem):
        reader(message(body))


def test_a_parked_message_names_no_destination_of_its_own() -> None:
    """Whoever can write to the parked queue must not have any function invoked."""
    with pytest.raises(MalformedItem, match="parked by nobody of this stack"):
        PARKED(message(event(), stage="validator", origin="somebody-elses-function"))


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"RequestID": "r", "ErrorCode": "200", "ErrorMessage": "it broke"}, "it broke"),
        ({"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "not allowed"}, "not allowed"),
        ({"ERROR_CODE": "NO_PERMISSIONS"}, "NO_PERMISSIONS"),
        ({}, ""),
    ],
)
def test_the_reason_of_a_death_is_what_lambda_or_eventbridge_noted(attributes: dict[str, str], reason: str) -> None:
    """The dry run shows it, where there is one."""
    assert why(message("", **attributes)) == reason


def test_a_strangers_text_cannot_steer_the_terminal() -> None:
    """No control character and no half of a pair comes through, and no more than a line of it."""
    assert excerpt("a\x1b[2Jb\nc\ud800") == "a [2Jb c "
    assert len(excerpt("x" * 10_000)) < 200
