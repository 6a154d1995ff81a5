"""The five handlers over S3, SQS and DynamoDB as moto has them: what a deployment wires together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import pytest
from moto import mock_aws

from file_processing import data_processor, file_validator, result_aggregator, status_query
from operations import dead_letter_recorder
from services import clients
from services.objects import as_stored
from services.status_table import DynamoStatusTable, make_move
from tickstream.errors import ConfigurationError, MalformedItem, ObjectRejected, ServiceRefused
from tickstream.file_status import Move, Outcome, Stage, Status
from tickstream.files import decode_pointer, group_of
from tickstream.ingests import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "file-processing-test"
TABLE = "processing-status-test"
KEY = "feeds/2026/nyse trades%201.csv"
ACCOUNT = "123456789012"


class Context:
    """Lambda's, with a minute to go."""

    aws_request_id = "request-1"
    function_name = memory_limit_in_mb = invoked_function_arn = "test"

    def get_remaining_time_in_millis(self) -> int:
        """A minute."""
        return 60_000


CONTEXT: Any = Context()


@dataclass
class Stack:
    """What is deployed."""

    urls: dict[str, str]

    def upload(self, content: bytes, key: str = KEY) -> dict[str, Any]:
        """Put an object and return the event that S3 would send."""
        put = clients.s3().put_object(Bucket=BUCKET, Key=key, Body=content)
        found = {"key": quote(key), "versionId": put["VersionId"], "eTag": put["ETag"], "size": len(content)}
        found["sequencer"] = f"00{int(clients.s3().head_object(Bucket=BUCKET, Key=key)['LastModified'].timestamp()):X}"
        return {"Records": [{"eventTime": "2126-01-05T14:30:00Z", "s3": {"bucket": {"name": BUCKET}, "object": found}}]}

    def received(self, queue: str) -> dict[str, Any]:
        """Take what is in a queue as the event that Lambda would get."""
        answer = clients.sqs().receive_message(
            QueueUrl=self.urls[queue],
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return {
            "Records": [
                {
                    "messageId": message["MessageId"],
                    "body": message["Body"],
                    "attributes": message["Attributes"],
                    "messageAttributes": message.get("MessageAttributes", {}),
                    "eventSourceARN": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue}",
                }
                for message in answer.get("Messages", [])
            ]
        }

    def status(self, key: str = KEY) -> dict[str, Any]:
        """Ask the API."""
        event = {"pathParameters": {"fileId": quote(f"{BUCKET}/{key}")}}
        answer = status_query.handler(event, CONTEXT)
        assert answer["statusCode"] == 200, answer
        fields: dict[str, Any] = json.loads(answer["body"])
        return fields


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A bucket, a table and the queues."""
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "TABLE_NAME": TABLE,
        "DATA_BUCKET": BUCKET,
        "MAX_FILE_BYTES": "1000",
    }.items():
        monkeypatch.setenv(name, value)
    made = (clients.s3, clients.sqs, clients.dynamodb)
    with mock_aws():
        for client in made:
            client.cache_clear()
        clients.s3().create_bucket(Bucket=BUCKET)
        clients.s3().put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        boto3.client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "fileId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "fileId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        urls = {}
        for name in ("data-processor-test.fifo", "result-aggregator-test.fifo", "parked-test"):
            fifo: Any = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if name.endswith(".fifo") else {}
            urls[name] = clients.sqs().create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
        monkeypatch.setenv("PARKED_QUEUE_URL", urls["parked-test"])
        yield Stack(urls)
    for client in made:
        client.cache_clear()


def test_f03_a_file_goes_through_the_chain(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the event to the API's answer; the messages travel in the file's group."""
    content = b"symbol,timestamp,price,size\nAAPL,1767623400000000000,10.5,2\nbad\n"
    monkeypatch.setenv("QUEUE_URL", stack.urls["data-processor-test.fifo"])
    file_validator.handler(stack.upload(content), CONTEXT)
    assert stack.status()["status"] == "validated"
    event = stack.received("data-processor-test.fifo")
    assert [record["attributes"]["MessageGroupId"] for record in event["Records"]] == [group_of(f"{BUCKET}/{KEY}")]
    monkeypatch.setenv("QUEUE_URL", stack.urls["result-aggregator-test.fifo"])
    assert data_processor.handler(event, CONTEXT) == {"batchItemFailures": []}
    assert stack.status()["status"] == "processed"
    event = stack.received("result-aggregator-test.fifo")
    assert result_aggregator.handler(event, CONTEXT) == {"batchItemFailures": []}
    answer = stack.status()
    assert (answer["status"], answer["objectKey"], answer["rejected"]) == ("completed", KEY, 1)
    assert answer["totals"]["notional"] == "21"


