"""`python -m bench capacity`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.capacity.designs import DESIGNS, DesignName
from bench.capacity.scenarios import BY_NAME
from bench.commands.options import add_command
from bench.errors import BenchError
from bench.files import write_whole
from bench.report.console import Reporter

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bench.capacity.outcome import Outcome
    from bench.capacity.scenarios import Scenario
    from bench.commands.options import Commands

_BOTH: Final = "both"


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "capacity",
        _work,
        help="a model of market analytics at AWS's quotas: what settles, what grows, what it costs",
        description="Run a discrete-event model of market analytics at the quotas that AWS documents, with what the "
        "benchmarks measured: when bars are visible, what grows, what is dead-lettered, what it costs, and which quota "
        "holds it up. The design before lanes beside the one with them. Scenarios: "
        + "; ".join(f"{scenario.name}: {scenario.about}" for scenario in BY_NAME.values()),
        examples=(
            "capacity",
            "capacity --scenario history --set dynamodb_new_writes=40000",
            "capacity --html capacity.html",
            "capacity --validate bench/results/20260105T143000Z-1",
            "capacity --validate bench/results/20260105T14* --machine bench/results/20260105T143000Z-1",
        ),
    )
    parser.add_argument(
        "--scenario", action="append", metavar="NAME", help=f"{', '.join(BY_NAME)}; repeatable (default: all)"
    )
    parser.add_argument(
        "--design", choices=(*DesignName, _BOTH), default=_BOTH, help="before lanes, with them (default: %(default)s)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="QUOTA=VALUE", help="another value of a quota; repeatable"
    )
    parser.add_argument(
        "--validate",
        type=Path,
        nargs="+",
        metavar="RESULT",
        help="hold the model, with the emulator's parameters, against results of bench run instead: seconds, requests "
        "and dollars within a quarter, or exit status 1 (of the design with lanes, unless --design says old)",
    )
    parser.add_argument(
        "--machine",
        type=Path,
        metavar="RESULT",
        help="with --validate: a run on the same machine, whose seconds tell how fast that is (default: as ours was)",
    )
    parser.add_argument("--docs", type=Path, metavar="FILE", help="put the table in place of the one that the file has")
    parser.add_argument("--check", type=Path, metavar="FILE", help="exit status 1 unless the file has this table")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts, which opens offline")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures; decimals as text")


def _work(options: argparse.Namespace) -> int:
    if options.validate:
        return _validate(options)
    return _foretell(options)


def _validate(options: argparse.Namespace) -> int:
    from bench.capacity.tables import show_foretold  # noqa: PLC0415 - see bench.commands
    from bench.capacity.validation import TOLERANCE, parameters_of, validate  # noqa: PLC0415
    from bench.report.result import read_result  # noqa: PLC0415

    if options.scenario or options.set or options.html or options.json or options.docs or options.check:
        raise BenchError("--validate goes with --design alone")
    design = DESIGNS[DesignName.OLD if options.design == DesignName.OLD else DesignName.NEW]
    reporter, outside = Reporter(), 0
    results = [(path, read_result(path)) for path in options.validate]
    machine = None
    if options.machine:
        machine = parameters_of(read_result(options.machine), design)
        reporter.line(f"slowness of this machine: {machine.calibrated.slowness:.2f}")
        # Its seconds are what that was found by.
        results = [(path, result) for path, result in results if path.resolve() != options.machine.resolve()]
    for path, result in results:
        found = validate(result, design, machine)
        outside += sum(one.judged and not one.is_near for one in found)
        show_foretold(found, f"{result.workload['name']}, {result.workload['ticks']:,} ticks: {path}", reporter)
    if outside:
        reporter.console.print(f"[bold red]FAILED[/] {outside} figures are outside of {TOLERANCE:.0%}")
        return 1
    reporter.console.print(f"[bold green]PASSED[/] {len(results)} runs foretold within {TOLERANCE:.0%}")
    return 0


def _foretell(options: argparse.Namespace) -> int:
    if options.machine:
        raise BenchError("--machine goes with --validate")
    from bench.capacity.figures import figures  # noqa: PLC0415 - see bench.commands
    from bench.capacity.model import run_model  # noqa: PLC0415
    from bench.capacity.outcome import outcome_of  # noqa: PLC0415
    from bench.capacity.quotas import quotas  # noqa: PLC0415
    from bench.capacity.tables import show, with_table  # noqa: PLC0415

    scenarios = _chosen(options.scenario)
    allowed = quotas().with_values(options.set)
    reporter = Reporter()
    designs = tuple(DESIGNS) if options.design == _BOTH else (DesignName(options.design),)
    outcomes: list[Outcome] = []
    for scenario in scenarios:
        for design in designs:
            with reporter.phase(f"{scenario.name}, {design}"):
                outcomes.append(outcome_of(run_model(scenario, DESIGNS[design], allowed, figures())))
    show(outcomes, reporter)
    if options.html:
        from bench.capacity.page import render  # noqa: PLC0415

        write_whole(options.html, render(outcomes, allowed, figures(), options.set))
        reporter.line(f"page: {options.html}")
    if options.json:
        write_whole(options.json, json.dumps([outcome.facts() for outcome in outcomes], indent=2) + "\n")
        reporter.line(f"figures: {options.json}")
    if options.docs:
        write_whole(options.docs, with_table(_text_of(options.docs), outcomes))
        reporter.line(f"table: {options.docs}")
    if options.check and with_table(text := _text_of(options.check), outcomes) != text:
        fix = f"python -m bench capacity --docs {options.check}"
        reporter.console.print(f"[bold red]FAILED[/] {options.check} has another table: {fix}")
        return 1
    return 0


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}") from error


def _chosen(names: Sequence[str] | None) -> tuple[Scenario, ...]:
    if names is None:
        return tuple(BY_NAME.values())
    if unknown := [name for name in names if name not in BY_NAME]:
        raise BenchError(f"there is no scenario {unknown[0]!r}: there are {', '.join(BY_NAME)}")
    return tuple(BY_NAME[name] for name in dict.fromkeys(names))
