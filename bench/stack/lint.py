"""cfn-lint over the generated template, in a process of its own beside the work that needs no template."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from bench.errors import DeploymentError
from bench.waiting import Patience, activity_of

# cfn-lint has no module to run with -m. Strict types (E3012), and informational findings count too.
_MAIN: Final = "import sys; from cfnlint.runner import main; sys.exit(main())"
_COMMAND: Final = (sys.executable, "-c", _MAIN, "-c", "I", "-x", "E3012:strict=true", "--format", "parseable")
#: Of its own time, see `bench.waiting`.
_PATIENCE_S: Final = 180.0
_LOOK_EVERY_S: Final = 1.0


class Lint:
    """One run of cfn-lint; leaving the block ends it, whatever happened."""

    def __init__(self, template: Path) -> None:
        self._process = subprocess.Popen(
            [*_COMMAND, "-t", str(template)],
            # The checkout, where the file with the explained exceptions stands.
            cwd=Path(__file__).parents[2],
            # No ~/.cfnlintrc of the user's: the project has its own; and a user without a home has a home here.
            env={**os.environ, "HOME": str(template.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def wait(self) -> None:
        """Wait for its end. Raises DeploymentError with the findings."""
        patience = Patience(_PATIENCE_S, lambda: activity_of(self._process.pid))
        while True:
            try:
                findings, _ = self._process.communicate(timeout=_LOOK_EVERY_S)
            except subprocess.TimeoutExpired as error:
                if patience.is_over:
                    raise DeploymentError(f"cfn-lint had {_PATIENCE_S:.0f} s and does not end") from error
            else:
                break
        if self._process.returncode:
            raise DeploymentError(f"cfn-lint found faults in the template:\n{findings.strip()}")
