"""A range of an object in which rows take others back: it has to know of the others, before and behind it.

Each range tells the others, in this order, and goes on when all have told:

1. **names** of the trades that its rows take back. Nearly always nobody names any, and the range is read already.
2. **balances**: what it has of all names that anybody told.
3. nothing more: with all balances it knows which of its trades count, and is committed like any other range.

Who has told and waits for others puts its message back, and is asked again; it holds nobody up. What is told is put
once and follows from the object's bytes alone, so it may be told twice, late, or by two functions at once. Died in
between: the message comes back and finds what was told. A range that is refused tells that it has none, and has
none. One that is never read, because its message is a dead letter, leaves the others waiting until they are too; all of
them go on when the messages are redriven.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tickstream import keys
from tickstream.errors import MalformedItem, ObjectRejected, RangesAwaited, Reason
from tickstream.feeds.documents import is_descending, thawed
from tickstream.items import key_of, manifest_from
from tickstream.pair_items import (
    index_of,
    pair_balances_from,
    pair_balances_item,
    pair_names_from,
    pair_names_item,
)
from tickstream.pairs import NO_PAIRS, PairTask, RangePairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.table import Table
    from tickstream.decoding import Decoded
    from tickstream.ingests import Layout
    from tickstream.items import Item
    from tickstream.messages import RangePointer

#: Names that may be taken back in one object, wherever: what a function holds of them.
MAX_NAMES_AN_OBJECT: Final = 500_000


def has_pairs(layout: Layout) -> bool:
    """Say whether rows of an object may take others back."""
    return bool(layout.feed) and thawed(layout.feed).tick.cancel.pair is not None


def decode_with_pairs(message: RangePointer, decode: Callable[[PairTask], Decoded], table: Table) -> Decoded:
    """Decode a range of an object with pairs, without the trades that are taken back.

    decode: reads the range once; it is called up to three times.

    Raises RangesAwaited where others have not told yet, and as `decode` does.
    """
    ranges = _ranges_of(message.ingest_id, table)
    told = partial(_told, message.ingest_id, table)
    decoded: Decoded | None = None
    names_told = told(keys.pair_names_sort_key)
    if message.span.index not in names_told:
        decoded = decode(NO_PAIRS)
        own = {row.name for row in decoded.pair_rows}
        table.put_if_absent(pair_names_item(message.ingest_id, message.span.index, own, message.received_ms))
        names_told = told(keys.pair_names_sort_key)
    _wait_for_all(names_told, ranges, "what they take back")
    names = frozenset[bytes]().union(*map(pair_names_from, names_told.values()))
    if len(names) > MAX_NAMES_AN_OBJECT:
        raise ObjectRejected(Reason.TOO_LARGE, f"more than {MAX_NAMES_AN_OBJECT} trades of the object are taken back")
    if not names:
        return decoded or decode(NO_PAIRS)
    taken_back = _taken_back(message, names, ranges, decode, table)
    return decode(PairTask(taken_back=taken_back))


def _taken_back(
    message: RangePointer,
    names: frozenset[bytes],
    ranges: int,
    decode: Callable[[PairTask], Decoded],
    table: Table,
) -> frozenset[int]:
    """Return the offsets of the range's trades that are taken back. Raises RangesAwaited."""
    told = partial(_told, message.ingest_id, table, keys.pair_balances_sort_key)
    balances_told = told()
    if message.span.index in balances_told:
        _wait_for_all(balances_told, ranges, "what is left of it")
    newest_first = is_descending(thawed(message.layout.feed))
    own = RangePairs(decode(PairTask(watched=names)).pair_rows, is_descending=newest_first)
    if message.span.index not in balances_told:
        item = pair_balances_item(message.ingest_id, message.span.index, own.balances(), message.received_ms)
        table.put_if_absent(item)
        balances_told = told()
        _wait_for_all(balances_told, ranges, "what is left of it")
    later = range(message.span.index - 1, -1, -1) if newest_first else range(message.span.index + 1, ranges)
    return own.taken_back([pair_balances_from(balances_told[index]) for index in later])


def tell_of_none(message: RangePointer, table: Table) -> None:
    """Tell the other ranges that one which is refused has no row that takes back, and no trade that is."""
    if has_pairs(message.layout):
        about = (message.ingest_id, message.span.index)
        table.put_if_absent(pair_names_item(*about, (), message.received_ms))
        table.put_if_absent(pair_balances_item(*about, {}, message.received_ms))


def _ranges_of(ingest_id: str, table: Table) -> int:
    found = table.get(key_of(keys.ingest_partition(ingest_id), keys.MANIFEST_SORT_KEY))
    if found is None:
        raise MalformedItem(f"ingest {ingest_id} has ranges and no manifest")
    return manifest_from(found).ranges


def _told(ingest_id: str, table: Table, sort_key: Callable[[int], int]) -> dict[int, Item]:
    """Return what ranges have told, by their index."""
    first, last = sort_key(0), sort_key(keys.PAIR_KIND_SPAN - 1)
    return {index_of(item): item for item in table.query(keys.pairs_partition(ingest_id), first, last)}


def _wait_for_all(told: dict[int, Item], ranges: int, what: str) -> None:
    if len(told) < ranges:
        raise RangesAwaited(f"{ranges - len(told)} of {ranges} ranges have not told {what}")
