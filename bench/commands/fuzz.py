"""`python -m bench fuzz`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from bench.commands.options import add_command
from bench.errors import BenchError
from bench.report.console import Reporter
from generator.environment import Environment

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands
    from bench.fuzz.run import Fuzzed


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "fuzz",
        _work,
        help="attack both APIs with thousands of requests made of their own descriptions",
        description="Deploy both stacks to the embedded LocalStack and send requests that their documents allow, "
        "and such that they forbid. Every answer must be as described, none a 5xx, and none may tell of the inside. "
        "What LocalStack itself breaks is counted by name, with the calls as evidence that no function was called.",
        examples=("fuzz --requests 10000 --seed 7",),
    )
    parser.add_argument("--requests", type=int, default=10_000, metavar="N", help="at least (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="equal seeds make equal choices (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="threads that send (default: %(default)s)")
    parser.add_argument("--env", default="fuzz", help="environment, part of every name (default: %(default)s)")


def _work(options: argparse.Namespace) -> int:
    if options.requests < 1:
        raise BenchError("the number of requests is 1 or more")
    if not 1 <= options.workers <= 32:
        raise BenchError("the number of workers is 1 to 32")
    environment, reporter = Environment(options.env).name, Reporter()
    try:
        from bench.fuzz.run import FILES, Fuzzing  # noqa: PLC0415 - see bench.commands
    except ModuleNotFoundError as error:
        raise BenchError(f"fuzzing needs the extra `fuzz` ({error}): pip install -e '.[fuzz]'") from error
    from bench.stack import deployment  # noqa: PLC0415
    from bench.targets.embedded import EmbeddedTarget  # noqa: PLC0415

    with EmbeddedTarget() as target:
        with reporter.phase("deploy"):
            deployment.deploy(target, environment)
            deployment.create(target, environment, deployment.assemble(environment, pipeline=FILES))
        with reporter.phase("fuzz"):
            fuzzing = Fuzzing(target, environment, reporter.line)
            fuzzed = fuzzing.run(options.requests, options.seed, options.workers)
        # Before LocalStack is ended, so that nothing that happens there takes the result away.
        _show(fuzzed, reporter)
        if fuzzed.findings and (log := target.keep_log()):
            reporter.line(f"LocalStack's log: {log}")
    return 1 if fuzzed.findings else 0


def _show(fuzzed: Fuzzed, reporter: Reporter) -> None:
    answers = Table("operation", "answered by", title="Answers", title_justify="left")
    statuses = sorted({status for tally in fuzzed.tallies.values() for _, status, _ in tally.answers})
    for status in statuses:
        answers.add_column(str(status), justify="right")
    for tally in fuzzed.tallies.values():
        for operation, origin in sorted({(operation, origin) for operation, _, origin in tally.answers}):
            counts = [tally.answers[operation, status, origin] for status in statuses]
            answers.add_row(operation, origin.value, *(f"{count:,}" if count else "" for count in counts))
    calls = Table("function", "invoked", "answered", title="Calls of functions", title_justify="left")
    for call in fuzzed.calls:
        calls.add_row(call.function, f"{call.invoked:,}", f"{call.answered:,}")
    reporter.console.print(answers)
    reporter.console.print(calls)
    for tally in fuzzed.tallies.values():
        for name, count in tally.own.items():
            reporter.line(f"LocalStack itself failed {count:,} times, and called no function: {name}")
            reporter.line(f"  {tally.own_examples[name]}")
    for finding in fuzzed.findings:
        reporter.line(f"{finding.operation}: {finding.rule}: {finding.seen}")
        reporter.line(f"  {finding.example}")
    rate = fuzzed.requests / fuzzed.seconds
    reporter.line(f"{fuzzed.requests:,} requests in {fuzzed.seconds:,.0f} s ({rate:,.0f} a second), seed {fuzzed.seed}")
    reporter.console.print("[bold red]FAILED[/]" if fuzzed.findings else "[bold green]PASSED[/]")
