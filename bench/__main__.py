"""The bench's command line.

Exit status: 0 the verdict passed, 1 it failed, 2 the run could not be made, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from bench.commands import COMMANDS
from bench.errors import BenchError
from generator.errors import GeneratorError
from generator.usage import OneLineParser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends everything in good order, as Ctrl-C does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return int(options.command(options))
    except (BenchError, GeneratorError) as error:
        # Notes say where to look, such as at LocalStack's log.
        print("\n".join([f"bench: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
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
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
