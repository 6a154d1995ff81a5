"""Whether a stack's functions can be imported at all: without that nothing moves, and nobody says why.

`bench.emulator.functions.failed_imports` keeps it. Of other targets it is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.errors import FunctionError
from bench.measure.journal import ask
from bench.targets import Capability

if TYPE_CHECKING:
    from collections.abc import Collection

    from bench.targets import Target

FAILED_IMPORTS_PATH: Final = "/_bench/failed-imports"


def require_imports(target: Target, functions: Collection[str]) -> None:
    """Raise FunctionError where one of the functions failed at import when it was last started, with its words."""
    if Capability.JOURNAL not in target.capabilities:
        return
    for function, said in ask(target, "GET", FAILED_IMPORTS_PATH).items():
        if function in functions:
            raise FunctionError(f"the function {function} cannot be imported: {said}")
