"""Options that several commands share, and what they mean together."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.commands.target_options import target_choice
from bench.commands.worker_options import refuse_for_workers
from bench.errors import BenchError
from bench.faults.catalog import names as fault_names
from bench.workloads import DEFAULT, RANGE_BYTES, DayFile, load, names
from generator.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.own_file.asked import OwnFile
    from bench.run import RunOptions, Trial
    from bench.workers.fleet import Fleet

    type Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no public name

MARKET: Final = "market-analytics"
FILES: Final = "file-processing"

#: Of S3.
_LONGEST_KEY_BYTES: Final = 1024
_RESULTS: Final = Path("bench/results")
_OPTIONS_OF: Final = {
    MARKET: (
        "workload",
        "ticks",
        "symbols",
        "streams",
        "rounds",
        "day_file",
        "posts",
        "retract",
        "replace",
        "input",
        "key",
        "feed",
        "feeds",
        "range_bytes",
        "compaction_threshold",
        "faults",
        "workers",
        "answers",
    ),
    FILES: ("files", "poison", "curable"),
}


class _WholeNames(argparse.RawDescriptionHelpFormatter):
    """Breaks no line within a name: whoever copies `trading-day` from a help wants all of it."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def add_command(
    commands: Commands,
    name: str,
    work: Callable[[argparse.Namespace], int],
    *,
    help: str,  # noqa: A002 - argparse's name
    description: str,
    examples: tuple[str, ...],
) -> argparse.ArgumentParser:
    """Add a command whose work takes the parsed options and returns the exit status."""
    parser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog="\n".join(f"example: python -m bench {example}" for example in examples),
        formatter_class=_WholeNames,
    )
    parser.set_defaults(command=work)
    return parser


def add_pipeline(parser: argparse.ArgumentParser) -> None:
    """Add which of the two pipelines is meant."""
    parser.add_argument("--pipeline", choices=(MARKET, FILES), default=MARKET, help="(default: %(default)s)")


