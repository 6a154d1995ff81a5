"""`GET /ingest/{ingestId}`, and the handler around all of DataQuery."""

from __future__ import annotations

import json
from typing import Any

import pytest

from market_analytics import data_query
from services.memory_table import MemoryTable
from tests.unit.market_analytics.query_world import (
    INGEST,
    invoke,
    status,
)
from tickstream.errors import BadRequest, Reason, ServiceIncomplete
from tickstream.ingests import Manifest, Receipt, Refusal, Source
from tickstream.items import key_of, manifest_item, receipt_items


def test_ingest_status_follows_the_receipts() -> None:
    """Processing, overdue, complete: from what is committed, with the counts of the receipts."""
    table = MemoryTable()
    source = Source("bucket-name", "day/ü.csv", "v1", "etag", 100)
    table.put(manifest_item(Manifest(INGEST, received_ms=1_000, ranges=2, source=source)))
    assert status(table, INGEST) == {
        "ingestId": INGEST,
        "state": "processing",
        "ranges": {"total": 2, "done": 0},
        "rows": 0,
        "ticks": 0,
        "rejected": 0,
        "skipped": 0,
        "cancelled": 0,
        "receivedAt": "1970-01-01T00:00:01Z",
        "source": "day/ü.csv",
        "bucket": "bucket-name",
        "versionId": "v1",
        "sizeBytes": 100,
    }
    table.batch_write(receipt_items(Receipt(INGEST, 0, 70, 3, 1_500, {"A": (1, 2)}), 1_000))
    assert status(table, INGEST, 901_001)["state"] == "overdue"
    # The same receipt once more, after a redelivery, counts once.
    table.batch_write(receipt_items(Receipt(INGEST, 0, 70, 3, 1_900, {"A": (1, 2)}), 1_000))
    table.batch_write(receipt_items(Receipt(INGEST, 1, 30, 0, 1_500, {}), 1_000))
    answer = status(table, INGEST, 901_001)
    assert (answer["state"], answer["ticks"], answer["rejected"]) == ("complete", 100, 3)


def test_ingest_status_of_a_receipt_in_parts_counts_the_range_when_part_0_is_there() -> None:
    """The parts before the commit are not a range that is done."""
    table = MemoryTable()
    table.put(manifest_item(Manifest(INGEST, received_ms=0, ranges=1)))
    many = {f"SYMBOL{number}": tuple(range(400_000, 400_100)) for number in range(300)}
    parts = receipt_items(Receipt(INGEST, 0, 70, 3, 1_500, many), 0)
    assert len(parts) > 1
    table.batch_write(parts[:-1])
    assert status(table, INGEST)["ranges"] == {"total": 1, "done": 0}
    table.batch_write(parts[-1:])
    assert status(table, INGEST)["ranges"] == {"total": 1, "done": 1}


def test_ingest_status_of_a_rejected_object_names_the_reason() -> None:
    """A whole object that was refused says why."""
    table = MemoryTable()
    table.put(manifest_item(Manifest(INGEST, 0, 0, rejected=Reason.MISSING_COLUMN, rejected_detail="price is missing")))
    answer = status(table, INGEST)
    assert (answer["state"], answer["ticks"]) == ("rejected", 0)
    assert answer["reason"] == {"code": "missing_column", "message": "price is missing"}


def test_ingest_status_of_an_object_refused_in_reading_it_names_the_reason() -> None:
    """What only the processor could see, a truncated gzip, is said like what ingestion saw, once all is done."""
    table = MemoryTable()
    table.put(manifest_item(Manifest(INGEST, 0, 2)))
    refusal = Refusal(Reason.OBJECT_GONE, "deleted")
    table.batch_write(receipt_items(Receipt(INGEST, 1, 0, 1, 10, {}, refusal), 0))
    assert status(table, INGEST)["state"] != "rejected"
    table.batch_write(receipt_items(Receipt(INGEST, 0, 7, 0, 10, {"A": (1,)}), 0))
    assert status(table, INGEST)["state"] == "retracting"  # the other range is about to be taken back
    answer = status(table, INGEST, 900_001)
    assert (answer["state"], answer["ticks"], answer["rejected"]) == ("partly_rejected", 7, 1)
    assert answer["reason"] == {"code": "object_gone", "message": "deleted"}


@pytest.mark.parametrize(
    ("ticks", "state"), [((0, 0, None), "rejected"), ((3, 0, None), "partly_rejected"), ((3, 5, 0), "complete")]
)
def test_m12_an_ingest_with_ticks_in_bars_is_not_called_rejected(ticks: tuple[int | None, ...], state: str) -> None:
    """Three ranges of which some may be refused (None): `ticks` are those in bars, and the state says if all are."""
    table = MemoryTable()
    table.put(manifest_item(Manifest(INGEST, 0, 3)))
    for index, count in enumerate(ticks):
        refusal = Refusal(Reason.CORRUPT_PARQUET, "damaged") if count is None else None
        table.batch_write(receipt_items(Receipt(INGEST, index, count or 0, 1, 10, {}, refusal), 0))
    answer = status(table, INGEST, 900_001)
    assert (answer["state"], answer["ticks"]) == (state, sum(count or 0 for count in ticks))
    assert ("reason" in answer) == (None in ticks)


