"""The environment of a pip that installs what it is told to: the user's settings say from where, never what or how.

Without this `PIP_NO_DEPS`, `PIP_TARGET`, `PIP_USER` and their like, or the same words in pip's configuration, change
what an installation is, and pip reports success. The script `start.py` needs it too: standard library alone, and the
syntax of Python 3.9.
"""

from __future__ import annotations

import ast
import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT_SETTINGS = (
    "index-url",
    "pypi-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "cert",
    "client-cert",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
    "keyring-provider",
    "cache-dir",
    "no-cache-dir",
)
"""Where packages come from and how they are reached; every other setting of the user's is left out."""

_SECTIONS = ("global", "install", ":env:")
"""Of pip's configuration, the ones that an installation obeys; a later one outweighs an earlier one."""

_NO_HOME = "/nonexistent"
_LIST_TIMEOUT_S = 60
_SAID_CHARACTERS = 300


class PipSettingsError(Exception):
    """pip cannot say what its settings are; the message is what pip says, in one line."""


def pip_environment(python: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of an environment under which `python -m pip` obeys only `KEPT_SETTINGS` of the user's.

    Raises:
        PipSettingsError: pip's configuration cannot be read, or there is no pip.

    """
    clean = {name: value for name, value in environment.items() if not name.upper().startswith("PIP_")}
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - Path.home raises
        # A user without a name, as in a container: pip does not start without a home, and is not to find one of others.
        clean["HOME"] = _NO_HOME
    return {**clean, **_kept(python, environment, clean), "PIP_CONFIG_FILE": os.devnull}


def _kept(python: str, environment: Mapping[str, str], clean: Mapping[str, str]) -> dict[str, str]:
    """Ask pip for its settings, from files and variables, and return those that are kept as variables."""
    # Variables outweigh files, so these make even a silenced or redirected pip answer, here and in full.
    forced = {"PIP_PYTHON": python, **{f"PIP_{name}": "0" for name in ("QUIET", "VERBOSE", "GLOBAL", "USER", "SITE")}}
    asked = {**clean, **{name: environment[name] for name in _variables() if name in environment}, **forced}
    command = [python, "-m", "pip", "config", "list"]
    try:
        done = subprocess.run(
            command, env=asked, capture_output=True, text=True, errors="replace", timeout=_LIST_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise PipSettingsError(f"pip did not tell its settings in {_LIST_TIMEOUT_S} s") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-_SAID_CHARACTERS:]
        raise PipSettingsError(said or f"pip ended with status {done.returncode}")
    found = {}
    for line in done.stdout.splitlines():
        name, equals, value = line.partition("=")
        section, _, setting = name.rpartition(".")
        if equals and section in _SECTIONS and setting in KEPT_SETTINGS:
            found[section, setting] = str(ast.literal_eval(value))
    return {_variable(setting): found[section, setting] for section, setting in sorted(found, key=_weight)}


def _variables() -> list[str]:
    return ["PIP_CONFIG_FILE", *map(_variable, KEPT_SETTINGS)]


def _variable(setting: str) -> str:
    return "PIP_" + setting.upper().replace("-", "_")


def _weight(name: tuple[str, str]) -> int:
    return _SECTIONS.index(name[0])
