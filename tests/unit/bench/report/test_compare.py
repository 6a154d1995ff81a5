"""Two results are compared only where the comparison means something, and refused with a reason otherwise."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from bench.__main__ import main
from bench.report.compare import compared, obstacles
from bench.report.result import Result
from tests.unit.bench.report.result_sample import file_result, market_result

if TYPE_CHECKING:
    from pathlib import Path


def _changed(path: str, value: object) -> dict[str, Any]:
    """The sample with one field, given by its dotted path, replaced."""
    fields = deepcopy(market_result())
    *parents, name = path.split(".")
    place = fields
    for parent in parents:
        place = place[parent]
    place[name] = value
    return fields


def _obstacles(other: dict[str, Any]) -> list[str]:
    return obstacles(Result.model_validate(market_result()), Result.model_validate(other))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("verdict.passed", False, "the second run failed"),
        ("pipeline", "file-processing", "the pipelines are market-analytics and file-processing"),
        ("workload.ticks", 100, "the workloads differ: ticks 200,000 and 100"),
        ("workload.market.late_share", 0.1, "the workloads differ: market.late_share 0.05 and 0.1"),
        ("workload.rate", 5, "the workloads differ: rate not set and 5"),
        ("target.kind", "docker", "the targets differ: kind embedded and docker"),
        ("target_settings.LAMBDA_KEEPALIVE_MS", "1", "the target's settings differ: LAMBDA_KEEPALIVE_MS 120000 and 1"),
        ("host.cores_usable", 64, "the machines differ: cores_usable 2 and 64"),
        ("host.machine", "aarch64", "the machines differ: machine x86_64 and aarch64"),
        ("faults.names", ["throttling"], "the faults differ: only one run has aggregator-down"),
        ("faults", None, "the faults differ: only one run has aggregator-down"),
        ("deviations", [], "the runs depart from the deployed settings in different ways"),
    ],
)
def test_unlike_runs_are_not_compared(path: str, value: object, said: str) -> None:
    """Each thing that a speed depends on is an obstacle of its own, named with both values."""
    found = _obstacles(_changed(path, value))
    assert len(found) == 1
    assert found[0].startswith(said)
    assert "\n" not in found[0]


def test_two_input_files_of_one_name_are_not_compared() -> None:
    """A user's own file is known by its name; other bytes under that name are another workload."""
    own = {**market_result(), "workload": {"input_file": "trades.csv"}}
    first, second = Result.model_validate(own), Result.model_validate({**own, "sent_bytes": 7})
    assert obstacles(first, first) == []
    assert obstacles(first, second) == ["the workloads differ: sent_bytes 9,876,543 and 7"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("workload.seed", 8),
        ("faults.seed", 8),
        ("commit", "0" * 40),
        ("stack_parameters.CompactionThreshold", "10"),
        ("host.load_1_minute", 9.0),
        ("target.endpoint_url", "http://127.0.0.1:1"),
        ("ticks_per_s", 1.0),
    ],
)
def test_what_a_comparison_is_for_is_no_obstacle(path: str, value: object) -> None:
    """Other code, parameters, seeds and, above all, other numbers may be compared."""
    assert _obstacles(_changed(path, value)) == []


def test_the_ratio_is_the_second_to_the_first() -> None:
    """Twice as fast is 2.00; what a run did not measure has no ratio, and what neither measured no row."""
    other = _changed("ticks_per_s", 2 * 3_278.7)
    other["requests"] = None
    rows = {
        (row.part, row.name): row
        for row in compared(Result.model_validate(market_result()), Result.model_validate(other))
    }
    assert rows["Throughput", "ticks a second to the last rollup"].ratio == pytest.approx(2)
    own = rows["Requests of the pipeline itself", "all"]
    assert (own.first, own.second, own.ratio) == (844, None, None)
    assert not [name for _, name in rows if name.startswith("Visible")]


def _written(folder: Path, fields: dict[str, Any]) -> str:
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(fields))
    return str(folder)


def test_compare_prints_both_runs_and_what_else_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`compare A B` shows figures with their ratio, and names the commits where they are not the same."""
    first = _written(tmp_path / "a", market_result())
    second = _written(tmp_path / "b", _changed("commit", "f" * 40))
    assert main(["compare", first, second]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    for part in ("3,279", "1.00", "Rolled up, p99", "512 MiB", "push and wait", "ffffffffff"):
        assert part in said.out


def test_files_are_compared_with_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs of file processing have no stages, and are compared all the same."""
    fields = file_result()
    fields["verdict"]["passed"] = True
    assert main(["compare", _written(tmp_path / "a", fields), _written(tmp_path / "b", fields)]) == 0
    assert "first upload to all files at rest" in capsys.readouterr().out


def test_compare_refuses_in_one_line_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs that may not be compared: status 2, nothing on stdout, one line for each reason."""
    first, second = _written(tmp_path / "a", market_result()), _written(tmp_path / "b", file_result())
    assert main(["compare", first, second]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("bench: not comparable: ") for line in lines)


def test_compare_refuses_another_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result of another version is not guessed at."""
    first = _written(tmp_path / "a", market_result())
    second = _written(tmp_path / "b", market_result() | {"schema_version": 1})
    assert main(["compare", first, second]) == 2
    assert "has schema version 1" in capsys.readouterr().err
