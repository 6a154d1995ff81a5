"""The bench against a pipeline that lost, doubled or invented something (I9): each fault turns its own check red."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bench.ledger.api_client import ApiClient
from bench.market_analytics.checks import verdict_of
from bench.market_analytics.evidence import Evidence
from bench.market_analytics.load import Deployed, push
from bench.market_analytics.oracle import Oracle
from bench.market_analytics.retractions import Retractions, choose
from bench.stack import deployment
from bench.synthetic.factory import Factory
from bench.workloads import market_day
from tickstream import keys
from tickstream.hours import HourItem, Revision, Rollup, Slice
from tickstream.items import hour_item_from, key_of, set_aside_from, sort_key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.ledger.sent import Ledger
    from bench.ledger.verdict import Verdict
    from bench.targets import Target
    from tickstream.items import Item

ENVIRONMENT = "canfail"


@dataclass(frozen=True)
class Finished:
    """A run that went well, about to be tampered with."""

    deployed: Deployed
    evidence: Evidence

    def failed_checks(self) -> set[str]:
        """Judge again and return the names of the checks that failed."""
        return {check.name for check in self.verdict().checks if not check.passed}

    def verdict(self) -> Verdict:
        """Judge again."""
        return verdict_of(self.deployed, self.evidence)

    def items(self) -> list[Item]:
        """Read the whole table."""
        name = self.deployed.outputs.table_name
        pages = self.deployed.target.client("dynamodb").get_paginator("scan").paginate(TableName=name)
        return [item for page in pages for item in page["Items"]]

    def hour_items(self, kind: type[HourItem]) -> list[Item]:
        """Read the rollups, the slices or the revisions."""
        return [
            item for item in self.items() if "#" not in item["symbol"]["S"] and isinstance(hour_item_from(item), kind)
        ]

    def taken_back(self) -> set[str]:
        """The ingests that are."""
        return {one.due.ingest_id for one in self.evidence.retractions}

    @contextmanager
    def replaced(self, *, put: list[Item] | None = None, delete: list[Item] | None = None) -> Iterator[None]:
        """Write and delete items; afterwards everything is as it was."""
        client, name = self.deployed.target.client("dynamodb"), self.deployed.outputs.table_name
        put, delete = put or [], delete or []
        before = {str(item["symbol"]) + str(item["timestamp"]): item for item in self.items()}
        for item in put:
            client.put_item(TableName=name, Item=item)
        for item in delete:
            client.delete_item(TableName=name, Key={"symbol": item["symbol"], "timestamp": item["timestamp"]})
        try:
            yield
        finally:
            for item in put:
                client.delete_item(TableName=name, Key={"symbol": item["symbol"], "timestamp": item["timestamp"]})
            for item in [*put, *delete]:
                if (known := before.get(str(item["symbol"]) + str(item["timestamp"]))) is not None:
                    client.put_item(TableName=name, Item=known)


@pytest.fixture(scope="module")
def finished(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Push a small workload through a stack of its own; a tenth of its objects is taken back meanwhile."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "objects").mkdir()
    (folder / "truth").mkdir()
    workload = market_day(ticks=4_000, symbols=4, seed=3, corrupt_fraction=0.01, single_posts=3, range_bytes=65_536)
    pieces = list(Factory(workload, folder / "objects", folder / "truth").make())
    outputs = deployment.deploy(target, ENVIRONMENT, {"RangeBytes": "65536"})
    deployed = Deployed(target, outputs, ApiClient(target, target.api_url(outputs.rest_api_id, ENVIRONMENT)))
    taking_back: list[Retractions] = []

    def operators(ledger: Ledger) -> list[Retractions]:
        taking_back.append(Retractions(deployed, ledger, choose(pieces, 0.1, 3, outputs.bucket_name)))
        return taking_back

    pushed = push(deployed, pieces, lambda *_: None, ticks_a_second=None, stall_s=60.0, operators=operators)
    oracle = Oracle(folder / "truth", pushed.ledger.origins())
    _stop_the_schedules(target)
    (retractions,) = taking_back
    yield Finished(
        deployed,
        Evidence(
            pushed.ledger,
            oracle,
            pushed.pieces,
            pushed.completion,
            journal=pushed.recorder.journal,
            retractions=retractions.all,
        ),
    )
    deployment.destroy(target, ENVIRONMENT)


def _stop_the_schedules(target: Target) -> None:
    """Let nothing act by itself any more: a look that falls due meanwhile would repair what is tampered with.

    Their targets go: LocalStack lets a rule that is disabled fire all the same.
    """
    events = target.client("events")
    rules = [rule for page in events.get_paginator("list_rules").paginate() for rule in page["Rules"]]
    ours = [rule for rule in rules if rule["Name"].endswith(f"-{ENVIRONMENT}")]
    scheduled = [rule["Name"] for rule in ours if "ScheduleExpression" in rule]
    assert len(scheduled) == 2
    for name in scheduled:
        targets = events.list_targets_by_rule(Rule=name)["Targets"]
        events.remove_targets(Rule=name, Ids=[one["Id"] for one in targets])


def test_an_honest_pipeline_passes(finished: Finished) -> None:
    """Without tampering every check passes: what fails below fails because of the tampering."""
    verdict = finished.verdict()
    assert [check for check in verdict.checks if not check.passed] == []
    places = [verdict.counts[name] for name in ("ok", "rejected", "retracted")]
    assert all(places)
    assert sum(places) == verdict.counts["attempted"] == 4_003


def test_a_lost_hour_is_lost_ticks(finished: Finished) -> None:
    """An hour of a symbol that is gone, rollup and slices, shows in the table, in the API and in the account."""
    rollup = hour_item_from(finished.hour_items(Rollup)[0])
    gone = [
        item
        for item in finished.items()
        if item["symbol"]["S"] == rollup.symbol and keys.hour_and_suffix(sort_key_of(item))[0] == rollup.hour
    ]
    with finished.replaced(delete=gone):
        verdict = finished.verdict()
        assert verdict.counts["lost"] > 0
        assert finished.failed_checks() >= {"bars in DynamoDB", "bars through POST /bars", "every row accounted for"}


def test_a_range_counted_twice_is_duplicated_ticks(finished: Finished) -> None:
    """A slice under a second key, as from a pipeline whose keys are not its ranges', is found."""
    item = finished.hour_items(Slice)[0]
    piece = hour_item_from(item)
    again = item | key_of(piece.symbol, keys.sort_key(piece.hour, keys.range_id("0" * 32, 0)))
    with finished.replaced(put=[again]):
        verdict = finished.verdict()
        assert verdict.counts["duplicated"] > 0
        assert finished.failed_checks() >= {"bars in DynamoDB", "rollups include everything"}


