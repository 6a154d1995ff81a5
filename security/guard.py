"""cfn-guard and the Control Tower rules, from the npm package that carries both."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from security.errors import SecurityCheckError

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "@cdklabs/cdk-validator-cfnguard"
VERSION = "0.0.62"
TIMEOUT_S = 300

_SYSTEMS = {"Linux": "ubuntu", "Darwin": "macos"}
_PROCESSORS = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Guard:
    """Where cfn-guard is.

    Attributes:
        binary: the program.
        rules: folder of the Control Tower rules.

    """

    binary: Path
    rules: Path


def fetch_guard(tools: Path) -> Guard:
    """Return cfn-guard from below `tools/VERSION`, where npm puts it the first time.

    The package is fetched without its peers (all of the CDK), and none of its scripts is run.

    Raises:
        SecurityCheckError: there is no npm, no such package, or no program for this machine in it.

    """
    system, processor = _SYSTEMS.get(platform.system()), _PROCESSORS.get(platform.machine())
    if system is None or processor is None:
        raise SecurityCheckError(f"{PACKAGE} has no cfn-guard for {platform.system()} on {platform.machine()}")
    folder = tools / VERSION
    package = folder / "node_modules" / PACKAGE
    guard = Guard(package / "bin" / system / processor / "cfn-guard", package / "rules" / "control-tower" / "cfn-guard")
    if not guard.binary.is_file():
        _install(folder)
    for path in (guard.binary, guard.rules):
        if not path.exists():
            raise SecurityCheckError(f"{PACKAGE} {VERSION} has no {path.relative_to(package)}")
    return guard


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SecurityCheckError("npm is missing: install Node.js; npm fetches cfn-guard and its rules")
    folder.mkdir(parents=True, exist_ok=True)
    options = (
        "--ignore-scripts",
        "--omit=peer",
        "--no-audit",
        "--no-fund",
        "--no-save",
        "--fetch-retries=1",
        "--loglevel=error",
    )
    command = [npm, "install", "--prefix", str(folder), *options, f"{PACKAGE}@{VERSION}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise SecurityCheckError(f"npm did not bring {PACKAGE} within {TIMEOUT_S} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[0]
        raise SecurityCheckError(f"npm cannot bring {PACKAGE} {VERSION}: {said}")
