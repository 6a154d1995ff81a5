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
