"""The embedded target's surroundings: homes, disks and Pythons that are not as usual."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.errors import TargetError
from bench.files import can_load_libraries
from bench.targets import instance
from bench.targets.embedded import EmbeddedTarget
from bench.targets.localstack_settings import CACHE_DIR, localstack_environment

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - mounted noexec on many systems


@pytest.mark.parametrize("work", [instance.prepare, instance.recall, instance.forget])
def test_without_a_home_it_says_what_to_set(work: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom the system knows no home of is told of the variable, in one line."""
    assert callable(work)

    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", home)
    with pytest.raises(TargetError, match="set XDG_STATE_HOME") as caught:
        work()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("folder", ["/proc/nowhere", "/dev/null/x"])
def test_a_folder_that_cannot_be_had_is_refused_before_the_start(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started whose place cannot be noted."""
    monkeypatch.setenv("XDG_STATE_HOME", folder)
    monkeypatch.setattr(instance, "recall", lambda: None)
    monkeypatch.setattr(EmbeddedTarget, "_start_once", lambda _: pytest.fail("it was started"))
    with pytest.raises(TargetError, match=f"cannot be noted in {folder}/tickstream"):
        EmbeddedTarget(detached=True).start()


def test_a_folder_of_libraries_that_do_not_load_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder that is mounted noexec is named at once, and nothing is left in it."""
    monkeypatch.setattr("bench.targets.embedded.can_load_libraries", lambda _: False)
    with pytest.raises(TargetError, match=f"{tmp_path} is mounted noexec"):
        EmbeddedTarget(tmp_path).start()
    assert not list(tmp_path.iterdir())


def test_libraries_load_from_an_ordinary_folder(tmp_path: Path) -> None:
    """What is asked of a folder is asked without leaving anything there."""
    assert can_load_libraries(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(
    not (
        SHARED_MEMORY.is_dir() and os.statvfs(SHARED_MEMORY).f_flag & os.ST_NOEXEC and os.access(SHARED_MEMORY, os.W_OK)
    ),
    reason="no folder here is mounted noexec",
)
def test_libraries_do_not_load_from_a_noexec_folder() -> None:
    """The kernel says so, before any function has to."""
    assert not can_load_libraries(SHARED_MEMORY)


@pytest.mark.parametrize("needed", [True, False])
def test_the_path_of_libraries_is_kept_where_python_needs_it(
    needed: bool,  # noqa: FBT001 - a parameter of the test's
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Python that starts by LD_LIBRARY_PATH alone gets it; for any other it is not LocalStack's."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$LD_LIBRARY_PATH" = /libraries ] || exit {127 if needed else 0}\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/libraries")
    found = localstack_environment({}, tmp_path, 1, "token").get("LD_LIBRARY_PATH")
    assert found == ("/libraries" if needed else None)
    monkeypatch.delenv("LD_LIBRARY_PATH")
    assert "LD_LIBRARY_PATH" not in localstack_environment({}, tmp_path, 1, "token")


def test_what_is_kept_between_runs_lies_where_the_user_keeps_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG's folder where it is one, else the home's; a user without either keeps nothing and still starts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert localstack_environment({}, tmp_path, 1, "token")[CACHE_DIR] == str(tmp_path / "tickstream")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert localstack_environment({}, tmp_path, 1, "token")[CACHE_DIR] == str(tmp_path / ".cache" / "tickstream")
    monkeypatch.setattr(Path, "home", _no_home)
    assert CACHE_DIR not in localstack_environment({}, tmp_path, 1, "token")


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")
