from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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


@pytest.mark.parametrize("pipeline", sorted(PIPELINES))
def test_the_committed_templates_have_no_findings(root: Path, pipeline: str) -> None:
    """The strictest cfn-lint finds nothing, not even information."""
    done = lint(root, *_STRICT, root / "templates" / f"{pipeline}-dev.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_configuration_lints_the_committed_templates(root: Path) -> None:
    """A bare `cfn-lint` reads the configuration, and with it the templates, without findings."""
    done = lint(root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("place", "value", "rule"),
    [
        (("ProcessingQueue", "VisibilityTimeout"), "300", "E3012"),
        (("DataQuery", "Timeouts"), 3, "E3002"),
        (("MarketDataAPIStage", "DeploymentId"), {"Ref": "Nothing"}, "E1020"),
    ],
)
def test_lint_notices(
    root: Path, tmp_path: Path, template: Template, *, place: tuple[str, str], value: Json, rule: str
) -> None:
    """The same command fails, and says which rule, on a number in quotes, an unknown property, a dangling reference."""
    title, attribute = place
    template["Resources"][title]["Properties"][attribute] = value
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(template), encoding="utf-8")
    done = lint(root, *_STRICT, broken)
    assert done.returncode != 0
    assert rule in done.stdout
