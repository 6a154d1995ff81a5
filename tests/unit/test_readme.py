"""The README's commands are commands that exist, with options that exist."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import pytest

import start
from bench.__main__ import _parser as bench_parser
from generator.__main__ import _parser as generator_parser

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    for line in block.replace("\\\n", " ").splitlines()
]


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("python -m bench")])
def test_a_bench_command_is_understood(command: str) -> None:
    """The bench's parser takes every bench command that the README shows."""
    bench_parser().parse_args(shlex.split(command)[3:])


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("python -m generator ")])
def test_a_generator_command_is_understood(command: str) -> None:
    """The generator's parser takes every generator command that the README shows."""
    words = shlex.split(command)
    generator_parser().parse_args(words[3 : words.index(">") if ">" in words else None])


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/performance.md"])
def test_the_start_commands_are_environments(name: str) -> None:
    """Whatever a page has `start.py` run is an environment of tox.ini, or all of them."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    named = set(re.findall(r"start\.py (\w+)", (ROOT / name).read_text()))
    assert named or name.startswith("docs")
    assert {one for one in named if one != start.TEST and f"testenv:{one}" not in tox} == set()


def test_the_first_commands_are_the_whole_start() -> None:
    """The first two commands are the main job and the tests, with nothing before them; uv's are the same two."""
    commands = [line for line in COMMANDS if re.match(r"(python|pip|uv|tox|apt|git|sh|\./)", line)]
    assert commands[:2] == ["python3 start.py bench", f"python3 start.py {start.TEST}"]
    assert re.findall(r"`(uv run [^`]*)`", README) == [f"uv run start.py {name}" for name in ("bench", start.TEST)]


def test_ci_runs_the_readmes_test_command() -> None:
    """The last line of `.ci/run` is the README's second command, and no other line of it installs or tests."""
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()]
    assert lines[-1] == f"python3 start.py {start.TEST}"
    assert not [line for line in lines[:-1] if "python" in line and not line.startswith("#")]


def test_the_readme_shows_commands() -> None:
    """The checks above look at something."""
    assert len([line for line in COMMANDS if line.startswith("python -m ")]) >= 6


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_a_link_leads_somewhere(target: str) -> None:
    """Every relative link of the README names a file that is there."""
    assert (ROOT / target).exists()
