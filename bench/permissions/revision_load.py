"""The part of market analytics' load that is about taking back: asked for, ordered by a refusal, read meanwhile.

What takes long to come about is written as the functions would have written it: ingests that are committed, and an hour
whose segment does not count any more.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final

from bench.errors import ApiError
from market_analytics.data_aggregator_confirmation import CONFIRM_AFTER_MS
from tickstream.bar_codec import encode_bars
from tickstream.bars import bar_of
from tickstream.hours import Revision, Segment, Slice
from tickstream.ingests import Manifest, Receipt
from tickstream.items import manifest_item, receipt_items, revision_item, segment_item, set_aside, slice_item
from tickstream.keys import MS_PER_HOUR, NS_PER_HOUR, posted_ingest_id, range_id, withdrawal_name
from tickstream.messages import EVENT_DETAIL_TYPE, ProcessedRange, event_details
from tickstream.ticks import Tick
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from bench.ledger.api_client import ApiClient
    from bench.permissions.loads import Sender
    from bench.stack.outputs import Outputs
    from tickstream.items import Item

_SCHEDULED: Final = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


class TakenBack:
    """What is sent so that DataRevision, and who depends on it, does everything that it may."""

    def __init__(self, sender: Sender, outputs: Outputs, api: ApiClient) -> None:
        self._sender = sender
        self._outputs = outputs
        self._api = api

    def send(self, name: str) -> None:
        """See Load. name: one that no earlier work has."""
        # What the API answers to a refusal is no concern of this load.
        with contextlib.suppress(ApiError):
            self._api.delete(f"/ingest/{self._commit(f'{name}.BACK', ranges=1)}")
        self._refuse_a_range(f"{name}.PART")
        with contextlib.suppress(ApiError):
            self._read_an_hour_that_is_put_together(f"{name}.HOUR")

    def poke(self) -> None:
        """Call the schedule."""
        self._sender.target.client("lambda").invoke(
            FunctionName=self._outputs.revision_function_name,
            InvocationType="Event",
            Payload=json.dumps(_SCHEDULED).encode(),
        )

    def _commit(self, symbol: str, *, ranges: int) -> str:
        """Have an ingest of which the first range is committed, of one tick of a symbol; return its id."""
        then_ms = _then_ms()
        ingest_id, hour = posted_ingest_id("load", symbol), then_ms // MS_PER_HOUR
        self._know(
            manifest_item(Manifest(ingest_id, then_ms, ranges)),
            slice_item(_slice(symbol, hour, ingest_id, 0), ingest_id, 0, then_ms),
            *receipt_items(Receipt(ingest_id, 0, 1, 0, then_ms, {symbol: (hour,)}), then_ms),
        )
        return ingest_id

    def _refuse_a_range(self, symbol: str) -> None:
        """Tell DataAggregator that the second of two ranges was refused: it orders that the first is taken back."""
        ingest_id, then_ms = self._commit(symbol, ranges=2), _then_ms()
        told = ProcessedRange(ingest_id, 1, 0, 1, then_ms, then_ms, (), refused=True)
        for detail in event_details([told]):
            event = {"detail-type": EVENT_DETAIL_TYPE, "detail": json.loads(detail)}
            self._sender.invoke(self._outputs.aggregator_function_name, event)

    def _read_an_hour_that_is_put_together(self, symbol: str) -> None:
        """Read bars of an hour of whose two compacted ranges one is withdrawn: the other's slice was set aside."""
        then_ms = _then_ms()
        hour, ingest_id = then_ms // MS_PER_HOUR, posted_ingest_id("load", symbol)
        stays, goes = (_slice(symbol, hour, ingest_id, index) for index in range(2))
        both = frozenset({stays.range_id, goes.range_id})
        withdrawn = Revision(symbol, hour, withdrawal_name(goes.range_id), frozenset({goes.range_id}))
        self._know(
            segment_item(Segment(symbol, hour, 1, both, stays.packed_bars)),
            set_aside(slice_item(stays, ingest_id, 0, then_ms)),
            revision_item(withdrawn),
        )
        begin_ns = hour * NS_PER_HOUR
        self._api.get(f"/bars/{symbol}", {"from": iso_8601(begin_ns), "to": iso_8601(begin_ns + NS_PER_HOUR)})

    def _know(self, *items: Item) -> None:
        client: Any = self._sender.target.client("dynamodb")
        for item in items:
            client.put_item(TableName=self._outputs.table_name, Item=item)


def _slice(symbol: str, hour: int, ingest_id: str, index: int) -> Slice:
    bar = bar_of(Tick(symbol, hour * NS_PER_HOUR, 10**9, 10**9), ingest_id, "", index)
    return Slice(symbol, hour, range_id(ingest_id, index), encode_bars([bar]))


def _then_ms() -> int:
    """A while ago: whatever was committed then may be looked at."""
    return time.time_ns() // 10**6 - 2 * CONFIRM_AFTER_MS
