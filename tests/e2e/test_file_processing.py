"""What becomes of files, uploaded once and again, and what the status API tells of them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from bench.stack import deployment
from bench.stack.leftovers import inventory
from tests.e2e.files import FileStack
from tests.e2e.market import Trade, csv, trades
from tests.patience import wait_until

if TYPE_CHECKING:
    from bench.targets.embedded import EmbeddedTarget

_STAGES = ["validator", "processor", "aggregator"]


def _totals(rows: list[Trade]) -> dict[str, Any]:
    """The tests' own, simple oracle, in the form of the API."""
    return {
        "ticks": len(rows),
        "volume": sum(Decimal(row.size) for row in rows),
        "notional": sum(Decimal(row.price) * Decimal(row.size) for row in rows),
    }


def _answered(body: dict[str, Any]) -> dict[str, Any]:
    totals = body["totals"]
    return {
        "ticks": totals["ticks"],
        "volume": Decimal(totals["volume"]),
        "notional": Decimal(totals["notional"]),
    }


def _completed_version(files: FileStack, file_id: str, after: str) -> dict[str, Any]:
    """Wait until a file is completed as another version than one before."""

    def look() -> bool | None:
        return files.stored(file_id).last.source.version_id != after or None

    wait_until(f"another version of {file_id}", look)
    return files.at(file_id, "completed")


def test_f11_a_file_goes_through_the_stages_to_its_totals(files: FileStack) -> None:
    """A good file is validated, processed and completed, in this order, and its totals are exact."""
    rows = trades("F.GOOD", 300)
    file_id = files.put("good/one.csv", csv(rows))
    body = files.at(file_id, "completed")
    assert _answered(body) == _totals(rows)
    assert body["rejected"] == 0
    assert files.entered(file_id) == _STAGES


