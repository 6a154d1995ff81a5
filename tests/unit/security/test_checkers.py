"""What the reports of the checkers say, and that a checker which fails is never taken for a clean result."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from security import checkers, guard
from security.errors import SecurityCheckError

TEMPLATE = Path("templates/a.json")


def checkov(*failed: dict[str, str], passed: str = "/a.json") -> str:
    """Return a report of checkov."""
    results = {"failed_checks": list(failed), "passed_checks": [{"file_path": passed}]}
    return json.dumps({"results": results})


def of_guard(*rules: dict[str, Any], compliant: bool = True) -> str:
    """Return a report of cfn-guard."""
    report = {"name": "templates/a.json", "not_compliant": list(rules), "compliant": ["rule"] if compliant else []}
    return json.dumps([report])


def test_cfn_lint_names_resources_where_it_can() -> None:
    """A finding of cfn-lint has the resource of its path, or none."""
    report = [
        {"Rule": {"Id": "E1"}, "Filename": "x/a.json", "Location": {"Path": path}, "Message": "two\n lines"}
        for path in (["Resources", "Table", "Properties"], ["Parameters", "Size"], None)
    ]
    found = checkers.from_cfn_lint(json.dumps(report))
    assert [(one.resource, one.template, one.says) for one in found] == [
        (resource, "a.json", "two lines") for resource in ("Table", "", "")
    ]


def test_checkov_names_resources_with_their_type() -> None:
    """A finding of checkov is on the logical id after the type."""
    failed = {
        "check_id": "CKV_1",
        "file_path": "/../a.json",
        "resource": "AWS::S3::Bucket.Files",
        "check_name": "Ensure",
    }
    (found,) = checkers.from_checkov(checkov(failed), [TEMPLATE])
    assert (found.rule, found.template, found.resource) == ("CKV_1", "a.json", "Files")


def test_cfn_guard_says_each_resource_of_a_rule_once() -> None:
    """A failed rule is one finding for each resource in its clauses, in the rule's own words without the advice."""
    clauses = [
        {"Clause": {"check": {"from": {"path": f"/Resources/{name}/Properties/Size", "value": 1}, "to": {"path": ""}}}}
        for name in ("Queue", "Queue", "Table")
    ]
    inner = {"Rule": {"messages": {"custom_message": "\n [CT.1]: Require it\n [FIX]: Do it"}, "checks": clauses}}
    rule = {"Rule": {"name": "size_check", "messages": {"custom_message": None}, "checks": [inner]}}
    found = checkers.from_guard(of_guard(rule), [TEMPLATE])
    assert [(one.rule, one.resource, one.says) for one in found] == [
        ("size_check", resource, "[CT.1]: Require it") for resource in ("Queue", "Table")
    ]


def test_a_template_that_nobody_looked_at_is_no_clean_result() -> None:
    """A report in which a template has neither passed nor failed anything is an error."""
    with pytest.raises(SecurityCheckError, match=r"did not look at a\.json"):
        checkers.from_checkov(checkov(passed="/b.json"), [TEMPLATE])
    with pytest.raises(SecurityCheckError, match=r"did not look at a\.json"):
        checkers.from_guard(of_guard(compliant=False), [TEMPLATE])


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import sys; print('ValueError: broken', file=sys.stderr); sys.exit(1)", "status 1: ValueError: broken"),
        ("print('{}')", "another form"),
        ("pass", "another form"),
    ],
)
def test_a_checker_that_breaks_is_an_error(program: str, says: str) -> None:
    """A wrong status or a report of another form is one line and never an empty list of findings."""
    with pytest.raises(SecurityCheckError, match=says) as caught:
        checkers._run("checkov", [sys.executable, "-c", program], {0}, lambda text: checkers.from_checkov(text, []))
    assert "\n" not in str(caught.value)


def test_without_npm_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without npm gets a line that says what to install."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SecurityCheckError, match=r"npm is missing: install Node\.js"):
        guard.fetch_guard(tmp_path)


def test_npm_without_the_package_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What npm says is handed on."""
    monkeypatch.setattr(shutil, "which", lambda _: "npm")
    done = subprocess.CompletedProcess([], 1, "", "npm error code E404\nnpm error more")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(SecurityCheckError, match=r"npm error code E404$"):
        guard.fetch_guard(tmp_path)
