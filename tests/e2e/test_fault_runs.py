"""A run under all faults at once: whatever goes wrong, no tick is lost and none is counted twice."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from bench.faults.catalog import names
from bench.market_analytics.fault_plan import LATE_CHECK, POISON_MESSAGES, FaultPlan
from bench.market_analytics.trial import MarketTrial
from bench.report.console import Reporter
from bench.stack import deployment
from bench.workloads import load

if TYPE_CHECKING:
    from pathlib import Path

    from bench.targets import Target

ENVIRONMENT = "faultrun"


def test_the_books_balance_under_all_faults(target: Target, tmp_path: Path) -> None:
    """Killed, throttled, delivered twice, poisoned and redriven: every tick is in its bar or rejected, once."""
    # A day file that is large enough for an index when it is packed, and small objects for what befalls single ones.
    workload = load("smoke", ticks=24_000, range_bytes=65_536, day_file="csv.gz", retracted_share=0.1)
    small = replace(workload.objects, at_least=40, jsonl_share=0.1, gzip_share=0.1, parquet_share=0.1)
    workload = replace(workload, objects=small)
    plan = FaultPlan.of(["all"], workload.seed, index=True, retractions=True)
    trial = MarketTrial(workload, {"RangeBytes": "65536", "CompactionThreshold": "4"}, faults=plan)
    trial.prepare(tmp_path)
    deployment.deploy(target, ENVIRONMENT, trial.parameters)
    trial.push(target, ENVIRONMENT, Reporter(Console(file=io.StringIO())))
    verdict = trial.verify()
    facts = trial.facts()
    deployment.destroy(target, ENVIRONMENT)

    assert [check for check in verdict.checks if not check.passed] == []
    counts = verdict.counts
    assert counts["ok"] + counts["rejected"] + counts["retracted"] == counts["acknowledged"] == counts["attempted"]
    assert counts["retracted"] > 0
    assert counts["lost"] == counts["duplicated"] == counts["unexpected"] == counts["dead-lettered"] == 0
    assert counts["dead letters"] == len(POISON_MESSAGES)
    assert {check.name for check in verdict.checks} >= {"faults injected", LATE_CHECK, "every range was announced"}
    faults = facts["faults"]
    assert set(faults["injected"]) == set(names())
    assert min(faults["injected"].values()) > 0
    assert {mark["name"] for mark in faults["marks"]} == set(names())
    assert len(facts["deviations"]) == 2