SOURCE = Source("bucket-name", "day.csv", "v1", "etag", 100)
RECEIVED_MS = 1_767_623_400_123
SIXTY_DAYS_MS = 60 * 24 * 3600 * 1000


@pytest.mark.parametrize("source", [None, SOURCE])
@pytest.mark.parametrize("deleted", range(8))
def test_i4_an_ingest_is_whole_until_it_expires_and_then_gone(source: Source | None, deleted: int) -> None:
    """DynamoDB deletes what has expired one by one, in any order: whatever is left says nothing any more."""
    clock_ms = [RECEIVED_MS]
    table = MemoryTable(now_s=lambda: clock_ms[0] // 1000)
    table.put(manifest_item(Manifest(INGEST, RECEIVED_MS, 2, source=source)))
    for index in range(2):
        table.batch_write(receipt_items(Receipt(INGEST, index, 50, 0, RECEIVED_MS, {}), RECEIVED_MS))
    clock_ms[0] = (RECEIVED_MS + SIXTY_DAYS_MS) // 1000 * 1000 - 1
    answer = status(table, INGEST, clock_ms[0])
    assert (answer["state"], answer["ticks"]) == ("complete", 100)
    clock_ms[0] += 1
    expired = [key for key, item in table.contents().items() if "expiresAt" in item]
    table.batch_write((), [key_of(*key) for bit, key in enumerate(expired) if deleted >> bit & 1])
    with pytest.raises(BadRequest) as raised:
        status(table, INGEST, clock_ms[0])
    assert (raised.value.status, raised.value.code) == (404, "unknown_ingest")


def test_ingest_status_of_a_post_counts_what_was_refused_at_the_door() -> None:
    """Ticks that the API refused are among the rejected ones."""
    table = MemoryTable()
    table.put(manifest_item(Manifest(INGEST, 0, 1, accepted=5, refused=2)))
    table.batch_write(receipt_items(Receipt(INGEST, 0, 5, 0, 10, {"A": (1,)}), 0))
    answer = status(table, INGEST)
    assert (answer["state"], answer["ticks"], answer["rejected"]) == ("complete", 5, 2)


@pytest.mark.parametrize(
    ("ingest_id", "code", "name"),
    [
        (INGEST, 404, "unknown_ingest"),
        (INGEST.upper(), 400, "bad_ingest_id"),
        (INGEST[1:], 400, "bad_ingest_id"),
        (INGEST + "\n", 400, "bad_ingest_id"),
    ],
)
def test_ingest_status_of_a_bad_or_unknown_id(ingest_id: str, code: int, name: str) -> None:
    """400 for what is no id, 404 for one that nobody has."""
    with pytest.raises(BadRequest) as raised:
        status(MemoryTable(), ingest_id)
    assert (raised.value.status, raised.value.code) == (code, name)


def test_the_handler_answers_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """400, 404, 503 and 500 are answers in one form; none tells of the inside."""
    monkeypatch.setenv("TABLE_NAME", "arn:aws:dynamodb:secret")
    monkeypatch.setenv("OVERDUE_SECONDS", "900")
    monkeypatch.setenv("DATA_BUCKET", "market-data-test")
    monkeypatch.setattr(data_query, "DynamoTable", lambda *_: None)
    event = {"httpMethod": "GET", "resource": "/bars/{symbol+}", "pathParameters": {"symbol": "a b"}}

    def failing(error: Exception) -> dict[str, Any]:
        def fail(*_: object) -> dict[str, Any]:
            raise error

        monkeypatch.setattr(data_query, "respond", fail)
        return invoke(event)

    bad = invoke(event)
    assert (bad["statusCode"], json.loads(bad["body"])["error"]["code"]) == (400, "bad_symbol")
    assert bad["headers"]["Cache-Control"] == "no-store"
    busy = failing(ServiceIncomplete("arn:aws:dynamodb:secret"))
    assert (busy["statusCode"], json.loads(busy["body"])["error"]["code"]) == (503, "try_again")
    broken = failing(RuntimeError("arn:aws:dynamodb:secret"))
    assert (broken["statusCode"], json.loads(broken["body"])["error"]["code"]) == (500, "internal_error")
    assert "request-1" in broken["body"]
    assert all("secret" not in answer["body"] for answer in (bad, busy, broken))


def test_the_handler_without_its_environment_is_a_500_and_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong deployment is nobody's 400."""
    monkeypatch.delenv("TABLE_NAME", raising=False)
    assert invoke({"httpMethod": "GET", "resource": "/bars/{symbol+}"})["statusCode"] == 500
