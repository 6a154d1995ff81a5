"""Granted against used, role by role. Pure: three sides go in, rows and faults come out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.iam.policies import Grant
    from bench.iam.record import Access
    from bench.permissions.services import Demand


class Standing(StrEnum):
    """Why a grant is there."""

    USED = "used"
    SERVICE = "by AWS"
    UNUSED = "UNUSED"


@dataclass(frozen=True, slots=True)
class Row:
    """One grant of one role. requests: of the role's function. demands: what AWS's services need it for."""

    role: str
    grant: Grant
    requests: int
    demands: tuple[Demand, ...]

    @property
    def standing(self) -> Standing:
        """Used by the function itself, else by a service, else by nobody."""
        if self.requests:
            return Standing.USED
        return Standing.SERVICE if self.demands else Standing.UNUSED


@dataclass(frozen=True, slots=True)
class Matrix:
    """All grants of some roles, and what is wrong with them, one sentence each."""

    rows: tuple[Row, ...]
    faults: tuple[str, ...]


def compare(granted: Mapping[str, Iterable[Grant]], access: Access, demands: Sequence[Demand]) -> Matrix:
    """Compare what roles are granted with what functions used and what services demand.

    A fault is a grant that nobody uses, a request that was refused, and a service's demand that nothing grants.
    """
    used: Counter[tuple[str, str, str]] = Counter()
    for use in access.uses:
        used[use.role, use.action, use.resource] += use.requests
    rows = tuple(
        Row(
            role,
            grant,
            used[role, grant.action, grant.resource],
            tuple(one for one in demands if one.role == role and grant.covers(one.action, one.resource)),
        )
        for role, grants in sorted(granted.items())
        for grant in sorted(grants, key=lambda grant: (grant.action, grant.resource))
    )
    unused = (
        f"{row.role}: {row.grant.action} on {row.grant.resource} is granted and nobody uses it"
        for row in rows
        if row.standing is Standing.UNUSED
    )
    met = {demand for row in rows for demand in row.demands}
    missing = (
        f"{one.role}: {one.action} on {one.resource} is not granted, but {one.what_for} ({one.page})"
        for one in demands
        if one not in met
    )
    refused = (f"{one.role}: {one.message}" for one in access.refusals if one.role in granted)
    return Matrix(rows, (*refused, *missing, *unused))
