"""Findings against the reasons that are written down for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from security.__main__ import ROOT
from security.errors import SecurityCheckError
from security.suppressions import CHECKERS, Finding, Suppression, compare, read_suppressions

if TYPE_CHECKING:
    from pathlib import Path

COMPLETE = '[[suppression]]\nchecker = "checkov"\nrule = "CKV_1"\nresources = ["Table"]\nreason = "Because."\n'


def found(resource: str, *, rule: str = "CKV_1", checker: str = "checkov", template: str = "a.json") -> Finding:
    """Return a finding."""
    return Finding(checker, rule, template, resource, "says something")


def because(*resources: str, rule: str = "CKV_1", checker: str = "checkov") -> Suppression:
    """Return a suppression."""
    return Suppression(checker, rule, resources, "Because.")


def test_a_finding_with_a_reason_passes() -> None:
    """A named resource is explained in every template that has it, and counted once a template."""
    compared = compare([found("Table"), found("Table", template="b.json")], [because("Table")])
    assert compared.passed
    assert [count for _, count in compared.explained] == [2]


@pytest.mark.parametrize(
    "finding", [found("Other"), found("Table", rule="CKV_2"), found("Table", checker="cfn-guard"), found("")]
)
def test_a_finding_without_a_reason_fails(finding: Finding) -> None:
    """Another resource, rule or checker than the suppression's is not explained by it."""
    compared = compare([found("Table"), finding], [because("Table")])
    assert compared.unexplained == (finding,)
    assert not compared.passed


def test_a_star_explains_every_resource() -> None:
    """A star stands for all resources, and for findings that name none."""
    assert compare([found("Table"), found("")], [because("*")]).passed


def test_a_reason_without_a_finding_fails() -> None:
    """A suppression that suppresses nothing fails the check, though no finding is left."""
    compared = compare([], [because("*")])
    assert [resource for _, resource in compared.idle] == ["*"]
    assert not compared.passed


def test_each_resource_of_a_suppression_must_have_its_finding() -> None:
    """One finding does not keep the other names of its suppression alive."""
    compared = compare([found("Table")], [because("Gone", "Table")])
    assert [resource for _, resource in compared.idle] == ["Gone"]


def test_a_second_reason_for_one_finding_is_idle() -> None:
    """A finding is explained once, so that a doubled suppression shows."""
    compared = compare([found("Table")], [because("*"), because("Table")])
    assert [one.resources for one, _ in compared.idle] == [("Table",)]


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (COMPLETE.replace('reason = "Because."', ""), "exactly"),
        (COMPLETE.replace('"Because."', '" "'), "reason"),
        (COMPLETE.replace("checkov", "chekov"), "chekov"),
        (COMPLETE.replace('["Table"]', "[]"), "resources"),
        (COMPLETE.replace('["Table"]', '["*", "Table"]'), "twice"),
        ("[[suppression", "TOML"),
    ],
)
def test_a_suppression_that_is_incomplete_is_refused(tmp_path: Path, contents: str, says: str) -> None:
    """A suppression without reason, of no checker or of no resource is an error of one line."""
    path = tmp_path / "suppressions.toml"
    path.write_text(contents, encoding="utf-8")
    with pytest.raises(SecurityCheckError, match=says) as caught:
        read_suppressions(path)
    assert "\n" not in str(caught.value)


def test_the_committed_suppressions_can_be_read() -> None:
    """The file of the project is complete, and each rule of a checker stands in it once."""
    committed = read_suppressions(ROOT / "security" / "suppressions.toml")
    rules = [(one.checker, one.rule) for one in committed]
    assert {checker for checker, _ in rules} <= set(CHECKERS)
    assert len(set(rules)) == len(rules)
