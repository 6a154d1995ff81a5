"""The emptier against an S3 in memory (moto) and a real HTTP server in CloudFormation's place."""

from __future__ import annotations

import http.server
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from operations import bucket_emptier
from operations.bucket_contents import (
    DELETIONS_AT_A_TIME,
    BucketGone,
    BucketNotEmptied,
    empty_bucket,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

BUCKET = "market-data-test"


@dataclass
class CloudFormation:
    """What would wait for the answer: `refuse` says how many answers it turns away first."""

    url: str
    answers: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str | None] = field(default_factory=list)
    refuse: int = 0


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    """A server on a loopback port that records what is put to it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if waiting.refuse:
                waiting.refuse -= 1
                self.send_response(503)
            else:
                waiting.answers.append(json.loads(body))
                waiting.content_types.append(self.headers["Content-Type"])
                self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    waiting = CloudFormation(f"http://127.0.0.1:{server.server_port}/answer?signature=secret")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield waiting
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    """An S3 with one versioned bucket, and the emptier's own client made anew for it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("operations.bucket_contents.PAUSE_BETWEEN_EMPTY_LISTINGS_SECONDS", 0.0)
    # moto evaluates a policy without its conditions: the denial of unencrypted transport would hit everything.
    monkeypatch.setattr(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        bucket_emptier._s3.cache_clear()
        yield client
        bucket_emptier._s3.cache_clear()


class Context:
    """As much of Lambda's context as the handler reads."""

    aws_request_id = "request-1"
    function_name = memory_limit_in_mb = invoked_function_arn = "test"
    log_stream_name = "stream-1"

    def get_remaining_time_in_millis(self) -> int:
        """The whole of the function's timeout."""
        return 900_000


def request(url: str, request_type: str, **changes: Any) -> dict[str, Any]:
    """What CloudFormation sends, changed as wanted."""
    event = {
        "RequestType": request_type,
        "ResponseURL": url,
        "StackId": "stack-1",
        "RequestId": "cfn-1",
        "LogicalResourceId": "DataBucketEmptier",
        "ResourceProperties": {"ServiceToken": "x", "BucketName": BUCKET},
    }
    if request_type != "Create":
        event["PhysicalResourceId"] = BUCKET
    return event | changes


def run(event: dict[str, Any]) -> None:
    """Invoke the function."""
    bucket_emptier.handler(event, Context())  # type: ignore[arg-type]  # a part of the context is enough


def fill(s3: S3Client) -> None:
    """Two versions of each of three keys, a delete marker, an upload that was never completed."""
    for key in ("a.csv", "b/ü.csv", "c+d.csv"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"2")
    s3.delete_object(Bucket=BUCKET, Key="a.csv")
    s3.create_multipart_upload(Bucket=BUCKET, Key="never.csv")


def contents(s3: S3Client) -> int:
    """Versions, delete markers and open uploads in the bucket."""
    versions = s3.list_object_versions(Bucket=BUCKET)
    uploads = s3.list_multipart_uploads(Bucket=BUCKET)
    return sum(
        len(found)
        for found in (versions.get("Versions", []), versions.get("DeleteMarkers", []), uploads.get("Uploads", []))
    )


def test_m18_delete_empties_the_bucket_and_closes_it(s3: S3Client, cloudformation: CloudFormation) -> None:
    """Versions, markers and uploads are gone, writes are denied, and CloudFormation hears of success."""
    fill(s3)
    assert contents(s3) == 8
    run(request(cloudformation.url, "Delete"))
    assert contents(s3) == 0
    policy = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    denied = [one for one in policy["Statement"] if one["Action"] == "s3:PutObject"]
    assert [(one["Effect"], one["Principal"], one["Resource"]) for one in denied] == [
        ("Deny", "*", f"arn:aws:s3:::{BUCKET}/*")
    ]
    assert cloudformation.answers == [
        {
            "Status": "SUCCESS",
            "PhysicalResourceId": BUCKET,
            "StackId": "stack-1",
            "RequestId": "cfn-1",
            "LogicalResourceId": "DataBucketEmptier",
        }
    ]
    assert cloudformation.content_types == [""]


def test_delete_twice_is_success_twice(s3: S3Client, cloudformation: CloudFormation) -> None:
    """Lambda may deliver the request again; so may it after the bucket has gone."""
    fill(s3)
    run(request(cloudformation.url, "Delete"))
    run(request(cloudformation.url, "Delete"))
    s3.delete_bucket(Bucket=BUCKET)
    run(request(cloudformation.url, "Delete"))
    assert [one["Status"] for one in cloudformation.answers] == ["SUCCESS"] * 3


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_create_and_update_touch_nothing(s3: S3Client, cloudformation: CloudFormation, request_type: str) -> None:
    """Only a deletion empties; the physical id is the bucket's name, so that a rename deletes the old one's."""
    fill(s3)
    run(request(cloudformation.url, request_type))
    assert contents(s3) == 8
    assert cloudformation.answers[0]["Status"] == "SUCCESS"
    assert cloudformation.answers[0]["PhysicalResourceId"] == BUCKET


def test_delete_of_a_failed_create_leaves_the_bucket_alone(s3: S3Client, cloudformation: CloudFormation) -> None:
    """A foreign physical id means that this resource never came to be: the bucket may be somebody else's."""
    fill(s3)
    run(request(cloudformation.url, "Delete", PhysicalResourceId="2026/11/20/[$LATEST]abc"))
    assert contents(s3) == 8
    assert cloudformation.answers[0]["Status"] == "SUCCESS"
    assert cloudformation.answers[0]["PhysicalResourceId"] == "2026/11/20/[$LATEST]abc"


@pytest.mark.parametrize(
    ("event", "reason"),
    [({"ResourceProperties": {}}, "BucketName"), ({"RequestType": "Move"}, "RequestType 'Move'")],
)
def test_a_request_that_makes_no_sense_is_answered(
    s3: S3Client, cloudformation: CloudFormation, event: dict[str, Any], reason: str
) -> None:
    """FAILED with the reason at once, rather than an hour of silence."""
    run(request(cloudformation.url, "Create") | event)
    assert cloudformation.answers[0]["Status"] == "FAILED"
    assert reason in cloudformation.answers[0]["Reason"]


def test_the_answer_is_tried_again(
    s3: S3Client, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy S3 behind the ResponseURL costs a retry, not an hour."""
    cloudformation.refuse = 2
    event = request(cloudformation.url, "Create")
    body = bucket_emptier.answer(event, "SUCCESS", BUCKET, "")
    waits: list[float] = []
    bucket_emptier.deliver(event, body, sleep=waits.append)
    assert len(cloudformation.answers) == 1
    assert len(waits) == 2


def test_an_answer_that_nobody_takes_fails_the_invocation(cloudformation: CloudFormation) -> None:
    """Lambda then delivers the request again; the address, which is a credential, is in no message."""
    cloudformation.refuse = 100
    event = request(cloudformation.url, "Create")
    with pytest.raises(bucket_emptier.AnswerNotDelivered) as raised:
        bucket_emptier.deliver(event, {}, sleep=lambda _: None)
    assert "secret" not in str(raised.value)
    assert cloudformation.refuse == 100 - bucket_emptier.ANSWER_ATTEMPTS


def test_an_upload_between_two_listings_is_deleted_too(s3: S3Client) -> None:
    """One empty listing proves nothing: an upload that was let in before the policy took hold appears after it."""
    fill(s3)
    late = iter([b"late"])

    def pause(_: float) -> None:
        for body in late:
            s3.put_object(Bucket=BUCKET, Key="late.csv", Body=body)

    deleted = empty_bucket(s3, BUCKET, time.monotonic() + 60, sleep=pause)
    assert contents(s3) == 0
    assert (deleted.versions, deleted.uploads) == (8, 1)


def test_more_than_one_page_of_versions(s3: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting behind the listing skips nothing."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "20")
    for number in range(63):
        s3.put_object(Bucket=BUCKET, Key=f"{number:05d}", Body=b"")
    assert s3.list_object_versions(Bucket=BUCKET)["IsTruncated"]
    assert empty_bucket(s3, BUCKET, time.monotonic() + 60, sleep=lambda _: None).versions == 63
    assert contents(s3) == 0


def test_a9_deletions_go_side_by_side_and_not_without_end(s3: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many requests delete at a time as are allowed, no more, whatever is listed; and everything is deleted."""
    monkeypatch.setattr("operations.bucket_contents.DELETE_BATCH", 1)
    for number in range(3 * DELETIONS_AT_A_TIME):
        s3.put_object(Bucket=BUCKET, Key=f"{number:03d}", Body=b"")
    together = threading.Barrier(DELETIONS_AT_A_TIME)
    delete, lock = s3.delete_objects, threading.Lock()
    at_work: set[int] = set()
    most = 0

    def delete_objects(**request: Any) -> Any:
        nonlocal most
        with lock:
            at_work.add(threading.get_ident())
            most = max(most, len(at_work))
        together.wait(30)  # breaks where fewer are at work at a time
        answer = delete(**request)
        with lock:
            at_work.discard(threading.get_ident())
        return answer

    monkeypatch.setattr(s3, "delete_objects", delete_objects)
    assert empty_bucket(s3, BUCKET, time.monotonic() + 60).versions == 3 * DELETIONS_AT_A_TIME
    assert most == DELETIONS_AT_A_TIME
    assert contents(s3) == 0


def test_a9_a_request_that_is_refused_for_its_rate_comes_again(s3: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Side by side S3 is asked for more than a bucket bears at first: that costs another walk, not the deletion."""
    fill(s3)
    delete, answers = s3.delete_objects, iter(["SlowDown", "ServiceUnavailable"])

    def delete_objects(**request: Any) -> Any:
        for code in answers:
            raise ClientError({"Error": {"Code": code}}, "DeleteObjects")
        return delete(**request)

    monkeypatch.setattr(s3, "delete_objects", delete_objects)
    empty_bucket(s3, BUCKET, time.monotonic() + 60)
    assert contents(s3) == 0


def test_a9_what_no_deletion_gets_to_expires(s3: S3Client, cloudformation: CloudFormation) -> None:
    """Whoever runs out of time has let S3 expire all of it: versions, older ones, markers, parts; and says so."""
    fill(s3)
    with pytest.raises(BucketNotEmptied, match="in three days"):
        empty_bucket(s3, BUCKET, time.monotonic() - 1)
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert all((rule["Status"], rule["Filter"]) == ("Enabled", {"Prefix": ""}) for rule in rules)
    said = {name: value for rule in rules for name, value in rule.items() if name not in {"ID", "Status", "Filter"}}
    assert said["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert said["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert [rule["Expiration"] for rule in rules] == [{"Days": 1}, {"ExpiredObjectDeleteMarker": True}]
    run(request(cloudformation.url, "Delete"))  # the next deletion goes on
    assert contents(s3) == 0


def test_no_time_left_is_said(s3: S3Client) -> None:
    """The failure says what was still there and that a second deletion goes on."""
    fill(s3)
    with pytest.raises(BucketNotEmptied, match=r"7 are still there.*delete the stack again"):
        empty_bucket(s3, BUCKET, time.monotonic() - 1, sleep=lambda _: None)


def test_a_version_that_cannot_be_deleted_is_a_failure(s3: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """DeleteObjects answers 200 with errors inside: they must not pass for success, nor be retried for ever."""
    fill(s3)
    refused = {"Errors": [{"Key": "a.csv", "Code": "AccessDenied", "Message": "no"}]}
    monkeypatch.setattr(s3, "delete_objects", lambda **_: refused)
    with pytest.raises(BucketNotEmptied, match=r"a\.csv \(AccessDenied"):
        empty_bucket(s3, BUCKET, time.monotonic() + 60, sleep=lambda _: None)


def test_a_bucket_that_never_was(s3: S3Client) -> None:
    """Gone is what the caller wants: told apart from failures."""
    with pytest.raises(BucketGone):
        empty_bucket(s3, "no-such-bucket", time.monotonic() + 60)
