"""A validated file becomes its statistics. The order of the writes is what makes it safe to die anywhere.

1. decoding (reads only), span by span. Died here: nothing has happened, the message comes back.
2. the **statistics**, of a good file, as an item of their own. Died here: nobody looks for them before the status says
   so; the next delivery decodes again and writes the same. Late, or twice: the same again, under the same key.
3. the **status**, `processed` or `failed`; whoever sees `processed` finds the statistics. Died here: the next delivery
   finds its own move in the table (`repeated`), decodes nothing and goes on with 4.
4. the **pointer** to the aggregator, the same text that came. Died here: sent again by the next delivery; within five
   minutes the queue drops it, afterwards the aggregator finds its work done.

The message of an older upload, or one that comes after the aggregator had the file, is stale: nothing is decoded,
written or sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from services.status_table import make_move
from tickstream.decoding import Budget, Limits, decode_pieces
from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.feeds.documents import is_descending, thawed
from tickstream.file_status import (
    Failure,
    FileFault,
    Outcome,
    Stage,
    Status,
    bad_row,
    failure,
    failure_of,
    move_of,
    outcome_of,
)
from tickstream.ingests import Format
from tickstream.pairs import NO_PAIRS, PairTask, task_of_whole
from tickstream.promises import MAX_BAD_ROWS
from tickstream.ranges import plan_spans
from tickstream.symbol_statistics import StatisticsFold, pack_statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from services.status_table import StatusTable
    from tickstream.decoding import Decoded
    from tickstream.file_status import BadRow, Move
    from tickstream.files import FilePointer
    from tickstream.ingests import Layout, Read, Source, Span
    from tickstream.pairs import PairRow

#: What is decoded at a time: 512 MB of memory hold it several times over, in all the shapes that it takes.
SPAN_BYTES: Final = 4 << 20
MAX_SYMBOLS: Final = 5_000
#: Of the 400 KB of an item, which holds little else.
MAX_STATISTICS_BYTES: Final = 350_000
#: Tighter than those of market analytics, whose functions have six times the memory.
LIMITS: Final = Limits(
    bars=200_000,
    rejects=200_000,
    block_bytes=SPAN_BYTES,
    unpacked_bytes=128 << 20,
    parquet_rows=100_000,
    # 512 MB have less than a third of a CPU: of 50 seconds that is 14.
    gzip_members=1_000_000,
    idle_bytes=16 << 20,
    strict_work=48 << 20,
    cpu_s=9.0,
    # Nobody reads them here: the status says of the first bad rows what is wrong with them, and not what they are.
    rejected_bytes=1 << 20,
)


#: Of Parquet, where rows may take no bytes: they take half of the time that a third of a core has in an invocation.
MAX_PARQUET_ROWS: Final = 20_000_000


def _decode_here(
    source: Source, layout: Layout, span: Span, read: Read, budget: Budget, *, pairs: PairTask
) -> Iterable[Decoded]:
    return decode_pieces(source, layout, span, read, budget.limits, budget=budget, pairs=pairs)


class DecodePieces(Protocol):
    """`tickstream.decoding.decode_pieces`, or the same in a process of its own."""

    def __call__(
        self, source: Source, layout: Layout, span: Span, read: Read, budget: Budget, *, pairs: PairTask
    ) -> Iterable[Decoded]:
        """Decode a span piece by piece."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """What a file is read from and written to.

    open_object: gives the bytes of a version.
    send: queues a pointer for the aggregator.
    now_ms: Unix milliseconds.
    in_time: whether the invocation has time left.
    decode: decodes a span.
    """

    statuses: StatusTable
    open_object: Callable[[Source], Read]
    send: Callable[[FilePointer], None]
    now_ms: Callable[[], int]
    in_time: Callable[[], bool]
    decode: DecodePieces = _decode_here


@dataclass(frozen=True, slots=True)
class Processed:
    """What a delivery of a pointer did. `sent`: whether it was handed on; `reason`: why the file was refused."""

    outcome: Outcome
    sent: bool
    reason: Failure | None = None


@dataclass(frozen=True, slots=True)
class _Result:
    reason: Failure | None
    bad_rows: tuple[BadRow, ...] | None = None
    rejected: int | None = None
    statistics: bytes | None = None


def process_file(pointer: FilePointer, stores: Stores, span_bytes: int = SPAN_BYTES) -> Processed:
    """Process one file, put the result on record and hand a good one on.

    Raises ServiceIncomplete for what a retry may cure, ServiceRefused for what it will not; whatever it is, the same
    message again goes on from there.
    """
    # Asked before the work, with a move that says nothing yet: an old message must not cost a file's decoding.
    known = outcome_of(stores.statuses.get(pointer.file_id), _move(pointer, _Result(None), stores))
    if known is Outcome.STALE:
        return Processed(known, sent=False)
    if known is Outcome.REPEATED:
        stores.send(pointer)
        return Processed(known, sent=True)
    result = _decode(pointer, stores, span_bytes)
    if result.statistics is not None:
        stores.statuses.put_statistics(pointer, result.statistics)
    outcome = make_move(stores.statuses, pointer.file_id, _move(pointer, result, stores))
    sent = outcome is not Outcome.STALE and result.reason is None
    if sent:
        stores.send(pointer)
    return Processed(outcome, sent, result.reason)


def _move(pointer: FilePointer, result: _Result, stores: Stores) -> Move:
    status = Status.PROCESSED if result.reason is None else Status.FAILED
    return replace(
        move_of(pointer, Stage.PROCESSOR, status, stores.now_ms()),
        reason=result.reason,
        bad_rows=result.bad_rows,
        rejected=result.rejected,
    )


def _decode(pointer: FilePointer, stores: Stores, span_bytes: int) -> _Result:
    read = _timed(stores.open_object(pointer.source), stores)
    fold = StatisticsFold()
    bad_rows: list[BadRow] = []
    ticks = rejected = 0
    try:
        spans = _planned(pointer, read, span_bytes)
        for decoded in _decoded(pointer, spans, read, _pairs_of(pointer, spans, read, stores), stores):
            ticks += decoded.ticks
            rejected += len(decoded.rejects)
            bad_rows += map(bad_row, decoded.rejects[: MAX_BAD_ROWS - len(bad_rows)])
            fold.add(decoded.bars)
            if fold.symbols > MAX_SYMBOLS:
                return _Result(_too_many_symbols(f"more than {MAX_SYMBOLS} symbols"))
    except ObjectRejected as error:
        # A result: none of the file counts, however far it could be read.
        return _Result(failure_of(error))
    if rejected and not ticks:
        message = f"none of its {rejected} rows is a tick"
        return _Result(failure(FileFault.NO_VALID_ROW, message), tuple(bad_rows), rejected)
    packed = pack_statistics(fold.statistics())
    if len(packed) > MAX_STATISTICS_BYTES:
        return _Result(_too_many_symbols(f"the statistics of its {fold.symbols} symbols do not fit into one item"))
    return _Result(None, tuple(bad_rows), rejected, packed)


def _decoded(
    pointer: FilePointer, spans: Iterable[Span], read: Read, pairs: PairTask, stores: Stores
) -> Iterator[Decoded]:
    """Decode the whole file piece by piece."""
    budget = Budget(LIMITS, stores.in_time)  # of the whole file
    for span in spans:
        for decoded in stores.decode(pointer.source, pointer.layout, span, read, budget, pairs=pairs):
            yield decoded
            budget.check()


def _pairs_of(pointer: FilePointer, spans: Sequence[Span], read: Read, stores: Stores) -> PairTask:
    """Return which trades of the file are taken back: a pass to find who takes back, and one more if anybody does."""
    feed = thawed(pointer.layout.feed) if pointer.layout.feed else None
    if feed is None or feed.tick.cancel.pair is None:
        return NO_PAIRS

    def rows(pairs: PairTask) -> Iterator[PairRow]:
        for decoded in _decoded(pointer, spans, read, pairs, stores):
            yield from decoded.pair_rows

    return task_of_whole(rows, is_descending=is_descending(feed))


def _planned(pointer: FilePointer, read: Read, span_bytes: int) -> tuple[Span, ...]:
    spans = plan_spans(pointer.source, pointer.layout, span_bytes, read, max_unpacked_bytes=LIMITS.unpacked_bytes)
    if pointer.layout.format is Format.PARQUET and spans and spans[-1].end > MAX_PARQUET_ROWS:
        raise ObjectRejected(
            Reason.TOO_LARGE, f"a file has at most {MAX_PARQUET_ROWS} rows, this one {spans[-1].end}: split it"
        )
    return spans


def _too_many_symbols(message: str) -> Failure:
    return failure(FileFault.TOO_MANY_SYMBOLS, f"{message}: split the file")


def _timed(read: Read, stores: Stores) -> Read:
    """Read only while there is time: to be killed in the middle would fail the other messages of the batch too."""

    def timed(start: int, end: int) -> bytes:
        if not stores.in_time():
            raise ServiceIncomplete(f"no time left at byte {start}: the file takes longer than one invocation has")
        return read(start, end)

    return timed
