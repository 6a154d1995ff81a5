"""The functions whose latest start failed at import, in their own words."""

from __future__ import annotations

import json

import pytest

from bench.emulator.functions import outcomes
from bench.emulator.functions.failed_imports import FailedImports, words


def failure(document: object) -> outcomes.Outcome:
    """Return the end of a start as AWS's client reports it."""
    return outcomes.raised(json.dumps(document).encode(), during_init=True)


def test_the_latest_start_counts() -> None:
    """A function that comes to its first event is none of them any more; others stay."""
    failed = FailedImports()
    failed.note("one", failure({"errorType": "Runtime.ImportModuleError", "errorMessage": "no module\n  named x"}))
    failed.note("two", failure({"errorType": "ValueError", "errorMessage": "why"}))
    assert failed.all() == {"one": "Runtime.ImportModuleError: no module named x", "two": "ValueError: why"}
    failed.note("one", None)
    failed.note("three", None)
    assert failed.all() == {"two": "ValueError: why"}


@pytest.mark.parametrize("document", ["text", {"errorType": "x"}, None, ["y"]])
def test_a_report_of_another_form_is_said_as_it_stands(document: object) -> None:
    """What the client sends is a function's to write."""
    assert words(failure(document)) == " ".join(json.dumps(document).split())


def test_what_is_said_is_cut() -> None:
    """However much an import has to say."""
    assert len(words(failure({"errorType": "E", "errorMessage": "x" * 10_000}))) == 500
