"""`GET /files`: by key, by state and by day, each file once whatever the pages are; on moto's index as in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from file_processing.status_query import Settings, respond
from file_processing.status_query_files import listed_files
from services.memory_status_table import MemoryStatusTable
from services.status_table import DynamoStatusTable, make_move
from tickstream import arrival_lists, status_items
from tickstream.errors import BadRequest
from tickstream.file_status import BadRow, Failure, Move, Stage, Status
from tickstream.ingests import FeedChoice, Source
from tickstream.keys import activity_sort_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.status_table import StatusTable

BUCKET = "file-processing-test"
NOW_MS = 1_767_623_400_000
HOUR_MS = 3_600_000
STAGES = {stage.done: stage for stage in Stage} | {Status.FAILED: Stage.PROCESSOR}


def put(table: StatusTable, key: str, age_ms: int, status: Status, sequencer: str = "A") -> str:
    """Move a file to a status, by way of those before it; return its id."""
    source = Source(BUCKET, key, "v1", "etag", 100)
    for one in (Status.VALIDATED, Status.PROCESSED, Status.COMPLETED, Status.FAILED):
        # A failed one was validated before, a completed one never fails.
        if one.rank > status.rank or (status is Status.FAILED and one in {Status.PROCESSED, Status.COMPLETED}):
            continue
        move = Move(source, sequencer, 0, NOW_MS - age_ms, STAGES[one], one, NOW_MS)
        if one is Status.FAILED:
            move = replace(
                move, reason=Failure("missing_column", "no column price"), bad_rows=(BadRow(7, "bad", "no"),)
            )
        make_move(table, f"{BUCKET}/{key}", replace(move, feed="", feed_choice=FeedChoice.NATIVE))
    return f"{BUCKET}/{key}"


def ask(table: StatusTable, **parameters: str) -> dict[str, Any]:
    """`GET /files`: the fields of the answer. `from_`, because Python has the other word."""
    event = {
        "resource": "/files",
        "multiValueQueryStringParameters": {name.rstrip("_"): [value] for name, value in parameters.items()},
    }
    return respond(event, table, Settings("table", BUCKET), NOW_MS)


def all_of(table: StatusTable, **parameters: str) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    for _ in range(500):
        answer = ask(table, **parameters)
        found += [one["fileId"] for one in answer["files"]]
        if "nextToken" not in answer:
            return found
        parameters["nextToken"] = answer["nextToken"]
    raise AssertionError("pages without end")


@pytest.fixture(params=["memory", "dynamodb"])
def table(request: pytest.FixtureRequest) -> Iterator[StatusTable]:
    """A table of statuses without any."""
    with mock_aws():
        if request.param == "memory":
            yield MemoryStatusTable(now_s=lambda: NOW_MS // 1000)
            return
        client: Any = boto3.client("dynamodb", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106
        client.create_table(
            TableName="table",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": kind}
                for name, kind in (("fileId", "S"), (status_items.INDEX_SHARD, "S"), (status_items.INDEX_PLACE, "N"))
            ],
            KeySchema=[{"AttributeName": "fileId", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": status_items.INDEX,
                    "KeySchema": [
                        {"AttributeName": status_items.INDEX_SHARD, "KeyType": "HASH"},
                        {"AttributeName": status_items.INDEX_PLACE, "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield DynamoStatusTable("table", client, NOW_MS // 1000)


def test_f12_files_are_found_by_their_states(table: StatusTable) -> None:
    """Each state lists its files of the last day, the newest first; with a window those of other days."""
    ids: dict[Status, list[str]] = {}
    for number, age_ms in enumerate((0, 1, 5 * HOUR_MS, 20 * HOUR_MS)):
        for status in Status:
            ids.setdefault(status, []).append(put(table, f"{number}/{status} ü+1.csv", age_ms, status))
    old = put(table, "old.csv", 3 * 24 * HOUR_MS, Status.FAILED)
    for status, expected in ids.items():
        for limit in ("1", "3", "200"):
            assert all_of(table, state=status.value, limit=limit) == expected
    assert sorted(all_of(table, limit="3")) == sorted(one for some in ids.values() for one in some)
    window = {"from_": "2026-01-01T00:00:00Z", "to": "2026-01-04T00:00:00Z"}
    assert all_of(table, **window) == [old]
    assert all_of(table, state="failed", **window) == [old]
    assert all_of(table, state="completed", **window) == []


def test_f12_a_file_is_told_with_its_reason(table: StatusTable) -> None:
    """By its key, without its id and its bucket: which version of which size it was, and why it failed."""
    put(table, "a/b c+.csv", 7, Status.FAILED)
    answer = ask(table, key="a/b c+.csv")
    assert answer == {
        "files": [
            {
                "fileId": f"{BUCKET}/a/b c+.csv",
                "status": "failed",
                "stage": "processor",
                "lastUpdated": "2026-01-05T14:30:00.000Z",
                "bucketName": BUCKET,
                "objectKey": "a/b c+.csv",
                "reason": {"code": "missing_column", "message": "no column price"},
                "badRows": [{"offset": 7, "reason": "bad", "detail": "no"}],
                "receivedAt": "2026-01-05T14:29:59.993Z",
                "versionId": "v1",
                "sizeBytes": 100,
                "attempt": 0,
                "feedChosenBy": "native",
            }
        ]
    }
    assert ask(table, key="a/b c+.csv", state="failed") == answer
    # Lists are of many: what is told of each is bounded.
    (entry,) = answer["files"]
    assert ask(table, state="failed")["files"] == [{name: entry[name] for name in entry if name != "badRows"}]
    assert ask(table, key="a/b c+.csv", bucket=BUCKET, state="failed") == answer
    assert ask(table, key="a/b c+.csv", state="completed") == {"files": []}
    assert ask(table, key="a/b c+.csv", bucket="another-bucket") == {"files": []}
    assert ask(table, key="nobody's") == {"files": []}


def test_f12_a_file_that_is_uploaded_again_is_listed_once(table: StatusTable) -> None:
    """Under its last upload: what failed before and is good now is among the failed no more."""
    put(table, "a.csv", 2 * HOUR_MS, Status.FAILED, "A")
    put(table, "a.csv", HOUR_MS, Status.COMPLETED, "B")
    assert all_of(table, state="failed") == []
    assert all_of(table) == [f"{BUCKET}/a.csv"]


files = st.lists(
    st.tuples(st.integers(0, 9) | st.integers(0, 60 * HOUR_MS), st.sampled_from(Status)), max_size=20
)  # fmt: skip


@settings(max_examples=60)
@given(files, st.integers(1, 5), st.booleans())
def test_f12_every_file_is_listed_once_whatever_the_pages(
    came: list[tuple[int, Status]], limit: int, hurried: bool  # noqa: FBT001 - hypothesis gives it
) -> None:  # fmt: skip
    """However few fit a page, or its time: each once, in order, and all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(status_items, "SHARDS", 2)
        patch.setattr(arrival_lists, "_LEAST_OF_A_SHARD", 1)
        table = MemoryStatusTable()
        expected: dict[str, list[tuple[int, str]]] = {}
        for number, (age_ms, status) in enumerate(came):
            file_id = put(table, f"{number}.csv", age_ms, status)
            for question in ("", status.value):
                expected.setdefault(question, []).append((activity_sort_key(NOW_MS - age_ms, file_id), file_id))
        for question in ("", "failed", "completed"):
            parameters = {"from": ["2026-01-01T00:00:00Z"], "limit": [str(limit)]}
            if question:
                parameters["state"] = [question]
            found: list[str] = []
            for _ in range(500):
                answer = listed_files(table, parameters, BUCKET, NOW_MS, lambda: hurried)
                found += [one["fileId"] for one in answer["files"]]
                if "nextToken" not in answer:
                    break
                parameters["nextToken"] = [answer["nextToken"]]
            else:
                raise AssertionError("pages without end")
            assert found == [one for _, one in sorted(expected.get(question, ()), reverse=True)]


