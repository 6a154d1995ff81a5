"""Findings of the checkers against the reasons that are written down for them. Pure but for reading the file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from security.errors import SecurityCheckError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

CHECKERS = ("cfn-lint", "checkov", "cfn-guard")
ANY = "*"

_KEYS = {"checker", "rule", "resources", "reason"}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What a checker does not like.

    Attributes:
        checker: one of `CHECKERS`.
        rule: the checker's own name of the rule.
        template: the template's file name.
        resource: logical id; empty where the checker names none.
        says: the checker's own words, on one line.

    """

    checker: str
    rule: str
    template: str
    resource: str
    says: str


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why a rule's findings on some resources are right as they are.

    Attributes:
        checker: one of `CHECKERS`.
        rule: the checker's own name of the rule.
        resources: logical ids, in whichever template; or only `*`, for a decision that holds for all there will be.
        reason: why.

    """

    checker: str
    rule: str
    resources: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of holding findings against suppressions.

    Attributes:
        explained: number of findings of each suppression, in the file's order.
        unexplained: findings that no suppression speaks of, sorted.
        idle: suppressions with those of their resources on which nothing was found.

    """

    explained: tuple[tuple[Suppression, int], ...]
    unexplained: tuple[Finding, ...]
    idle: tuple[tuple[Suppression, str], ...]

    @property
    def passed(self) -> bool:
        """Whether each finding has its reason, and each reason its finding."""
        return not self.unexplained and not self.idle


def compare(findings: Iterable[Finding], suppressions: Sequence[Suppression]) -> Comparison:
    """Hold findings against suppressions; each finding is explained by the first suppression that names it."""
    used: dict[tuple[int, str], int] = {
        (number, resource): 0 for number, one in enumerate(suppressions) for resource in one.resources
    }
    unexplained = []
    for finding in sorted(set(findings)):
        named = next(
            (
                (number, resource)
                for number, resource in used
                if (suppressions[number].checker, suppressions[number].rule) == (finding.checker, finding.rule)
                and resource in (ANY, finding.resource)
            ),
            None,
        )
        if named is None:
            unexplained.append(finding)
        else:
            used[named] += 1
    return Comparison(
        explained=tuple(
            (one, sum(count for (of, _), count in used.items() if of == number))
            for number, one in enumerate(suppressions)
        ),
        unexplained=tuple(unexplained),
        idle=tuple((suppressions[number], resource) for (number, resource), count in used.items() if count == 0),
    )


def read_suppressions(path: Path) -> tuple[Suppression, ...]:
    """Read the file of suppressions: tables `[[suppression]]` with checker, rule, resources and reason.

    Raises:
        SecurityCheckError: the file is missing, is no TOML, or a table is incomplete.

    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("suppression", [])
    except OSError as error:
        raise SecurityCheckError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SecurityCheckError(f"{path} is no TOML: {error}") from error
    return tuple(_suppression(path, number, table) for number, table in enumerate(tables, start=1))


def _suppression(path: Path, number: int, table: object) -> Suppression:
    where = f"{path}: suppression {number}"
    if not isinstance(table, dict) or table.keys() != _KEYS:
        raise SecurityCheckError(f"{where} must have exactly {', '.join(sorted(_KEYS))}")
    checker, rule, resources, reason = (table[key] for key in ("checker", "rule", "resources", "reason"))
    if checker not in CHECKERS:
        raise SecurityCheckError(f"{where}: no checker {checker!r}; there are {', '.join(CHECKERS)}")
    if not all(isinstance(text, str) and text.strip() for text in (rule, reason)):
        raise SecurityCheckError(f"{where}: rule and reason must be texts, and not empty")
    if not isinstance(resources, list) or not resources or not all(isinstance(one, str) for one in resources):
        raise SecurityCheckError(f"{where}: resources must be a list of logical ids, or {[ANY]}")
    if len(set(resources)) < len(resources) or (ANY in resources and len(resources) > 1):
        raise SecurityCheckError(f"{where}: resources name something twice")
    return Suppression(checker=checker, rule=rule, resources=tuple(resources), reason=" ".join(reason.split()))
