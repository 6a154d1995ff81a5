"""A feed that changes between an object's arrival and a redelivery changes nothing."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from market_analytics.data_ingestion_objects import ingest_object
from services.memory_table import MemoryTable
from tickstream.decoding import decode_span
from tickstream.feeds.catalogue import Catalogue
from tickstream.feeds.documents import feed_from
from tickstream.files import FilePointer, decode_pointer, encode_pointer
from tickstream.ingests import Source, Span
from tickstream.layouts import sniff
from tickstream.messages import RangePointer, decode_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tickstream.ingests import Layout

BODY = b"ticker,time,price,shares\n" + b"AAPL,20260105 09:30:00,1875000,100\n" * 40
KEY = "day one/ticks.csv"
SOURCE = Source("bucket", KEY, "v1", hashlib.md5(BODY, usedforsecurity=False).hexdigest(), len(BODY))
NOW_MS = 1_767_623_400_123
OPEN_MINUTE = 1_767_623_400 // 60


class Died(Exception):
    """The process is gone."""


def feed(scale: int = -4, zone: str = "America/New_York", key: str = "^day one/", symbol: str = "{ticker}") -> Any:
    """A feed of the user's own: by default the right one."""
    return {
        "name": "mine",
        "format": "csv",
        "tick": {
            "match": {"key": key},
            "symbol": {"from": symbol},
            "timestamp": {"from": "{time}", "format": "%Y%m%d %H:%M:%S", "zone": zone},
            "price": {"from": "{price}", "scale": scale},
            "size": {"from": "{shares}"},
        },
    }


OTHERS: dict[str, list[Any]] = {
    "another scale": [feed(scale=-3)],
    "another zone": [feed(zone="Europe/Paris")],
    "not for this key": [feed(key="^never/")],
    "other columns": [feed(symbol="{name}")],
    "gone": [],
    "one more that fits": [feed(), feed() | {"name": "mine-too"}],
}


def read(start: int, end: int) -> bytes:
    """Read the object."""
    return BODY[start:end]


def install(monkeypatch: pytest.MonkeyPatch, documents: Iterable[Any]) -> None:
    """Have these feeds be all that there are, as after an update of the functions."""
    catalogue = Catalogue({one["name"]: feed_from(one) for one in documents}, {})
    monkeypatch.setattr("tickstream.layouts.installed", lambda: catalogue)
    monkeypatch.setattr("tickstream.feeds.catalogue.installed", lambda: catalogue)


def delivered(table: MemoryTable, now_ms: int, dies_after: int | None = None) -> list[RangePointer]:
    """Deliver the object's event and return what was queued; the process may die after so many messages."""
    queued: list[str] = []

    def send(bodies: Iterable[str]) -> int:
        queued.extend(islice(bodies, dies_after))
        if dies_after is not None:
            raise Died
        return len(queued)

    with suppress(Died):
        ingest_object(SOURCE, now_ms, 100, table=table, read=read, send=send, send_large=send, order_index=send)
    messages = [decode_message(one) for one in queued]
    return [one for one in messages if isinstance(one, RangePointer)]


def bars_of(layout: Layout, span: Span) -> set[tuple[str, int, int | None]]:
    """Decode a range: symbol, minute and open of its bars."""
    bars = decode_span(SOURCE, layout, span, read).bars
    return {(symbol, bar.minute, bar.open_e9) for (symbol, _), some in bars.items() for bar in some}


@pytest.mark.parametrize("later", OTHERS.values(), ids=OTHERS)
def test_m23_a_redelivery_reads_an_object_by_the_feed_of_its_first_delivery(
    later: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Died in the middle of sending, a later delivery sends all ranges with the feed as it was: the same ticks."""
    install(monkeypatch, [feed()])
    table = MemoryTable()
    before = delivered(table, NOW_MS, dies_after=3)
    install(monkeypatch, later)
    again = delivered(table, NOW_MS + 1)
    assert before == again[:3]
    assert len(again) > len(before)
    found = [bars_of(pointer.layout, pointer.span) for pointer in again]
    assert found == [{("AAPL", OPEN_MINUTE, 187_500_000_000)}] * len(again)


@pytest.mark.parametrize("later", OTHERS.values(), ids=OTHERS)
def test_m23_a_file_on_its_way_is_read_by_the_feed_that_it_was_validated_with(
    later: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message to the next stage has the whole description in it, whatever feeds that stage has."""
    install(monkeypatch, [feed()])
    message = encode_pointer(FilePointer(SOURCE, "1", 1, NOW_MS, sniff(SOURCE, read)))
    install(monkeypatch, later)
    layout = decode_pointer(message).layout
    found = bars_of(layout, Span(0, layout.data_start, len(BODY)))
    assert found == {("AAPL", OPEN_MINUTE, 187_500_000_000)}
