"""The report's page, read as text: what it says of each part, and of each part that is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from bench.__main__ import main
from bench.report.html import NOT_MEASURED, counts, render, sentence, services
from bench.report.result import Result, write_result
from tests.unit.bench.report.result_sample import file_result, market_result

if TYPE_CHECKING:
    from pathlib import Path


def _section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found
    return re.sub(r"<script.*?</script>|<[^>]*>", " ", found[0], flags=re.DOTALL)


def _page(fields: dict[str, Any]) -> str:
    return render(Result.model_validate(fields))


def test_the_counts_use_the_fixed_vocabulary_first() -> None:
    """The nine terms of total-queue checking are there in their order, then what else was counted."""
    names = [count.name for count in counts(Result.model_validate(market_result()))]
    assert names[:9] == [
        "attempted", "acknowledged", "ok", "rejected", "lost", "duplicated", "unexpected", "recovered",
        "dead-lettered",
    ]  # fmt: skip
    assert set(names[9:]) == {"indeterminate", "dead letters", "bars", "wrong bars"}


def test_a_count_that_nobody_made_is_not_zero() -> None:
    """A run whose results could not be read back says of its counts that they were not measured."""
    fields = market_result()
    fields["verdict"] |= {"passed": False, "counts": {"attempted": 5, "acknowledged": 5}}
    counts = _section(_page(fields), "counts")
    assert re.search(rf"lost\s+{NOT_MEASURED}", counts)
    assert "as it must be" not in counts


def test_a_loss_stands_out() -> None:
    """A count that must be 0 and is not says so."""
    fields = market_result()
    fields["verdict"]["counts"]["lost"] = 3
    assert re.search(r"lost\s+3\s+must be 0", _section(_page(fields), "counts"))


def test_the_failed_checks_come_first_and_in_the_sentence() -> None:
    """Who opens the report of a failed run reads at once which check failed."""
    result = Result.model_validate(file_result())
    assert sentence(result) == "1 of 2 checks failed: fates."
    checks = _section(render(result), "checks")
    assert checks.index("FAILED") < checks.index("passed")


@pytest.mark.parametrize("part", ["time", "latency", "requests"])
def test_what_was_not_measured_says_so(part: str) -> None:
    """A part without data is neither blank nor passed."""
    text = _section(_page(file_result()), part)
    assert NOT_MEASURED in text
    assert "passed" not in text


def test_a_check_that_could_not_be_made_says_so() -> None:
    """What the verdict could not measure stands with the checks, and not among those that passed."""
    fields = file_result()
    fields["verdict"]["not_measured"] = ["events: this target keeps no journal"]
    checks = _section(_page(fields), "checks")
    assert re.search(rf"(?i){NOT_MEASURED}, so neither passed nor failed\s+events: this target keeps no", checks)


def test_a_stage_without_the_journal_says_so() -> None:
    """A single stage that the target cannot see is named in the table."""
    assert re.search(rf"Visible in the API\s+{NOT_MEASURED}", _section(_page(market_result()), "latency"))


def test_a_run_without_faults_says_so() -> None:
    """No fault is not the same as a fault that never struck."""
    assert "No fault was asked for" in _section(_page(market_result() | {"faults": None}), "time")


def test_differing_rejects_stand_out() -> None:
    """A reason whose planted and recorded numbers differ is marked, also one that nobody planted."""
    fields = market_result()
    fields["verdict"]["rejected_by_reason"]["recorded"] = {"price_not_decimal": 700, "surprise": 1}
    text = _section(_page(fields), "rejects")
    assert re.search(r"price_not_decimal\s+700\s+700\s+✓ equal", text)
    assert re.search(r"surprise\s+0\s+1\s+✕ differs", text)
    assert re.search(r"wrong_columns\s+500\s+0\s+✕ differs", text)


def test_requests_stand_by_service_the_busiest_first() -> None:
    """The rows of a service add up to its line."""
    found = services(Result.model_validate(market_result()).requests or ())
    assert [service.name for service in found] == ["dynamodb", "sqs", "s3", "events"]
    assert all(service.requests == sum(row.requests for row in service.rows) for service in found)
    assert "844 requests, 4.22 per thousand ticks" in _section(_page(market_result()), "requests")


def test_what_lambda_bills_stands_by_function() -> None:
    """Invocations, errors and billed time of each function are told."""
    assert re.search(r"DataProcessor-bench\s+3,072 MB\s+58\s+9\s+71\.4 s", _section(_page(market_result()), "requests"))


def test_data_cannot_become_markup() -> None:
    """A key, a reason or a setting with markup in it is text, also inside the charts' data."""
    evil = "</script><script>alert(1)</script>"
    fields = market_result()
    fields["verdict"]["examples"] = [evil]
    fields["workload"][evil] = evil
    fields["faults"]["marks"][0]["name"] = evil
    assert evil not in _page(fields)


def test_environment_settings_and_limits_are_told() -> None:
    """Versions, LocalStack's settings, deviations and what is not emulated are all in the report."""
    page, fields = _page(market_result()), market_result()
    environment, limits = _section(page, "environment"), _section(page, "limits")
    assert re.search(r"packages\.polars\s+2\.1\.0", environment)
    assert re.search(r"LAMBDA_KEEPALIVE_MS\s+120000", environment)
    assert re.search(r"market\.late_share\s+0\.05", environment)
    assert all(one in limits for one in (*fields["not_emulated"], *fields["deviations"]))


def test_the_command_makes_the_report_beside_its_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m bench report FOLDER` writes report.html into the folder and says where."""
    write_result(tmp_path, file_result())
    assert main(["report", str(tmp_path)]) == 0
    assert str(tmp_path / "report.html") in capsys.readouterr().out
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
