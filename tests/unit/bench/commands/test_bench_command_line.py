from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bench.__main__ import main
from bench.report.result import SCHEMA_VERSION, result_folder, write_result
from bench.stack.deployment import write_flat_outputs
from bench.workloads import names

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["run", "--ticks", "many"],
        ["fuzz", "--requests", "0"],
        ["fuzz", "--workers", "33"],
        ["fuzz", "--env", "Not_Good"],
        ["run", "--ticks", "-1"],
        ["run", "--symbols", "0"],
        ["run", "--corrupt", "2"],
        ["run", "--range-bytes", "1023"],
        ["run", "--rate", "0"],
        ["run", "--env", "Not_Good"],
        ["run", "--input", "/no/such/file.csv"],
        ["run", "--compaction-threshold", "1"],
        ["run", "--stall", "0"],
        ["run", "--faults", "throttling,no-such-fault"],
        ["run", "--faults", ""],
        ["run", "--pipeline", "file-processing", "--faults", "all"],
        ["run", "--results", "/dev/null/results"],
        ["down", "--surplus"],
        ["redrive", "--per-second", "0"],
        ["fuzz-text", "--inputs", "0"],
        ["fuzz-parquet", "--inputs", "0"],
        ["run", "--pipeline", "no-such"],
        ["run", "--files", "5"],
        ["run", "--workload", "no-such"],
        ["run", "--workload", "smoke", "--ticks", "-1"],
        ["run", "--workload", "smoke", "--input", __file__],
        ["run", "--pipeline", "file-processing", "--workload", "smoke"],
        ["run", "--pipeline", "file-processing", "--ticks", "5"],
        ["run", "--pipeline", "file-processing", "--input", "ticks.csv"],
        ["run", "--pipeline", "file-processing", "--files", "0"],
        ["run", "--pipeline", "file-processing", "--corrupt", "0.9", "--poison", "0.2"],
    ],
)
def test_a_usage_error_is_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake on the command line is said in one line, without a traceback, before anything is started."""
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    said = capsys.readouterr()
    assert status == 2
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "command", ["run", "up", "down", "redrive", "perf", "report", "compare", "fuzz-text", "fuzz-parquet"]
)
def test_each_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of each command ends with a command to try."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"example: python -m bench {command}" in capsys.readouterr().out


def test_the_workloads_are_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Who looks for a workload finds all of them in `run --help`."""
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert ", ".join(names()) in said


def test_two_runs_of_one_second_get_two_folders(tmp_path: Path) -> None:
    """No result overwrites another."""
    now = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    first, second = result_folder(tmp_path, 7, now), result_folder(tmp_path, 7, now)
    assert first.name == "20260105T143000Z-7"
    assert first != second


def test_a_result_carries_its_schema_and_leaves_no_half_file(tmp_path: Path) -> None:
    """A reader can tell what it reads; a result that cannot be written leaves nothing."""
    path = write_result(tmp_path, {"ticks_per_s": 1.5})
    assert json.loads(path.read_text()) == {"schema_version": SCHEMA_VERSION, "ticks_per_s": 1.5}
    path.unlink()
    with pytest.raises(TypeError):
        write_result(tmp_path, {"cannot": object()})
    assert list(tmp_path.iterdir()) == []


def test_flat_outputs_are_one_flat_object(tmp_path: Path) -> None:
    """`cfn-outputs/flat-outputs.json` maps output keys to values, and its folder is made."""
    path = tmp_path / "cfn-outputs" / "flat-outputs.json"
    write_flat_outputs({"bucketName": "b", "apiUrl": "u"}, path)
    assert json.loads(path.read_text()) == {"apiUrl": "u", "bucketName": "b"}
    assert [entry.name for entry in path.parent.iterdir()] == ["flat-outputs.json"]
