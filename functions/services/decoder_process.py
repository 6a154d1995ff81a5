"""Parquet is decoded in a process of its own: what a damaged file makes of polars must cost that file only.

polars panics on some damaged files, allocates 2^61 bytes of others and aborts, and no handler can catch that: the
function would end, and the good neighbours in its batch would come again with it until they are dead letters. So a
child decodes, with a bound on its memory and on its CPU time, and asks this process for the object's bytes. It has no
credentials. What it dies of by itself is the object's fault, and a result; that somebody ended it, or that
the time of the invocation is over, is not.

The child is kept for the next range, because it takes half a second of CPU to start. It ends with this process, by the
kernel's doing, or when nobody is at the other end of its socket. Lambda freezes both together.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NoReturn

from services.decoder_child import ENDINGS, MAIN, Job, Said, Word
from tickstream.decoding import Decoded, PackedBars, decode_pieces, decode_span
from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete, TickstreamError
from tickstream.ingests import Format
from tickstream.pairs import NO_PAIRS
from tickstream.ticks import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.deadlines import Deadline
    from tickstream.decoding import Budget
    from tickstream.ingests import Layout, Read, Source, Span
    from tickstream.keys import SymbolHour
    from tickstream.pairs import PairTask

#: What the child may have of the function's memory, in thirds: the rest is for this process, and for what it writes.
_THIRDS: Final = 2
_DEFAULT_MEMORY_MB: Final = 3072
#: A child that has grown beyond this part of its memory is not kept: what it freed it may not have given back.
_KEPT_PART: Final = 0.5
#: Its last words, for whoever looks into why.
_WORDS_BYTES: Final = 300

#: What a process gets for what it does itself.
_OWN_FAULTS: Final = frozenset(
    {
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSEGV,
        signal.SIGSYS,
        signal.SIGTRAP,
        signal.SIGXCPU,
    }
)
#: No others: the child needs no credentials, and no settings of the function.
_PASSED_ON: Final = ("LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
#: Traces of a panic are long, and take memory that is not there.
_VARIABLES: Final = {"RUST_BACKTRACE": "0"}


def decode_apart(
    source: Source,
    layout: Layout,
    span: Span,
    read: Read,
    budget: Budget,
    *,
    pairs: PairTask = NO_PAIRS,
    deadline: Deadline,
) -> Decoded:
    """Decode a span as `tickstream.decoding.decode_span` does, Parquet in a process of its own.

    Raises ObjectRejected (corrupt_parquet) also where that process dies of it, ServiceIncomplete where the deadline
    passes or somebody ends it.
    """
    if layout.format is not Format.PARQUET:
        return decode_span(source, layout, span, read, budget.limits, budget=budget, pairs=pairs)
    (decoded,) = _kept().decode(Job(source, layout, span, budget.left, whole=True, pairs=pairs), read, deadline, budget)
    return decoded


def decode_pieces_apart(
    source: Source,
    layout: Layout,
    span: Span,
    read: Read,
    budget: Budget,
    *,
    pairs: PairTask = NO_PAIRS,
    deadline: Deadline,
) -> Iterator[Decoded]:
    """Decode a span as `tickstream.decoding.decode_pieces` does, and otherwise as `decode_apart`."""
    if layout.format is not Format.PARQUET:
        return decode_pieces(source, layout, span, read, budget.limits, budget=budget, pairs=pairs)
    return _kept().decode(Job(source, layout, span, budget.left, whole=False, pairs=pairs), read, deadline, budget)


def memory_bytes_of_child(function_mb: int) -> int:
    """Return what a child may have of a function's memory."""
    return (function_mb << 20) * _THIRDS // 3


class _ChildDied(TickstreamError):
    """The child died of what it read. again: a new one may not, which had read nothing else."""

    def __init__(self, refusal: ObjectRejected, *, again: bool) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.again = again