def add_workload(parser: argparse.ArgumentParser) -> None:
    """Add what is sent, and where the result goes."""
    parser.add_argument(
        "--workload",
        choices=names(),
        metavar="NAME",
        help=f"what is sent and when: {', '.join(names())} (default: {DEFAULT}); the options below change its figures",
    )
    parser.add_argument("--ticks", type=int, help="rows to send, corrupt ones among them")
    parser.add_argument("--symbols", type=int, help="of the ticks")
    parser.add_argument("--streams", type=int, help="feeds of one symbol each")
    parser.add_argument("--rounds", type=int, help="objects of each stream, one after the other")
    parser.add_argument(
        "--day-file", metavar="KIND", help="csv, csv.gz, zip or csv.zst: one file instead of many CSV objects"
    )
    parser.add_argument("--seed", type=int, help="equal seeds make equal bytes (default: 1)")
    parser.add_argument("--corrupt", type=float, metavar="FRACTION", help="of the rows, or of the files (default: 0.1)")
    parser.add_argument("--posts", type=int, metavar="N", help="N more requests of one tick, one symbol's hour")
    parser.add_argument("--retract", type=float, metavar="SHARE", help="of the objects, taken back meanwhile")
    parser.add_argument("--replace", type=float, metavar="SHARE", help="of the objects, cut off before, and replaced")
    parser.add_argument("--results", type=Path, default=_RESULTS, metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--stall", type=float, default=60.0, metavar="SECONDS", help="(default: %(default)s)")


def add_faults(parser: argparse.ArgumentParser) -> None:
    """Add what goes wrong on purpose."""
    parser.add_argument(
        "--faults",
        type=lambda text: tuple(name.strip() for name in text.split(",")),
        metavar="NAME,...",
        help="what goes wrong on purpose, where the target is the bench's own LocalStack: all, or some of "
        + ", ".join(fault_names()),
    )


def add_stack(parser: argparse.ArgumentParser) -> None:
    """Add what the stack is called, and its parameters."""
    parser.add_argument("--env", default="bench", help="environment, part of every name (default: %(default)s)")
    parser.add_argument("--range-bytes", type=int, metavar="N", help=f"(default: {RANGE_BYTES:,})")
    parser.add_argument("--compaction-threshold", type=int, metavar="N", help="slices of an hour that are compacted")


def refuse_foreign(options: argparse.Namespace) -> None:
    """Raise BenchError for an option of the other pipeline: it would change nothing, and its user would not know."""
    for name in _OPTIONS_OF[FILES if options.pipeline == MARKET else MARKET]:
        if getattr(options, name, None) is not None:
            raise BenchError(f"--{name.replace('_', '-')} is no option of {options.pipeline}")


def given[T](value: T | None, default: T) -> T:
    """Return an option's value, or its default where it was not given."""
    return default if value is None else value


def stack_parameters(options: argparse.Namespace) -> dict[str, str]:
    """Return the stack's template parameters. Raises BenchError, which names the limit."""
    range_bytes = given(options.range_bytes, RANGE_BYTES)
    if range_bytes < 1024:
        raise BenchError("a range has 1,024 bytes or more")
    parameters = {"RangeBytes": str(range_bytes)}
    if options.compaction_threshold is not None:
        if not 2 <= options.compaction_threshold <= 2_000:
            raise BenchError("the compaction threshold is 2 to 2,000")
        parameters["CompactionThreshold"] = str(options.compaction_threshold)
    return parameters


def run_options(options: argparse.Namespace) -> RunOptions:
    """Return what a run was asked for, beside its trial. Raises GeneratorError for a bad name, TargetError."""
    from bench.run import RunOptions  # noqa: PLC0415 - see bench.commands

    return RunOptions(
        Environment(options.env).name,
        options.results,
        options.keep,
        target_choice(options),
        getattr(options, "feeds", None),
    )


def trial_of(options: argparse.Namespace, fleet: Fleet | None = None) -> Trial:
    """Return the trial that the options ask for. Raises BenchError or WorkloadError, in one sentence.

    fleet: the workers that are to send, where they were asked for.
    """
    refuse_foreign(options)
    if options.rate is not None and options.rate <= 0:
        raise BenchError("the rate is above 0")
    if options.stall <= 0:
        raise BenchError("the seconds of a stall are above 0")
    return _file_trial(options) if options.pipeline == FILES else _market_trial(options, fleet)


def _market_trial(options: argparse.Namespace, fleet: Fleet | None) -> Trial:
    from bench.market_analytics.fault_plan import FaultPlan  # noqa: PLC0415
    from bench.market_analytics.trial import MarketTrial  # noqa: PLC0415

    figures = {
        "ticks": options.ticks,
        "symbols": options.symbols,
        "streams": getattr(options, "streams", None),
        "rounds": getattr(options, "rounds", None),
        "seed": options.seed,
        "corrupt_fraction": options.corrupt,
        "single_posts": options.posts,
        "day_file": getattr(options, "day_file", None),
        "retracted_share": getattr(options, "retract", None),
        "replaced_share": getattr(options, "replace", None),
    }
    workload = load(
        given(options.workload, DEFAULT),
        range_bytes=given(options.range_bytes, RANGE_BYTES),
        **{name: figure for name, figure in figures.items() if figure is not None},
    )
    if options.input is not None and options.workload is not None:
        raise BenchError("either --input or --workload says what is sent")
    if options.input is not None and not options.input.is_file():
        raise BenchError(f"there is no file {options.input}")
    if fleet:
        refuse_for_workers(options, workload)
    objects = options.input is not None or workload.posts.share < 1
    index = options.input is None and workload.day_file not in {DayFile.NONE, DayFile.CSV}
    retractions = options.input is None and workload.retracted_share > 0
    own_file = _own_file(options)
    wants_faults = bool(getattr(options, "faults", None))
    return MarketTrial(
        workload,
        stack_parameters(options),
        own_file=own_file,
        ticks_a_second=options.rate,
        stall_s=options.stall,
        faults=FaultPlan.of(options.faults, workload.seed, objects=objects, index=index, retractions=retractions)
        if wants_faults
        else None,
        fleet=fleet,
        answers=getattr(options, "answers", None),
    )


def _own_file(options: argparse.Namespace) -> OwnFile | None:
    """Return the user's own file and its key. Raises BenchError, FeedError."""
    asked = {name: getattr(options, name, None) for name in ("key", "feed", "feeds")}
    if options.input is None:
        if foreign := [name for name, value in asked.items() if value is not None]:
            raise BenchError(f"--{foreign[0]} is of --input")
        return None
    from bench.own_file.asked import OwnFile  # noqa: PLC0415
    from tickstream.feeds.catalogue import catalogue_of  # noqa: PLC0415
    from tickstream.feeds.documents import FeedError  # noqa: PLC0415

    own_file = OwnFile.of(options.input, **asked)
    try:
        # Its name is part of an object's key.
        key_bytes = len(own_file.key.encode())
    except UnicodeEncodeError as error:
        raise BenchError(f"the name of {str(options.input)!a} is no UTF-8") from error
    if key_bytes > _LONGEST_KEY_BYTES:
        raise BenchError(f"a key has at most {_LONGEST_KEY_BYTES:,} bytes, this one {key_bytes:,}")
    try:
        catalogue = catalogue_of(own_file.feeds)
    except FeedError as error:
        raise BenchError(str(error)) from error
    if options.feed is not None and options.feed != "native" and catalogue.named(options.feed) is None:
        raise BenchError(f"there is no feed {options.feed}: see `tickstream feed list`")
    return own_file


def _file_trial(options: argparse.Namespace) -> Trial:
    from bench.file_processing.input_files import FileWorkload  # noqa: PLC0415
    from bench.file_processing.trial import FileTrial  # noqa: PLC0415

    workload = FileWorkload(
        files=given(options.files, 500),
        seed=given(options.seed, 1),
        corrupt_share=given(options.corrupt, 0.1),
        poison_share=given(options.poison, 0.02),
        curable_share=given(options.curable, 0.02),
    )
    return FileTrial(workload, ticks_a_second=options.rate, stall_s=options.stall)
