"""Runs the naive design: deploy, put an object of ticks, wait until each is in a bar, count what is stored."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from bench.iam.refusals import RefusalWatch
from bench.ledger.verdict import Check, Verdict
from bench.measure.journal import Journal, read_journal, reset_journal
from bench.measure.requests import journal_facts
from bench.measure.stored import stored_facts
from bench.naive import template as naive
from bench.report.facts import target_facts
from bench.report.result import git_commit, host_facts, result_folder, verdict_fields, write_result
from bench.stack import deployment
from generator.templates import render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.baselines.slices import Slice
    from bench.report.console import Reporter
    from bench.targets import Target

_KEY: Final = "ticks.csv"
_POLL_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class _Waited:
    """How the waiting ended. last_s: when the last tick reached its bar, seconds after the upload began.

    warm_ticks_per_s: of the second half of the ticks: the first half starts the functions' environments.
    """

    acknowledged_s: float
    last_s: float
    warm_ticks_per_s: float | None
    journal: Journal


def run_naive(
    target: Target, environment: str, ticks: Slice, reporter: Reporter, *, results: Path, seed: int, stall_s: float
) -> Path:
    """Run it on a target that runs, and return its result file. Raises BenchError where that cannot be done.

    stall_s: how long nothing may move before what is missing is taken for lost.
    """
    began = datetime.now(UTC)
    refusals = RefusalWatch(target)
    with _deployed(target, environment, reporter) as outputs:
        with reporter.phase("naive: push and wait"):
            waited = _pushed(target, outputs, ticks, stall_s)
        with reporter.phase("naive: count"):
            verdict = refusals.judged(_judged(target, outputs, ticks), _names(target, environment))
            stored = stored_facts(target, outputs["ticksTableName"], outputs["barsTableName"])
        facts: dict[str, Any] = {
            "began": began.isoformat(),
            "commit": git_commit(),
            "host": host_facts(),
            **target_facts(target),
            "pipeline": naive.NAME,
            "stack_parameters": {},
            "phases_s": reporter.phases.seconds,
            "workload": {"name": ticks.about, "ticks": ticks.ticks, "colliding_keys": ticks.colliding},
            "objects": 1,
            "posts": 0,
            "sent_bytes": ticks.path.stat().st_size,
            "first_upload_to_last_acknowledgement_s": waited.acknowledged_s,
            "first_upload_to_last_rollup_s": waited.last_s,
            "ticks_per_s": verdict.counts["aggregated"] / waited.last_s,
            "warm_ticks_per_s": waited.warm_ticks_per_s,
            "stored": stored,
            **journal_facts(waited.journal),
            "verdict": verdict_fields(verdict),
        }
    return write_result(result_folder(results, seed, began), facts)


@contextmanager
def _deployed(target: Target, environment: str, reporter: Reporter) -> Iterator[dict[str, str]]:
    """The stack's outputs, while it stands."""
    name = deployment.stack_name(environment, naive.NAME)
    with reporter.phase("naive: deploy"):
        target.client("cloudformation").create_stack(
            StackName=name,
            TemplateBody=render(naive.build(environment)),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            OnFailure="DO_NOTHING",
        )
        deployment.wait_for(target, name, wanted="CREATE_COMPLETE")
    outputs = deployment.flat_outputs(target, environment, naive.NAME)
    try:
        yield outputs
    finally:
        with reporter.phase("naive: destroy"):
            target.client("s3").delete_object(Bucket=outputs["bucketName"], Key=_KEY)
            deployment.destroy(target, environment, naive.NAME)


def _names(target: Target, environment: str) -> frozenset[str]:
    return deployment.physical_names(target, environment, naive.NAME)


def _pushed(target: Target, outputs: dict[str, str], ticks: Slice, stall_s: float) -> _Waited:
    """Put the object and wait until as many updates of bars are done as there are ticks, or none comes any more."""
    aggregate = outputs["aggregateFunctionName"]
    reset_journal(target)
    start = moved_at = time.monotonic()
    with ticks.path.open("rb") as body:
        target.client("s3").put_object(Bucket=outputs["bucketName"], Key=_KEY, Body=body)
    acknowledged_s = time.monotonic() - start
    seen, half_s, at_half = (0, 0), 0.0, 0
    while True:
        journal = read_journal(target)
        assert journal is not None, "asked for before the run"  # noqa: S101 - for the type checker
        updates = sum(row.items for row in journal.requests if (row.caller, row.operation) == (aggregate, "UpdateItem"))
        ended = sum(use.invocations for use in journal.functions if use.function == aggregate)
        if (updates, ended) != seen:
            seen, moved_at = (updates, ended), time.monotonic()
        if not half_s and 2 * updates >= ticks.ticks:
            half_s, at_half = time.monotonic() - start, updates
        # The ends too: what an invocation is billed is known when it has answered.
        if min(seen) >= ticks.ticks or time.monotonic() - moved_at > stall_s:
            warm_ticks_per_s = (updates - at_half) / (moved_at - start - half_s) if updates > at_half else None
            return _Waited(acknowledged_s, moved_at - start, warm_ticks_per_s, journal)
        time.sleep(_POLL_S)


def _judged(target: Target, outputs: dict[str, str], ticks: Slice) -> Verdict:
    """Count the items that are stored and the ticks that the bars have."""
    dynamodb = target.client("dynamodb")

    def items(table: str, attribute: str) -> Iterator[str]:
        pages = dynamodb.get_paginator("scan").paginate(TableName=outputs[table], ConsistentRead=True)
        return (next(iter(item[attribute].values())) for page in pages for item in page["Items"])

    stored = sum(1 for _ in items("ticksTableName", "timestamp"))
    in_bars = [int(Decimal(count)) for count in items("barsTableName", "ticks")]
    lost, unaggregated = ticks.ticks - stored, ticks.ticks - sum(in_bars)
    counts = {
        "attempted": ticks.ticks,
        "acknowledged": ticks.ticks,
        "ok": stored,
        "lost": lost,
        "aggregated": sum(in_bars),
        "bars": len(in_bars),
    }
    checks = (
        Check("every tick is stored", lost == 0, f"{stored:,} of {ticks.ticks:,}, {lost:,} overwritten by another"),
        Check(
            "what is lost is what shares a key",
            lost == ticks.colliding,
            f"{ticks.colliding:,} ticks have the symbol and timestamp of an earlier one",
        ),
        Check("every tick is in a bar", unaggregated == 0, f"{sum(in_bars):,} of {ticks.ticks:,}"),
    )
    return Verdict(counts, checks)
