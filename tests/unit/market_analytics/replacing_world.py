"""A market in memory in which new bytes under an old key take the place of the old ones."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from market_analytics.data_query_ingest import ingest_status
from market_analytics.hour_reads import completed, read_hour
from tests.unit.market_analytics.aggregator_world import HOUR, PASS_MS, World, ingest_id_of
from tickstream import keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import Bar, bar_of, merge_bars
from tickstream.fate_items import arrival_items
from tickstream.hours import Slice, current_bars
from tickstream.ingests import Activity, Format, Layout, Manifest, Receipt, Refusal, Source
from tickstream.items import activity_item, manifest_item, receipt_items, slice_item
from tickstream.messages import ProcessedRange, event_details
from tickstream.revisions import Revising, revising_item
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY = "day.csv"

#: Of each range of an object the hours of its symbols.
type Ranges = Sequence[Mapping[str, tuple[int, ...]]]


@dataclass
class Replacing(World):
    """A world of one key. uploads: each object by its name, with the ranges that it has and their hours.

    waits: whether ranges that are committed wait to be published.
    """

    put_ms: dict[str, int] = field(default_factory=dict)
    uploads: dict[str, Ranges] = field(default_factory=dict)
    waits: bool = True

    def put(self, name: str, ranges: Ranges, *, put_ms: int, replaces: bool = True) -> None:
        """What DataIngestion writes of an object that was put under the key."""
        layout = Layout(Format.CSV, replaces=replaces)
        source = Source("bucket", KEY, f"version of {name}", name, 100)
        ingest_id = ingest_id_of(name)
        manifest = Manifest(ingest_id, self.now_ms, len(ranges), source=source, layout=layout, put_ms=put_ms)
        self.table.put(manifest_item(manifest))
        self.table.batch_write(arrival_items(manifest))
        self.table.put(activity_item(Activity(ingest_id, self.now_ms, len(ranges), waits=replaces)))
        if replaces:
            self.table.put(revising_item(Revising(ingest_id, self.now_ms, len(ranges), publishes=True)))
        self.uploads[name] = ranges
        self.put_ms[name] = self.now_ms

    def commit_range(self, name: str, index: int, refusal: Refusal | None = None) -> None:
        """What DataProcessor writes of a range, its event included."""
        ingest_id, waits = ingest_id_of(name), self.waits
        hours = {} if refusal else self.uploads[name][index]
        range_id = keys.range_id(ingest_id, index)
        received_ms = self.put_ms[name]
        for symbol, some in hours.items():
            for hour in some:
                bar = self.bar(name, index, symbol, hour)
                piece = Slice(symbol, hour, range_id, encode_bars([bar]), waits)
                self.table.put(slice_item(piece, ingest_id, index, received_ms))
                self.written.setdefault((name, index), []).append(((symbol, hour), bar))
        ticks = sum(map(len, hours.values()))
        receipt = Receipt(ingest_id, index, ticks, 0, self.now_ms, hours, refusal)
        self.table.batch_write(receipt_items(receipt, received_ms))
        lanes = tuple(sorted({keys.lane_of(symbol) for symbol in hours}))
        processed = ProcessedRange(
            ingest_id, index, ticks, 0, received_ms, self.now_ms, lanes, refused=refusal is not None, waits=waits
        )
        (detail,) = event_details([processed])
        self.aggregator().on_processed(json.loads(detail))

    def bar(self, name: str, index: int, symbol: str, hour: int) -> Bar:
        """The bar of one tick, which no other range has."""
        offset = 20 + 10 * list(self.uploads).index(name) + index  # a minute of its own
        timestamp_ns = hour * keys.NS_PER_HOUR + offset % 60 * keys.NS_PER_MINUTE
        return bar_of(Tick(symbol, timestamp_ns, offset * 10**9, 10**9), ingest_id_of(name), "", offset)

    def commit_all(self, name: str) -> None:
        """All of its ranges, one after the other."""
        for index in range(len(self.uploads[name])):
            self.commit_range(name, index)

    def seen(self, symbol: str, hour: int = HOUR) -> set[str]:
        """The objects of which a reader sees anything in an hour; it must see all of what they have there."""
        read = current_bars(completed(self.table, read_hour(self.table, (symbol, hour), max_slices=10**6)))
        found: set[str] = set()
        bars: list[Bar] = []
        for (name, _), written in self.written.items():
            mine = [bar for symbol_hour, bar in written if symbol_hour == (symbol, hour)]
            if any(bar.first == one.first for bar in mine for one in read):
                found.add(name)
        for (name, _), written in self.written.items():
            if name in found:
                bars += [bar for symbol_hour, bar in written if symbol_hour == (symbol, hour)]
        assert read == merge_bars(bars), "a part of an object"
        return found

    def state(self, name: str) -> str:
        """What GET /ingest says."""
        return str(ingest_status(self.table, ingest_id_of(name), self.now_ms, 900)["state"])

    def settle(self) -> None:
        """Time passes, and the schedules run, until nothing is listed any more."""
        self.serve_orders()
        for _ in range(4):
            self.now_ms += PASS_MS
            self.revision().on_schedule()
            self.serve_orders()
            self.schedule()

    def check_settled(self, counting: str) -> None:
        """Only one object counts, by rollups and segments alone, and nothing is left on any list."""
        self.retracted = {name for name in self.uploads if name != counting}
        self.settle()
        self.check_confirmed()
        assert not self.table.query_each(keys.revising_partitions())
        assert self.open_ingests() == 0
