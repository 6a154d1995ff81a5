"""The verdict's check that no function was refused a request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bench.iam.record import read_access
from bench.ledger.verdict import Check

if TYPE_CHECKING:
    from collections.abc import Collection

    from bench.iam.record import Access
    from bench.ledger.verdict import Verdict
    from bench.targets import Target

NO_REFUSAL: Final = "no request was refused"
#: What is said where nobody checks.
UNCHECKED: Final = f"{NO_REFUSAL}: the target checks no IAM policies"
_NAMED: Final = 3


class RefusalWatch:
    """Looks at the IAM check's record when a run begins, and again when it is over."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._before = read_access(target)

    def judged(self, verdict: Verdict, names: Collection[str]) -> Verdict:
        """Return the verdict with the check added; names: those of the stack's resources, its roles among them."""
        now = read_access(self._target)
        if now is None or self._before is None:
            return replace(verdict, not_measured=(*verdict.not_measured, UNCHECKED))
        return replace(verdict, checks=(*verdict.checks, judge_refusals(now.since(self._before), names)))


def judge_refusals(access: Access, roles: Collection[str]) -> Check:
    """Judge that the functions of some roles asked for something, and were refused nothing."""
    refused = [one for one in access.refusals if one.role in roles]
    used = [one for one in access.uses if one.role in roles]
    allowed = sum(one.requests for one in used)
    detail = f"{allowed:,} requests allowed, by {len({one.role for one in used})} roles"
    if refused:
        detail += f", {sum(one.requests for one in refused):,} refused: "
        detail += "; ".join(one.message for one in refused[:_NAMED])
    return Check(NO_REFUSAL, bool(allowed) and not refused, detail)
