"""A stack whose functions cannot be imported: the run ends at once, and says what they say."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from bench.errors import FunctionError
from bench.file_processing.input_files import FileWorkload
from bench.file_processing.trial import FileTrial
from bench.market_analytics.trial import MarketTrial
from bench.mutants.build import FUNCTIONS
from bench.report.console import Reporter
from bench.stack import deployment
from bench.workloads import market_day
from generator.bundles import build_bundles

if TYPE_CHECKING:
    from pathlib import Path

    from bench.run import Trial
    from bench.targets import Target

ENVIRONMENT = "noimport"
#: Far longer than a test may take: only what is said ends the wait.
STALL_S = 3600.0


def trial_of(pipeline: str) -> Trial:
    """Return a small run of a pipeline."""
    if pipeline == deployment.PIPELINE:
        return MarketTrial(market_day(ticks=2_000, symbols=2, seed=1), {}, stall_s=STALL_S)
    workload = FileWorkload(files=3, seed=1, corrupt_share=0.0, poison_share=0.0, curable_share=0.0)
    return FileTrial(workload, stall_s=STALL_S)


@pytest.mark.parametrize("pipeline", [deployment.PIPELINE, deployment.FILE_PROCESSING])
def test_a_function_that_cannot_be_imported_ends_the_run(pipeline: str, target: Target, tmp_path: Path) -> None:
    """The processor fails before its first event: the run names it and its words, and waits for nothing."""
    sources = tmp_path / "functions"
    shutil.copytree(FUNCTIONS, sources, ignore=shutil.ignore_patterns("__pycache__"))
    handler = sources / pipeline.replace("-", "_") / "data_processor.py"
    handler.write_text(f"{handler.read_text()}\nraise OSError('no such library here')\n")
    architecture = deployment.host_architecture()
    bundles = build_bundles(pipeline, architecture, tmp_path / "bundles", sources=sources)
    build = deployment.Build(pipeline, deployment.generate(ENVIRONMENT, pipeline), bundles, architecture)
    trial = trial_of(pipeline)
    work = tmp_path / "work"
    work.mkdir()
    trial.prepare(work)
    deployment.create(target, ENVIRONMENT, build, trial.parameters)
    try:
        with pytest.raises(FunctionError, match=r"rocessor-noimport cannot be imported: .*no such library here"):
            trial.push(target, ENVIRONMENT, Reporter())
    finally:
        deployment.destroy(target, ENVIRONMENT, pipeline)
