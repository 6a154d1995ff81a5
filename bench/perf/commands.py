"""Benchmarks of whole commands: they run in processes of their own, as a user's do."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

from bench.errors import BenchError
from bench.perf.figures import Better, Figure, Unit

_TIMEOUT_S: Final = 60.0
_GENERATOR: Final = ("-m", "generator", "--env", "dev")
#: Prints every module of the two libraries that the generator ends up with, whenever it imports it.
_USED_MODULES: Final = """
import contextlib, io, sys
from generator.__main__ import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["--env", "dev"])
print(",".join(sorted(name for name in sys.modules if name.partition(".")[0] in {"troposphere", "awacs"})))
"""


def generator(repeats: int) -> tuple[Figure, ...]:
    """Time `python -m generator --env dev` against a Python that only imports what it uses, by turns."""
    modules = _output("-c", _USED_MODULES).strip()
    bare = ("-c", f"import {modules}")
    _seconds(*bare), _seconds(*_GENERATOR)  # so that everything is compiled and in the page cache
    ratios, seconds = [], []
    for _ in range(repeats):
        bare_s, generator_s = _seconds(*bare), _seconds(*_GENERATOR)
        ratios.append(generator_s / bare_s)
        seconds.append(generator_s)
    about = f"{modules.count(',') + 1} modules of troposphere and awacs"
    return (
        Figure(
            name="generator, against importing what it uses",
            unit=Unit.RATIO, better=Better.LESS, samples=tuple(ratios), goal=1.2, about=about,
        ),
        Figure(name="generator", unit=Unit.SECONDS, better=Better.LESS, samples=tuple(seconds), about=about),
    )  # fmt: skip


def _seconds(*arguments: str) -> float:
    started = time.perf_counter()
    _output(*arguments)
    return time.perf_counter() - started


def _output(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BenchError(f"a command that is to be timed ended with status {done.returncode}: {last}")
    return done.stdout
