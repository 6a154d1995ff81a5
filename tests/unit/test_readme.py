"""The README's commands are commands that exist, with options that exist."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import pytest

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


def test_the_tox_commands_are_environments() -> None:
    """Every tox environment that the README runs is in tox.ini."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    named = re.findall(r"python3 -m tox run -e (\w+)", README)
    assert named
    assert all(f"testenv:{name}" in tox for name in named)


def test_the_readme_shows_commands() -> None:
    """The checks above look at something."""
    assert len([line for line in COMMANDS if line.startswith("python -m ")]) >= 6


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_a_link_leads_somewhere(target: str) -> None:
    """Every relative link of the README names a file that is there."""
    assert (ROOT / target).exists()
