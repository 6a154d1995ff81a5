"""The committed template, parsed, and a way to share checks between the modules here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

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
    """Return the committed template of market analytics, freshly parsed, so that a test may change it."""
    return parsed(committed)


@pytest.fixture
def files() -> dict[str, Any]:
    """Return the committed template of file processing, freshly parsed, so that a test may change it."""
    return parsed(ROOT / "templates" / "file-processing-dev.json")


def parsed(path: Path) -> dict[str, Any]:
    """Return a template's contents."""
    contents: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return contents
