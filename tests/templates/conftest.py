"""The committed template, parsed, and a way to share checks between the modules here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.templates.reading import decided

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "templates" / "file-processing-dev.json"

# The row tests and the mutation tests run the same checks. In pytest's importlib mode a test module imports another
# only by its full name below the project's root, which plain `pytest` does not put on the path.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture
def root() -> Path:
    """Return the project's root directory."""
    return ROOT


@pytest.fixture
def committed() -> Path:
    """Return the path of the committed market analytics template."""
    return ROOT / "templates" / "market-analytics-dev.json"


@pytest.fixture
def template(committed: Path) -> dict[str, Any]:
    """Return market analytics' committed template without a key of one's own, fresh, so that a test may change it."""
    return _with_keys(parsed(committed), own=False, previous=False)


@pytest.fixture
def files() -> dict[str, Any]:
    """Return file processing's committed template without a key of one's own, fresh, so that a test may change it."""
    return _with_keys(parsed(FILES), own=False, previous=False)


@pytest.fixture
def keyed(committed: Path) -> dict[str, dict[str, Any]]:
    """Return both committed templates, by pipeline, with a key of one's own."""
    found = {"market-analytics": parsed(committed), "file-processing": parsed(FILES)}
    return {pipeline: _with_keys(one, own=True, previous=False) for pipeline, one in found.items()}


@pytest.fixture
def rekeyed(committed: Path) -> dict[str, dict[str, Any]]:
    """Return both committed templates, by pipeline, with keys of before and none of today."""
    found = {"market-analytics": parsed(committed), "file-processing": parsed(FILES)}
    return {pipeline: _with_keys(one, own=False, previous=True) for pipeline, one in found.items()}


def _with_keys(template: dict[str, Any], *, own: bool, previous: bool) -> dict[str, Any]:
    of_today = decided(template, "WithOwnKey", holds=own)
    return decided(of_today, "WithPreviousKeys", holds=previous)  # type: ignore[no-any-return]


def parsed(path: Path) -> dict[str, Any]:
    """Return a template's contents."""
    contents: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return contents
