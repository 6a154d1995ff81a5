"""One document of JSON, row by row."""

from __future__ import annotations

import json
from functools import partial
from itertools import batched, chain
from typing import TYPE_CHECKING, Any, Final

from tickstream.decoding.text import member_texts, unpacked_blocks
from tickstream.errors import RowRejected
from tickstream.feeds.documents import templates_of, thawed
from tickstream.feeds.readers import RowReader, facts_of
from tickstream.feeds.rows import json_values
from tickstream.ingests import Container
from tickstream.json_documents import rows_within, values_at_top
from tickstream.ticks import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tickstream.decoding.outcome import Budget, Sink
    from tickstream.ingests import Layout, Read, Source
    from tickstream.rows import NoTick
    from tickstream.ticks import Tick

#: What a row costs beside rows of text, which are parsed once and have no names.
_ROW_BYTES: Final = 256
_ROWS_AT_A_TIME: Final = 20_000

type ParseValue = Callable[[tuple[str, Any], int], Tick | NoTick]


class _Joined:
    """Blocks as a file that is read from its beginning to its end."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes; none at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = memoryview(block)
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return bytes(taken)


def json_pieces(source: Source, layout: Layout, read: Read, budget: Budget) -> Iterator[Callable[[Sink], None]]:
    """Yield what decodes some rows of a document, or of each document in a zip; offsets are numbers of rows."""
    feed = thawed(layout.feed)
    first = 0
    for member, blocks in _texts(source, layout, read, budget):
        facts = facts_of(feed, source.key, member)
        if any("{/" in template for _, template in templates_of(feed)):
            # They may stand behind the rows: a pass of its own.
            tops = values_at_top(_Joined(blocks()))
            facts |= {f"/{name}": value for name, value in tops.items()}
        parse = json_values(RowReader(feed, facts))
        rows = rows_within(_Joined(blocks()), feed.dialect.property_path)
        for some in batched(rows, _ROWS_AT_A_TIME, strict=False):
            yield partial(_decode, first, some, parse)
            first += len(some)


def _decode(first: int, rows: Iterable[tuple[str, Any]], parse: ParseValue, sink: Sink) -> None:
    for place, row in enumerate(rows, first):
        sink.budget.take_row(_ROW_BYTES)
        try:
            sink.add_judged(parse(row, place), place)
        except RowRejected as refusal:
            raw = json.dumps(row[1], default=str)[: sink.limits.raw_bytes].encode()
            sink.add_reject(RejectedRow(place, refusal.reason, refusal.detail, raw))


def _texts(
    source: Source, layout: Layout, read: Read, budget: Budget
) -> Iterator[tuple[str, Callable[[], Iterable[bytes]]]]:
    if layout.container is not Container.ZIP:
        yield "", lambda: _without_bom(unpacked_blocks(source, layout.container, read, budget))
        return
    for member, _, blocks in member_texts(source, layout, read, budget):
        # At most what one packed object may unpack to, and both passes need it.
        held = list(blocks)
        yield member, lambda held=held: _without_bom(held)  # type: ignore[misc]


def _without_bom(blocks: Iterable[bytes]) -> Iterator[bytes]:
    found = iter(blocks)
    return chain([next(found, b"").removeprefix(b"\xef\xbb\xbf")], found)
