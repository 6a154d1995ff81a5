#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# ///
"""Runs what `tox.ini` describes with nothing installed before: `python3 start.py bench`, `python3 start.py test`.

tox is installed once into an environment of its own below `build/`, in the versions of `constraints.txt`, and then
takes this process's place; tox's plugin finds or fetches Python 3.13. Standard library alone, and the syntax of
Python 3.9, so that an older Python can say what is missing. `uv run start.py` needs no Python at all.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build"
CONSTRAINTS = ROOT / "constraints.txt"
#: Installed in the versions of the constraints.
PACKAGES = ("tox", "tox-uv")
OLDEST_PYTHON = (3, 11)
TEST = "test"

_PROBE = "import importlib.util as u, sys; sys.exit(not (u.find_spec('tox') and u.find_spec('tox_uv')))"
_NO_TOX = "tox cannot be installed (is the package index reachable?)"
_STALE = ".making-"
_INSTALL_TIMEOUT_S = 900
_PROBE_TIMEOUT_S = 60
_SAID_CHARACTERS = 400


class CannotStart(Exception):
    """What stands in the way, in one line (exit status 2)."""


def tox_arguments(command: str, rest: Sequence[str]) -> list[str]:
    """Return what tox is asked for: `test` is all that tox.ini lists, side by side; another command one environment."""
    chosen = ["run-parallel", "--parallel-no-spinner"] if command == TEST else ["run", "-e", command]
    return [*chosen, *(["--", *rest] if rest else [])]


def main(arguments: Sequence[str]) -> int:
    """Have tox ready and become it; returns the exit status only where that fails: 0 for help, 2, 130 interrupted."""
    try:
        commands = _commands()
        if not arguments or arguments[0] in ("-h", "--help"):
            print(_usage(commands), file=sys.stdout if arguments else sys.stderr)
            return 0 if arguments else 2
        _check(arguments[0], commands)
        signal.signal(signal.SIGTERM, _interrupt)
        with _alone():
            python = _tox_python()
            _forget_another_place()
        os.chdir(ROOT)
        tox = [str(python), "-I", "-m", "tox", *tox_arguments(arguments[0], arguments[1:])]
        os.execve(python, tox, _with_home(os.environ))  # noqa: S606 - it takes this process's place
    except CannotStart as error:
        print(f"start.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"start.py: {error.strerror}: {error.filename or BUILD}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("start.py: interrupted; the next start begins anew", file=sys.stderr)
        return 130


def _check(command: str, commands: Mapping[str, str]) -> None:
    """Raise CannotStart for what is known before anything is done."""
    if command not in commands:
        raise CannotStart(f"there is no {command!r}; there are {', '.join(commands)}")
    if sys.platform != "linux":
        raise CannotStart("the bench and its tests run on Linux: take a virtual machine or a container")
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        raise CannotStart(f"this is Python {sys.version.split()[0]}: start with {wanted} or newer, or with uv")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _commands() -> dict[str, str]:
    """Return every command with what it does, as tox.ini says."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    found = {
        section.partition(":")[2]: tox[section].get("description", "")
        for section in tox.sections()
        if section.startswith("testenv:")
    }
    return {TEST: f"all tests: {tox['tox']['env_list']}", **found}


def _usage(commands: Mapping[str, str]) -> str:
    lines = [f"  {name:<12} {does}" for name, does in commands.items()]
    return "\n".join(["usage: python3 start.py COMMAND [ARGUMENTS]", *lines])