def test_a_tick_that_nobody_sent_is_unexpected(finished: Finished) -> None:
    """Bars of a symbol that was never sent are found, although no symbol of the workload leads to them."""
    item = finished.hour_items(Slice)[0]
    stranger = item | {"symbol": {"S": "NOBODY"}}
    with finished.replaced(put=[stranger]):
        assert finished.verdict().counts["unexpected"] > 0


def test_a_rollup_that_lags_is_seen(finished: Finished) -> None:
    """Without a rollup the numbers are right, and the run still does not count as rolled up."""
    with finished.replaced(delete=finished.hour_items(Rollup)[:1]):
        # What is not rolled up may still change, and readers are told so.
        assert finished.failed_checks() == {"rollups include everything", "bars are closed"}


def test_a_receipt_that_is_missing_is_seen(finished: Finished) -> None:
    """An ingest that is not complete shows in the receipts and in GET /ingest."""
    receipt = next(
        item
        for item in finished.items()
        if "committedMs" in item
        and int(item["ticks"]["N"]) > 100
        and item["symbol"]["S"] not in {keys.ingest_partition(one) for one in finished.taken_back()}
    )
    with finished.replaced(delete=[receipt]):
        assert finished.failed_checks() == {"receipts", "GET /ingest"}


def test_m25_a_revision_that_is_gone_is_seen(finished: Finished) -> None:
    """Without it a range that was taken back would count again once it is delivered again: no bar has it yet."""
    (*_, revision) = finished.hour_items(Revision)
    with finished.replaced(delete=[revision]):
        assert finished.failed_checks() == {"taken back"}


