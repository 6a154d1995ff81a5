"""What an installation keeps of the user's settings of pip: from where, and nothing else."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from generator.pip_settings import PipSettingsError, pip_environment

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE_SETTINGS = {
    "no-deps": "1",
    "dry-run": "1",
    "root": "elsewhere",
    "prefix": "elsewhere",
    "target": "elsewhere",
    "user": "1",
    "require-virtualenv": "1",
    "python": "/nonexistent",
    "quiet": "3",
    "constraint": "/nonexistent",
    "no-binary": ":all:",
    "require-hashes": "1",
    "platform": "win_amd64",
}
WHERE = {"PIP_INDEX_URL": "https://index.example/simple", "PIP_FIND_LINKS": "/one\n/two", "PIP_TIMEOUT": "7"}


@pytest.fixture
def surroundings() -> dict[str, str]:
    """Return the variables of this process, without any of pip's, nor its files."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return clean | {"PIP_CONFIG_FILE": os.devnull}


def pips(environment: dict[str, str]) -> dict[str, str]:
    """Return pip's variables of what is kept."""
    kept = pip_environment(sys.executable, environment)
    assert kept["PATH"] == environment["PATH"]
    return {name: value for name, value in kept.items() if name.startswith("PIP_")}


def test_variables_say_from_where_and_nothing_else(surroundings: dict[str, str]) -> None:
    """Of the variables, those that say where packages are come through as they stand."""
    hostile = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in HOSTILE_SETTINGS.items()}
    assert pips({**surroundings, **hostile, **WHERE}) == {**WHERE, "PIP_CONFIG_FILE": os.devnull}


@pytest.mark.parametrize("section", ["global", "install"])
def test_files_say_from_where_and_nothing_else(section: str, surroundings: dict[str, str], tmp_path: Path) -> None:
    """Of a file too, in either section, even where it silences pip; and pip reads no file afterwards."""
    lines = [f"[{section}]", *(f"{name} = {value}" for name, value in HOSTILE_SETTINGS.items() if name != "python")]
    lines += [f"{name[4:].lower().replace('_', '-')} = {value}" for name, value in WHERE.items() if "LINKS" not in name]
    lines += ["find-links =", "  /one", "  /two"]
    (tmp_path / "pip.conf").write_text("\n".join(lines))
    kept = pips({**surroundings, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})
    assert {name: kept[name].strip() for name in WHERE} == WHERE
    assert not {f"PIP_{name.upper().replace('-', '_')}" for name in HOSTILE_SETTINGS} & kept.keys()
    assert kept["PIP_CONFIG_FILE"] == os.devnull


def test_the_nearer_setting_counts(surroundings: dict[str, str], tmp_path: Path) -> None:
    """A variable outweighs the section of the command, which outweighs the global one; other commands' do not count."""
    (tmp_path / "pip.conf").write_text(
        "[global]\ntimeout = 1\nretries = 1\nproxy = a\n[install]\ntimeout = 2\nretries = 2\n[download]\nproxy = b\n"
    )
    kept = pips({**surroundings, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_TIMEOUT": "3"})
    assert (kept["PIP_TIMEOUT"], kept["PIP_RETRIES"], kept["PIP_PROXY"]) == ("3", "2", "a")


def test_a_file_that_pip_cannot_read_is_one_line(surroundings: dict[str, str], tmp_path: Path) -> None:
    """Pip's own words name the file."""
    (tmp_path / "pip.conf").write_text("no section\n")
    with pytest.raises(PipSettingsError, match=r"pip\.conf") as caught:
        pip_environment(sys.executable, {**surroundings, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})
    assert "\n" not in str(caught.value)