@pytest.mark.parametrize(
    ("key", "content", "reason"),
    [
        ("bad/no price.csv", b"symbol,timestamp,prize,size\nA,1767623400000000000,1,1\n", "missing_column"),
        ("bad/empty.csv", b"", "empty"),
        ("bad/picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "unknown_format"),
        (
            "bad/all bad.csv",
            b"symbol,timestamp,price,size\nA,yesterday,1,1\nB,1767623400000000000,free,1\n",
            "no_valid_row",
        ),
    ],
)
def test_f11_a_file_that_is_no_ticks_fails_with_its_reason(
    files: FileStack, key: str, content: bytes, reason: str
) -> None:
    """What is wrong with a file is its status, at once: it is not tried again and dies in no queue."""
    body = files.at(files.put(key, content), "failed")
    assert body["reason"]["code"] == reason
    assert body["stage"] == "validator"
    if reason == "no_valid_row":
        assert [row["reason"] for row in body["badRows"]] == ["bad_timestamp", "bad_price"]


def test_f11_bad_rows_are_told_and_do_not_fail_the_file(files: FileStack) -> None:
    """A file with a bad row among good ones is completed, and the row is told with offset and reason."""
    rows = trades("F.SOME", 20)
    content = csv(rows)
    body = files.at(files.put("good/with a bad row.csv", content + b"F.SOME,now,1,1\n"), "completed")
    assert _answered(body) == _totals(rows)
    assert [(row["offset"], row["reason"]) for row in body["badRows"]] == [(len(content), "bad_timestamp")]
    assert body["totals"]["rejected"] == 1


@pytest.mark.parametrize("other", [False, True], ids=["same bytes", "other bytes"])
def test_f07_a_file_uploaded_again_starts_over(files: FileStack, other: bool) -> None:  # noqa: FBT001 - parametrized
    """Uploaded again, within the five minutes of deduplication too, a file goes through all stages anew."""
    key = f"again/{other}.csv"
    first = trades("F.FIRST", 50)
    file_id = files.put(key, csv(first))
    before = files.at(file_id, "completed")
    version = files.stored(file_id).last.source.version_id
    rows = trades("F.SECOND", 70) if other else first
    files.put(key, csv(rows))
    after = _completed_version(files, file_id, version)
    assert _answered(after) == _totals(rows)
    assert after["lastUpdated"] > before["lastUpdated"]
    # A history of this upload alone: it did start over, and no old stage was taken for done.
    assert files.entered(file_id) == _STAGES


def test_f07_a_failed_file_uploaded_again_whole_is_completed(files: FileStack) -> None:
    """The cure of a corrupt file is to upload it again."""
    file_id = files.put("again/cured.csv", b"symbol,timestamp\n")
    files.at(file_id, "failed")
    rows = trades("F.CURED", 10)
    files.put("again/cured.csv", csv(rows))
    body = files.at(file_id, "completed")
    assert _answered(body) == _totals(rows)
    assert "reason" not in body


def test_f07_an_old_message_changes_nothing(files: FileStack) -> None:
    """A message delivered again after its file was completed, or was uploaded anew, leaves the status as it is."""
    file_id = files.put("old/message.csv", csv(trades("F.OLD", 30)))
    files.at(file_id, "completed")
    completed, first = files.stored(file_id), files.pointer(file_id)
    files.deliver(first)
    assert files.stored(file_id) == completed
    files.put("old/message.csv", csv(trades("F.NEW", 40)))
    _completed_version(files, file_id, first.source.version_id)
    renewed = files.stored(file_id)
    assert renewed.last.totals is not None
    assert renewed.last.totals.ticks == 40
    files.deliver(first)
    assert files.stored(file_id) == renewed
    assert files.parked(file_id) == files.dead(file_id) == []


@pytest.mark.parametrize(
    "key",
    [
        "feeds/2026/nyse trades%201.csv",
        "plain.csv",
        "feeds/a+b/c d.csv",
        "100%25/50%.csv",
        "börse/größe/日本.csv",
        "it's (1), a;b@c!=&.csv",
    ],
)
def test_f05_the_status_of_any_key_is_found(files: FileStack, key: str) -> None:
    """Slashes, spaces, percent and plus signs in a key: its status is found, and the key comes back as it is."""
    body = files.at(files.put(key, csv(trades("F.KEYS", 5))), "completed")
    bucket = files.outputs.bucket_name
    assert body["fileId"] == f"{bucket}/{key}"
    assert body["bucketName"] == bucket
    assert body["objectKey"] == key
    assert body["stage"] == "aggregator"
    assert body["lastUpdated"].endswith("Z")


def test_f05_a_path_is_decoded_once_and_a_plus_is_a_plus(files: FileStack) -> None:
    """`%2520` is the text `%20` and no space, `+` is no space; the slashes of a key may be sent encoded."""
    key = "feeds/2026/nyse trades%201.csv"
    files.at(files.put(key, csv(trades("F.KEYS", 5))), "completed")
    base = f"/status/{files.outputs.bucket_name}/"
    assert files.get(base + "feeds/2026/nyse%20trades%25201.csv").status == 200
    assert files.get(base + quote(key, safe="")).status == 200
    assert files.get(base + "feeds/2026/nyse%20trades%201.csv").status == 404
    assert files.get(base + "feeds/2026/nyse+trades%25201.csv").status == 404


def test_f05_no_file_is_400_and_an_unknown_one_404(files: FileStack) -> None:
    """A request that names no file is the caller's mistake, one that names an unknown file finds nothing."""
    bucket = files.outputs.bucket_name
    for path, status, code in [
        ("/status", 400, "missing_file_id"),
        (f"/status/{bucket}", 400, "bad_file_id"),
        (f"/status/{bucket}/never/sent.csv", 404, "unknown_file"),
    ]:
        answer = files.get(path)
        assert (answer.status, answer.body["error"]["code"]) == (status, code)


def test_f09_outputs_are_there_under_the_promised_keys(files: FileStack) -> None:
    """A deployment's outputs carry the keys that the requirements name."""
    outputs = deployment.flat_outputs(files.target, "e2e", deployment.FILE_PROCESSING)
    assert outputs.keys() >= {
        "bucketName",
        "validatorFunctionName",
        "processorFunctionName",
        "aggregatorFunctionName",
        "processingTableName",
        "apiEndpoint",
        "validatorQueueUrl",
        "processorQueueUrl",
    }
    # The queue that a stage feeds is named after its consumer.
    assert outputs["validatorQueueUrl"].endswith("/data-processor-e2e.fifo")
    assert outputs["processorQueueUrl"].endswith("/result-aggregator-e2e.fifo")


def test_f08_one_deletion_leaves_nothing(target: EmbeddedTarget) -> None:
    """Deleting the stack, with versions and delete markers in its bucket and a file on its way, leaves nothing."""
    before = inventory(target)
    environment, pipeline = "gone", deployment.FILE_PROCESSING
    deployment.create(target, environment, deployment.assemble(environment, pipeline=pipeline))
    stack = FileStack(target, environment)
    stack.at(stack.put("a/b.csv", csv(trades("F.GONE", 5))), "completed")
    stack.put("a/b.csv", b"")
    stack.s3.delete_object(Bucket=stack.outputs.bucket_name, Key="a/b.csv")
    stack.put("late.csv", csv(trades("F.GONE", 5)))
    deployment.destroy(target, environment, pipeline)
    assert sorted(inventory(target) - before) == []
