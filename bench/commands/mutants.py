"""`python -m bench mutants`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

from bench.commands.options import add_command
from bench.errors import BenchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bench.commands.options import Commands
    from bench.mutants.mutant import Mutant
    from bench.mutants.run import Finding


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "mutants",
        _work,
        help="run deliberately broken pipelines: each must be noticed, by the check that should",
        description="Break the pipeline in many small ways, run each on the embedded LocalStack, and see that the "
        "verdict notices. The real pipeline runs under the same conditions first and must pass.",
        examples=("mutants --only float-prices,ties-reordered", "mutants --list"),
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", metavar="NAME,...", help="these mutants (default: all)")
    which.add_argument("--smallest", action="store_true", help="the few that the ordinary tests run")
    parser.add_argument("--list", action="store_true", help="say what mutants there are, and run none")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="LocalStacks at a time (default: %(default)s)")


def _work(options: argparse.Namespace) -> int:
    mutants = _chosen(options)
    console = Console(highlight=False)
    if options.list:
        console.print(_listed(mutants))
        return 0
    if not 1 <= options.jobs <= 8:
        raise BenchError("the number of jobs is 1 to 8")
    from bench.mutants.run import GOOD, run_mutants, with_controls  # noqa: PLC0415 - see bench.commands
    from bench.targets.embedded import EmbeddedTarget  # noqa: PLC0415
    from bench.targets.localstack_settings import IAM_CHECK  # noqa: PLC0415

    def say(finding: Finding) -> None:
        console.print(f"{finding.fate:<24} {finding.mutant.name:<40} {finding.seconds:5.1f} s")

    runs = with_controls(mutants)
    jobs = min(options.jobs, len(runs))
    with ThreadPoolExecutor(jobs) as pool, ExitStack() as stack:
        # What a mutant does may be what its role forbids: refused by the check of roles, it would never meet its own.
        targets = [stack.enter_context(EmbeddedTarget(overrides={IAM_CHECK: "0"})) for _ in range(jobs)]
        findings = run_mutants(runs, targets, pool, say)
    console.print(_table(findings))
    bad = [finding for finding in findings if finding.fate not in GOOD]
    for finding in bad:
        for check in finding.red:
            console.print(f"{finding.mutant.name}: {check.name}: {check.detail}", markup=False)
    if bad:
        console.print(
            f"[bold red]FAILED[/] {len(bad)} of {len(findings)}: {', '.join(finding.mutant.name for finding in bad)}"
        )
        return 1
    console.print(f"[bold green]PASSED[/] {len(mutants)} mutants killed, each by the check that should")
    return 0


def _chosen(options: argparse.Namespace) -> tuple[Mutant, ...]:
    from bench.mutants.catalog import MUTANTS, SMALLEST  # noqa: PLC0415

    if options.only is None:
        return tuple(mutant for mutant in MUTANTS if not options.smallest or mutant.name in SMALLEST)
    wanted = [name.strip() for name in options.only.split(",")]
    known = {mutant.name: mutant for mutant in MUTANTS}
    if unknown := [name for name in wanted if name not in known]:
        raise BenchError(f"no mutant {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(wanted))


def _name_column() -> Column:
    # Whole on a narrow terminal too: it is what `--only` takes.
    return Column("mutant", overflow="fold")


def _listed(mutants: Sequence[Mutant]) -> Table:
    table = Table(_name_column(), "what is broken", "under", "must be killed by")
    for mutant in mutants:
        table.add_row(mutant.name, mutant.broken, mutant.under.name, ", ".join(mutant.killed_by))
    return table


def _table(findings: Sequence[Finding]) -> Table:
    from bench.mutants.run import GOOD, name_of  # noqa: PLC0415

    table = Table(_name_column(), "what is broken", "result", "by", title="Mutants", title_justify="left")
    table.add_column("seconds", justify="right")
    for finding in findings:
        style = "green" if finding.fate in GOOD else "bold red"
        by = ", ".join(finding.mutant.killed_by if finding.fate in GOOD else map(name_of, finding.red))
        table.add_row(
            finding.mutant.name, finding.mutant.broken, f"[{style}]{finding.fate}[/]", by, f"{finding.seconds:.1f}"
        )
    return table
