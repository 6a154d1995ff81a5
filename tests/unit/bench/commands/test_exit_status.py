"""What a command's end means: 1 is a verdict that failed, and nothing else."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from bench.__main__ import DEFECT, main
from bench.errors import BenchError
from generator.errors import GeneratorError

if TYPE_CHECKING:
    from pathlib import Path

SURROGATE = os.fsdecode(b"\xff")


def ended(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the status of a command that raises an error."""

    def work(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("bench.stack.dev_stack.down", work)
    return main(["down"])


def encode_error() -> UnicodeEncodeError:
    """Return what a name that is no UTF-8 ends in."""
    with pytest.raises(UnicodeEncodeError) as caught:
        SURROGATE.encode()
    return caught.value


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BenchError("why"), "why"),
        (GeneratorError("why"), "why"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/full"), "No space left on device: '/tmp/full'"),  # noqa: S108 - a name
        (encode_error(), r"no UTF-8 cannot be used: '\udcff'"),
        (ClientError({"Error": {"Code": "InternalError", "Message": "why"}}, "PutObject"), "InternalError"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "Could not connect"),
    ],
)
def test_what_the_surroundings_do_is_one_line(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the user or the machine can cure is one line and status 2."""
    assert ended(error, monkeypatch) == 2
    line = capsys.readouterr().err
    assert line.startswith("bench: ")
    assert line.count("\n") == 1
    assert said in line


@pytest.mark.parametrize("error", [RuntimeError("why"), KeyError("why"), ValueError("why"), AssertionError("why")])
def test_a_defect_is_a_traceback_and_a_status_of_its_own(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody takes a defect of the bench's for a verdict."""
    assert ended(error, monkeypatch) == DEFECT == os.EX_SOFTWARE
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_keeps_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is reported as shells do."""
    assert ended(KeyboardInterrupt(), monkeypatch) == 130


def test_an_input_whose_name_is_no_utf8_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name would be part of an object's key."""
    path = tmp_path / f"{SURROGATE}.csv"
    path.write_text("symbol,timestamp,price,size\n")
    assert main(["run", "--input", str(path)]) == 2
    assert r"\udcff.csv' is no UTF-8" in capsys.readouterr().err


def test_a_temporary_folder_whose_name_is_no_utf8_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not every library that writes there takes such a name."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: f"/{SURROGATE}")
    assert main(["down"]) == 2
    assert r"no UTF-8: '/\udcff'" in capsys.readouterr().err


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The bench needs what only Linux has."""
    monkeypatch.setattr("sys.platform", "darwin")
    assert main(["down"]) == 2
    assert capsys.readouterr().err == "bench: the bench runs on Linux: take a virtual machine or a container\n"
