"""Grouping entries into requests: a number of entries and a total size, whichever is reached first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def batches[Entry](
    entries: Iterable[tuple[Entry, int]], *, max_entries: int, max_bytes: int
) -> Iterator[tuple[Entry, ...]]:
    """Group entries, each given with its size in bytes, in order.

    An entry that is larger than `max_bytes` makes a batch of its own: whether a service takes it is for the caller.
    """
    batch: list[Entry] = []
    batch_bytes = 0
    for entry, size_bytes in entries:
        if batch and (len(batch) == max_entries or batch_bytes + size_bytes > max_bytes):
            yield tuple(batch)
            batch, batch_bytes = [], 0
        batch.append(entry)
        batch_bytes += size_bytes
    if batch:
        yield tuple(batch)
