"""The bench's command line.

Exit status: 0 the verdict passed, 1 it failed, 2 the run could not be made, 70 a defect of the bench's own, 130
interrupted, 143 terminated.
"""

from __future__ import annotations

import io
import signal
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Final, NoReturn

from bench.commands import COMMANDS
from bench.errors import BenchError
from generator.errors import GeneratorError
from generator.usage import OneLineParser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import FrameType


#: EX_SOFTWARE of sysexits.h: 1 is for verdicts alone.
DEFECT: Final = 70
_SAID_CHARACTERS: Final = 300


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends everything in good order, as Ctrl-C does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    _write_anything()
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        _check_surroundings()
        return int(options.command(options))
    except Terminated:
        print("bench: terminated; everything that was started has been ended", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print("bench: interrupted; everything that was started has been ended", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 - the last place that can tell a defect from the user's surroundings
        if not _is_of_surroundings(error):
            traceback.print_exc()
            return DEFECT
        # Notes say where to look, such as at LocalStack's log.
        print("\n".join([f"bench: {_words(error)}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        return 2


def _check_surroundings() -> None:
    """Raise BenchError for what no command can work with."""
    if sys.platform != "linux":
        raise BenchError("the bench runs on Linux: take a virtual machine or a container")
    try:
        tempfile.gettempdir().encode()
    except UnicodeEncodeError as error:
        raise BenchError(f"the folder for temporary files has a name that is no UTF-8: {error.object!a}") from error


def _is_of_surroundings(error: Exception) -> bool:
    """Tell what the user can cure, or the machine, from a defect of the bench.

    A full disk, a folder that cannot be made, a file that nobody may read (OSError); a name that is no UTF-8; a target
    that does not answer, or not as AWS would (botocore's errors, whose import costs more than most commands).
    """
    if isinstance(error, (BenchError, GeneratorError, OSError)):
        return True
    if isinstance(error, UnicodeEncodeError):
        return "surrogates" in error.reason
    return type(error).__module__.partition(".")[0] == "botocore"


def _words(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return f"a name that is no UTF-8 cannot be used: {ascii(error.object)[:_SAID_CHARACTERS]}"
    return str(error)


def _write_anything() -> None:
    """Have the terminal take every text: what it cannot show, a name that is no UTF-8 for one, is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
