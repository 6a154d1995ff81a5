"""What becomes of objects and posted ticks, also when they come twice, again, changed or together."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import polars as pl
import pytest

from tests.e2e.market import MINUTE_NS, OPEN_NS, Trade, csv, expected_bars, trades
from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

    from tests.e2e.market import MarketStack


def _json_lines(rows: list[Trade]) -> bytes:
    return "".join(
        f'{{"symbol":"{row.symbol}","timestamp":{row.timestamp_ns},"price":{row.price},"volume":{row.size}}}\n'
        for row in rows
    ).encode()


def _parquet(rows: list[Trade]) -> bytes:
    frame = pl.DataFrame(
        {
            "symbol": [row.symbol for row in rows],
            "timestamp": [row.timestamp_ns for row in rows],
            "price": [row.price for row in rows],
            "size": [row.size for row in rows],
        }
    )
    out = io.BytesIO()
    frame.write_parquet(out, row_group_size=200)
    return out.getvalue()


@pytest.mark.parametrize(
    ("symbol", "suffix", "write"),
    [
        ("E2E.CSV", ".csv", csv),
        ("E2E.GZ", ".csv.gz", lambda rows: gzip.compress(csv(rows))),
        ("E2E.JSONL", ".jsonl", _json_lines),
        ("E2E.JSONLGZ", ".jsonl.gz", lambda rows: gzip.compress(_json_lines(rows))),
        ("E2E.PARQUET", ".parquet", _parquet),
    ],
)
def test_m03_each_format_becomes_exact_bars(
    market: MarketStack, symbol: str, suffix: str, write: Callable[[list[Trade]], bytes]
) -> None:
    """An object in each format, of several ranges where it can be cut, gives the bars that Decimal gives."""
    rows = trades(symbol, 1_000)
    status = market.wait_for_state(market.put(f"formats/{symbol}{suffix}", write(rows)))
    assert status["ticks"] == 1_000
    assert status["rejected"] == 0
    assert market.bars(symbol) == expected_bars(rows)


def test_a_csv_object_is_cut_into_ranges(market: MarketStack) -> None:
    """An object larger than the range size has a receipt for each of several ranges, and no row is lost between."""
    rows = trades("E2E.RANGES", 4_000)
    status = market.wait_for_state(market.put("ranges/many.csv", csv(rows)))
    assert status["ranges"]["total"] > 2
    assert status["ranges"]["done"] == status["ranges"]["total"]
    assert status["ticks"] == 4_000


def test_the_same_object_put_twice_counts_once(market: MarketStack) -> None:
    """The same bytes under the same key again are the same ingest and change no bar."""
    rows = trades("E2E.TWICE", 50)
    first = market.put("twice/same.csv", csv(rows))
    market.wait_for_state(first)
    again = market.put("twice/same.csv", csv(rows))
    assert again == first
    # Something put later has gone the whole way, so what was put before it had its chance to count again.
    market.wait_for_state(market.put("twice/after.csv", csv(trades("E2E.AFTER", 1))))
    market.aggregate()
    assert market.bars("E2E.TWICE") == expected_bars(rows)


def test_a_duplicate_s3_event_counts_once(market: MarketStack) -> None:
    """S3 may deliver an event twice: the second finds the manifest and nothing is counted again."""
    rows = trades("E2E.DUPEVENT", 50)
    body = csv(rows)
    ingest_id = market.put("events/duplicate one.csv", body)
    market.wait_for_state(ingest_id)
    head = market.s3.head_object(Bucket=market.outputs["bucketName"], Key="events/duplicate one.csv")
    event = {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "eventTime": "2026-01-05T14:30:00.000Z",
                "s3": {
                    "bucket": {"name": market.outputs["bucketName"]},
                    "object": {
                        "key": "events/duplicate+one.csv",
                        "size": len(body),
                        "eTag": head["ETag"].strip('"'),
                        "versionId": head["VersionId"],
                        "sequencer": "1",
                    },
                },
            }
        ]
    }
    for _ in range(3):
        market.invoke("ingestionFunctionName", event)
    market.wait_for_state(market.put("events/after.csv", csv(trades("E2E.AFTER", 1))))
    assert market.wait_for_state(ingest_id)["ticks"] == 50
    assert market.bars("E2E.DUPEVENT") == expected_bars(rows)


@pytest.mark.parametrize("padding_bytes", [0, 200_000])
def test_i2_the_same_bytes_in_other_parts_or_under_a_kms_key_count_once(
    market: MarketStack, padding_bytes: int
) -> None:
    """Uploads in parts of other sizes and under a KMS key have other ETags; the bytes are the same."""
    symbol = f"E2E.PARTS{padding_bytes}"
    rows = trades(symbol, 30)
    header, *lines = csv(rows).decode().splitlines()
    body = "\n".join([f"{header},conditions", *(f"{line},{'x' * padding_bytes}" for line in lines), ""]).encode()
    bucket, key = market.outputs["bucketName"], f"parts/{padding_bytes}.csv"

    def upload(part_bytes: int, **how: str) -> tuple[str, str]:
        upload_id = market.s3.create_multipart_upload(
            Bucket=bucket, Key=key, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT", **how
        )["UploadId"]
        parts: list[CompletedPartTypeDef] = []
        for number, start in enumerate(range(0, len(body), part_bytes), 1):
            part = market.s3.upload_part(
                Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body[start : start + part_bytes],
                ChecksumAlgorithm="CRC64NVME",
            )  # fmt: skip
            crc = part["ChecksumCRC64NVME"]
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC64NVME": crc})
        done = market.s3.complete_multipart_upload(
            Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )
        etag = done["ETag"].strip('"')
        plain = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return keys.object_ingest_id(bucket, key, plain if not padding_bytes else etag, len(body)), etag

    first, first_etag = upload(5 << 20)
    status = market.wait_for_state(first)
    assert status["ticks"] == 30
    kms = market.target.client("kms").create_key()["KeyMetadata"]["Arn"]
    _, second_etag = upload(6 << 20, ServerSideEncryption="aws:kms", SSEKMSKeyId=kms)
    assert (first_etag == second_etag) is (padding_bytes == 0)
    market.wait_for_state(market.put("parts/after.csv", csv(trades("E2E.AFTER", 1))))
    market.aggregate()
    assert market.wait_for_state(first) == status
    assert market.bars(symbol) == expected_bars(rows)


def test_i2_an_event_with_an_etag_that_is_no_digest_counts_once(market: MarketStack) -> None:
    """Under a KMS key S3 gives each version of the same bytes another ETag; LocalStack does not, so the event does."""
    rows = trades("E2E.KMS", 20)
    body = csv(rows)
    ingest_id = market.put("kms/one.csv", body)
    market.wait_for_state(ingest_id)
    version = market.s3.head_object(Bucket=market.outputs["bucketName"], Key="kms/one.csv")["VersionId"]
    for digit in "ab":
        found = {"key": "kms/one.csv", "size": len(body), "eTag": digit * 32, "versionId": version, "sequencer": "1"}
        put = {"bucket": {"name": market.outputs["bucketName"]}, "object": found}
        record = {"eventTime": "2026-01-05T14:30:00.000Z", "s3": put}
        market.invoke("ingestionFunctionName", {"Records": [record]})
    market.wait_for_state(market.put("kms/after.csv", csv(trades("E2E.AFTER", 1))))
    assert market.bars("E2E.KMS") == expected_bars(rows)


def test_new_bytes_under_an_old_key_are_added(market: MarketStack) -> None:
    """A key overwritten with new bytes is a new ingest: its ticks are added, none are replaced."""
    old = trades("E2E.OVERWRITE", 20)
    new = trades("E2E.OVERWRITE", 30, start_ns=OPEN_NS + 10 * MINUTE_NS)
    first = market.put("overwritten/key.csv", csv(old))
    second = market.put("overwritten/key.csv", csv(new))
    assert first != second
    market.wait_for_state(first)
    market.wait_for_state(second)
    assert market.bars("E2E.OVERWRITE") == expected_bars([*old, *new])


def test_equal_timestamps_in_two_objects_are_ordered_by_key(market: MarketStack) -> None:
    """Of ticks at the same nanosecond in two objects, the smaller key's come first, whichever arrives first."""
    one = [Trade("E2E.TIES", OPEN_NS, "10.5", "1"), Trade("E2E.TIES", OPEN_NS, "10.7", "1")]
    two = [Trade("E2E.TIES", OPEN_NS, "20.5", "1"), Trade("E2E.TIES", OPEN_NS, "20.5", "1")]
    market.wait_for_state(market.put("ties/b.csv", csv(two)))
    market.wait_for_state(market.put("ties/a.csv", csv(one)))
    assert market.bars("E2E.TIES") == expected_bars([*one, *two])


