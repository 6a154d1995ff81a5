"""How far the writes of a range have come: what a message says that goes back because they could not be finished.

A range of very many symbols' hours is thousands of writes, more than a busy table takes within one invocation. What is
written by then stays, and the copy of the message says how many of the range's items, in their order, **surely** are
(`Table.put_in_order`). The next delivery reads the range again, which is cheap, and writes only the rest, then the
receipt. So a range that is throttled again and again gets done, and no write is paid for twice.

Why a delivery may leave out what an earlier one wrote:

- **The items follow from the message**: the frozen version's bytes, cut, decoded and packed always alike, in the order
  of their keys. Not to depend on that, the copy has a digest of the items that it counts. Where those at hand have
  another (the functions were deployed anew in between, and decode, pack or order otherwise), nothing counts as written
  and all are written again, as on any redelivery.
- **Nobody changes a slice.** Its key is its range's own, and every writer writes the same bytes.
- **A slice disappears in two ways.** A compaction deletes it, after a segment that has its bars and names its range: it
  would count no more if it were written again. Or it expires, 60 days after its ingest came, with all others of its
  range, whether it was written once or often; a message starts over all the same when its ingest is `TRUSTED_MS` old.
- **The entry in the list of pending ranges** goes only when a rollup has all hours of the range: all are written then.
- **Late or twice**: two copies, or a copy and its message, write the same items under the same keys, each from where it
  stands; what one leaves out was written before it was sent. The receipt comes after all items, whoever wrote them:
  each delivery puts it after its own rest, and what it leaves out was there before.
- **Killed in the middle** counts as a receive. What was written then is on no record, and is written again.
- A message that comes out of the dead-letter queue by `bench redrive` says nothing and begins anew. By SQS's own
  redrive it keeps what it says, which is true still.

What would make it wrong: to take single slices out of the table, or to set the table back to an earlier time, while
messages are under way. Nobody does; who takes back an ingest one day has to make its messages begin anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tickstream.ingests import RETENTION_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from market_analytics.data_processor_ranges import Writes
    from tickstream.items import Item

#: A message of an ingest that came longer ago starts over.
TRUSTED_MS: Final = RETENTION_SECONDS * 1000 // 2
_DIGEST_CHARACTERS: Final = 32
_COUNT_DIGITS: Final = 9


def said_of(writes: Writes) -> str:
    """Return what the copy of a range's message says of it: how many of its items are written, and which they are."""
    return f"{writes.written}-{_digest(writes.slices[: writes.written])}"


def resumed(writes: Writes, said: str, now_ms: int) -> Writes:
    """Return what is left of a range's writes by what its message says; all, where that does not fit them.

    now_ms: Unix milliseconds.
    """
    count, _, digest = said.partition("-")
    if not (count.isascii() and count.isdigit() and len(count) <= _COUNT_DIGITS):
        return writes
    written = int(count)
    is_old = now_ms - writes.processed.received_ms > TRUSTED_MS
    if is_old or written > len(writes.slices) or digest != _digest(writes.slices[:written]):
        return writes
    return replace(writes, written=written)


def advanced(ranges: Sequence[Writes], written: int) -> list[Writes]:
    """Return what is left of ranges that are written together when so many more of their items are, in order."""
    left: list[Writes] = []
    for one in ranges:
        more = min(written, len(one.slices) - one.written)
        left.append(replace(one, written=one.written + more))
        written -= more
    return left


def _digest(items: Sequence[Item]) -> str:
    digest = hashlib.sha256()
    for item in items:
        digest.update(repr(item).encode())
    return digest.hexdigest()[:_DIGEST_CHARACTERS]
