"""The model on the emulator's parameters, held against measured runs of 2026-11-27 (`measured/`).

`old` were measured at commit 17b198a, `new` at c8fe01f. How fast their machine was is known from one run of each, whose
seconds prove nothing therefore. What is outside stands in docs/capacity.md.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from bench.capacity.designs import DESIGNS, NEW, DesignName
from bench.capacity.sent import scenarios_of
from bench.capacity.validation import TOLERANCE, Foretold, parameters_of, validate
from bench.errors import ResultError
from bench.report.result import Result, read_result
from bench.workloads import load

if TYPE_CHECKING:
    from bench.capacity.emulator import Parameters

MEASURED: Final = Path(__file__).parent / "measured"
RUNS: Final = sorted((path.parent.name, path.stem) for path in MEASURED.glob("*/*.json"))
#: Of each design, from whose seconds the machine's speed is taken.
MACHINE: Final = "reference-1m"


@cache
def _machine(design: str) -> Parameters:
    return parameters_of(read_result(MEASURED / design / f"{MACHINE}.json"), DESIGNS[DesignName(design)])


def _found(design: str, name: str) -> dict[str, Foretold]:
    result = read_result(MEASURED / design / f"{name}.json")
    return {one.name: one for one in validate(result, DESIGNS[DesignName(design)], _machine(design))}


def test_there_are_runs_of_both_designs() -> None:
    """None of them is forgotten by a pattern that fits nothing."""
    assert {design for design, _ in RUNS} == set(DESIGNS)
    assert len(RUNS) >= 14


@pytest.mark.parametrize(("design", "name"), RUNS)
def test_a_measured_run_is_foretold(design: str, name: str) -> None:
    """Seconds, requests in all and dollars are within a quarter."""
    found = _found(design, name)
    for what in ("requests", "dollars, without Lambda's seconds", "seconds to the last rollup"):
        assert abs(found[what].off) <= TOLERANCE, found[what]


def test_a_machines_speed_is_found_by_seconds() -> None:
    """A run that took twice as long was on a slower machine; one that waited for its senders tells of none."""
    result = read_result(MEASURED / "new" / f"{MACHINE}.json")
    took_s = result.first_upload_to_last_rollup_s or 0.0
    slower = parameters_of(result.model_copy(update={"first_upload_to_last_rollup_s": 2 * took_s}), NEW)
    assert slower.calibrated.slowness > 1.5 * _machine("new").calibrated.slowness
    waited = read_result(MEASURED / "new" / "soak.json").model_copy(update={"first_upload_to_last_rollup_s": 30.0})
    with pytest.raises(ResultError, match="tell nothing of the machine"):
        parameters_of(waited, NEW)


def test_what_is_outside_is_said_to_be() -> None:
    """Kinds are judged from a tenth of all requests on, those of aggregators that meet are fewer: they are told."""
    found = _found("new", "soak")
    query, writes = found["... Query"], found["... BatchWriteItem"]
    assert not query.is_near
    assert not query.judged
    assert writes.judged
    assert writes.is_near


def test_what_was_sent_is_the_plan_s() -> None:
    """The usual day: one large CSV object, one small one of each other format, and POSTs, with all ticks."""
    workload = load("market-day")
    sent = scenarios_of(workload.facts())
    assert sent[0].name == "csv"
    assert {(one.name, len(one.at_s), one.shape.is_large) for one in sent} == {
        ("csv", 1, True),
        ("csv.gz", 1, False),
        ("parquet", 1, False),
        ("jsonl", 1, False),
        ("posts", 4, False),
    }
    assert sum(one.shape.ticks * len(one.at_s) for one in sent) == workload.ticks
    # Almost every symbol's hour is in the large one, a few minutes' in the small ones.
    assert sent[0].shape.slices > 0.95 * 700 > 4 * max(one.shape.slices for one in sent[1:])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pipeline": "file-processing"}, "market analytics"),
        ({"target": {"kind": "docker"}}, "embedded target"),
        ({"faults": {"names": ["throttling"], "seed": 1}}, "no faults"),
        ({"first_upload_to_last_rollup_s": None}, "measured nothing"),
        ({"workload": {"name": "own"}}, "own workloads"),
    ],
)
def test_a_run_that_cannot_be_foretold_is_refused(changed: dict[str, object], said: str) -> None:
    """With what the model knows."""
    result = read_result(MEASURED / "new" / "reference-1m.json").model_dump() | changed
    with pytest.raises(ResultError, match=said):
        validate(Result.model_validate(result), NEW)
