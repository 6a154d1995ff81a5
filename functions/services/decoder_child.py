"""The child's side of `services.decoder_process`: it decodes spans, and asks for bytes, until nobody is there any more.

What the two say to each other are `Word`s with values, pickled: both are this code, and hold the same rights but for
the credentials, which the child was not given.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import traceback
from enum import Enum, auto
from itertools import batched
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tickstream.pairs import NO_PAIRS

if TYPE_CHECKING:
    from tickstream.decoding import Decoded, Limits
    from tickstream.ingests import Layout, Source, Span
    from tickstream.pairs import PairTask

#: What the child's Python is told to run; arguments: see `main`, and then its import path.
MAIN: Final = "import sys; sys.path[:] = sys.argv[4:]; from services.decoder_child import main; main(sys.argv[1:4])"

#: What a read may take beyond its budget.
CPU_SECONDS_BEYOND: Final = 4
_PR_SET_PDEATHSIG: Final = 1
#: Symbol-hours, and rejected rows, of one message: neither side needs to hold all of them twice.
_HOURS_A_MESSAGE: Final = 2_000
_REJECTS_A_MESSAGE: Final = 5_000
#: Of a trace, for the log.
_TRACE_CHARACTERS: Final = 2_000


class Word(Enum):
    """What the child says."""

    READ = auto()
    """The bytes [start, end) are wanted; the answer is these bytes, bare."""
    BARS = auto()
    """More bars of a piece: packed, by symbol and hour."""
    REJECTS = auto()
    """More rejected rows of a piece: their offsets, reasons, details and texts."""
    PIECE = auto()
    """The piece is complete; its number of ticks, of rows that are skipped and cancelled, and its rows of pairs."""
    DONE = auto()
    """All of it is said; what it took: strict work, and seconds of CPU."""
    REFUSED = auto()
    """ObjectRejected: reason and detail."""
    EXHAUSTED = auto()
    """Its memory was not enough; the error."""
    INCOMPLETE = auto()
    """ServiceIncomplete: the message."""
    FAILED = auto()
    """Anything else that was raised: a trace."""


ENDINGS: Final = frozenset({Word.DONE, Word.REFUSED, Word.EXHAUSTED, Word.INCOMPLETE, Word.FAILED})


class Said(NamedTuple):
    """A message of the child."""

    word: Word
    values: list[Any]


class Job(NamedTuple):
    """What it is asked to decode. limits: with what is left of the object's budget. whole: in one piece.

    pairs: what to do about rows that take others back.
    """

    source: Source
    layout: Layout
    span: Span
    limits: Limits
    whole: bool
    pairs: PairTask = NO_PAIRS


def main(arguments: list[str]) -> None:
    """Serve. arguments: bytes of memory, the parent's process, the socket."""
    memory_bytes, parent_pid, socket_fd = map(int, arguments)
    _die_with(parent_pid)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    # What aborts would leave its memory behind as a file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = Connection(socket_fd)
    while True:
        try:
            job: Job = connection.recv()
        except (EOFError, OSError):
            return
        _bound_cpu_time(job.limits.cpu_s)
        connection.send(_decoded(job, connection))


def _die_with(parent_pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # It may have died before the line above: then nobody sends the signal any more.
    if os.getppid() != parent_pid:
        os._exit(1)


def _bound_cpu_time(seconds: float) -> None:
    """Let the kernel end this process (SIGXCPU) once it has used so much more, and some, on all cores together.

    The budget looks at the clock between the reads of some rows: this is for a read that does not end.
    """
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds) + CPU_SECONDS_BEYOND, hard))


def _decoded(job: Job, connection: Connection) -> tuple[Any, ...]:
    """Decode a span, say its pieces, and return what is to be said last."""
    from polars.exceptions import PanicException, PolarsError  # noqa: PLC0415 - here, where memory is bounded

    from tickstream.decoding import Budget, decode_pieces, decode_span  # noqa: PLC0415
    from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete  # noqa: PLC0415

    def read(start: int, end: int) -> bytes:
        connection.send((Word.READ, start, end))
        return connection.recv_bytes()

    budget = Budget(job.limits)
    work = (job.source, job.layout, job.span, read, job.limits)
    try:
        pieces = (
            iter([decode_span(*work, budget=budget, pairs=job.pairs)])
            if job.whole
            else decode_pieces(*work, budget=budget, pairs=job.pairs)
        )
        for piece in pieces:
            _say(piece, connection)
    except ObjectRejected as refusal:
        return Word.REFUSED, refusal.reason, refusal.detail
    except ServiceIncomplete as error:
        return Word.INCOMPLETE, str(error)
    except MemoryError as error:
        return Word.EXHAUSTED, repr(error)
    except (PolarsError, PanicException) as error:
        return Word.REFUSED, Reason.CORRUPT_PARQUET, f"its rows cannot be read: {error!r}"
    except Exception:  # noqa: BLE001 - said to the parent, which raises it
        return Word.FAILED, traceback.format_exc()[-_TRACE_CHARACTERS:]
    left = budget.left
    return Word.DONE, job.limits.strict_work - left.strict_work, job.limits.cpu_s - left.cpu_s


def _say(piece: Decoded, connection: Connection) -> None:
    from tickstream.decoding import packed_hours  # noqa: PLC0415

    for hours in batched(packed_hours(piece.bars), _HOURS_A_MESSAGE, strict=False):
        connection.send((Word.BARS, hours))
    for rejects in batched(piece.rejects, _REJECTS_A_MESSAGE, strict=False):
        # In columns: to pickle a million objects takes longer than to decode them.
        offsets, reasons = [row.offset for row in rejects], [row.reason.value for row in rejects]
        details, raws = [row.detail for row in rejects], [row.raw for row in rejects]
        connection.send((Word.REJECTS, offsets, reasons, details, raws))
    connection.send((Word.PIECE, piece.ticks, piece.skipped, piece.cancelled, piece.pair_rows))
