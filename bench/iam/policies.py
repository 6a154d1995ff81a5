"""Policy documents: read once, refused as a whole where anything in them is not evaluated here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bench.errors import PolicyError
from bench.iam.conditions import Condition, conditions_of, pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ELEMENTS: Final = frozenset({"Sid", "Effect", "Principal", "Action", "Resource", "NotResource", "Condition"})
_EVERYBODY: Final = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a session of a role. `account`: twelve digits."""

    account: str
    role_arn: str
    session_arn: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One action on one resource as a policy writes them, wildcards and all."""

    action: str
    resource: str

    def covers(self, action: str, resource: str) -> bool:
        """Say whether it matches a request; the case of actions does not count."""
        return (
            pattern(self.action.lower()).fullmatch(action.lower()) is not None
            and pattern(self.resource).fullmatch(resource) is not None
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    excludes: whether it is about all resources but `resources`. principals: whom it is about, None in an identity's.
    """

    denies: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    excludes: bool
    principals: tuple[str, ...] | None
    conditions: tuple[Condition, ...]

    def grants(self) -> Iterator[Grant]:
        """Yield each pair of an action and a resource."""
        for action in self.actions:
            for resource in self.resources:
                yield Grant(action, resource)

    def matching(self, action: str, resource: str, facts: Mapping[str, str]) -> Grant | None:
        """Return the pair that a request meets, None where the statement does not speak of it."""
        found = self._matching(action, resource)
        if found is None or not all(condition.holds(facts) for condition in self.conditions):
            return None
        return found

    def _matching(self, action: str, resource: str) -> Grant | None:
        if self.excludes:
            spared = any(pattern(one).fullmatch(resource) for one in self.resources)
            acted = next((one for one in self.actions if Grant(one, "*").covers(action, resource)), None)
            return None if spared or acted is None else Grant(acted, f"not {', '.join(self.resources)}")
        return next((grant for grant in self.grants() if grant.covers(action, resource)), None)

    def concerns(self, caller: Caller) -> bool:
        """Say whether a statement of a resource's policy is about a caller; a service is none of the callers here."""
        return self.principals is None or bool(
            {_EVERYBODY, caller.role_arn, caller.session_arn}.intersection(self.principals)
        )


@lru_cache(maxsize=1_024)
def statements_of(document: str) -> tuple[Statement, ...]:
    """Read a policy document. Raises PolicyError, which names the element that is not evaluated."""
    stated = json.loads(document)["Statement"]
    return tuple(_statement(one) for one in _listed(stated))


def _statement(stated: Mapping[str, Any]) -> Statement:
    if unknown := sorted(stated.keys() - _ELEMENTS):
        raise PolicyError(f"the policy element {', '.join(unknown)} is not evaluated")
    if stated.get("Effect") not in {"Allow", "Deny"} or ("Resource" in stated) is ("NotResource" in stated):
        raise PolicyError(f"this is no statement: {json.dumps(stated)[:200]}")
    resources = tuple(_listed(stated.get("Resource", stated.get("NotResource"))))
    for text in resources:
        pattern(text)
    return Statement(
        denies=stated["Effect"] == "Deny",
        actions=tuple(_listed(stated["Action"])),
        resources=resources,
        excludes="NotResource" in stated,
        principals=_principals(stated["Principal"]) if "Principal" in stated else None,
        conditions=conditions_of(stated.get("Condition", {})),
    )


def _principals(stated: Any) -> tuple[str, ...]:
    if stated == _EVERYBODY:
        return (_EVERYBODY,)
    if not isinstance(stated, dict) or stated.keys() - {"AWS", "Service"}:
        raise PolicyError(f"this principal is not evaluated: {json.dumps(stated)[:200]}")
    return tuple(str(one) for named in stated.values() for one in _listed(named))


def _listed(value: Any) -> list[Any]:
    """Return a policy element, which may stand alone, as a list."""
    return value if isinstance(value, list) else [value]
