"""The services' callers against scripted answers (botocore's Stubber, which checks each request too)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.events import EventBus
from services.queue import Queue
from tickstream.errors import ServiceIncomplete, ServiceRefused
from tickstream.ingests import Source
from tickstream.items import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.items import Item

SOON = 5.0
SOURCE = Source("bucket", "key", "v1", "e" * 32, 1000)


def scripted(service: str) -> tuple[Any, Stubber]:
    """A client that answers from a script; calls beyond the script fail the test."""
    make: Any = boto3.client  # Its stubs want to know the service by name.
    client = make(service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106 - none
    stubber = Stubber(client)
    stubber.activate()
    return client, stubber


@pytest.fixture
def dynamodb() -> Iterator[tuple[DynamoTable, Stubber]]:
    """A table and its script, all of which must have been used."""
    client, stubber = scripted("dynamodb")
    yield DynamoTable("table", Deadline.after(SOON), client), stubber
    stubber.assert_no_pending_responses()


def item(number: int) -> Item:
    """An item of its own."""
    return {**key_of("AAPL", number), "value": {"N": str(number)}}


def write_request(items: list[Item]) -> dict[str, Any]:
    """The request that puts these items."""
    return {"RequestItems": {"table": [{"PutRequest": {"Item": one}} for one in items]}}


def test_i7_unprocessed_items_are_written_again(dynamodb: tuple[DynamoTable, Stubber]) -> None:
    """What BatchWriteItem leaves undone, and all of a throttled request, is asked for again until it is done."""
    table, script = dynamodb
    items = [item(number) for number in range(3)]
    script.add_client_error("batch_write_item", "ProvisionedThroughputExceededException")
    script.add_response(
        "batch_write_item", {"UnprocessedItems": write_request(items[1:])["RequestItems"]}, write_request(items)
    )
    script.add_response("batch_write_item", {"UnprocessedItems": {}}, write_request(items[1:]))
    table.batch_write(items)


def test_i7_a_write_that_is_never_done_is_an_error() -> None:
    """When time runs out with items undone the caller is told, and does not commit."""
    client, script = scripted("dynamodb")
    for _ in range(200):
        script.add_client_error("batch_write_item", "ThrottlingException")
    with pytest.raises(ServiceIncomplete, match="BatchWriteItem on table"):
        DynamoTable("table", Deadline.after(0.3), client).batch_write([item(1)])


def test_i7_a_key_is_named_once_a_request(dynamodb: tuple[DynamoTable, Stubber]) -> None:
    """DynamoDB refuses a request that names a key twice: the last put counts, a delete after it."""
    table, script = dynamodb
    delete = {"DeleteRequest": {"Key": key_of("AAPL", 2)}}
    put = {"PutRequest": {"Item": {**key_of("AAPL", 1), "value": {"N": "9"}}}}
    script.add_response("batch_write_item", {}, {"RequestItems": {"table": [put, delete]}})
    table.batch_write([item(1), item(2), {**key_of("AAPL", 1), "value": {"N": "9"}}], [key_of("AAPL", 2)])


def test_i7_writes_go_in_requests_of_25() -> None:
    """51 items are three requests, of at most 25 each."""
    client, script = scripted("dynamodb")
    sizes: list[int] = []
    client.meta.events.register(
        "provide-client-params.dynamodb.BatchWriteItem",
        lambda params, **_: sizes.append(len(params["RequestItems"]["table"])),
    )
    for _ in range(3):
        script.add_response("batch_write_item", {})
    DynamoTable("table", Deadline.after(SOON), client).batch_write(item(number) for number in range(51))
    assert sorted(sizes) == [1, 25, 25]


def test_i7_unprocessed_keys_are_read_again(dynamodb: tuple[DynamoTable, Stubber]) -> None:
    """What BatchGetItem leaves unread is read again, consistently, and duplicates once."""
    table, script = dynamodb
    keys = [key_of("AAPL", 1), key_of("AAPL", 2)]
    rest = {"table": {"Keys": keys[1:], "ConsistentRead": True}}
    script.add_response(
        "batch_get_item",
        {"Responses": {"table": [item(1)]}, "UnprocessedKeys": rest},
        {"RequestItems": {"table": {"Keys": keys, "ConsistentRead": True}}},
    )
    script.add_response("batch_get_item", {"Responses": {"table": [item(2)]}}, {"RequestItems": rest})
    assert table.batch_get([*keys, keys[0]]) == [item(1), item(2)]


def test_a_query_goes_on_over_pages(dynamodb: tuple[DynamoTable, Stubber]) -> None:
    """A partition larger than a page is read to its end, upwards and consistently."""
    table, script = dynamodb
    request = {
        "TableName": "table",
        "KeyConditionExpression": "#symbol = :symbol AND #timestamp BETWEEN :first AND :last",
        "ExpressionAttributeNames": {"#symbol": "symbol", "#timestamp": "timestamp"},
        "ExpressionAttributeValues": {":symbol": {"S": "AAPL"}, ":first": {"N": "0"}, ":last": {"N": "7"}},
        "ConsistentRead": True,
    }
    script.add_response("query", {"Items": [item(1)], "LastEvaluatedKey": key_of("AAPL", 1)}, request)
    script.add_response("query", {"Items": [item(2)]}, {**request, "ExclusiveStartKey": key_of("AAPL", 1)})
    assert list(table.query("AAPL", last=7)) == [item(1), item(2)]


def test_a_query_asks_for_no_more_than_is_wanted(dynamodb: tuple[DynamoTable, Stubber]) -> None:
    """Neither items beyond the limit nor attributes that are not named come over the wire."""
    table, script = dynamodb
    request = {
        "TableName": "table",
        "KeyConditionExpression": "#symbol = :symbol",
        "ExpressionAttributeNames": {"#symbol": "symbol", "#timestamp": "timestamp", "#expiresAt": "expiresAt"},
        "ExpressionAttributeValues": {":symbol": {"S": "AAPL"}},
        "ConsistentRead": True,
        "ProjectionExpression": "#symbol, #timestamp, #expiresAt",
        "Limit": 3,
    }
    answers = [key_of("AAPL", number) for number in range(4)]
    script.add_response("query", {"Items": answers[:2], "LastEvaluatedKey": answers[1]}, request)
    script.add_response(
        "query",
        {"Items": answers[2:], "LastEvaluatedKey": answers[3]},
        {**request, "ExclusiveStartKey": answers[1]},
    )
    assert list(table.query("AAPL", limit=3, attributes=("symbol", "timestamp"))) == answers[:3]


def test_a_condition_that_fails_is_an_answer(dynamodb: tuple[DynamoTable, Stubber]) -> None:
    """Losing a conditional write is False; being forbidden is an error that says what to look at."""
    table, script = dynamodb
    script.add_client_error("put_item", "ConditionalCheckFailedException")
    assert table.put_if_absent(item(1)) is False
    script.add_response("put_item", {})
    assert table.put_if_equal(item(1), "value", {"N": "0"}) is True
    script.add_client_error("put_item", "AccessDeniedException")
    with pytest.raises(ServiceRefused, match=r"PutItem on table.*role"):
        table.put_if_absent(item(1))


def test_i7_failed_messages_are_sent_again() -> None:
    """Of a batch only the entries that failed are sent again, until all are in."""
    client, script = scripted("sqs")
    sent = {"MessageId": "m", "MD5OfMessageBody": "x"}
    script.add_response(
        "send_message_batch",
        {
            "Successful": [{"Id": "0", **sent}],
            "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}],
        },
        {"QueueUrl": "url", "Entries": [{"Id": "0", "MessageBody": "a"}, {"Id": "1", "MessageBody": "b"}]},
    )
    script.add_response(
        "send_message_batch",
        {"Successful": [{"Id": "1", **sent}], "Failed": []},
        {"QueueUrl": "url", "Entries": [{"Id": "1", "MessageBody": "b"}]},
    )
    assert Queue("url", Deadline.after(SOON), client).send(["a", "b"]) == 2
    script.assert_no_pending_responses()


def test_a_message_that_is_the_senders_fault_is_not_sent_for_ever() -> None:
    """What SQS will never take is an error at once."""
    client, script = scripted("sqs")
    failed = {"Id": "0", "Code": "InvalidMessageContents", "SenderFault": True}
    script.add_response("send_message_batch", {"Successful": [], "Failed": [failed]})
    with pytest.raises(ServiceRefused, match="InvalidMessageContents"):
        Queue("url", Deadline.after(SOON), client).send(["a"])


@pytest.mark.parametrize("code", ["KMS.ThrottlingException", "KmsThrottled", "OverLimit", "RequestThrottled"])
def test_a_message_that_was_throttled_is_sent_again_whosever_fault_sqs_calls_it(code: str) -> None:
    """The code decides: SQS says SenderFault of a key that is busy."""
    client, script = scripted("sqs")
    script.add_response(
        "send_message_batch", {"Successful": [], "Failed": [{"Id": "0", "Code": code, "SenderFault": True}]}
    )
    sent = {"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}
    script.add_response("send_message_batch", {"Successful": [sent], "Failed": []})
    assert Queue("url", Deadline.after(SOON), client).send(["a"]) == 1
    script.assert_no_pending_responses()


def received(number: int, **more: Any) -> dict[str, Any]:
    """A message as Lambda hands it over."""
    return {"messageId": f"m{number}", "receiptHandle": f"r{number}", "body": f"body {number}", **more}


def copied(number: int, put_backs: int, tries: int, delay_s: int = 0) -> dict[str, Any]:
    """The entry that sends a message again."""
    said = {"putBacks": str(put_backs), "tries": str(tries)}
    return {
        "Id": str(number),
        "MessageBody": f"body {number}",
        "DelaySeconds": delay_s,
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in said.items()},
    }


def test_what_is_put_back_is_sent_with_its_history_and_then_deleted() -> None:
    """The copy counts receives from nothing, and says how often its message was tried and put back."""
    client, script = scripted("sqs")
    sent = [{"Id": one, "MessageId": "m", "MD5OfMessageBody": "x"} for one in "01"]
    script.add_response(
        "send_message_batch",
        {"Successful": sent, "Failed": []},
        {"QueueUrl": "url", "Entries": [copied(0, 1, 0, 7), copied(1, 5, 2, 7)]},
    )
    gone = [{"Id": "0", "ReceiptHandle": "r0"}, {"Id": "1", "ReceiptHandle": "r1"}]
    script.add_response(
        "delete_message_batch",
        {"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}]},
        {"QueueUrl": "url", "Entries": gone},
    )
    script.add_response(
        "delete_message_batch", {"Successful": [{"Id": "1"}], "Failed": []}, {"QueueUrl": "url", "Entries": gone[1:]}
    )
    said = {"putBacks": {"stringValue": "4"}, "tries": {"stringValue": "1"}}
    again = received(1, messageAttributes=said, attributes={"ApproximateReceiveCount": "2"})
    first = received(0, attributes={"ApproximateReceiveCount": "1"})
    assert Queue("url", Deadline.after(SOON), client).put_back([first, again], delay_s=7) == {}
    script.assert_no_pending_responses()


def test_what_cannot_be_sent_again_is_named_and_not_deleted() -> None:
    """It is in the queue then as it was, and counts as received."""
    client, script = scripted("sqs")
    script.add_client_error("send_message_batch", "AccessDenied")
    undone = Queue("url", Deadline.after(SOON), client).put_back([received(0)])
    assert list(undone) == ["m0"]
    assert "role" in undone["m0"]
    script.assert_no_pending_responses()


def test_what_was_put_back_but_not_deleted_is_put_back() -> None:
    """It is there twice if the caller dies, and otherwise the event source mapping deletes it."""
    client, script = scripted("sqs")
    sent = {"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}
    script.add_response("send_message_batch", {"Successful": [sent], "Failed": []})
    script.add_client_error("delete_message_batch", "AccessDenied")
    assert Queue("url", Deadline.after(SOON), client).put_back([received(0)]) == {}
    script.assert_no_pending_responses()


@pytest.mark.parametrize("said", [{"putBacks": {"stringValue": "100"}}, {"tries": {"stringValue": "3"}}])
def test_i6_what_was_put_back_or_tried_too_often_counts(said: dict[str, Any]) -> None:
    """Nothing goes round for ever: no request is made for it, and it is named."""
    client, _ = scripted("sqs")
    assert list(Queue("url", Deadline.after(SOON), client).put_back([received(0, messageAttributes=said)])) == ["m0"]


def test_i7_failed_events_are_put_again_and_named() -> None:
    """An event that fails once is put again; one that fails for good is named by its position, the others are in."""
    client, script = scripted("events")
    bad = {"ErrorCode": "InternalFailure", "ErrorMessage": "later"}
    script.add_response("put_events", {"FailedEntryCount": 2, "Entries": [bad, {"EventId": "1"}, bad]})
    script.add_response("put_events", {"FailedEntryCount": 1, "Entries": [{"EventId": "0"}, bad]})
    script.add_client_error("put_events", "AccessDeniedException")
    failed = EventBus("default", "source", "type", Deadline.after(SOON), client).put(["{}", "{}", "{}"])
    assert list(failed) == [2]
    assert "role" in failed[2]


def test_i7_events_go_ten_at_a_time() -> None:
    """Twelve events are requests of ten and two."""
    client, script = scripted("events")
    for count in (10, 2):
        script.add_response(
            "put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}] * count}, {"Entries": [ANY] * count}
        )
    assert EventBus("default", "source", "type", Deadline.after(SOON), client).put(["{}"] * 12) == {}
    script.assert_no_pending_responses()
