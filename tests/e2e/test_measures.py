from __future__ import annotations

import secrets
import time
from collections import Counter
from typing import TYPE_CHECKING

from bench.ledger.api_client import ApiClient
from bench.ledger.sent import Ledger, Outcome, Sent
from bench.ledger.truth import ObjectFile
from bench.market_analytics.load import Deployed, push
from bench.market_analytics.recording.recorder import Recorder
from bench.measure.journal import read_journal
from bench.stack import deployment
from bench.synthetic.factory import Factory
from bench.workloads import load
from tests.e2e.market import MarketStack, csv, trades
from tests.patience import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from bench.ledger.truth import PostBody
    from bench.measure.journal import Journal
    from bench.targets.embedded import EmbeddedTarget


def test_requests_and_latencies_of_an_upload_are_measured(target: EmbeddedTarget, market: MarketStack) -> None:
    """Who asked what of which service, what the functions used, and how long the upload took to each stage."""
    name = f"MEAS{secrets.token_hex(2).upper()}"
    body = csv(trades(name, 4_000))
    processor, aggregator = market.outputs["processorFunctionName"], market.outputs["aggregatorFunctionName"]
    ledger = Ledger()
    began_s = time.monotonic()
    api = ApiClient(target, target.api_url(market.outputs["restApiId"], "e2e"))
    recorder = Recorder(target, market.outputs["tableName"], api, ledger, lambda: time.monotonic() - began_s)
    with recorder:
        ingest_id = market.put(f"{name}.csv", body)
        sent = Sent(
            ordinal=0,
            key=f"{name}.csv",
            etag="",
            version_id="",
            ingest_id=ingest_id,
            rows=4_000,
            size_bytes=len(body),
            intended_s=0.0,
            sent_s=0.0,
            acknowledged_s=time.monotonic() - began_s,
            outcome=Outcome.ACKNOWLEDGED,
        )
        ledger.record(sent)
        ranges = market.wait_for_state(ingest_id)["ranges"]["total"]
        wait_until("the rollup", lambda: _rolled_up(target, ingest_id, ranges) or None)
        # Both answer only after what the rollup waited for.
        wait_until("the functions' ends", lambda: _ended(target, {processor, aggregator}, ranges) or None)
    facts = recorder.facts()

    stages = facts["latency_ms"]["stages"]
    ingested, processed, event, rollup = (
        stages[stage]["p50"] for stage in ("ingested", "processed", "event", "rollup")
    )
    # Which of the last two comes first is open: the schedule may roll up what is not announced yet.
    assert 0 < ingested <= processed <= min(event, rollup)
    # Whatever is done at the first look at it has no moment at which it was seen first.
    visible = stages.pop("visible")
    assert visible is None or visible["count"] == 1
    assert all(stage["count"] == 1 for stage in stages.values())

    items: Counter[tuple[str, str, str]] = Counter()
    for one in facts["requests"]:
        items[one["caller"], one["service"], one["operation"]] += one["items"]
    functions = {one["function"]: one for one in facts["functions"]}
    # At least: a busy machine is asked again, and a message may come twice.
    assert items["bench", "s3", "PutObject"] >= 1
    assert items["bench", "execute-api", "GET /ingest"] > 0
    assert items[market.outputs["ingestionFunctionName"], "sqs", "SendMessageBatch"] >= ranges
    assert items["aws:lambda", "sqs", "DeleteMessageBatch"] >= ranges
    # A small object is read once for all its ranges in a batch, and one event tells of them.
    assert items[processor, "s3", "GetObject"] > 0
    assert items[processor, "events", "PutEvents"] > 0
    assert items[aggregator, "dynamodb", "BatchWriteItem"] > 0
    assert items["localstack", "lambda", "Invoke"] > 0
    assert all(functions[name]["billed_ms"] > 0 for name in (processor, aggregator))


def test_what_trickles_in_is_taken_off_the_list_round_by_round(
    target: EmbeddedTarget, market: MarketStack, tmp_path: Path
) -> None:
    """Streams put an object a round; each round is committed before the next, and the list is as long as at first."""
    workload = load("trickle", ticks=900, symbols=60, streams=60, rounds=3)
    objects, truth = tmp_path / "objects", tmp_path / "truth"
    objects.mkdir()
    truth.mkdir()
    pieces = tuple(Factory(workload, objects, truth).make())
    api = ApiClient(target, target.api_url(market.outputs["restApiId"], "e2e"))
    deployed = Deployed(target, deployment.outputs_of(target, "e2e"), api)
    pushed = push(deployed, pieces, lambda *_: None, ticks_a_second=None, stall_s=60.0)
    assert pushed.completion.complete, pushed.completion.explanation
    assert len(pushed.rounds.facts()) == 3
    (check,) = pushed.rounds.checks()
    assert check.passed, check.detail
    # No object was sent before all of the rounds before it had been answered.
    sent = {entry.ordinal: (entry.sent_s, entry.acknowledged_s) for entry in pushed.ledger.entries()}
    for piece in pieces:
        before = [sent[one.ordinal][1] for one in pieces if _round_of(one) < _round_of(piece)]
        assert sent[piece.ordinal][0] >= max(before, default=0.0)


def _round_of(piece: ObjectFile | PostBody) -> int:
    assert isinstance(piece, ObjectFile)
    return piece.round


def _journal(target: EmbeddedTarget) -> Journal:
    journal = read_journal(target)
    assert journal is not None
    return journal


def _rolled_up(target: EmbeddedTarget, ingest_id: str, ranges: int) -> bool:
    journal = _journal(target)
    return all(journal.times_of(ingest_id, index).rolled_up_ms for index in range(ranges))


def _ended(target: EmbeddedTarget, functions: set[str], messages: int) -> bool:
    journal = _journal(target)
    deleted = sum(one.items for one in journal.requests if one.operation == "DeleteMessageBatch")
    return functions <= {one.function for one in journal.functions} and deleted >= messages