def test_many_posts_of_one_hour_are_compacted_and_exact(market: MarketStack) -> None:
    """More than a hundred POSTs to one symbol and hour, from four callers at once, end in few items and one truth."""
    rows = trades("E2E.POSTS", 120, step_ns=1_000_000_000)
    ingest_ids: list[str] = []
    lock = threading.Lock()

    def post(mine: list[Trade]) -> None:
        for row in mine:
            answer = market.post(
                {"symbol": row.symbol, "timestamp": row.timestamp_ns, "price": row.price, "size": row.size}
            )
            assert answer.status == 200, answer
            with lock:
                ingest_ids.append(answer.body["ingestId"])

    callers = [threading.Thread(target=post, args=(rows[caller::4],)) for caller in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(set(ingest_ids)) == 120
    for ingest_id in ingest_ids:
        market.wait_for_state(ingest_id)
    market.aggregate()
    assert market.bars("E2E.POSTS") == expected_bars(rows)
    items = market.dynamodb.query(
        TableName=market.outputs["tableName"],
        KeyConditionExpression="symbol = :symbol",
        ExpressionAttributeValues={":symbol": {"S": "E2E.POSTS"}},
        ConsistentRead=True,
        ProjectionExpression="#sort",
        ExpressionAttributeNames={"#sort": "timestamp"},
    )["Items"]
    assert len(items) < 60, f"{len(items)} items are left of 120 slices"


def test_m11_an_idempotency_key_counts_once_and_refuses_another_body(market: MarketStack) -> None:
    """A POST repeated under its Idempotency-Key gives the same ingest; the key with another body is a conflict."""
    tick = {"symbol": "E2E.IDEM", "timestamp": OPEN_NS, "price": "5.25", "size": "4"}
    headers = {"Idempotency-Key": "order-1"}
    first = market.post(tick, headers)
    again = market.post(tick, headers)
    assert first.status == again.status == 200
    assert first.body["ingestId"] == again.body["ingestId"]
    assert market.post({**tick, "price": "6"}, headers).status == 409
    market.wait_for_state(first.body["ingestId"])
    market.wait_for_state(market.put("idem/after.csv", csv(trades("E2E.AFTER", 1))))
    assert market.bars("E2E.IDEM") == expected_bars([Trade("E2E.IDEM", OPEN_NS, "5.25", "4")])


def test_a_post_without_timestamp_gets_the_time_of_receipt(market: MarketStack) -> None:
    """A tick without a timestamp is stamped on receipt, and the answer says with what."""
    answer = market.post({"symbol": "E2E.NOW", "price": "1.5", "size": 2})
    assert answer.status == 200
    assert answer.body["accepted"] == 1
    assert "receivedAt" in answer.body
    market.wait_for_state(answer.body["ingestId"])


def test_m12_many_symbols_in_one_post(market: MarketStack) -> None:
    """POST /bars answers several symbols at once and lists those that nobody ever traded."""
    for symbol in ("E2E/A", "E2E/B"):
        market.wait_for_state(market.put(f"many/{symbol}.csv", csv(trades(symbol, 10))))
    answer = market.call(
        "POST",
        "/bars",
        json.dumps(
            {
                "symbols": ["E2E/A", "E2E/B", "E2E/NOBODY"],
                "from": "2026-01-05T14:30:00Z",
                "to": "2026-01-05T15:30:00Z",
                "interval": "1h",
            }
        ).encode(),
    )
    assert answer.status == 200, answer
    assert answer.body["unknown"] == ["E2E/NOBODY"]
    # The hour bar that starts at 14:00 lies before `from`, so the half hour asks for none.
    assert answer.body["bars"] == {"E2E/A": [], "E2E/B": []}


@pytest.mark.parametrize("path", ["E2E/SLASH", "E2E%2FSLASH"])
def test_m12_a_symbol_with_a_slash(market: MarketStack, path: str) -> None:
    """A symbol with a slash is found, written as it is or percent-encoded."""
    rows = trades("E2E/SLASH", 5)
    market.wait_for_state(market.put("slash.csv", csv(rows)))
    assert market.bars(path) == expected_bars(rows)


@pytest.mark.parametrize(("interval", "minutes"), [("5m", 5), ("15m", 15), ("1h", 60), ("1d", 1440)])
def test_m12_longer_intervals_are_merged_minutes(market: MarketStack, interval: str, minutes: int) -> None:
    """Bars of a longer interval are what the same trades give at that width."""
    rows = trades("E2E.INTERVALS", 600, step_ns=7_000_000_000)
    market.wait_for_state(market.put("intervals.csv", csv(rows)))
    grouped: dict[int, list[Trade]] = {}
    for row in rows:
        grouped.setdefault(row.timestamp_ns // (minutes * MINUTE_NS), []).append(row)
    whole = [expected_bars(Trade(row.symbol, 0, row.price, row.size) for row in group)[0] for group in grouped.values()]
    assert market.bars("E2E.INTERVALS", interval=interval) == whole


@pytest.mark.parametrize(
    "symbol", ["O:SPY260918C00770000", "^GSPC", "GC=F", "1000PEPE/USDT:USDT", "btc_perp", "A%41", "A+B", "?&;'~"]
)
def test_a_vendors_symbol_is_asked_for_as_it_is(market: MarketStack, symbol: str) -> None:
    """Whatever a symbol holds, its bars are found under it, by path and by body; without volume there is no VWAP."""
    tick = {"symbol": symbol, "timestamp": "2026-01-05 14:30:00+00", "price": "-3.763e1", "size": "0.0000000000"}
    market.wait_for_state(market.post({"ticks": [tick]}).body["ingestId"])
    market.wait_until_closed(symbol)
    window = {"from": "2026-01-05 14:30:00 UTC", "to": "2026-01-05T14:31:00Z"}
    [bar] = market.call("GET", f"/bars/{quote(symbol)}?{urlencode(window)}").body["bars"]
    assert (bar["open"], bar["volume"], bar["notional"], bar["vwap"]) == ("-37.63", "0", "0", None)
    asked = json.dumps({"symbols": [symbol], **window}).encode()
    assert market.call("POST", "/bars", asked).body["bars"] == {symbol: [bar]}
