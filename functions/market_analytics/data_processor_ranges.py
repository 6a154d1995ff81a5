"""A range becomes slices, then a receipt. The order of the writes is what makes it safe to die anywhere.

1. **rejects**, one object under a key that the range determines. Died here: written again, the same.
2. **slices**, in one batch and in any order. The keys come from the range alone, so a second writer, earlier, later or
   at the same time, writes the same bytes under the same keys. Died in between: readers may see some of the slices.
   They are true (each is the whole of what this range has of that hour), just not all there is.
3. the **receipt**, its part 0 last: that one write commits the range. Died before: the message comes back. With part 0,
   in one batch and in any order, go the **pending entries**, one for each lane of the range's symbols. An entry without
   a receipt waits for it; a receipt without an entry has a message that comes back and writes the rest, and should that
   end as a dead letter, settling lists the range.
4. the **event**, sent by the handler after all of its batch. Died before: the message comes back and everything is
   written again, the same but for the time of the commit; the event goes out then. Lost altogether: the schedule
   finds the pending entries.

Where there is no end of 2 and 3 within an invocation, the message goes back and says what is written
(`data_processor_progress`).

Ranges that are written together take the steps together: no receipt of any before the slices of all. Died in between:
some have receipts and some have not, and all messages come back. Each range's own order is kept, so each is as safe as
alone.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from aws_lambda_powertools import Logger

from market_analytics.data_processor_pairs import decode_with_pairs, has_pairs, tell_of_none
from tickstream import keys
from tickstream.counted_lines import OBJECT_REJECTED
from tickstream.decoding import LIMITS, Budget, Decoded, decode_span, fold_ticks, packed_hours
from tickstream.errors import IndexAwaited, MalformedItem, ObjectRejected, ServiceIncomplete, WritesUnfinished
from tickstream.fate_items import refused_item
from tickstream.hours import Slice
from tickstream.indexed_ranges import opened_range
from tickstream.ingests import Format, Pending, Receipt, Refusal
from tickstream.items import key_of, pending_item, receipt_from, receipt_items, slice_item
from tickstream.messages import IndexOrder, InlineTicks, ProcessedRange, RangePointer
from tickstream.packed_index import Packing
from tickstream.pairs import NO_PAIRS
from tickstream.refused_objects import refusal_key, refusal_line
from tickstream.row_samples import ALIKE_ROWS, all_fail_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from services.table import Table
    from tickstream.errors import Reason
    from tickstream.ingests import Layout, Read, Source, Span
    from tickstream.items import Item
    from tickstream.messages import Message
    from tickstream.packed_index import Entry
    from tickstream.pairs import PairTask
    from tickstream.ticks import RejectedRow

#: More of a row is not kept: a row may have 1 MiB, and a person looks at its beginning.
MAX_RAW_BYTES: Final = 64 * 1024

logger = Logger(child=True)


def _decode_here(source: Source, layout: Layout, span: Span, read: Read, budget: Budget, *, pairs: PairTask) -> Decoded:
    return decode_span(source, layout, span, read, budget.limits, budget=budget, pairs=pairs)


def _no_copy(_start: int, _end: int) -> bytes:
    raise MalformedItem("there is no copy beside the index")


class Decode(Protocol):
    """`tickstream.decoding.decode_span`, or the same in a process of its own."""

    def __call__(
        self, source: Source, layout: Layout, span: Span, read: Read, budget: Budget, *, pairs: PairTask
    ) -> Decoded:
        """Decode a span."""
        ...


class Lines(Protocol):
    """An object that is written line by line (`services.objects.LineWriter`)."""

    def add(self, line: bytes) -> None:
        """Add a line."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a range is read from and written to.

    open_object: gives the bytes of a version.
    open_rejects: opens the object of rejected rows under a key; it is there, whole, when its context is left.
    now_ms: Unix milliseconds.
    in_time: whether the invocation has time left.
    index_entry: gives the entry of a range of an ingest's object, if it is there. index_copy: reads the copy that is
    beside an index, of so many bytes. order_index: has an index made again.
    decode: decodes a span of an object.
    """

    table: Table
    open_object: Callable[[Source], Read]
    open_rejects: Callable[[str], AbstractContextManager[Lines]]
    now_ms: Callable[[], int]
    in_time: Callable[[], bool] = lambda: True
    index_entry: Callable[[str, int], Entry | None] = lambda _, __: None
    index_copy: Callable[[str, int], Read] = lambda _, __: _no_copy
    order_index: Callable[[IndexOrder], object] = lambda _: None
    decode: Decode = _decode_here


@dataclass(frozen=True, slots=True)
class _Range:
    """Which range it is, whatever it holds."""

    ingest_id: str
    index: int
    received_ms: int
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Writes:
    """What is still to be written to the table for one range, in this order, and what its event says.

    slices: its slices, by their keys. receipt_parts: all but part 0. heads: its entries in the lists of pending ranges,
    and part 0, which commits it. All are empty where the range is committed already.
    written: how many of the slices, from the first on, surely are written.
    """

    slices: tuple[Item, ...]
    receipt_parts: tuple[Item, ...]
    heads: tuple[Item, ...]
    processed: ProcessedRange
    written: int = 0


def read_range(message: Message, stores: Stores) -> Writes:
    """Read and fold one range, keep its rejected rows, and return what `commit` has to write.

    An object that cannot be read as ticks, or is gone, is a result too: no ticks and one reject, and committed here.

    Raises ServiceIncomplete for what a retry may cure, ServiceRefused for what it will not.
    """
    if isinstance(message, InlineTicks):
        which = _Range(message.ingest_id, 0, message.received_ms)
        bars = fold_ticks(message.ticks, message.ingest_id, "")
        return _writes(which, Decoded(bars, len(message.ticks), ()), stores)
    which = _Range(message.ingest_id, message.span.index, message.received_ms, message.layout.replaces)
    try:
        return _read_span(message, which, stores)
    except ObjectRejected as error:
        tell_of_none(message, stores.table)
        return Writes((), (), (), _commit_rejection(message, which, error, stores))


def commit(ranges: Sequence[Writes], table: Table) -> None:
    """Write ranges together: every slice of all of them before any receipt.

    Alone, each small range would cost two requests. None may be there twice.

    Raises WritesUnfinished, whose number counts the items that were left of all of them, in order, or ServiceRefused.
    Some of the ranges may be committed then, and any may be committed again, alone or with others: what is written is
    the same.
    """
    slices = [piece for one in ranges for piece in one.slices[one.written :]]
    table.put_in_order(slices)
    try:
        table.batch_write(part for one in ranges for part in one.receipt_parts)
        table.batch_write(head for one in ranges for head in one.heads)
    except ServiceIncomplete as error:
        raise WritesUnfinished(str(error), len(slices)) from error


def _read_span(message: RangePointer, which: _Range, stores: Stores) -> Writes:
    source, layout, read = message.source, message.layout, stores.open_object(message.source)
    if layout.indexed:
        source, layout, read = _opened_by_index(message, read, stores)

    def decode(pairs: PairTask) -> Decoded:
        # Where a range is read more than once, each pass is bounded by itself, and all of them by the invocation.
        budget = Budget(LIMITS, stores.in_time)
        return stores.decode(source, layout, message.span, read, budget, pairs=pairs)

    decoded = decode_with_pairs(message, decode, stores.table) if has_pairs(message.layout) else decode(NO_PAIRS)
    _refuse_rows_that_fail_alike(message, decoded)
    if decoded.rejects:
        with stores.open_rejects(rejects_key(which.ingest_id, which.index)) as rejects:
            for row in decoded.rejects:
                rejects.add(reject_line(row))
    return _writes(which, decoded, stores)


def _opened_by_index(message: RangePointer, read: Read, stores: Stores) -> tuple[Source, Layout, Read]:
    """Open a range by its entry in the object's index. Raises IndexAwaited where that is not there, or does not fit.

    An index is no truth: whatever is wrong with it, it is ordered again, and this range waits for it.
    """
    entry = stores.index_entry(message.ingest_id, message.span.index)
    try:
        if entry is not None and entry.stream.packing is Packing.COPY:
            read = stores.index_copy(message.ingest_id, entry.stream.end)
        if entry is not None:
            return opened_range(message.source, message.layout, message.span, entry, read)
        why = "the index has no entry of the range"
    except MalformedItem as error:
        why = str(error)
    except ObjectRejected as error:
        if entry is None or entry.stream.packing is not Packing.COPY:
            raise
        # The object itself was whole when it was copied.
        why = f"the copy beside the index is damaged: {error}"
    stores.order_index(
        IndexOrder(
            message.ingest_id, message.received_ms, message.source, replace(message.layout, indexed=False),
            message.span.index,
        )
    )  # fmt: skip
    raise IndexAwaited(why)


def _refuse_rows_that_fail_alike(message: RangePointer, decoded: Decoded) -> None:
    """Refuse what DataIngestion could not look into: rows of Parquet and of a document, where the first range tells."""
    rejects = decoded.rejects
    looked_into = message.layout.format not in {Format.PARQUET, Format.JSON}
    if (
        looked_into
        or message.span.index
        or decoded.ticks
        or decoded.skipped
        or decoded.cancelled
        or len(rejects) < ALIKE_ROWS
    ):
        return
    if len({row.reason for row in rejects[:ALIKE_ROWS]}) == 1:
        raise all_fail_alike(ALIKE_ROWS, rejects[0])


def _writes(which: _Range, decoded: Decoded, stores: Stores) -> Writes:
    hours: dict[str, tuple[int, ...]] = {}
    for symbol, hour in sorted(decoded.bars):
        hours[symbol] = (*hours.get(symbol, ()), hour)
    range_id = keys.range_id(which.ingest_id, which.index)
    # In order, whatever order they were decoded in: how many are written means the same in each delivery.
    in_order = sorted(packed_hours(decoded.bars))
    pieces = (Slice(symbol, hour, range_id, packed, which.waits) for (symbol, hour), packed in in_order)
    slices = tuple(slice_item(piece, which.ingest_id, which.index, which.received_ms) for piece in pieces)
    receipt = Receipt(
        which.ingest_id,
        which.index,
        decoded.ticks,
        len(decoded.rejects),
        stores.now_ms(),
        hours,
        skipped=decoded.skipped,
        cancelled=decoded.cancelled,
        reasons=Counter(row.reason for row in decoded.rejects),
    )
    *parts, head = receipt_items(receipt, which.received_ms)
    processed = _processed(receipt, which)
    # What waits is listed when it counts, by whoever publishes it.
    lanes = () if which.waits else processed.lanes
    listed = (pending_item(Pending(which.ingest_id, which.index, which.received_ms, lane)) for lane in lanes)
    return Writes(slices, tuple(parts), (*listed, head), processed)


def _commit_rejection(message: RangePointer, which: _Range, error: ObjectRejected, stores: Stores) -> ProcessedRange:
    """Commit a range whose object is refused as a whole, unless it is committed already.

    Whether an object is gone changes with time, unlike everything else here: a range that was processed, whose object
    was then deleted and whose message comes once more must keep its ticks. So the receipt is looked for first, and put
    only where there is none: against another delivery that read the object just before it went. If that one is still
    writing, its receipt goes over this one; its slices are there by then.

    Known gap: an earlier delivery that died after some of its slices, of an object that was deleted for good since.
    The range is refused, and those slices count for readers until they expire. They cannot be taken back, because a
    rollup may have them already; to know them for certain would cost every range another write.
    """
    head_key = key_of(keys.ingest_partition(which.ingest_id), keys.receipt_sort_key(which.index, 0))
    if stores.table.get(head_key) is None:
        line = {"offset": 0, "reason": error.reason.value, "detail": error.detail}
        with stores.open_rejects(rejects_key(which.ingest_id, which.index)) as rejects:
            rejects.add(json.dumps(line, separators=(",", ":")).encode())
        refusal = Refusal(error.reason, error.detail)
        _tell_of_refusal(message, refusal, stores)
        receipt = Receipt(which.ingest_id, which.index, 0, 1, stores.now_ms(), {}, refusal, reasons={refusal.reason: 1})
        (head,) = receipt_items(receipt, which.received_ms)
        if stores.table.put_if_absent(head):
            return _processed(receipt, which)
    found = stores.table.query(
        keys.ingest_partition(which.ingest_id),
        keys.receipt_sort_key(which.index, 0),
        keys.receipt_sort_key(which.index, keys.PARTS_PER_RANGE - 1),
    )
    return _processed(receipt_from(found), which)


def _tell_of_refusal(message: RangePointer, refusal: Refusal, stores: Stores) -> None:
    """Say in the bucket of rejects, and in the list of the day, that an object is refused as a whole.

    Before the receipt, so that whoever dies in between comes again and says it again. Where the range turns out to be
    committed by another delivery, the entry stays, and whoever reads the list sees by the receipts that it is none.
    Of several ranges that are refused each writes the line, and the first one the entry: the log counts objects.
    """
    with stores.open_rejects(refusal_key(message.ingest_id)) as rejects:
        rejects.add(refusal_line(message.ingest_id, message.source, refusal, stores.now_ms()))
    if stores.table.put_if_absent(refused_item(message.ingest_id, message.received_ms)):
        logger.warning(OBJECT_REJECTED, extra={"reason": refusal.reason.value, "detail": refusal.detail})


def _processed(receipt: Receipt, which: _Range) -> ProcessedRange:
    lanes = tuple(sorted({keys.lane_of(symbol) for symbol in receipt.hours}))
    return ProcessedRange(
        receipt.ingest_id,
        receipt.index,
        receipt.ticks,
        receipt.rejected,
        which.received_ms,
        receipt.committed_ms,
        lanes,
        refused=receipt.refusal is not None,
        waits=which.waits,
    )


def rejects_key(ingest_id: str, index: int) -> str:
    """Return the key of the object that holds the rejected rows of a range."""
    return f"rejected/{ingest_id}/{index}.jsonl"


def reject_line(row: RejectedRow) -> bytes:
    """Write a rejected row as one line of JSON: its place, the reason, and the raw text as far as it is kept."""
    kept = row.raw[:MAX_RAW_BYTES]
    try:
        raw = f'"raw":{_quoted(kept.decode())}'
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and len(kept) == MAX_RAW_BYTES:
            # Cut through a character: the rest of it would make good text look like bytes.
            raw = f'"raw":{_quoted(kept[: error.start].decode())}'
        else:
            raw = f'"raw_base64":"{base64.b64encode(kept).decode("ascii")}"'
    length = f',"raw_bytes":{len(row.raw)}' if len(row.raw) > MAX_RAW_BYTES else ""
    # Put together by hand: a range may have a million of them, and a dictionary for each would take as long as all the
    # rest.
    return f'{{"offset":{row.offset},{_why(row.reason, row.detail)},{raw}{length}}}'.encode()


@lru_cache(maxsize=256)
def _why(reason: Reason, detail: str) -> str:
    return f'"reason":{_quoted(reason.value)},"detail":{_quoted(detail)}'


_quoted: Final = json.JSONEncoder(ensure_ascii=False).encode
