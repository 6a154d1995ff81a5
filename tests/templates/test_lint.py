from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from generator.pipelines import PIPELINES

if TYPE_CHECKING:
    from tests.templates.reading import Json, Template

_STRICT = ("-c", "I", "-x", "E3012:strict=true", "--")


def lint(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run cfn-lint in the project's root."""
    command = [str(Path(sysconfig.get_path("scripts")) / "cfn-lint"), *map(str, arguments)]
    # No settings but the project's: a .cfnlintrc in the home of whoever tests is none of them.
    environment = {**os.environ, "HOME": "/nonexistent"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def rules(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Which rules have found something, as `--format parseable` tells it."""
    return {line.split(":")[5] for line in done.stdout.splitlines()}


def test_the_committed_templates_have_no_findings(root: Path) -> None:
    """The strictest cfn-lint finds nothing, not even information."""
    done = lint(root, *_STRICT, *(root / "templates" / f"{pipeline}-dev.json" for pipeline in sorted(PIPELINES)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_configuration_is_as_strict(root: Path, tmp_path: Path) -> None:
    """A bare `cfn-lint` reads the configuration, and with it `templates/*.json`, strictly and for information too."""
    shutil.copy(root / ".cfnlintrc.yaml", tmp_path)
    (tmp_path / "templates").mkdir()
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": "300"}}
    faulty = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Queue": queue}}
    (tmp_path / "templates" / "faulty.json").write_text(json.dumps(faulty), encoding="utf-8")
    done = lint(tmp_path, "--format", "parseable")
    assert rules(done) >= {"E3012", "I3011"}


_FAULTS: tuple[tuple[str, str, Json, str], ...] = (
    ("ProcessingQueue", "VisibilityTimeout", "300", "E3012"),
    ("DataQuery", "Timeouts", 3, "E3002"),
    ("MarketDataAPIStage", "DeploymentId", {"Ref": "Nothing"}, "E1020"),
)


def test_lint_notices(root: Path, tmp_path: Path, template: Template) -> None:
    """The same command fails, and says which rule, on a number in quotes, an unknown property, a dangling reference."""
    for title, attribute, value, _ in _FAULTS:
        template["Resources"][title]["Properties"][attribute] = value
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(template), encoding="utf-8")
    done = lint(root, "--format", "parseable", *_STRICT, broken)
    assert done.returncode != 0
    assert rules(done) >= {rule for *_, rule in _FAULTS}
