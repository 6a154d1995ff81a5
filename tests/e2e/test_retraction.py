"""Ingests that are taken back, and objects that count as a whole or not at all, on a running stack."""

from __future__ import annotations

import io

import polars as pl

from tests.e2e.market import MarketStack, csv, expected_bars, trades
from tests.patience import wait_until_true

ROWS_A_GROUP = 6_000


def test_m25_an_upload_that_was_wrong_is_taken_back(market: MarketStack) -> None:
    """Its ticks leave the bars, the others stay, and the same file put again counts again."""
    right, wrong = trades("E2E.BACK", 40), trades("E2E.BACK", 300, step_ns=40_000_000)
    market.wait_for_state(market.put("back/right.csv", csv(right)))
    ingest_id = market.put("back/wrong.csv", csv(wrong))
    market.wait_for_state(ingest_id)
    assert market.bars("E2E.BACK") != expected_bars(right)

    answer = market.take_back(ingest_id)
    assert (answer.status, answer.body["state"]) == (200, "retracting")
    status = market.wait_for_state(ingest_id, "retracted")
    assert status["retraction"]["cause"] == "asked"
    assert market.bars("E2E.BACK") == expected_bars(right)
    assert market.take_back(ingest_id).body["state"] == "retracted"

    again = market.put("back/wrong.csv", csv(wrong))
    assert again == ingest_id  # by its bytes: what became of the new one is found by its key
    both = sorted([*right, *wrong], key=lambda one: one.timestamp_ns)
    wait_until_true("the ticks to count again", lambda: ticks(market, "E2E.BACK") == len(both))


def test_m25_a_compacted_hour_is_put_together_again(market: MarketStack) -> None:
    """More objects than a compaction takes, of which one is taken back after they are a segment."""
    all_trades = trades("E2E.SEGMENT", 600, step_ns=5_000_000)
    parts = [all_trades[start : start + 10] for start in range(0, 600, 10)]
    ingests = [market.put(f"segment/{number:02}.csv", csv(part)) for number, part in enumerate(parts)]
    for ingest_id in ingests:
        market.wait_for_state(ingest_id)
    wait_until_true("the hour to be a segment", lambda: aggregated(market, "aside#E2E.SEGMENT"))

    market.take_back(ingests[7])
    market.wait_for_state(ingests[7], "retracted")
    rest = [one for number, part in enumerate(parts) if number != 7 for one in part]
    assert market.bars("E2E.SEGMENT") == expected_bars(rest)


def test_m25_an_object_with_a_damaged_part_counts_not_at_all(market: MarketStack) -> None:
    """One of three row groups is damaged: `rejected`, no tick in any bar; the repaired file brings exactly its own."""
    all_trades = trades("E2E.WHOLE", 3 * ROWS_A_GROUP, step_ns=10_000_000)
    fields = {
        "symbol": [one.symbol for one in all_trades],
        "timestamp": [one.timestamp_ns for one in all_trades],
        "price": [one.price for one in all_trades],
        "size": [one.size for one in all_trades],
    }
    written = io.BytesIO()
    pl.DataFrame(fields).write_parquet(written, row_group_size=ROWS_A_GROUP, compression="uncompressed")
    whole = written.getvalue()
    damaged = bytearray(whole)
    third = len(whole) // 3
    damaged[third + 1_000 : 2 * third - 1_000] = b"\xff" * (third - 2_000)

    ingest_id = market.put("whole/day.parquet", bytes(damaged))
    seen: set[str] = set()

    def is_rejected() -> bool:
        seen.add(market.ingest(ingest_id).body.get("state", ""))
        return "rejected" in seen

    wait_until_true("the object to be rejected", is_rejected)
    assert "complete" not in seen
    assert ticks(market, "E2E.WHOLE") == 0
    status = market.ingest(ingest_id).body
    assert status["ranges"]["total"] == 3
    assert status["reason"]["code"] == "corrupt_parquet"
    assert status["ticks"] > 0, "the damage was to be in one part alone"

    market.wait_for_state(market.put("whole/day.parquet", whole))
    assert market.bars("E2E.WHOLE") == expected_bars(all_trades)


def ticks(market: MarketStack, symbol: str) -> int:
    """How many ticks the bars of a symbol have; 0 where it is not known."""
    answer = market.call("GET", f"/bars/{symbol}?from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z&interval=1d")
    return sum(bar["ticks"] for bar in answer.body.get("bars", ()))


def aggregated(market: MarketStack, partition: str) -> bool:
    """Whether anything stands in a partition of the table; the schedule is run first."""
    market.aggregate()
    found = market.dynamodb.query(
        TableName=market.outputs["tableName"],
        KeyConditionExpression="symbol = :partition",
        ExpressionAttributeValues={":partition": {"S": partition}},
        Select="COUNT",
    )
    return bool(found["Count"])
