"""The three checkers: how each is run, and what its report says.

A checker that does not run to its end, or that looked at nothing, is an error and never a clean result.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from security.errors import SecurityCheckError
from security.suppressions import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from security.guard import Guard

TIMEOUT_S = 300

_LINT_FOUND = {0, 2, 4, 6, 8, 10, 12, 14}
"""Errors are 2, warnings 4, information 8, added up; an odd status is cfn-lint's own failure."""
_GUARD_FOUND = 19


def check_all(templates: Sequence[Path], guard: Guard) -> list[Finding]:
    """Run all checkers over the templates.

    Raises:
        SecurityCheckError: a checker is missing, fails, or does not look at each template.

    """
    names = [str(path) for path in templates]
    data = [word for name in names for word in ("--data", name)]
    files = [word for name in names for word in ("--file", name)]
    rules = ["validate", "--rules", str(guard.rules), "--output-format", "json", "--structured", "--show-summary"]
    return [
        *_run("cfn-lint", [_script("cfn-lint"), *_LINT, "--", *names], _LINT_FOUND, from_cfn_lint),
        *_run("checkov", [_script("checkov"), *_CHECKOV, *files], {0, 1}, lambda text: from_checkov(text, templates)),
        *_run(
            "cfn-guard",
            [str(guard.binary), *rules, "none", *data],
            {0, _GUARD_FOUND},
            lambda text: from_guard(text, templates),
        ),
    ]


# The strictest there is: informational findings too, and types as CloudFormation documents them.
_LINT = ("--format", "json", "--include-checks", "I", "--configure-rule", "E3012:strict=true")
# Without downloads: the rules are those of the pinned version.
_CHECKOV = ("--framework", "cloudformation", "--output", "json", "--compact", "--skip-download")


def from_cfn_lint(text: str) -> list[Finding]:
    """Return the findings of cfn-lint's JSON report."""
    return [
        _finding(
            "cfn-lint", one["Rule"]["Id"], one["Filename"], _resource(one["Location"]["Path"] or ()), one["Message"]
        )
        for one in json.loads(text)
    ]


def from_checkov(text: str, templates: Sequence[Path]) -> list[Finding]:
    """Return the findings of checkov's JSON report; a resource is `TYPE.LOGICAL_ID` there."""
    report = json.loads(text)
    # Templates without any resource that checkov knows are reported in a shape of their own, without results.
    results = report["results"]
    looked_at = {Path(one["file_path"]).name for kind in ("passed_checks", "failed_checks") for one in results[kind]}
    _all_seen("checkov", looked_at, templates)
    return [
        _finding("checkov", one["check_id"], one["file_path"], one["resource"].rpartition(".")[2], one["check_name"])
        for one in results["failed_checks"]
    ]


def from_guard(text: str, templates: Sequence[Path]) -> list[Finding]:
    """Return the findings of cfn-guard's JSON report, one for each rule and resource.

    A failed rule is a tree of clauses; each says by a path such as `/Resources/ID/...` what it looked at.
    """
    reports = json.loads(text)
    _all_seen("cfn-guard", {Path(one["name"]).name for one in reports if one["compliant"]}, templates)
    return [
        _finding("cfn-guard", one["Rule"]["name"], report["name"], resource, _words(one["Rule"]))
        for report in reports
        for one in report["not_compliant"]
        for resource in sorted({path.split("/")[2] for path in _paths(one)}) or [""]
    ]


def _script(name: str) -> str:
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.is_file():
        raise SecurityCheckError(f"{name} is not installed here; run: python3 start.py security")
    return str(path)


def _run(checker: str, command: Sequence[str], good: set[int], parse: Callable[[str], list[Finding]]) -> list[Finding]:
    """Run a checker and return what its report says."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise SecurityCheckError(f"{checker} did not end within {TIMEOUT_S} s") from error
    except OSError as error:
        raise SecurityCheckError(f"{checker} cannot be started: {error.strerror}") from error
    if done.returncode not in good:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise SecurityCheckError(f"{checker} failed with status {done.returncode}: {last}")
    try:
        return parse(done.stdout)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SecurityCheckError(f"{checker} wrote a report of another form: {error!r}") from error


def _all_seen(checker: str, seen: set[str], templates: Sequence[Path]) -> None:
    for path in templates:
        if path.name not in seen:
            raise SecurityCheckError(f"{checker} did not look at {path.name}")


def _finding(checker: str, rule: str, template: str, resource: str, says: str) -> Finding:
    return Finding(checker, rule, Path(template).name, resource, " ".join(says.split()))


def _resource(path: Sequence[Any]) -> str:
    """Return the logical id in a path such as `[Resources, ID, Properties]`; empty where there is none."""
    return str(path[1]) if len(path) > 1 and path[0] == "Resources" else ""


def _paths(tree: Any) -> Iterator[str]:
    """Yield the paths into resources that a report's tree holds."""
    if isinstance(tree, dict):
        path = tree.get("path")
        if isinstance(path, str) and path.startswith("/Resources/"):
            yield path
        for value in tree.values():
            yield from _paths(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _paths(value)


def _words(tree: Any) -> str:
    """Return a rule's own words, without the advice after them."""
    if isinstance(tree, dict):
        message = (tree.get("messages") or {}).get("custom_message")
        if message:
            return str(message).partition("[FIX]")[0]
        return next(filter(None, map(_words, tree.values())), "")
    if isinstance(tree, list):
        return next(filter(None, map(_words, tree)), "")
    return ""
