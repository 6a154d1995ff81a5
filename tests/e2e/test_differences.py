"""`python -m generator diff` on a running stack: what would change, as CloudFormation says, and nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.targets import REGION
from generator.__main__ import main

if TYPE_CHECKING:
    from tests.e2e.files import FileStack

STACK = "file-processing-e2e"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of LocalStack, as a user has them in the environment."""
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def _diff(files: FileStack, *words: str) -> int:
    return main(["diff", "--stack", STACK, "--endpoint-url", files.target.endpoint_url or "", *words])


def test_a_stack_is_compared_and_left_as_it_is(files: FileStack, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing for what is deployed; a changed parameter's functions; for another environment all is replaced."""
    assert _diff(files) == 0
    assert capsys.readouterr().out == f"{STACK}: 0 changes\n"
    assert _diff(files, "--parameter", "FunctionMemoryMb=1024") == 0
    lines = capsys.readouterr().out.splitlines()
    changed = {words[1]: words for words in map(str.split, lines) if words[0] == "modify"}
    assert {"FileValidator", "DataProcessor", "StatusQuery"} <= changed.keys()
    assert not {"Files", "ProcessingStatus"} & changed.keys()
    assert "REPLACED" not in changed["DataProcessor"]
    assert _diff(files, "--env", "other") == 0
    said = capsys.readouterr().out
    assert any(line.split()[:2] == ["modify", "Files"] and "REPLACED" in line for line in said.splitlines())
    assert "of them replace or remove" in said

    cloudformation = files.target.client("cloudformation")
    assert cloudformation.list_change_sets(StackName=STACK)["Summaries"] == []
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    bucket = next(one["ParameterValue"] for one in stack["Parameters"] if one["ParameterKey"] == "CodeBucket")
    found = files.target.client("s3").list_objects_v2(Bucket=bucket, Prefix="diff-")
    assert found["KeyCount"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stack", "file-processing-none"], "file-processing-none"),
        (["--parameter", "Memory=1"], "the template has no parameter Memory"),
        (["--parameter", "Memory"], "write NAME=VALUE"),
        (["--stack", "mine"], "named after no pipeline"),
        (["--bucket", "no-such-bucket-of-anybody"], "bucket"),
        (["--tag", "Team=x"], "the stack's own"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    files: FileStack, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Exit status 2, and what to do about it."""
    assert _diff(files, *words) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out
