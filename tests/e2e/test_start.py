"""The README's first command with the system's own Python, in a folder that knows nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("start.py", "constraints.txt", "generator/__init__.py", "generator/pip_settings.py")
#: Where Debian, Ubuntu and Fedora have theirs. It is not asked whether it lets packages be installed: it does not.
SYSTEM_PYTHON = Path("/usr/bin/python3")
#: The environment that the command runs, without what costs minutes; tox itself is set up as in the project.
TOX = """
venv_redirect_env = bench
[testenv:bench]
skip_install = true
commands = python -c "import sys; print('began with', *sys.argv[1:])" {posargs:nothing}
"""


def tox_settings() -> str:
    """Return the project's section `[tox]`."""
    text = (ROOT / "tox.ini").read_text()
    return text[text.index("[tox]") : text.index("[testenv]")].rstrip()


def first_command() -> list[str]:
    """Return the README's first command, with the system's Python for `python3`."""
    block = re.search(r"^```\n(python3 .*)\n```", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert block is not None
    python, *rest = block[1].split()
    assert python == "python3"
    return [str(SYSTEM_PYTHON), *rest]


def begin(checkout: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start it in a group of its own, as a terminal does."""
    return subprocess.Popen(
        [*first_command(), *arguments],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(checkout: Path, *arguments: str) -> str:
    """Run it to its end, which must be a good one; returns what it said."""
    process = begin(checkout, *arguments)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def environments(checkout: Path) -> list[Path]:
    """Return what a start would take for an environment with tox."""
    return list((checkout / "build").glob("tox-*"))


@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="this system has no Python of its own")
def test_the_first_command_with_the_systems_python(tmp_path: Path) -> None:
    """It survives Ctrl-C and SIGKILL on the way, damage to what it has made, and a move of the checkout."""
    checkout = tmp_path / "checkout"
    for part in PARTS:
        (checkout / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / part, checkout / part)
    (checkout / "tox.ini").write_text(tox_settings() + TOX)

    for number, status, said in ((signal.SIGINT, 130, "interrupted"), (signal.SIGKILL, -signal.SIGKILL, "")):
        process = begin(checkout)
        while not list(checkout.glob("build/.making-*/pyvenv.cfg")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        os.killpg(process.pid, number)
        output, _ = process.communicate()
        assert process.returncode == status, output
        assert said in output
        assert not environments(checkout)

    said = run(checkout)
    assert "installing tox" in said
    assert "began with nothing" in said
    assert not (checkout / ".venv").exists(), "that is where the README's reader makes an environment"
    (made,) = environments(checkout)
    assert not list(checkout.glob("build/.making-*"))

    shutil.rmtree(next(made.glob("lib/python3*/site-packages/tox")))
    assert "installing tox" in run(checkout)

    moved = checkout.rename(tmp_path / "moved")
    said = run(moved, "7")
    assert "installing tox" not in said
    assert "environments are made anew" in said
    assert "began with 7" in said
    assert "made anew" not in run(moved)
