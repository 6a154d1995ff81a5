"""Whoever commits ranges where DataProcessor is not simulated itself: by its code that orders the writes, no queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.simulation.market_stock import RANGES
from bench.simulation.remembered import remembered
from bench.simulation.seams import STAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.simulation.functions import Context


@dataclass(frozen=True, slots=True)
class Order:
    """Ranges of the stock that a writer commits together.

    received_ms: when each came, the same in every delivery. is_told: whether by an event.
    """

    numbers: tuple[int, ...]
    received_ms: Mapping[int, int]
    is_told: bool


def commit_as_processor(order: Order, context: Context, table_name: str) -> None:
    """Commit ranges as DataProcessor does. Raises ServiceIncomplete where it must be done again."""
    from market_analytics.data_processor_ranges import Stores, commit, read_range  # noqa: PLC0415
    from services.deadlines import Deadline  # noqa: PLC0415
    from services.dynamo_table import DynamoTable  # noqa: PLC0415
    from services.events import EventBus  # noqa: PLC0415
    from tickstream.errors import ServiceIncomplete  # noqa: PLC0415
    from tickstream.fate_items import arrival_items  # noqa: PLC0415
    from tickstream.ingests import Activity, Manifest  # noqa: PLC0415
    from tickstream.items import activity_item, manifest_item  # noqa: PLC0415
    from tickstream.messages import (  # noqa: PLC0415
        EVENT_DETAIL_TYPE,
        EVENT_SOURCE,
        InlineTicks,
        event_details,
    )

    deadline = Deadline.of(context)
    table = DynamoTable(table_name, deadline)
    stores = Stores(table, _no_object, _no_object, lambda: STAGE.here.scheduler.now_ms)
    ranges, items = [], []
    for number in order.numbers:
        ingest_id = ingest_of_range(number)
        received_ms = order.received_ms[number]
        message = InlineTicks(ingest_id, received_ms, ticks_of_range(number))
        ranges.append(read_range(message, stores))
        manifest = Manifest(ingest_id, received_ms, ranges=1, accepted=len(message.ticks))
        items += [activity_item(Activity(ingest_id, received_ms, ranges=1)), *arrival_items(manifest)]
        # It may say by now that it is taken back.
        table.put_if_absent(manifest_item(manifest))
    table.batch_write(items)
    commit(ranges, table)
    bus = EventBus("default", EVENT_SOURCE, EVENT_DETAIL_TYPE, deadline)
    if order.is_told and bus.put(event_details(one.processed for one in ranges)):
        raise ServiceIncomplete("the event was not put")


def ingest_of_range(number: int) -> str:
    """Return the id of the ingest that a range of the stock is."""
    return f"{(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC834 % (1 << 128):032x}"


@remembered
def ticks_of_range(number: int) -> tuple[tuple[int, Any], ...]:
    """Return the ticks of a range of the stock as DataIngestion passes them on."""
    from tickstream.ticks import Tick, parse_symbol  # noqa: PLC0415

    return tuple(
        (position, Tick(parse_symbol(tick.symbol), tick.timestamp_ns, tick.price * 10**9, (1 << tick.bit) * 10**9))
        for position, tick in enumerate(RANGES[number].ticks)
    )


def _no_object(_: object) -> Any:
    raise AssertionError("a range of inline ticks has no object")
