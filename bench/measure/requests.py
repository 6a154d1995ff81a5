"""Requests of AWS's services, as the result file has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.measure.journal import Journal, read_journal

if TYPE_CHECKING:
    from bench.targets import Target


def request_facts(target: Target) -> dict[str, Any]:
    """Return `requests` and `functions` since the journal's last reset; None of both where the target keeps none."""
    return journal_facts(read_journal(target))


def journal_facts(journal: Journal | None) -> dict[str, Any]:
    """Return the same of a journal that was read."""
    if journal is None:
        return {"requests": None, "functions": None}
    return {
        "requests": [asdict(one) for one in journal.requests],
        "functions": [asdict(one) for one in journal.functions],
    }
