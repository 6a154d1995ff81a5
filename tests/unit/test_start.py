"""`start.py`: what it asks tox for, and what it says where it cannot."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import start

ROOT = Path(__file__).parents[2]
OLDEST_SYNTAX = (3, 9)
#: What a start needs of the checkout.
PARTS = ("start.py", "tox.ini", "constraints.txt", "generator/__init__.py", "generator/pip_settings.py")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with as much of the checkout as a start needs."""
    for part in PARTS:
        (tmp_path / part).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / part, tmp_path / part)
    return tmp_path


def run(checkout: Path, *arguments: str, before: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Start, after a line of Python that changes what the start finds; without any of pip's and uv's variables."""
    begins = f"sys.argv = {['start.py', *arguments]}\nrunpy.run_path('start.py', None, '__main__')"
    code = f"import sys, runpy\n{before}\n{begins}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        env={**clean, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], said: str) -> None:
    """Assert that a start ended in status 2 and one line, after the one that says what is being done."""
    lines = [line for line in done.stderr.splitlines() if not re.search("installing tox into .*, once", line)]
    assert (done.returncode, len(lines), done.stdout) == (2, 1, ""), done.stderr
    assert re.search(said, lines[0]), lines[0]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (["test"], ["run-parallel", "--parallel-no-spinner"]),
        (["test", "-x"], ["run-parallel", "--parallel-no-spinner", "--", "-x"]),
        (["bench"], ["run", "-e", "bench"]),
        (["bench", "--ticks", "1000"], ["run", "-e", "bench", "--", "--ticks", "1000"]),
    ],
)
def test_what_tox_is_asked_for(given: list[str], asked: list[str]) -> None:
    """`test` is tox's own list; any other command is an environment, and what follows is its command's."""
    assert start.tox_arguments(given[0], given[1:]) == asked


@pytest.mark.parametrize("part", [part for part in PARTS if part.endswith(".py")])
def test_an_old_python_can_read_it(part: str) -> None:
    """What starts on whatever Python there is has a syntax that an old one knows."""
    ast.parse((ROOT / part).read_text(), feature_version=OLDEST_SYNTAX)


def test_what_is_installed_is_pinned() -> None:
    """Tox and its plugin have their version in the constraints, and so has the uv that comes with them."""
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {*start.PACKAGES, "uv", "virtualenv"} <= pinned


def test_a_mistake_is_one_line(checkout: Path) -> None:
    """An unknown command names those that there are, and makes nothing."""
    assert_one_line(run(checkout, "tests"), r"there is no 'tests'; there are test, .*bench")
    assert not (checkout / "build").exists()


def test_help_lists_the_commands(checkout: Path) -> None:
    """With what each does, as tox.ini says."""
    done = run(checkout, "--help")
    assert done.returncode == 0
    assert re.search(r"^  bench +generate, deploy", done.stdout, re.MULTILINE)
    assert run(checkout).returncode == 2


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("sys.version_info = (3, 10, 1)", "start with 3.11 or newer, or with uv"),
        ("sys.platform = 'darwin'", "run on Linux"),
        ("sys.modules['ensurepip'] = None", r"apt install python3-venv.*dnf install"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(before: str, said: str, checkout: Path) -> None:
    """An old Python, another system, a Python without venv: one line, and what to do."""
    assert_one_line(run(checkout, "test", before=before, PATH="/usr/bin:/bin"), said)


def test_without_an_index_it_says_so(checkout: Path) -> None:
    """Pip's reason in one line, and nothing is left that the next start could take for an environment."""
    done = run(checkout, "test", PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert_one_line(done, r"tox cannot be installed \(is the package index reachable\?\): .*tox")
    assert os.listdir(checkout / "build") == [".start.lock"]  # noqa: PTH208 - hidden ones too


def test_a_folder_that_cannot_be_written_is_one_line(checkout: Path) -> None:
    """A checkout in which `build` cannot be made is named."""
    (checkout / "build").write_text("in the way")
    assert_one_line(run(checkout, "test"), r"File exists: .*build")


def test_a_user_without_a_home_gets_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tox and uv keep caches in it; whoever has one keeps it."""
    monkeypatch.setattr(start, "BUILD", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert start._with_home({"HOME": str(tmp_path)}) == {"HOME": str(tmp_path)}
    assert start._with_home({"HOME": "/proc/nowhere"}) == {"HOME": str(tmp_path / "home")}
    assert start._with_home({"HOME": ""}) == {"HOME": str(tmp_path / "home")}
