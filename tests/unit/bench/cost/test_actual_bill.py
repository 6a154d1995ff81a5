"""What Cost Explorer is asked, and what is made of its answer, against moto's Cost Explorer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws
from moto.ce.models import ce_backends

from bench.__main__ import main
from tests.unit.bench.report.result_sample import market_result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STACK = "aws:cloudformation:stack-name$market-analytics-bench"
_NO_STACK = "aws:cloudformation:stack-name$"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The answers that moto gives, in their order; nobody's account is asked."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield ce_backends["123456789012"]["aws"].cost_usage_results_queue


def group(service: str, stack: str, dollars: str) -> dict[str, Any]:
    """One group of a day, as Cost Explorer writes it."""
    return {"Keys": [service, stack], "Metrics": {"UnblendedCost": {"Amount": dollars, "Unit": "USD"}}}


def day(*groups: dict[str, Any], estimated: bool = False, day_of: str = "2026-01-05") -> dict[str, Any]:
    """One day of an answer."""
    return {"TimePeriod": {"Start": day_of, "End": day_of}, "Estimated": estimated, "Groups": list(groups)}


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A run on AWS, in the last minutes of a day."""
    path = tmp_path / "result.json"
    facts = market_result() | {
        "began": "2026-01-05T23:55:00+00:00",
        "phases_s": {"deploy": 200.0, "push and wait": 150.0},
        "target": {"kind": "aws", "region": "eu-west-1"},
        "pipeline": "market-analytics",
        "stack": "market-analytics-bench",
        "predicted_usd": {"Lambda": "0.5", "CloudWatch": "0.01", "CloudWatch Logs": "0.02", "SQS": "0.1"},
    }
    path.write_text(json.dumps(facts))
    return path


def test_what_was_billed_stands_beside_what_was_predicted(
    result: Path, answers: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """By service, of the stack and of the region, over both days of a run past midnight; kept in the result."""
    answers.append(
        {
            "ResultsByTime": [
                day(group("AWS Lambda", _STACK, "0.25"), group("AWS Lambda", _NO_STACK, "7")),
                day(
                    group("AWS Lambda", _STACK, "0.125"),
                    group("AmazonCloudWatch", _STACK, "0.0300000001"),
                    group("Amazon Neptune", _NO_STACK, "3"),
                    day_of="2026-01-06",
                ),
            ]
        }
    )
    assert main(["cost", str(result), "--actual"]) == 0
    said = capsys.readouterr().out
    assert "Billed for 2026-01-05 to 2026-01-06" in said
    assert "still calls this an estimate" not in said
    assert "cost allocation tag" not in said
    billed = json.loads(result.read_text())["billed"]
    assert (billed["first_day"], billed["end_day"], billed["is_final"]) == ("2026-01-05", "2026-01-07", True)
    assert billed["services"] == {
        "Lambda": {"predicted_usd": "0.5", "stack_usd": "0.375", "region_usd": "7.375"},
        "SQS": {"predicted_usd": "0.1", "stack_usd": "0", "region_usd": "0"},
        "CloudWatch": {"predicted_usd": "0.03", "stack_usd": "0.0300000001", "region_usd": "0.0300000001"},
        "Amazon Neptune": {"predicted_usd": "0", "stack_usd": "0", "region_usd": "3"},
    }


def test_the_days_and_the_region_of_the_run_are_asked_for(
    result: Path, answers: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """From the day it began to the day after it ended, as Cost Explorer's end is outside; by service and stack."""
    answers.append({"ResultsByTime": [day(group("AWS Lambda", _NO_STACK, "1"), estimated=True)]})
    assert main(["cost", str(result), "--actual"]) == 0
    (body,) = ce_backends["123456789012"]["aws"].cost_usage_results
    asked = json.loads(body)
    assert asked["TimePeriod"] == {"Start": "2026-01-05", "End": "2026-01-07"}
    assert asked["Filter"] == {"Dimensions": {"Key": "REGION", "Values": ["eu-west-1"]}}
    assert [one["Key"] for one in asked["GroupBy"]] == ["SERVICE", "aws:cloudformation:stack-name"]
    said = capsys.readouterr().out
    assert "cost allocation tag" in said
    assert "still calls this an estimate" in said


def test_nothing_yet_is_one_line_and_changes_nothing(
    result: Path, answers: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Cost Explorer takes a day: until then the result stays as it is, and the status is 2."""
    answers.append({"ResultsByTime": [day(estimated=True)]})
    before = result.read_bytes()
    assert main(["cost", str(result), "--actual"]) == 2
    assert "nothing yet of 2026-01-05 in eu-west-1" in capsys.readouterr().err
    assert result.read_bytes() == before


def test_a_run_elsewhere_was_billed_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result of the embedded target is refused before anybody is asked."""
    path = tmp_path / "result.json"
    path.write_text(json.dumps(market_result()))
    assert main(["cost", str(path), "--actual"]) == 2
    assert "no run with --target aws" in capsys.readouterr().err
