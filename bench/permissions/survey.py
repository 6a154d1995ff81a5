"""Deploys both pipelines, has them use what they may, and compares that with what they are granted."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from bench.errors import TargetError
from bench.file_processing.input_files import FileWorkload
from bench.file_processing.trial import FileTrial
from bench.iam.record import Access, read_access
from bench.market_analytics.trial import MarketTrial
from bench.mutants.trial import workload
from bench.permissions.file_load import FileLoad
from bench.permissions.granted import granted_by, resources
from bench.permissions.market_load import PARAMETERS, MarketLoad
from bench.permissions.matrix import Matrix, Standing, compare
from bench.permissions.services import demanded_of
from bench.report.console import Reporter
from bench.stack import deployment
from bench.waiting import Patience
from generator.blocks.emptier import TITLE as EMPTIER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.iam.policies import Grant
    from bench.permissions.loads import Load
    from bench.permissions.services import Demand
    from bench.run import Trial
    from bench.targets import Target

_SEED: Final = 7
_FILES: Final = 24
#: The role and the logs of the API are part of the stack only where they are asked for.
_LOGGED: Final = {"ApiLoggingLevel": "INFO", "ApiLoggingRole": "CREATE"}
_QUIET_S: Final = 20.0
_LOOK_EVERY_S: Final = 1.0


def access_of(target: Target) -> Access:
    """Return the record of the target's IAM check. Raises TargetError where it has none."""
    access = read_access(target)
    if access is None:
        raise TargetError("this target checks no IAM policies: --target embedded does")
    return access


@dataclass(slots=True)
class Stack:
    """One pipeline's deployed stack, and what is known of its roles."""

    target: Target
    environment: str
    pipeline: str
    granted: Mapping[str, frozenset[Grant]] = field(init=False)
    demands: tuple[Demand, ...] = field(init=False)
    emptier: str = field(init=False)
    load: Load = field(init=False)
    #: Once its buckets are closed, nothing more can be put there.
    left_behind: bool = False
    _began: Access = field(init=False)

    def deploy(self) -> None:
        """Create it, and see to the rest."""
        self._began = access_of(self.target)
        build = deployment.assemble(self.environment, pipeline=self.pipeline)
        trial = self._trial()
        deployment.create(self.target, self.environment, build, {**trial.parameters, **_LOGGED})
        self.read()

    def read(self) -> None:
        """Read what its roles may, and prepare its load."""
        self.granted = granted_by(self.target, self.environment, self.pipeline)
        self.demands = demanded_of(self.target, self.environment, self.pipeline)
        self.emptier = next(
            entry["PhysicalResourceId"]
            for entry in resources(self.target, self.environment, self.pipeline, "AWS::IAM::Role")
            if entry["LogicalResourceId"] == f"{EMPTIER}Role"
        )
        kind = MarketLoad if self.pipeline == deployment.PIPELINE else FileLoad
        self.load = kind(self.target, self.environment)

    def use(self) -> tuple[str, ...]:
        """Run a verified trial and the load, until all is used or nothing changes; return what the trial got wrong."""
        with (
            tempfile.TemporaryDirectory(prefix="permissions-", dir=self.target.scratch_dir) as name,
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        ):
            trial = self._trial()
            trial.prepare(Path(name))
            trial.push(self.target, self.environment, Reporter(Console(file=nowhere)))
            red = tuple(f"{check.name}: {check.detail}" for check in trial.verify().checks if not check.passed)
        self.load.send()
        self._wait()
        return red

    def _wait(self) -> None:
        patience, unused = Patience(_QUIET_S), len(self.unused())
        while left := len(self.unused()):
            if left < unused:
                unused = left
                patience.renew()
            if patience.is_over:
                return
            time.sleep(_LOOK_EVERY_S)
            self.load.poke()

    def used(self) -> Access:
        """Return what its functions have done since it was deployed."""
        return access_of(self.target).since(self._began)

    def unused(self) -> list[tuple[str, Grant]]:
        """Return the grants that nobody has used so far, but for those that only its deletion uses."""
        rows = compare(self.granted, self.used(), self.demands).rows
        return [(row.role, row.grant) for row in rows if row.standing is Standing.UNUSED and row.role != self.emptier]

    def delete(self) -> None:
        """Leave something in its buckets, and delete it."""
        if not self.left_behind:
            self.load.leave_behind()
        deployment.destroy(self.target, self.environment, self.pipeline)

    def _trial(self) -> Trial:
        if self.pipeline == deployment.PIPELINE:
            return MarketTrial(workload(), PARAMETERS)
        return FileTrial(FileWorkload(_FILES, _SEED, corrupt_share=0.2, poison_share=0.05, curable_share=0.05))


def survey(
    target: Target,
    environment: str,
    pipeline: str,
    reporter: Reporter,
    between: Callable[[Stack], None] = lambda _: None,
) -> Matrix:
    """Deploy one pipeline, have it use everything, delete it, and compare.

    between: does what it likes with the stack before it is deleted; what it is refused is its own affair.
    """
    stack = Stack(target, environment, pipeline)
    with reporter.phase(f"{pipeline}: deploy"):
        stack.deploy()
    with reporter.phase(f"{pipeline}: use"):
        red = stack.use()
    refusals = stack.used().refusals
    between(stack)
    before = access_of(target)
    with reporter.phase(f"{pipeline}: delete"):
        stack.delete()
    refused = access_of(target).since(before).refusals
    access = Access(stack.used().uses, (*refusals, *refused))
    found = compare(stack.granted, access, stack.demands)
    return Matrix(found.rows, (*(f"{pipeline}: {one}" for one in red), *found.faults))