def test_f04_a_poison_message_is_returned_alone(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody can read fails with the rest of its group; the neighbours of other groups are processed."""
    monkeypatch.setenv("QUEUE_URL", stack.urls["data-processor-test.fifo"])
    file_validator.handler(stack.upload(b"symbol,timestamp,price,size\n"), CONTEXT)
    (good,) = stack.received("data-processor-test.fifo")["Records"]
    poison = [{"messageId": f"poison-{n}", "body": "?", "attributes": {"MessageGroupId": "poison"}} for n in range(2)]
    monkeypatch.setenv("QUEUE_URL", stack.urls["result-aggregator-test.fifo"])
    event = {"Records": [poison[0], good, poison[1]]}
    failed = data_processor.handler(event, CONTEXT)["batchItemFailures"]
    assert failed == [{"itemIdentifier": "poison-0"}, {"itemIdentifier": "poison-1"}]
    assert stack.status()["status"] == "processed"
    assert result_aggregator.handler(event, CONTEXT)["batchItemFailures"] == failed
    assert stack.status()["status"] == "completed"


def test_f07_a_dead_message_fails_its_file_and_is_parked(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder marks the file and forwards the message with where it came from."""
    monkeypatch.setenv("QUEUE_URL", stack.urls["data-processor-test.fifo"])
    file_validator.handler(stack.upload(b"symbol,timestamp,price,size\n"), CONTEXT)
    (record,) = stack.received("data-processor-test.fifo")["Records"]
    record["eventSourceARN"] = f"arn:aws:sqs:us-east-1:{ACCOUNT}:data-processor-dead-letter-test.fifo"
    assert dead_letter_recorder.handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
    assert stack.status()["reason"]["code"] == "dead_lettered"
    (parked,) = stack.received("parked-test")["Records"]
    assert parked["body"] == record["body"]
    attributes = {name: value["StringValue"] for name, value in parked["messageAttributes"].items()}
    assert attributes == {
        "origin": "data-processor-test.fifo",
        "stage": "processor",
        "group": group_of(f"{BUCKET}/{KEY}"),
    }


def test_a_dead_letter_that_cannot_be_parked_stays_where_it_is(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a parked queue the message is returned as failed: the mapping must not delete it."""
    monkeypatch.setenv("PARKED_QUEUE_URL", stack.urls["parked-test"] + "-gone")
    record = {
        "messageId": "m",
        "body": "?",
        "attributes": {},
        "eventSourceARN": f"arn:aws:sqs:us-east-1:{ACCOUNT}:file-validator-dead-letter-test",
    }
    answer = dead_letter_recorder.handler({"Records": [record]}, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}


def test_one_bad_record_does_not_keep_the_others(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """All objects of an event are validated; the failure is raised after them, so that Lambda delivers again."""
    monkeypatch.setenv("QUEUE_URL", stack.urls["data-processor-test.fifo"])
    event = stack.upload(b"symbol,timestamp,price,size\n")
    event["Records"].insert(0, {"s3": "?"})
    with pytest.raises(MalformedItem):
        file_validator.handler(event, CONTEXT)
    assert stack.status()["status"] == "validated"


def test_the_test_event_of_s3_is_no_file(stack: Stack) -> None:
    """It is taken note of, without a queue being configured."""
    assert stack.urls
    file_validator.handler({"Event": "s3:TestEvent", "Bucket": BUCKET}, CONTEXT)
    with pytest.raises(MalformedItem, match="not an S3 event"):
        file_validator.handler({"detail": {}}, CONTEXT)


def test_a_folder_is_no_file(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What S3's console puts for a folder has no status and no message; an empty file beside it fails."""
    monkeypatch.setenv("QUEUE_URL", stack.urls["data-processor-test.fifo"])
    file_validator.handler(stack.upload(b"", "feeds/2026/"), CONTEXT)
    file_validator.handler(stack.upload(b"", "feeds/2026/empty.csv"), CONTEXT)
    answer = status_query.handler({"pathParameters": {"fileId": quote(f"{BUCKET}/feeds/2026/", safe="")}}, CONTEXT)
    assert answer["statusCode"] == 404
    assert stack.status("feeds/2026/empty.csv")["status"] == "failed"
    assert stack.received("data-processor-test.fifo")["Records"] == []


def test_a_missing_variable_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment's mistake is one clear error."""
    assert stack.urls
    monkeypatch.delenv("QUEUE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="QUEUE_URL"):
        data_processor.handler({"Records": []}, CONTEXT)


def test_f05_the_api_answers_400_and_404(stack: Stack) -> None:
    """Without an id, and for a file that nobody uploaded."""
    assert stack.urls
    assert status_query.handler({"resource": "/status", "pathParameters": None}, CONTEXT)["statusCode"] == 400
    assert status_query.handler({"pathParameters": {"fileId": "bucket/none"}}, CONTEXT)["statusCode"] == 404


def test_a_version_that_is_gone_is_told_from_a_service_that_refuses(stack: Stack) -> None:
    """A deleted version is the object's fate; its facts come from S3 and not from the event."""
    event = stack.upload(b"12345")
    version = event["Records"][0]["s3"]["object"]["versionId"]
    named = Source(BUCKET, KEY, version, "an event's", 0)
    assert as_stored(named).size_bytes == 5
    clients.s3().delete_object(Bucket=BUCKET, Key=KEY, VersionId=version)
    with pytest.raises(ObjectRejected, match="object_gone"):
        as_stored(named)


def test_the_table_lets_one_of_two_writers_through(stack: Stack) -> None:
    """A write over what was read succeeds once; the second one, over the same, does not."""
    assert stack.urls
    table = DynamoStatusTable(TABLE, now_s=0)
    source = Source("b", "k", "v", "e", 1)
    moves = [Move(source, "A", 0, 0, stage, stage.done, 0) for stage in Stage]
    assert make_move(table, "b/k", moves[0]) is Outcome.ACCEPTED
    read = table.get("b/k")
    assert read is not None
    assert not table.replace(None, read)
    assert make_move(table, "b/k", moves[1]) is Outcome.ACCEPTED
    assert not table.replace(read, read)
    stored = table.get("b/k")
    assert stored is not None
    assert stored.last.status is Status.PROCESSED


def test_a_table_that_is_not_there_is_explained(stack: Stack) -> None:
    """What no retry cures says what to look at."""
    assert stack.urls
    with pytest.raises(ServiceRefused, match="does not exist"):
        DynamoStatusTable("other").get("b/k")


def test_messages_of_one_pointer_are_one_message(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event delivered twice sends the same text twice, of which the queue keeps one."""
    monkeypatch.setenv("QUEUE_URL", stack.urls["data-processor-test.fifo"])
    event = stack.upload(b"symbol,timestamp,price,size\n")
    for _ in range(2):
        file_validator.handler(event, CONTEXT)
    (record,) = stack.received("data-processor-test.fifo")["Records"]
    assert decode_pointer(record["body"]).attempt == 0