def test_f12_failed_files_are_found_without_reading_the_good_ones() -> None:
    """Three failed among three hundred: no status of a good one is read."""
    read: list[str] = []

    class Seen(MemoryStatusTable):
        def get_each(self, file_ids: Any) -> Any:
            read.extend(file_ids)
            return super().get_each(file_ids)

    table = Seen()
    for number in range(300):
        put(table, f"good/{number}.csv", number, Status.COMPLETED)
    failed = [put(table, f"bad/{number}.csv", number, Status.FAILED) for number in range(3)]
    assert all_of(table, state="failed") == failed
    assert read == failed


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"state": "rejected"}, "unknown_state"),
        ({"key": ""}, "bad_key"),
        ({"bucket": BUCKET}, "missing_key"),
        ({"limit": "0"}, "bad_limit"),
        ({"from_": "yesterday"}, "bad_timestamp"),
        ({"nextToken": "forged"}, "bad_token"),
        ({"fileId": "x"}, "unknown_parameter"),
    ],
)
def test_f12_a_bad_question_is_refused_with_one_clear_line(parameters: dict[str, str], code: str) -> None:
    """Each mistake has its own code, and a sentence of one line."""
    with pytest.raises(BadRequest) as refused:
        ask(MemoryStatusTable(), **parameters)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert "\n" not in refused.value.message