class DecoderProcess:
    """A child that decodes one span after the other. It is started by the first, and again where it has ended.

    memory_bytes: what it may take.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._words: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process, where it has one."""
        return None if self._process is None else self._process.pid

    def decode(self, job: Job, read: Read, deadline: Deadline, budget: Budget) -> Iterator[Decoded]:
        """Have a span decoded, and yield its pieces. Raises as `decode_apart` does, and whatever `read` raises.

        budget: of the object; what the child takes is taken from it.
        """
        pieces = 0
        while True:
            is_new = not self._is_alive()
            try:
                for piece in islice(self._pieces(job, read, deadline, budget), pieces, None):
                    pieces += 1
                    yield piece
            except _ChildDied as death:
                if is_new or not death.again:
                    raise death.refusal from None
                # It may have died of what earlier spans left behind: a new one decides, whatever came before.
            else:
                return

    def _pieces(self, job: Job, read: Read, deadline: Deadline, budget: Budget) -> Iterator[Decoded]:
        connection = self._started()
        keep = False
        try:
            self._send(connection.send, job, asked=False)
            bars: dict[SymbolHour, bytes] = {}
            rejects: list[RejectedRow] = []
            asked = False
            while (said := self._next(connection, deadline, asked=asked)).word not in ENDINGS:
                asked = True
                if said.word is Word.READ:
                    self._send(connection.send_bytes, read(*said.values), asked=True)
                elif said.word is Word.BARS:
                    bars.update(said.values[0])
                elif said.word is Word.REJECTS:
                    rejects += map(_rejected_row, *said.values)
                else:
                    ticks, *counts = said.values
                    yield Decoded(PackedBars(bars), ticks, tuple(rejects), *counts)
                    bars, rejects = {}, []
            is_sound = said.word not in {Word.FAILED, Word.EXHAUSTED}
            keep = is_sound and self._resident_bytes() < self._memory_bytes * _KEPT_PART
        finally:
            # In the middle of something, for whatever reason, it is of no use to the next.
            if not keep:
                self.end()
        if said.word is Word.DONE:
            budget.take(*said.values)
        elif said.word is Word.EXHAUSTED:
            raise _ChildDied(self._refusal(said.values[0]), again=True)
        else:
            _raise(said)

    def end(self) -> None:
        """End the child, now."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._words is not None:
            self._words.close()
            self._words = None

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _started(self) -> Connection:
        if not self._is_alive():
            # Where it has ended, it did so between two spans, and of nothing that it read.
            self.end()
        if self._connection is None:
            own_end, its_end = socket.socketpair()
            with its_end:
                self._connection = Connection(own_end.detach())
                self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
                # Its own code first: what is installed under that name is another's.
                path = [str(Path(__file__).parents[1]), *sys.path]
                bounds = [str(self._memory_bytes), str(os.getpid()), str(its_end.fileno())]
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", MAIN, *bounds, *path],
                    env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _VARIABLES,
                    stdin=subprocess.DEVNULL,
                    stdout=self._words,
                    stderr=self._words,
                    pass_fds=(its_end.fileno(),),
                )
        return self._connection

    def _send[T](self, send: Callable[[T], None], value: T, *, asked: bool) -> None:
        try:
            send(value)
        except OSError as error:
            raise self._death(asked=asked) from error

    def _next(self, connection: Connection, deadline: Deadline, *, asked: bool) -> Said:
        try:
            if not connection.poll(deadline.remaining_s()):
                raise ServiceIncomplete("no time left to decode: the range takes longer than one invocation has")
            word, *values = connection.recv()
        except (EOFError, OSError) as error:
            raise self._death(asked=asked) from error
        return Said(word, values)

    def _death(self, *, asked: bool) -> TickstreamError:
        """Say what the child died of. asked: whether it had asked for the object, which may be at fault then."""
        if self._process is None or self._words is None:
            raise AssertionError("only a started child dies")
        # Nobody is at the other end any more: it has ended, or is about to.
        code = self._process.wait()
        self._words.seek(max(0, self._words.seek(0, os.SEEK_END) - _WORDS_BYTES))
        words = self._words.read().decode(errors="replace").strip()
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        if asked and -code in _OWN_FAULTS:
            return _ChildDied(self._refusal(f"decoding {how}: {words}"), again=-code != signal.SIGXCPU)
        return ServiceIncomplete(f"decoding {how}: {words}")

    def _refusal(self, why: str) -> ObjectRejected:
        bounds = f"{self._memory_bytes >> 20} MB of memory and its time"
        return ObjectRejected(Reason.CORRUPT_PARQUET, f"its rows cannot be read within {bounds}: {why}")

    def _resident_bytes(self) -> int:
        with suppress(OSError):  # gone meanwhile: the next span finds that out
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
            return int(pages) * os.sysconf("SC_PAGESIZE")
        return 0


def _rejected_row(offset: int, reason: str, detail: str, raw: bytes) -> RejectedRow:
    return RejectedRow(offset, Reason(reason), detail, raw)


def _raise(said: Said) -> NoReturn:
    """Raise what the child could not."""
    match said.word:
        case Word.REFUSED:
            raise ObjectRejected(*said.values)
        case Word.INCOMPLETE:
            raise ServiceIncomplete(*said.values)
        case _:
            raise TickstreamError(f"decoding failed: {said.values[0]}")


@cache
def _kept() -> DecoderProcess:
    function_mb = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", _DEFAULT_MEMORY_MB))
    decoder = DecoderProcess(memory_bytes_of_child(function_mb))
    # Of a process that ends in order; where it does not, the kernel ends the child.
    atexit.register(decoder.end)
    return decoder
