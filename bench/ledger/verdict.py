"""The words of a verdict, as in total-queue checking, for every pipeline.

attempted: rows that were sent. acknowledged: rows whose sending the service confirmed, or that are there although
nobody was told so. recovered: those of them of which some try had no answer. indeterminate: rows that had no answer
and are not there, which nobody promised. ok: ticks that are in the bar where they belong. lost: ticks missing from a
bar. duplicated: ticks too many in a bar. unexpected: ticks in bars that should not be there. rejected: corrupt rows
that were recorded with the right reason. skipped: rows that a feed says are no trades. cancelled: trades that are taken
back, and rows that do so. refused: rows of objects of which nothing was taken, for a reason that the pipeline named.
retracted: ticks of ingests that were taken back while the run went on, which count in no bar. dead-lettered: ticks
whose range waits in a dead-letter queue (they are not lost: redriving them completes their ingests).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.ledger.sent import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.ledger.sent import Sent


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the verdict."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run has shown; it passed if every check did. not_measured: what its target could not show."""

    counts: Mapping[str, int]
    checks: tuple[Check, ...]
    rejected_by_reason: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed; a verdict without checks has shown nothing and did not pass."""
        return bool(self.checks) and all(check.passed for check in self.checks)


def sent_counts(outcomes: Sequence[Sent], attempted: int) -> dict[str, int]:
    """Count rows by what became of their sending; one entry an ordinal."""
    return {
        "attempted": attempted,
        "acknowledged": sum(one.rows for one in outcomes if one.acknowledged),
        "recovered": sum(one.rows for one in outcomes if one.recovered),
        "indeterminate": sum(one.rows for one in outcomes if one.outcome is Outcome.INDETERMINATE),
    }


def judge_acknowledged(outcomes: Sequence[Sent], attempted: int) -> Check:
    """Nothing was refused, and of nearly nothing it is unknown what became of it."""
    counts = sent_counts(outcomes, attempted)
    known, doubtful = counts["acknowledged"], counts["indeterminate"]
    detail = f"{known:,} of {attempted:,} rows in {len(outcomes):,} objects and requests"
    if faults := [one for one in outcomes if one.outcome is Outcome.REFUSED]:
        detail += f"; {len(faults):,} refused, the first: {faults[0].fault}"
    if doubtful:
        detail += f"; {doubtful:,} rows without an answer that did not arrive either"
    # Of an object without a row there is nothing to count, and it must be taken all the same.
    something = known > 0 or (attempted == 0 and bool(outcomes))
    return Check("acknowledged", not faults and known + doubtful == attempted and something, detail)
