"""The bench's command line.

Exit status: 0 the verdict passed, 1 it failed, 2 the run could not be made, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bench.errors import BenchError
from bench.report.console import Reporter
from bench.workloads import market_day
from generator.environment import Environment
from generator.errors import GeneratorError
from generator.usage import OneLineParser

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from bench.run import RunOptions, Trial

MARKET: Final = "market-analytics"
FILES: Final = "file-processing"

_RESULTS: Final = Path("bench/results")
_RANGE_BYTES: Final = 8_388_608
_OPTIONS_OF: Final = {
    MARKET: ("ticks", "symbols", "posts", "input", "range_bytes", "compaction_threshold"),
    FILES: ("files", "poison", "curable"),
}


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends everything in good order, as Ctrl-C does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return int(options.command(options))
    except (BenchError, GeneratorError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # A full disk, a folder that cannot be made, a file that nobody may read: the machine's, and one line says it.
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except Terminated:
        print("bench: terminated; everything that was started has been ended", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print("bench: interrupted; everything that was started has been ended", file=sys.stderr)
        return 130


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    # An exception, so that every block ends what it began.
    raise Terminated


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m bench", description="Deploys the pipeline to LocalStack and proves it.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="run | up | down | perf")
    run = commands.add_parser(
        "run",
        help="deploy, push ticks or files, verify every one, destroy",
        description="Generate, deploy, push ticks or files through the whole path, verify every one, destroy, say the "
        "verdict.",
        epilog="example: python -m bench run --ticks 1000000 --symbols 500\n"
        "example: python -m bench run --pipeline file-processing --files 500",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_pipeline(run)
    _add_workload(run)
    _add_stack(run)
    files = run.add_argument_group("file-processing")
    files.add_argument("--files", type=int, metavar="N", help="(default: 500)")
    files.add_argument("--poison", type=float, metavar="FRACTION", help="files on which a stage fails for good (0.02)")
    files.add_argument("--curable", type=float, metavar="FRACTION", help="files on which a stage fails twice (0.02)")
    run.add_argument("--input", type=Path, metavar="FILE", help="a tick file of your own instead of synthetic ticks")
    run.add_argument("--keep", action="store_true", help="leave LocalStack and the stack running afterwards")
    run.add_argument("--rate", type=float, metavar="TICKS", help="ticks a second to send (default: all at once)")
    run.set_defaults(command=_run)
    up = commands.add_parser(
        "up",
        help="start LocalStack and deploy, then leave it running",
        description="Start LocalStack, deploy the stack, print how to use it, and leave it running.",
        epilog="example: python -m bench up --env dev",
    )
    _add_pipeline(up)
    _add_stack(up)
    up.add_argument("--bare", action="store_true", help="LocalStack alone, without the stack")
    up.set_defaults(command=_up)
    down = commands.add_parser(
        "down",
        help="end what up or run --keep left running",
        description="Delete the stacks of the LocalStack that was left running, and end it.",
        epilog="example: python -m bench down",
    )
    down.set_defaults(command=_down)
    perf = commands.add_parser(
        "perf",
        help="the benchmarks: decoding against bare polars, and a whole run",
        description="Measure decoding alone and a whole run; both go into one result file.",
        epilog="example: python -m bench perf --ticks 1000000 --symbols 500",
    )
    _add_workload(perf)
    _add_stack(perf)
    perf.set_defaults(command=_perf, pipeline=MARKET, ticks=1_000_000, symbols=500, input=None, keep=False, rate=None)
    return parser


def _add_pipeline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pipeline", choices=(MARKET, FILES), default=MARKET, help="(default: %(default)s)")


def _add_workload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ticks", type=int, help="rows to send, corrupt ones among them (default: 200,000)")
    parser.add_argument("--symbols", type=int, help="(default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="equal seeds make equal bytes (default: %(default)s)")
    parser.add_argument(
        "--corrupt", type=float, metavar="FRACTION", help="of the rows (default: 0.001), or of the files (0.1)"
    )
    parser.add_argument("--posts", type=int, metavar="N", help="N more requests of one tick, one symbol's hour")
    parser.add_argument("--results", type=Path, default=_RESULTS, metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--stall", type=float, default=60.0, metavar="SECONDS", help="(default: %(default)s)")


def _add_stack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", default="bench", help="environment, part of every name (default: %(default)s)")
    parser.add_argument("--range-bytes", type=int, metavar="N", help="(default: 8,388,608)")
    parser.add_argument("--compaction-threshold", type=int, metavar="N", help="slices of an hour that are compacted")


def _refuse_foreign(options: argparse.Namespace) -> None:
    """An option of the other pipeline would change nothing, and its user would not know."""
    for name in _OPTIONS_OF[FILES if options.pipeline == MARKET else MARKET]:
        if getattr(options, name, None) is not None:
            raise BenchError(f"--{name.replace('_', '-')} is no option of {options.pipeline}")


def _given[T](value: T | None, default: T) -> T:
    return default if value is None else value


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    range_bytes = _given(options.range_bytes, _RANGE_BYTES)
    if range_bytes < 1024:
        raise BenchError("a range has 1,024 bytes or more")
    parameters = {"RangeBytes": str(range_bytes)}
    if options.compaction_threshold is not None:
        if not 2 <= options.compaction_threshold <= 2_000:
            raise BenchError("the compaction threshold is 2 to 2,000")
        parameters["CompactionThreshold"] = str(options.compaction_threshold)
    return parameters


# The commands are imported when they are asked for: usage errors and help need neither LocalStack nor polars.


def _run(options: argparse.Namespace) -> int:
    from bench.run import run  # noqa: PLC0415 - see above

    return 0 if run(_trial(options), _run_options(options), Reporter()).passed else 1


def _run_options(options: argparse.Namespace) -> RunOptions:
    from bench.run import RunOptions  # noqa: PLC0415

    return RunOptions(Environment(options.env).name, options.results, options.keep)


def _trial(options: argparse.Namespace) -> Trial:
    _refuse_foreign(options)
    if options.rate is not None and options.rate <= 0:
        raise BenchError("the rate is above 0")
    if options.stall <= 0:
        raise BenchError("the seconds of a stall are above 0")
    return _file_trial(options) if options.pipeline == FILES else _market_trial(options)


def _market_trial(options: argparse.Namespace) -> Trial:
    from bench.market_trial import MarketTrial  # noqa: PLC0415

    workload = market_day(
        ticks=_given(options.ticks, 200_000),
        symbols=_given(options.symbols, 100),
        seed=options.seed,
        corrupt_fraction=_given(options.corrupt, 0.001),
        single_posts=_given(options.posts, 0),
        range_bytes=_given(options.range_bytes, _RANGE_BYTES),
    )
    if options.input is not None and not options.input.is_file():
        raise BenchError(f"there is no file {options.input}")
    return MarketTrial(
        workload,
        _parameters(options),
        input_path=options.input,
        ticks_a_second=options.rate,
        stall_s=options.stall,
    )


def _file_trial(options: argparse.Namespace) -> Trial:
    from bench.file_processing.feed import FileWorkload  # noqa: PLC0415
    from bench.file_processing.trial import FileTrial  # noqa: PLC0415

    workload = FileWorkload(
        files=_given(options.files, 500),
        seed=options.seed,
        corrupt_share=_given(options.corrupt, 0.1),
        poison_share=_given(options.poison, 0.02),
        curable_share=_given(options.curable, 0.02),
    )
    return FileTrial(workload, ticks_a_second=options.rate, stall_s=options.stall)


def _up(options: argparse.Namespace) -> int:
    from bench.standing import up  # noqa: PLC0415

    _refuse_foreign(options)
    parameters = _parameters(options) if options.pipeline == MARKET else {}
    up(options.pipeline, Environment(options.env).name, parameters, Reporter(), bare=options.bare)
    return 0


def _down(_options: argparse.Namespace) -> int:
    from bench.standing import down  # noqa: PLC0415

    down(Reporter())
    return 0


def _perf(options: argparse.Namespace) -> int:
    from bench.performance import measure  # noqa: PLC0415

    return 0 if measure(_trial(options), _run_options(options), Reporter()).passed else 1


if __name__ == "__main__":
    sys.exit(main())