def test_m25_a_tick_that_was_taken_back_and_counts_is_seen(finished: Finished) -> None:
    """A slice that was set aside stands in its hour again, and nothing withdraws it."""
    (revision, *_) = finished.hour_items(Revision)
    hour = hour_item_from(revision)
    aside = [item for item in finished.items() if item["symbol"]["S"] == keys.set_aside_partition(hour.symbol)]
    ids = {keys.range_id(one, index) for one in finished.taken_back() for index in range(100)}
    pieces = [piece for piece in map(set_aside_from, aside) if piece.hour == hour.hour and piece.range_id in ids]
    back = [
        {**item, "symbol": {"S": hour.symbol}}
        for item in aside
        for piece in pieces
        if set_aside_from(item) == piece
    ]  # fmt: skip
    assert back
    gone = [item for item in finished.hour_items(Revision) if _place(item) == (hour.symbol, hour.hour)]
    with finished.replaced(put=back, delete=gone):
        verdict = finished.verdict()
        assert verdict.counts["duplicated"] + verdict.counts["unexpected"] > 0
        assert finished.failed_checks() >= {"taken back", "bars in DynamoDB", "bars through POST /bars"}


def test_m25_a_retraction_that_is_not_done_is_seen(finished: Finished) -> None:
    """The bars are right and the manifest says that it still goes on: that is not what was asked for."""
    (ingest_id, *_) = finished.taken_back()
    partition = {"S": keys.ingest_partition(ingest_id)}
    manifest = next(item for item in finished.items() if item["symbol"] == partition and "retraction" in item)
    # Off the list: while it is there, the schedule puts the manifest right within five minutes.
    listed = [item for item in finished.items() if item["symbol"]["S"] in keys.revising_partitions()]
    with finished.replaced(put=[{**manifest, "retraction": {"S": "going"}}], delete=listed):
        assert finished.failed_checks() == {"taken back", "GET /ingest"}


def _place(item: Item) -> tuple[str, int]:
    found = hour_item_from(item)
    return found.symbol, found.hour


def test_a_dead_letter_is_seen(finished: Finished) -> None:
    """A message in any dead-letter queue fails the run."""
    sqs, url = finished.deployed.target.client("sqs"), finished.deployed.outputs.aggregator_dead_letter_queue_url
    sqs.send_message(QueueUrl=url, MessageBody='{"an": "event"}')
    try:
        assert finished.failed_checks() == {"dead-letter queues"}
    finally:
        sqs.purge_queue(QueueUrl=url)


def _drop_first(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return lines[1:]


def _other_reason(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    other = "bad_size" if lines[0]["reason"] != "bad_size" else "bad_price"
    return [lines[0] | {"reason": other}, *lines[1:]]


def _other_text(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**lines[0], "raw": "something else"}, *lines[1:]]


def _twice(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [lines[0], *lines]


@pytest.mark.parametrize("tamper", [_drop_first, _other_reason, _other_text, _twice])
def test_tampered_rejects_are_seen(
    finished: Finished, tamper: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    """A bad row that was dropped, given another reason, recorded with another text or twice, is found."""
    s3, bucket = finished.deployed.target.client("s3"), finished.deployed.outputs.rejected_bucket_name
    texts = [entry.ingest_id for entry in finished.evidence.ledger.acknowledged() if entry.key.endswith(".csv")]
    found = s3.list_objects_v2(Bucket=bucket, Prefix="rejected/")["Contents"]
    key = next(entry["Key"] for entry in found if entry["Key"].split("/")[1] in texts)
    before = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    lines = tamper([json.loads(line) for line in before.splitlines()])
    s3.put_object(Bucket=bucket, Key=key, Body="\n".join(map(json.dumps, lines)).encode())
    try:
        assert "rejected rows" in finished.failed_checks()
    finally:
        s3.put_object(Bucket=bucket, Key=key, Body=before)
