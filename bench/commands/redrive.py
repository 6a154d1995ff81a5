"""`python -m bench redrive`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table

from bench.commands.options import add_command, add_pipeline
from bench.commands.target_options import add_target, target_choice
from bench.report.console import Display, Reporter
from generator.environment import Environment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping

    from bench.commands.options import Commands
    from bench.redrive import DeadQueue, Redriven, Survey
    from bench.targets import Target

#: Messages that are named one by one.
_NAMED: Final = 10
#: A thousand in under a minute. A range is some hundred to some thousand write units; queues have their consumers'
#: ceilings behind them, events that functions are invoked with have none. SQS's own redrive takes up to 500.
_PER_SECOND: Final = 20
_MOST_PER_SECOND: Final = 500

_DESCRIPTION: Final = """\
Put what stands in a stack's dead-letter and parked queues back to work, once what stopped it is cured. Without --go
nothing is changed: it says what stands there and what would become of it.

Messages go back to their queue. Events that a function was invoked with, or should have been, are what it is invoked
with again, which SQS's own redrive cannot. Each is sent before it is deleted: an interrupt loses nothing, and what is
sent twice changes nothing. They go back at a pace (--per-second): what died of too much at once must not come back all
at once. What is not the pipeline's, and what nobody takes, stays where it is and is named."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "redrive",
        _work,
        help="put dead letters back to work, after a dry run",
        description=f"{_DESCRIPTION}\n\nExit status with --go: 0 when nothing had to stay, 1 when something did.",
        examples=("redrive --env dev", "redrive --env dev --queue ingestion --queue processing --go"),
    )
    add_pipeline(parser)
    parser.add_argument("--env", default="bench", help="the stack's environment (default: %(default)s)")
    parser.add_argument(
        "--queue",
        action="append",
        metavar="NAME",
        help="market-analytics: processing, large-ranges, index, ingestion, aggregator, revision, rule; "
        "file-processing: validator, processor, aggregator, parked; may be repeated (default: all)",
    )
    parser.add_argument("--go", action="store_true", help="do it")
    parser.add_argument(
        "--per-second",
        type=int,
        default=_PER_SECOND,
        metavar="N",
        help="messages that are put back a second, at most (default: %(default)s)",
    )
    add_target(parser)


def _work(options: argparse.Namespace) -> int:
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - see bench.commands

    from bench.errors import BenchError, TargetError  # noqa: PLC0415
    from bench.redrive import queues_of  # noqa: PLC0415
    from bench.stack.dev_stack import standing  # noqa: PLC0415

    if not 1 <= options.per_second <= _MOST_PER_SECOND:
        raise BenchError(f"--per-second is a number from 1 to {_MOST_PER_SECOND}, not {options.per_second}")
    environment, reporter = Environment(options.env).name, Reporter()
    with standing(target_choice(options)) as target:
        try:
            queues = queues_of(target, environment, options.pipeline, options.queue)
        except BotoCoreError as error:
            raise TargetError(f"the target does not answer: {error}") from error
        if options.go:
            return _go(target, queues, reporter, options.per_second)
        return _dry_run(target, queues, reporter, options.per_second)


def _dry_run(target: Target, queues: Mapping[str, DeadQueue], reporter: Reporter, per_second: int) -> int:
    from bench.redrive import look  # noqa: PLC0415

    surveys = {name: look(target, queue) for name, queue in queues.items()}
    table = Table("queue", title="Dry run: nothing is changed", title_justify="left")
    for column in ("messages", "oldest", "looked at", "go back", "stay"):
        table.add_column(column, justify="right")
    table.add_column("to", overflow="fold")
    for name, found in surveys.items():
        figures = (found.messages, found.looked_at, found.good, len(found.stay))
        messages, looked_at, good, stay = (f"{figure:,}" for figure in figures)
        table.add_row(name, messages, _age(found), looked_at, good, stay, queues[name].goes_to)
    reporter.console.print(table)
    for name, found in surveys.items():
        _name(reporter, f"{name}, for example", found.examples)
        _name(reporter, f"{name}, would stay", found.stay)
    if any(found.good for found in surveys.values()):
        total = sum(found.messages for found in surveys.values())
        reporter.line(f"the same with --go puts them back, once their cause is cured: {_pace(total, per_second)}")
    elif not any(found.messages for found in surveys.values()):
        reporter.line("nothing to put back")
    return 0


def _pace(messages: int, per_second: int) -> str:
    """Say how long it takes to put so many messages back."""
    takes = f", about {_duration(messages / per_second)} for {messages:,}" if messages > per_second else ""
    return f"at most {per_second} a second (--per-second){takes}"


def _go(target: Target, queues: Mapping[str, DeadQueue], reporter: Reporter, per_second: int) -> int:
    from bench.redrive import Pace, redrive  # noqa: PLC0415

    display = RedriveDisplay()
    reporter.line(_pace(0, per_second))
    try:
        with reporter.progress(display):
            done = redrive(target, queues, tell=display.update, pace=Pace(per_second))
    except KeyboardInterrupt:
        reporter.line(f"{display.text()}; everything else is where it was")
        raise
    table = Table("queue", title="Put back", title_justify="left")
    for column in ("before", "put back", "stay", "after"):
        table.add_column(column, justify="right")
    for one in done:
        table.add_row(one.queue, *(f"{it:,}" for it in (one.before, one.put_back, len(one.stay), one.after)))
    reporter.console.print(table)
    for one in done:
        _name(reporter, f"{one.queue}, stay", one.stay)
    _explain(reporter, done)
    return 1 if any(one.stay for one in done) else 0


def _explain(reporter: Reporter, done: Collection[Redriven]) -> None:
    if more := sum(max(0, one.after - len(one.stay)) for one in done):
        reporter.line(f"{more:,} more stand there: they came since, or wait behind those that stay")


def _name(reporter: Reporter, title: str, messages: Collection[str]) -> None:
    """Print what each message is, the first few one by one."""
    if not messages:
        return
    reporter.line(f"{title}:")
    for message in list(messages)[:_NAMED]:
        reporter.line(f"  {message}")
    if (more := len(messages) - _NAMED) > 0:
        reporter.line(f"  and {more:,} more")


def _age(found: Survey) -> str:
    return "" if found.oldest_s is None else _duration(found.oldest_s)


def _duration(duration_s: float) -> str:
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if duration_s >= 2 * seconds:
            return f"{duration_s / seconds:,.0f} {unit}"
    return f"{duration_s:.0f} s"


class RedriveDisplay(Display):
    """How many messages of each queue were put back."""

    def __init__(self) -> None:
        super().__init__()
        self._queues: dict[str, tuple[int, int]] = {}

    def update(self, queue: str, put_back: int, before: int) -> None:
        """Take a step's figures."""
        self._queues[queue] = put_back, before
        self.changed(last=False)

    def text(self) -> str:
        """See Display."""
        if not self._queues:
            return "nothing put back yet"
        return " | ".join(f"{name}: {done:,} of {of:,} put back" for name, (done, of) in self._queues.items())
