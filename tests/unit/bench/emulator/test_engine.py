"""The one module that names LocalStack: its table is true, nobody else imports LocalStack, and it loads nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

from bench import engine

ROOT: Final = Path(__file__).parents[4]
_IMPORT: Final = re.compile(r"^\s*(?:from|import) (?:localstack|localemu)\b", re.MULTILINE)


@pytest.mark.parametrize("name", sorted(engine.names()))
def test_every_name_is_where_the_table_says(name: str) -> None:
    """Each name can be imported: what has moved upstream is found here first."""
    assert getattr(engine, name) is not None


def test_nobody_else_imports_localstack() -> None:
    """An import beside the table would have to be found and changed by hand when the floor changes."""
    files = [path for folder in ("bench", "tests", "docs") for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in files if _IMPORT.search(path.read_text(encoding="utf-8"))] == []


def test_a_name_that_is_not_in_the_table_is_none() -> None:
    """A misspelt name is an error that names it."""
    with pytest.raises(AttributeError, match="RequestKontext"):
        engine.RequestKontext  # noqa: B018 - asking is the test


def test_the_bench_itself_loads_no_localstack() -> None:
    """The bench's commands start without LocalStack, which takes seconds to load."""
    line = "import sys, bench.__main__, bench.targets.embedded; print('localstack' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


def test_its_groups_are_those_of_the_distribution() -> None:
    """The entry points by which LocalStack finds the bench are declared under the groups that the table names."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert sorted(declared) == sorted(engine.ENTRY_POINT_GROUPS)


def test_the_version_that_is_pinned_is_installed() -> None:
    """What was tried is what runs."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"{engine.DISTRIBUTION}=={metadata.version(engine.DISTRIBUTION)}" in pins
