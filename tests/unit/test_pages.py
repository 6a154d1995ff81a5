"""The pages' commands are commands that exist, with options that exist; their links lead somewhere."""

from __future__ import annotations

import configparser
import re
import shlex
import unicodedata
from pathlib import Path
from typing import Final

import pytest

import start
from bench.__main__ import _parser as bench_parser
from generator.__main__ import _parser as generator_parser
from generator.differences import _parser as differences_parser

ROOT: Final = Path(__file__).parents[2]
#: The changelog tells of commands and pages as they were.
PAGES: Final = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
    if path.name != "CHANGELOG.md"
)
README_LINES: Final = 150


def _commands(page: str) -> list[str]:
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def _shown(start_of_line: str) -> list[str]:
    return sorted({line for page in PAGES for line in _commands(page) if line.startswith(start_of_line)})


README: Final = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("command", _shown("python -m bench"))
def test_a_bench_command_is_understood(command: str) -> None:
    """The bench's parser takes every bench command that a page shows."""
    words = shlex.split(command, comments=True)[3:]
    bench_parser().parse_args([word for word in words if word not in {">", "|"}])


@pytest.mark.parametrize("command", _shown("python -m generator "))
def test_a_generator_command_is_understood(command: str) -> None:
    """The generator's parser takes every generator command that a page shows."""
    words = shlex.split(command)
    if words[3] == "diff":
        differences_parser().parse_args(words[4:])
        return
    generator_parser().parse_args(words[3 : words.index(">") if ">" in words else None])


@pytest.mark.parametrize("page", PAGES)
def test_the_start_commands_are_environments(page: str) -> None:
    """Whatever a page has `start.py` run is an environment of tox.ini, or all of them."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    named = set(re.findall(r"start\.py (\w+)", (ROOT / page).read_text()))
    assert {one for one in named if one != start.TEST and f"testenv:{one}" not in tox} == set()


def test_the_first_commands_are_the_whole_start() -> None:
    """The first two commands are the main job and the tests, with nothing before them; uv's are the same two."""
    commands = [line for line in _commands("README.md") if re.match(r"(python|pip|uv|tox|apt|git|sh|\./)", line)]
    assert commands[:2] == ["python3 start.py bench", f"python3 start.py {start.TEST}"]
    assert re.findall(r"`(uv run [^`]*)`", README) == [f"uv run start.py {name}" for name in ("bench", start.TEST)]


def test_the_readme_is_for_who_reads_it_first() -> None:
    """It ends before a reader does: what operators and developers need stands behind it."""
    assert len(README.splitlines()) <= README_LINES


def test_ci_runs_the_readmes_test_command() -> None:
    """The last line of `.ci/run` is the README's second command, and no other line of it installs or tests."""
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()]
    assert lines[-1] == f"python3 start.py {start.TEST}"
    assert not [line for line in lines[:-1] if "python" in line and not line.startswith("#")]


def test_the_pages_show_commands() -> None:
    """The checks above look at something."""
    assert len(_shown("python -m bench")) >= 20
    assert len(_shown("python -m generator ")) >= 1


def _links() -> list[tuple[str, str]]:
    found = {
        (page, target)
        for page in PAGES
        for target in re.findall(
            r"\]\(([^):]+)\)", re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
        )
    }
    return sorted(found)


@pytest.mark.parametrize(("page", "target"), _links())
def test_a_link_leads_somewhere(page: str, target: str) -> None:
    """Every relative link of a page names a file that is there, and a heading that it has."""
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    assert file.exists()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
        assert anchor in {_anchor_of(one) for one in headings}


def _anchor_of(heading: str) -> str:
    kept = re.sub(r"[^\w\s-]", "", unicodedata.normalize("NFKC", heading.replace("`", "")).lower())
    return re.sub(r"\s", "-", kept.strip())
