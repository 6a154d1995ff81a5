"""`python -m bench simulate`."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Column, Table

from bench.commands.options import add_command
from bench.errors import BenchError
from bench.simulation.parts import Part

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from bench.commands.options import Commands
    from bench.simulation.campaign import Campaign, Finding
    from bench.simulation.planted import Planted
    from bench.simulation.worker import Job

#: What is run without options.
SCHEDULES: Final = {Part.WHOLE: 20_000, Part.AGGREGATORS: 100_000, Part.REPLACEMENTS: 5_000, Part.FILES: 20_000}
_MOST_SCHEDULES: Final = 10**9
_MOST_JOBS: Final = 64


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "simulate",
        _work,
        help="run the real functions in virtual time, with crashes, lost answers and every order that a seed draws",
        description="Run the functions over AWS in memory, in virtual time. Every call of a service is a place where "
        "another function goes on, this one is killed, an answer is lost, a message comes twice or late. Judged is "
        "what readers see meanwhile, and what is there at rest. A failing schedule is made small, and says how to "
        "replay it.",
        examples=(
            "simulate",
            "simulate --pipeline aggregators --schedules 5000",
            "simulate --pipeline file-processing --seed 17 --trace",
            "simulate --planted",
        ),
    )
    parser.add_argument("--pipeline", type=Part, choices=tuple(Part), metavar="PART", help=f"{', '.join(Part)} (all)")
    parser.add_argument("--schedules", type=int, metavar="N", help=f"of each part ({_named(SCHEDULES)})")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="run this one schedule of --pipeline")
    parser.add_argument("--trace", action="store_true", help="with --seed: say every call")
    parser.add_argument("--planted", action="store_true", help="run broken functions: each must be found")
    parser.add_argument("--only", metavar="NAME,...", help="with --planted: these (default: all)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes at a time (default: %(default)s)")


def _named(schedules: Mapping[Part, int]) -> str:
    return ", ".join(f"{part} {number:,}" for part, number in schedules.items())


def _work(options: argparse.Namespace) -> int:
    _check(options)
    console = Console(highlight=False)
    if options.planted:
        return _run_planted(options, console)
    if options.seed is not None:
        return _run_one(options, console)
    return _run_many(options, console)


def _check(options: argparse.Namespace) -> None:
    """Raise BenchError for options that mean nothing."""
    if not 1 <= options.jobs <= _MOST_JOBS:
        raise BenchError(f"--jobs must be a whole number from 1 to {_MOST_JOBS}")
    if options.schedules is not None and not 1 <= options.schedules <= _MOST_SCHEDULES:
        raise BenchError(f"--schedules must be a whole number from 1 to {_MOST_SCHEDULES}")
    if options.first < 0 or (options.seed is not None and options.seed < 0):
        raise BenchError("seeds are whole numbers from 0")
    if options.seed is not None and (options.pipeline is None or options.schedules is not None or options.planted):
        raise BenchError("--seed is one schedule of one --pipeline, without --schedules or --planted")
    if options.trace and options.seed is None:
        raise BenchError("--trace needs --seed: of many schedules nobody reads every call")
    if options.only is not None and not options.planted:
        raise BenchError("--only is of --planted")
    if options.planted and (options.pipeline is not None or options.schedules is not None):
        raise BenchError("--planted says itself which schedules are run: choose with --only")


# --- schedules -----------------------------------------------------------------------------------------------------


def _run_one(options: argparse.Namespace, console: Console) -> int:
    from bench.simulation.campaign import run_jobs  # noqa: PLC0415 - see bench.commands
    from bench.simulation.worker import Job  # noqa: PLC0415

    job = Job(options.pipeline, options.seed, options.seed + 1, trace=options.trace)

    def tell(_: Job, message: dict[str, Any]) -> None:
        if "trace" in message:
            console.print(str(message["trace"]), markup=False, soft_wrap=True)

        _say_found(message, console)

    return _verdict(run_jobs([job], 1, tell), console)


def _run_many(options: argparse.Namespace, console: Console) -> int:
    from bench.simulation.campaign import run_jobs  # noqa: PLC0415 - see bench.commands

    parts = tuple(Part) if options.pipeline is None else (options.pipeline,)
    began_s = time.monotonic()
    so_far: Counter[str] = Counter()

    def tell(job: Job, message: dict[str, Any]) -> None:
        _say_found(message, console)
        if (more := message.get("done")) is not None:
            _say_how_far(job.part, so_far[job.part], more, _schedules(job.part, options), console)
            so_far[job.part] += more

    campaign = run_jobs(_jobs(parts, options), options.jobs, tell)
    # A second of one process: how long they took in all is said below.
    table = Table(_whole("part"), title="Simulation", title_justify="left")
    for column in ("schedules", "steps each", "a second", "violations"):
        table.add_column(column, justify="right")
    for part in parts:
        done = campaign.done[part]
        found = sum(finding.part == part for finding in campaign.findings)
        rate = done / max(campaign.seconds.get(part, 0.0), 0.001)
        table.add_row(part, f"{done:,}", f"{campaign.steps[part] / max(1, done):.0f}", f"{rate:.0f}", str(found))
    console.print(table)
    console.print(f"{time.monotonic() - began_s:.0f} s with {options.jobs} processes")
    return _verdict(campaign, console)


def _jobs(parts: Sequence[Part], options: argparse.Namespace) -> list[Job]:
    from bench.simulation.worker import Job  # noqa: PLC0415 - see bench.commands

    return [
        Job(part, options.first + offset, options.first + _schedules(part, options), options.jobs)
        for part in parts
        for offset in range(options.jobs)
    ]


def _schedules(part: str, options: argparse.Namespace) -> int:
    schedules: int = options.schedules or SCHEDULES[Part(part)]
    return schedules


def _say_how_far(part: str, before: int, more: int, schedules: int, console: Console) -> None:
    """Say it at each tenth: all of them take minutes."""
    if (tenths := (before + more) * 10 // schedules) > before * 10 // schedules:
        console.print(f"{part}: {tenths * schedules // 10:,} of {schedules:,}", markup=False)


def _verdict(campaign: Campaign, console: Console) -> int:
    if campaign.findings:
        console.print(f"[bold red]FAILED[/] {len(campaign.findings)} schedules that must not be")
        return 1
    console.print(f"[bold green]PASSED[/] {campaign.done.total():,} schedules, no violation")
    return 0


def _say_found(message: dict[str, Any], console: Console) -> None:
    """Say what was found at once: the rest may take minutes."""
    from bench.simulation.campaign import finding_of  # noqa: PLC0415 - see bench.commands

    if "seed" not in message:
        return
    finding = finding_of(message)
    console.print(f"{finding.kind}: {finding.text}", style="red", markup=False)
    console.print(finding.replay, markup=False, soft_wrap=True)
    console.print(f"{finding.events} events, of which are left:")
    for line in finding.lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)


# --- planted faults ------------------------------------------------------------------------------------------------


def _run_planted(options: argparse.Namespace, console: Console) -> int:
    from bench.simulation.campaign import finding_of, run_jobs  # noqa: PLC0415 - see bench.commands
    from bench.simulation.worker import Job  # noqa: PLC0415

    planted = _chosen(options.only)
    found: dict[str, Finding] = {}

    def tell(job: Job, message: dict[str, Any]) -> None:
        if "seed" in message:
            found[job.planted] = finding_of(message)
            console.print(f"{job.planted}: found by seed {message['seed']}", markup=False)
            for line in found[job.planted].lines:
                console.print(f"  {line}", markup=False, soft_wrap=True)

    jobs = [Job(one.part, 0, one.seeds, planted=one.name, most_found=1) for one in planted]
    run_jobs(jobs, options.jobs, tell)
    console.print(_table(planted, found))
    missed = [one.name for one in planted if one.name not in found]
    if missed:
        console.print(f"[bold red]FAILED[/] not found: {', '.join(missed)}")
        return 1
    console.print(f"[bold green]PASSED[/] {len(planted)} planted faults found")
    return 0


def _chosen(only: str | None) -> tuple[Planted, ...]:
    from bench.simulation.planted import PLANTED  # noqa: PLC0415 - see bench.commands

    if only is None:
        return PLANTED
    known = {one.name: one for one in PLANTED}
    wanted = [name.strip() for name in only.split(",")]
    if unknown := [name for name in wanted if name not in known]:
        raise BenchError(f"no planted fault {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(wanted))


def _table(planted: Sequence[Planted], found: dict[str, Finding]) -> Table:
    table = Table(_whole("fault"), _whole("part"), title="Planted", title_justify="left")
    for column in ("seeds", "at most", "events left"):
        table.add_column(column, justify="right")
    for one in planted:
        finding = found.get(one.name)
        seeds = "[bold red]not found[/]" if finding is None else f"{finding.seed + 1:,}"
        left = "" if finding is None else str(len(finding.lines) - 1)
        table.add_row(one.name, one.part, seeds, f"{one.seeds:,}", left)
    return table


def _whole(name: str) -> Column:
    # On a narrow terminal too: it is what an option takes.
    return Column(name, overflow="fold")
