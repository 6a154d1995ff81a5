"""What functions import beside their own code: installed for Lambda's platform, zipped, kept by hash."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement

from generator.closure import closure_of
from generator.errors import BundleError
from generator.pip_settings import PipSettingsError, pip_environment
from generator.zips import add_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

ARCHITECTURES: Mapping[str, str] = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Lambda's name of an architecture to the one in wheels' platform tags."""

PYTHON_VERSION = "3.13"

_NEWEST_GLIBC_MINOR = 34
_OLDEST_GLIBC_MINOR = 17
_INSTALL_TIMEOUT_S = 600
_LAYOUT = "2"
"""Part of the cache key: raise it when what is stripped, how it is zipped or what is checked changes.

Zips of layout 1 were not checked: one of them may lack what its functions import.
"""

_DROPPED_DIRECTORIES = {"__pycache__", "tests", "test", "bin"}
_DROPPED_METADATA = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def dependency_zips(
    wanted: Collection[tuple[str, ...]], architecture: str, constraints: Path, cache: Path
) -> dict[tuple[str, ...], Path]:
    """Return a zip of the installed requirements, for each of these sets of them.

    Whatever is not there yet is installed at once, and each zip gets what its set needs of it: pip takes seconds to
    start, and the sets share most. A zip is named after what was asked for; its comment is a hash of what it holds.

    Args:
        wanted: sets of distribution names.
        architecture: a key of `ARCHITECTURES`.
        constraints: pip constraints; only lines that pin versions count for the hash.
        cache: directory of these zips.

    Raises:
        BundleError: pip cannot install them, or reports success and has not.

    """
    pins = sorted(line.split("#")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines())
    pins = [pin for pin in pins if pin]
    pinned = {re.split(r"[<>=!~\[ ;]", pin)[0].lower() for pin in pins}
    names = sorted({name for requirements in wanted for name in requirements})
    if missing := [name for name in names if name.lower() not in pinned]:
        raise BundleError(f"{constraints} does not pin {', '.join(missing)}")
    zips = {requirements: cache / f"{_digest(requirements, architecture, pins)}.zip" for requirements in wanted}
    if absent := {requirements: path for requirements, path in zips.items() if not path.is_file()}:
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=cache, prefix=".installing-"))
        try:
            _install(sorted({name for one in absent for name in one}), architecture, constraints, work / "tree")
            for requirements, path in absent.items():
                foreign = _check(requirements, pins, architecture, work / "tree")
                _zip(work / "tree", work / path.name, foreign)
            for path in absent.values():
                # The last step: who sees the name sees a whole file, and two runs at once make the same one.
                (work / path.name).replace(path)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return zips


def _digest(requirements: Sequence[str], architecture: str, pins: Sequence[str]) -> str:
    asked = "\n".join([_LAYOUT, architecture, PYTHON_VERSION, *sorted(requirements), "--", *pins])
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def _install(requirements: Sequence[str], architecture: str, constraints: Path, target: Path) -> None:
    """Install wheels for Lambda's platform into a directory, whatever this machine is."""
    machine = ARCHITECTURES[architecture]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(_NEWEST_GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--target", str(target), "--only-binary=:all:", "--implementation", "cp"]
    command += ["--python-version", PYTHON_VERSION, "--constraint", str(constraints)]
    for platform in (*platforms, f"manylinux2014_{machine}"):
        command += ["--platform", platform]
    try:
        done = subprocess.run(
            [*command, *requirements],
            env=pip_environment(sys.executable, os.environ),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_INSTALL_TIMEOUT_S,
            check=False,
        )
    except PipSettingsError as error:
        raise BundleError(f"pip's own configuration cannot be read: {error}") from error
    except subprocess.TimeoutExpired:
        raise BundleError(f"pip did not finish in {_INSTALL_TIMEOUT_S} s; is the package index reachable?") from None
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("ERROR")), (lines or ["no message"])[-1])
        raise BundleError(
            f"pip cannot install {', '.join(requirements)} for {architecture}: {reason.removeprefix('ERROR: ')} "
            "(is the package index reachable?)"
        )


def _check(requirements: Sequence[str], pins: Sequence[str], architecture: str, tree: Path) -> frozenset[str]:
    """Return the tree's files that are of other requirements.

    Raises BundleError where the tree is not what was asked for, whatever pip says.
    """
    machine = ARCHITECTURES[architecture]
    try:
        closure = closure_of(tree, requirements, pins, python_version=PYTHON_VERSION, machine=machine)
    except InvalidRequirement as error:
        raise BundleError(f"a requirement cannot be read: {' '.join(str(error).split())}") from error
    if closure.missing:
        raise BundleError(
            f"pip reports success, but what it installed for {architecture} lacks {', '.join(closure.missing)} "
            "(nothing is kept of it)"
        )
    return closure.foreign


def _zip(tree: Path, path: Path, foreign: Collection[str]) -> None:
    digest = hashlib.sha256()
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(name for name in _kept(tree) if name not in foreign):
            content = (tree / name).read_bytes()
            digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\0".encode())
            add_file(archive, name, content)
        archive.comment = digest.hexdigest().encode()


def _kept(tree: Path) -> Iterator[str]:
    """Yield the files a function needs: no tests, no scripts, no caches, no record of the installation."""
    for directory, subdirectories, files in os.walk(tree):
        subdirectories[:] = [name for name in subdirectories if name not in _DROPPED_DIRECTORIES]
        here = Path(directory)
        for file in files:
            if not (here.suffix == ".dist-info" and file in _DROPPED_METADATA) and not file.endswith((".pyc", ".pyi")):
                yield (here / file).relative_to(tree).as_posix()
