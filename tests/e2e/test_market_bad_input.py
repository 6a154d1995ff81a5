"""Bad input: each kind gets a clear answer, hurts only itself, and nothing of it is lost."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.market import HEADER, OPEN_NS, csv, expected_bars, trades

if TYPE_CHECKING:
    from tests.e2e.market import MarketStack

GOOD_ROW = f"E2E.BAD,{OPEN_NS},10.5,3\n"


@pytest.mark.parametrize("body", [b"", HEADER.encode(), HEADER.strip().encode()], ids=["empty", "header", "no newline"])
def test_an_object_without_rows_is_complete_at_once(market: MarketStack, body: bytes) -> None:
    """Nothing to count is no error."""
    status = market.wait_for_state(market.put(f"bad/without-rows-{len(body)}.csv", body))
    assert (status["ticks"], status["rejected"]) == (0, 0)


@pytest.mark.parametrize(
    ("name", "body", "reason", "says"),
    [
        ("missing-column.csv", b"symbol,timestamp,price\nA,1,2\n", "missing_column", "size"),
        ("unknown.bin", bytes(range(256)) * 8, "unknown_format", ""),
        ("truncated.csv.gz", gzip.compress(csv(trades("E2E.TRUNCATED", 500)), mtime=0)[:-20], "corrupt_gzip", ""),
    ],
)
def test_an_object_that_cannot_be_read_is_rejected_whole(
    market: MarketStack, name: str, body: bytes, reason: str, says: str
) -> None:
    """An object that is no ticks as a whole is rejected with a reason, retried by nobody, and counts nothing."""
    ingest_id = market.put(f"bad/{name}", body)
    status = market.wait_for_state(ingest_id, "rejected")
    assert status["reason"]["code"] == reason
    assert says in status["reason"]["message"]
    assert status["ticks"] == 0
    assert market.call("GET", "/bars/E2E.TRUNCATED").status == 404


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"E2E.BAD,%d,\xff\xfe,3\n", "not_utf8"),
        (b"E2E.BAD,%d,1.5e10,3\n", "bad_price"),
        (b"E2E.BAD,%d,9000000000,3\n", "bad_price"),
        (b"E2E.BAD,%d,10.5,-3\n", "bad_size"),
        (b"e2e bad,%d,10.5,3\n", "bad_symbol"),
        (b"E2E.BAD,%d,10.5\n", "malformed_row"),
        (b"E2E.BAD,%d,,3\n", "missing_field"),
        (b'E2E.BAD,%d,"10.5,3\n', "malformed_row"),
        (b"E2E.BAD,1767623400,10.5,3\n", "timestamp_out_of_range"),
        (b"E2E.BAD,soon,10.5,3\n", "bad_timestamp"),
    ],
)
def test_m21_a_bad_row_is_rejected_with_its_reason_and_raw_text(market: MarketStack, row: bytes, reason: str) -> None:
    """A bad row is kept with reason, offset and raw text; the good rows around it count."""
    bad = row.replace(b"%d", str(OPEN_NS).encode())
    body = HEADER.encode() + GOOD_ROW.encode() + bad + GOOD_ROW.encode()
    ingest_id = market.put(f"bad/rows/{reason}-{len(bad)}-{bad[-4:].hex()}.csv", body)
    status = market.wait_for_state(ingest_id)
    assert (status["ticks"], status["rejected"]) == (2, 1)
    [reject] = market.rejects(ingest_id)
    assert reject["reason"] == reason
    assert reject["offset"] == body.index(bad)
    if reason != "not_utf8":
        assert reject["raw"] == bad.decode().rstrip("\n")


def test_a_line_of_ten_megabytes_hurts_only_itself(market: MarketStack) -> None:
    """A line far longer than a row may be is rejected once, however many ranges it spans, and its neighbours count."""
    before, after = trades("E2E.LONGLINE", 5), trades("E2E.LONGLINE", 9)[5:]
    rows_before, rows_after = csv(before), "".join(row.row() for row in after).encode()
    body = rows_before + b"X" * 10_000_000 + b"\n" + rows_after
    status = market.wait_for_state(market.put("bad/long-line.csv", body))
    assert (status["ticks"], status["rejected"]) == (9, 1)
    assert market.bars("E2E.LONGLINE") == expected_bars([*before, *after])


def test_an_object_deleted_before_it_is_read(market: MarketStack) -> None:
    """An object whose version is gone when its turn comes is rejected with that reason, not retried for ever."""
    body = csv(trades("E2E.GONE", 3))
    bucket = market.outputs["bucketName"]
    event = {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "eventTime": "2026-01-05T14:30:00.000Z",
                "s3": {
                    "bucket": {"name": bucket},
                    "object": {"key": "bad/gone.csv", "size": len(body), "eTag": "0" * 32, "versionId": "gone"},
                },
            }
        ]
    }
    market.invoke("ingestionFunctionName", event)
    from tickstream.keys import object_ingest_id  # noqa: PLC0415 - only here

    status = market.wait_for_state(object_ingest_id(bucket, "bad/gone.csv", "0" * 32, len(body)), "rejected")
    assert status["reason"]["code"] == "object_gone"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"this is not JSON", 400, None),
        (b'{"ticks": [', 400, None),
        (b"[1, 2]", 400, None),
        (b'{"ticks": "none"}', 400, None),
        (b'{"ticks": []}', 400, None),
        (b"[" * 5_000 + b"]" * 5_000, 400, None),
        (json.dumps({"ticks": [{"symbol": "A", "price": 1, "size": 1}] * 10_001}).encode(), 413, "too_many_ticks"),
        (json.dumps({"ticks": [], "padding": "x" * 950_000}).encode(), 413, "body_too_large"),
    ],
    ids=["not json", "half json", "array", "ticks no list", "no ticks", "deep", "10001 ticks", "oversized"],
)
def test_m11_a_bad_body_is_refused(market: MarketStack, body: bytes, status: int, code: str | None) -> None:
    """A body that is no list of ticks, or too much of one, is refused with one clear sentence."""
    answer = market.call("POST", "/ingest", body, {"Content-Type": "application/json"})
    assert answer.status == status, answer
    assert answer.body["error"]["message"]
    if code:
        assert answer.body["error"]["code"] == code


def test_posted_ticks_that_are_all_bad_are_refused_with_reasons(market: MarketStack) -> None:
    """Where no tick of a POST is good the answer is 400 and says why for each."""
    answer = market.post({"ticks": [{"symbol": "A", "price": "1e10", "size": 1}, {"symbol": "A", "price": 1}]})
    assert answer.status == 400
    assert [reason["reason"] for reason in answer.body["error"]["reasons"]] == ["bad_price", "missing_field"]


def test_posted_ticks_that_are_partly_bad_are_counted_and_named(market: MarketStack) -> None:
    """One bad tick does not refuse the others: the answer counts both and gives the reason."""
    good = {"symbol": "E2E.PARTLY", "timestamp": OPEN_NS, "price": "2.5", "size": "2"}
    answer = market.post({"ticks": [good, {**good, "price": "+1"}, good]})
    assert answer.status == 200
    assert (answer.body["accepted"], answer.body["rejected"]) == (2, 1)
    assert answer.body["reasons"][0]["position"] == 1
    market.wait_for_state(answer.body["ingestId"])
    assert market.bars("E2E.PARTLY")[0]["ticks"] == 2


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/bars/E2E.NOSUCH", 404, "unknown_symbol"),
        ("/bars/ingest%23abc", 400, None),
        ("/bars/E2E.BAD?from=2026-01-06T00:00:00Z&to=2026-01-05T00:00:00Z", 400, None),
        ("/bars/E2E.BAD?interval=7m", 400, None),
        ("/bars/E2E.BAD?from=yesterday", 400, None),
        ("/bars/E2E.BAD?nextToken=forged", 400, None),
        ("/bars/E2E.BAD?limit=0", 400, None),
        ("/ingest/" + "0" * 32, 404, None),
        ("/ingest/nonsense", 400, None),
    ],
)
def test_m12_a_bad_query_is_refused(market: MarketStack, path: str, status: int, code: str | None) -> None:
    """A question that makes no sense gets a 4xx with one clear sentence, and nothing of the inside."""
    answer = market.call("GET", path)
    assert answer.status == status, answer
    assert answer.body["error"]["message"]
    if code:
        assert answer.body["error"]["code"] == code
    assert "arn:" not in json.dumps(answer.body)
