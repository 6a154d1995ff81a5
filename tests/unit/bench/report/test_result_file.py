"""A result file is read back as what it says, or refused in one sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bench.errors import ResultError
from bench.report.result import SCHEMA_VERSION, Result, read_result, write_result
from tests.unit.bench.report.result_sample import file_result, market_result

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_run_writes_can_be_read_back(tmp_path: Path) -> None:
    """A written result is read by its folder as by its file, with every part in place."""
    written = write_result(tmp_path, market_result())
    result = read_result(tmp_path)
    assert result == read_result(written)
    assert result.ticks_per_s == 3_278.7
    assert result.latency_ms is not None
    assert result.latency_ms.stages["visible"] is None
    assert result.faults is not None
    assert result.faults.injected["duplicate-s3-events"] == 3


def test_a_run_of_files_has_no_stages_and_counts_files() -> None:
    """What file processing does not measure is absent, not zero."""
    result = Result.model_validate(file_result())
    assert result.unit == "files"
    assert (result.latency_ms, result.requests, result.own_requests, result.ticks_per_s) == (None, None, None, None)
    assert result.timeline == ()


def test_own_requests_are_neither_the_benchs_nor_the_emulators() -> None:
    """What the bench and LocalStack ask is not counted as the pipeline's."""
    own = Result.model_validate(market_result()).own_requests
    assert own is not None
    assert {row.caller for row in own} == {"DataProcessor-bench", "DataAggregator-bench"}


def _without_verdict(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "verdict"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "is not JSON"),
        ("[]", "it has no schema_version"),
        ("{}", "it has no schema_version"),
        (json.dumps(market_result() | {"schema_version": SCHEMA_VERSION - 1}), "make the run again"),
        (json.dumps(market_result() | {"schema_version": SCHEMA_VERSION + 1}), "make the run again"),
        (json.dumps(market_result() | {"sent_bytes": -1}), "at sent_bytes"),
        (json.dumps(market_result() | {"timeline": [{"at_s": 1.0}]}), r"at timeline\.0\.acknowledged_rows"),
        (json.dumps(_without_verdict(market_result())), "at verdict"),
    ],
)
def test_what_is_no_result_of_this_version_is_refused(tmp_path: Path, content: str, said: str) -> None:
    """Another version, a missing part and a wrong value are each named."""
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ResultError, match=said) as refused:
        read_result(tmp_path)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_result_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong path is a user's mistake, and the answer says which path."""
    with pytest.raises(ResultError, match=r"there is no result .*result\.json"):
        read_result(tmp_path)
