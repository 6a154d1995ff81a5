"""The bench against pipelines that are broken in their code (I9); `python -m bench mutants` runs them all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bench.mutants.catalog import MUTANTS, SMALLEST
from bench.mutants.run import GOOD, run_mutants, with_controls

if TYPE_CHECKING:
    from bench.targets.embedded import EmbeddedTarget


def test_the_smallest_set_of_mutants_is_killed(target: EmbeddedTarget) -> None:
    """The real pipeline passes, and each broken one fails the check that is there for what is broken in it."""
    chosen = [mutant for mutant in MUTANTS if mutant.name in SMALLEST]
    with ThreadPoolExecutor(1) as pool:
        findings = run_mutants(with_controls(chosen), [target], pool, lambda _: None)
    assert len(findings) == len(SMALLEST) + 1
    assert [finding for finding in findings if finding.fate not in GOOD] == []
