"""What a function's environment costs to start in the embedded target, from the bundles that are deployed."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.emulator.functions.environment import MAX_STARTING, ExecutionEnvironment, FunctionSettings
from bench.emulator.functions.runtime_folder import build_runtime_folder
from bench.emulator.functions.zygote import RUNTIME_VARIABLES, Zygote
from bench.errors import BenchError
from bench.perf.figures import Better, Figure, Unit
from bench.stack import deployment

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENVIRONMENT: Final = "perf"
#: One without polars, which starts threads when it is imported and so is imported by each process anew; one with it.
_FUNCTIONS: Final = ("DataIngestion", "DataProcessor")
_AT_ONCE: Final = 20
_IMPORTS: Final = "import polars, boto3"
#: Nobody listens there: importing a handler asks nothing of AWS.
_NOWHERE: Final = "http://127.0.0.1:9"


def cold_starts(repeats: int) -> tuple[Figure, ...]:
    """Start an environment cold, and twenty at once, of a function without polars and of one with it."""
    template = json.loads(deployment.generate(_ENVIRONMENT))
    bundles = deployment.assemble(_ENVIRONMENT).bundles
    figures: list[Figure] = []
    imports_s = [_import_cpu_s() for _ in range(repeats + 1)][1:]
    with tempfile.TemporaryDirectory(prefix="tickstream-perf-") as name:
        folder = Path(name)
        for function in _FUNCTIONS:
            task_root = folder / function
            with zipfile.ZipFile(bundles.files[f"{function}.zip"]) as bundle:
                bundle.extractall(task_root)
            settings = _settings(function, _handler(template, function), folder, task_root)
            cpu_s, ready_s = asyncio.run(_measured(settings, repeats))
            figures += _figures(function, cpu_s, ready_s)
    # The last one has polars.
    ratios = tuple(cold / alone for cold, alone in zip(cpu_s, imports_s, strict=True))
    figures.append(
        Figure(
            name=f"{_FUNCTIONS[-1]}, cold, CPU, against `{_IMPORTS}`", unit=Unit.RATIO, better=Better.LESS,
            samples=ratios, goal=0.6,
        )
    )  # fmt: skip
    return tuple(figures)


def _import_cpu_s() -> float:
    """Return the CPU seconds of a Python that imports what such a function cannot do without."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _figures(function: str, cpu_s: Sequence[float], ready_s: Sequence[float]) -> tuple[Figure, Figure]:
    return (
        Figure(
            name=f"{function}, cold, CPU", unit=Unit.MILLISECONDS, better=Better.LESS,
            samples=tuple(seconds * 1000 for seconds in cpu_s), goal=100,
        ),
        Figure(
            name=f"{_AT_ONCE} of {function}, all ready", unit=Unit.SECONDS, better=Better.LESS,
            samples=tuple(ready_s), goal=2.0, about=f"{MAX_STARTING} of them start at a time",
        ),
    )  # fmt: skip


async def _measured(settings: FunctionSettings, repeats: int) -> tuple[list[float], list[float]]:
    """CPU seconds of one start, and seconds until twenty are ready; the first start, which compiles, does not count."""
    zygote = Zygote(settings.runtime_folder)
    starting = asyncio.Semaphore(MAX_STARTING)

    async def start(environment: ExecutionEnvironment) -> float:
        await environment.warm_up("start")
        if environment.pid is None:
            raise BenchError(f"{settings.name} does not start from its bundle")
        return _cpu_s(environment.pid)

    try:
        cpu_s, ready_s = [], []
        for round_ in range(repeats + 1):
            environments = [ExecutionEnvironment(settings, starting, zygote) for _ in range(_AT_ONCE)]
            alone = ExecutionEnvironment(settings, starting, zygote)
            try:
                cpu = await start(alone)
                began = time.perf_counter()
                await asyncio.gather(*map(start, environments))
                ready = time.perf_counter() - began
            finally:
                for environment in (alone, *environments):
                    environment.stop()
            if round_:
                cpu_s.append(cpu)
                ready_s.append(ready)
        return cpu_s, ready_s
    finally:
        zygote.kill()


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of all threads of a process so far: its clock, numbered as clock_getcpuclockid(3) does."""
    return time.clock_gettime(~pid << 3 | 2)


def _handler(template: dict[str, dict[str, dict[str, dict[str, str]]]], function: str) -> str:
    name = f"{function}-{_ENVIRONMENT}"
    handlers = (
        resource["Properties"]["Handler"]
        for resource in template["Resources"].values()
        if resource["Properties"].get("FunctionName") == name
    )
    return next(handlers)


def _settings(function: str, handler: str, folder: Path, task_root: Path) -> FunctionSettings:
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    variables = {
        "_HANDLER": handler,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": _NOWHERE,
        "AWS_ACCESS_KEY_ID": "perf",
        "AWS_SECRET_ACCESS_KEY": "perf",
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "TMPDIR": str(temporary),
    }
    return FunctionSettings(
        name=function,
        task_root=task_root,
        runtime_folder=build_runtime_folder(folder / "runtime"),
        temporary_folder=temporary,
        variables=RUNTIME_VARIABLES | variables,
        timeout_s=60.0,
        memory_mb=3072,
    )