# An environment with tox in it -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of `build/`: of two starts at once the second finds what the first has made."""
    import fcntl  # noqa: PLC0415 - there is none where the command is refused

    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".start.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # It ends with the process that holds it, whose own waiting is bounded.
            print("start.py: waiting for another start that installs tox", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tox_python() -> Path:
    """Return the Python of an environment that has tox, made where there is none.

    It gets its name when it is whole, by one rename: a start that died leaves nothing that this takes for one. Its
    name says what it was made of, so other pins or another Python make another. What was damaged is made anew.
    """
    made_of = f"{os.path.realpath(sys.executable)} {sys.version_info[:2]} {CONSTRAINTS.read_text(encoding='utf-8')}"
    place = BUILD / f"tox-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    python = place / "bin" / "python"
    if _has_tox(python):
        return python
    # The lock is held, so these are of starts that have died.
    for stale in (place, *BUILD.glob(f"{_STALE}*")):
        shutil.rmtree(stale, ignore_errors=True)
    print(f"start.py: installing tox into {place.relative_to(ROOT)}, once", file=sys.stderr)
    work = Path(tempfile.mkdtemp(prefix=_STALE, dir=BUILD))
    try:
        _install(work)
        if not _has_tox(work / "bin" / "python"):
            raise CannotStart("what was installed has no tox; do settings of the installer's stand in the way?")
        work.rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return python


def _has_tox(python: Path) -> bool:
    if not python.exists():
        return False
    return (
        subprocess.run([str(python), "-I", "-c", _PROBE], check=False, capture_output=True, timeout=60).returncode == 0
    )


def _install(work: Path) -> None:
    """Make an environment and install tox. Raises CannotStart with what the installer says last."""
    python = str(work / "bin" / "python")
    wanted = ["--constraint", str(CONSTRAINTS), *PACKAGES]
    # `uv run` says where uv is.
    uv = os.environ.get("UV") or shutil.which("uv")
    if _can_make_environments():
        # Only now: it is the generator's, beside this file, and as old in its syntax.
        sys.path.insert(0, str(ROOT))
        from generator.pip_settings import PipSettingsError, pip_environment  # noqa: PLC0415

        _run("no environment can be made", [sys.executable, "-I", "-m", "venv", str(work)], dict(os.environ))
        try:
            environment = pip_environment(python, os.environ)
        except PipSettingsError as error:
            raise CannotStart(f"pip's own configuration cannot be read: {error}") from None
        pip = [python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(_NO_TOX, [*pip, *wanted], environment)
    elif uv:
        made = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(work)]
        _run("no environment can be made", made, dict(os.environ))
        _run(_NO_TOX, [uv, "pip", "install", "--quiet", "--python", python, *wanted], dict(os.environ))
    else:
        raise CannotStart(
            "this Python cannot make environments: install venv (Debian, Ubuntu: apt install python3-venv; "
            "Fedora: dnf install python3-libs) or uv"
        )


def _can_make_environments() -> bool:
    """Tell whether venv is whole: Debian's Python has it without what it installs pip with."""
    try:
        from ensurepip import bootstrap  # noqa: F401, PLC0415
        from venv import EnvBuilder  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


def _run(failure: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command to its end. Raises CannotStart with the failure and what the command says of it."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotStart(
            f"tox is not installed after {_INSTALL_TIMEOUT_S} s; is the package index reachable?"
        ) from None
    if done.returncode != 0:
        # What pip is sure of, else whatever was said last.
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        said = next((line for line in lines if line.startswith("ERROR: ")), (lines or ["no message"])[-1])
        raise CannotStart(f"{failure}: {said[:_SAID_CHARACTERS].replace('ERROR: ', '')}")


# What tox needs to know ------------------------------------------------------------------------------------------


def _forget_another_place() -> None:
    """Remove tox's environments where the checkout has been moved: their scripts begin with paths that are gone.

    The file that says where they were made is written first: a start that dies here removes them once more.
    """
    folder = ROOT / ".tox"
    said = folder / "place"
    here = os.fsencode(ROOT)
    known = said.read_bytes() if said.is_file() else None
    if known == here:
        return
    if folder.exists():
        print("start.py: this checkout was made elsewhere: tox's environments are made anew", file=sys.stderr)
        shutil.rmtree(folder)
    folder.mkdir()
    said.write_bytes(here)


def _with_home(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with a home in it: a user without one has none for the caches of tox and uv either."""
    given = environment.get("HOME", "~")
    # Not Path.expanduser, which raises where the user has none.
    if given and os.access(os.path.expanduser(given), os.W_OK):  # noqa: PTH111
        return dict(environment)
    home = BUILD / "home"
    home.mkdir(exist_ok=True)
    return {**environment, "HOME": str(home)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
