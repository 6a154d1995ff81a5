"""Which engines there are. Each has an environment of its own: what they bring does not go together."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ROOT: Final = Path(__file__).parents[2]
_LOOK_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine.

    module: what its environment must have. options: of `bench run`. environment: tox's, if it is not this one.
    """

    name: str
    module: str
    options: tuple[str, ...]
    environment: str = ""

    def default_python(self) -> Path:
        """Return the interpreter that has it, if any has: this one, or that of its tox environment."""
        return _ROOT / ".tox" / self.environment / "bin/python" if self.environment else Path(sys.executable)


ENGINES: Final = (
    Engine("localstack", "localstack", ("--target", "embedded", "--engine", "localstack")),
    Engine("localemu", "localemu", ("--target", "embedded", "--engine", "localemu"), "localemu"),
    Engine("ministack", "ministack", ("--target", "ministack"), "ministack"),
)


def chosen(names: Iterable[str] | None) -> tuple[Engine, ...]:
    """Return the engines of these names, or all. Raises TargetError for another."""
    by_name = {one.name: one for one in ENGINES}
    if names is None:
        return ENGINES
    if unknown := [name for name in names if name not in by_name]:
        raise TargetError(f"there is no engine {unknown[0]!r}: there are {', '.join(by_name)}")
    return tuple(by_name[name] for name in dict.fromkeys(names))


def pythons_of(texts: Iterable[str]) -> dict[str, Path]:
    """Read `ENGINE=PATH` texts. Raises TargetError."""
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or name not in {one.name for one in ENGINES}:
            raise TargetError(f"--python is ENGINE=PATH, such as localemu=/opt/localemu/bin/python, not {text!r}")
        found[name] = Path(path)
    return found


def why_not_there(engine: Engine, pythons: Mapping[str, Path]) -> str:
    """Say why an engine cannot be asked; nothing where it can."""
    python = pythons.get(engine.name, engine.default_python())
    how = f"python3 start.py {engine.environment} makes an environment" if engine.environment else "install .[bench]"
    if not python.is_file():
        return f"not there: no {python} ({how})"
    look = f"import importlib.util as u, sys; sys.exit(u.find_spec({engine.module!r}) is None)"
    try:
        done = subprocess.run([python, "-c", look], capture_output=True, timeout=_LOOK_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not there: {python} does not run: {error}"
    return "" if done.returncode == 0 else f"not there: {python} has no {engine.module} ({how})"
