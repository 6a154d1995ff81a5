from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from generator.__main__ import main

ROOT = Path(__file__).resolve().parents[3]
NAME = "market-analytics-dev.json"
NAMES = [NAME, "file-processing-dev.json"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, which must refuse with exit status 2 and one line, and return the line."""
    try:
        status: object = main(arguments)
    except SystemExit as ended:
        status = ended.code
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    return printed.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--env"], "expected one argument"),
        (["--env", ""], "empty"),
        (["--env", "Prod"], "lower-case"),
        (["--env", "a\nb"], "lower-case"),
        (["--env", "x" * 40], "the limit is 14"),
        (["--environment", "dev"], "unrecognized arguments"),
        (["--pipeline", "nothing"], "choose from 'file-processing', 'market-analytics'"),
        (["--format", "xml"], "json"),
        (["--out", "a", "--check", "b"], "not allowed with"),
        (["--pipeline", "market-analytics", "--out", "a"], "every pipeline"),
        (["--pipeline", "file-processing", "--check", "a"], "every pipeline"),
        (["--check", "no-such-directory"], "No such file or directory"),
        (["--out", "/dev/null/templates"], "cannot write"),
    ],
)
def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    """A usage error exits with 2 and one line that says what is wrong, without a traceback."""
    assert says in refused(capsys, *arguments)


def test_printing_and_writing_agree(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`> FILE` and `--out` give the same bytes, and `--check` agrees."""
    assert main(["--out", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out == "".join(f"{tmp_path / 'new' / name}\n" for name in NAMES)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert main(["--pipeline", name.removesuffix("-dev.json")]) == 0
        assert capsys.readouterr().out == (tmp_path / "new" / name).read_text()
    assert main(["--env", "dev"]) == 0
    assert capsys.readouterr().out == (tmp_path / "new" / NAME).read_text()
    assert main(["--check", str(tmp_path / "new")]) == 0


def test_the_committed_templates_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """What is committed is what the generator writes now."""
    assert main(["--check", str(ROOT / "templates")]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("harm", ["changed", "missing", "orphan", "carriage returns", "no newline"])
def test_a_stale_directory_fails_naming_file_and_cure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, harm: str, name: str
) -> None:
    """A difference in either direction exits with 1, names the file, and gives the command that mends it."""
    main(["--out", str(tmp_path)])
    path = tmp_path / name
    if harm == "changed":
        path.write_text(path.read_text().replace('"Runtime": "python3.13"', '"Runtime": "python3.14"', 1))
    elif harm == "missing":
        path.unlink()
    elif harm == "orphan":
        path = tmp_path / name.replace("-dev", "-old")
        path.write_text("{}\n")
    elif harm == "carriage returns":
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    else:
        path.write_bytes(path.read_bytes().rstrip())
    capsys.readouterr()
    assert main(["--check", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert str(path) in printed.err
    assert f"python -m generator --env dev --format json --out {tmp_path}" in printed.err


def test_a_reader_that_stops_early_sees_no_traceback() -> None:
    """`python -m generator | head -1` prints its line and nothing on stderr."""
    command = f"'{sys.executable}' -m generator --env dev | head -1"
    done = subprocess.run(  # noqa: S602 - the shell's pipe is what is tested
        command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` exits with 0 and shows a command that works."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "example: python -m generator --env dev" in capsys.readouterr().out
