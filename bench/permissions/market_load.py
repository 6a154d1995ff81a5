"""Market analytics' load: every permission of its functions is used within seconds."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from typing import TYPE_CHECKING, Any, Final

from bench.errors import ApiError
from bench.faults import FaultInjector, FaultRule
from bench.faults.retries import retry_soon
from bench.ledger.api_client import ApiClient
from bench.market_analytics.completion import trigger_schedule
from bench.permissions.index_load import PackedObjects
from bench.permissions.loads import Sender, created, missing, new_name
from bench.permissions.revision_load import TakenBack
from bench.stack import deployment
from market_analytics.data_aggregator_confirmation import CONFIRM_AFTER_MS
from market_analytics.data_aggregator_election import PARTITION, ROLLING_UP, SURVEYING
from services.objects import PART_BYTES
from tickstream.bar_codec import encode_bars
from tickstream.bars import bar_of
from tickstream.hours import Slice
from tickstream.ingests import Activity, Format, Layout, Receipt, Span
from tickstream.items import activity_item, key_of, receipt_items, slice_item
from tickstream.keys import MS_PER_HOUR, NS_PER_HOUR, posted_ingest_id, range_id
from tickstream.messages import RangePointer, encode_message
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from bench.targets import Target

#: Hours of so many slices are compacted; the load makes some of more.
#: What is put again moves to its new place only where that matters.
PARAMETERS: Final = {"RangeBytes": "65536", "CompactionThreshold": "4", "SameKey": "replace"}
_HEADER: Final = "symbol,timestamp,price,size\n"
_OBJECTS: Final = 6
_DOUBTFUL: Final = 6
_MINUTE: Final = "2026-01-05T14:30:00Z"
_BREAKS: Final = "an upload in parts that breaks"
_COLUMNS: Final = ("symbol", "timestamp", "price", "size")


class MarketLoad(Sender):
    """See `bench.permissions.loads.Load`."""

    def __init__(self, target: Target, environment: str) -> None:
        super().__init__(target)
        self.outputs = deployment.outputs_of(target, environment)
        self._api = ApiClient(target, target.api_url(self.outputs.rest_api_id, environment))
        self._faults = FaultInjector(target)
        self._packed = PackedObjects(self, self.outputs, self._faults)
        self._taken_back = TakenBack(self, self.outputs, self._api)
        retry_soon(self.sqs, self.outputs.working_queues().values())

    def send(self) -> None:
        """See Load."""
        name = new_name()
        bucket = self.outputs.bucket_name
        for number in range(_OBJECTS):
            body = f"{_HEADER}{name},{_MINUTE},1.5,{number + 1}\nno tick at all\n".encode()
            self.put(bucket, f"load/{name}-{number}.csv", body)
        # The same bytes once more: known already, so its receipts are looked for.
        self.put(bucket, f"load/{name}-{number}.csv", body)
        # Of two ranges.
        row = f"{name},{_MINUTE},1.5,1\n"
        self.put(
            bucket, f"load/{name}-cut.csv", (_HEADER + row * (int(PARAMETERS["RangeBytes"]) // len(row) + 1)).encode()
        )
        self._break_an_upload(name)
        self._lose_a_rollup(name)
        self._packed.send()
        gone = missing(bucket, f"load/{name}-gone.csv")
        self.invoke(self.outputs.ingestion_function_name, created(gone))
        pointer = RangePointer(
            new_name().lower().ljust(32, "0"),
            time.time_ns() // 10**6,
            Span(0, 0, gone.size_bytes),
            gone,
            Layout(Format.CSV, columns=_COLUMNS, data_start=len(_HEADER)),
        )
        # As if they had been tried before: of those that come together all but one are put back.
        doubtful = {"tries": {"DataType": "String", "StringValue": "1"}}
        message = encode_message(pointer)
        entries: Any = [
            {"Id": str(at), "MessageBody": message, "MessageAttributes": doubtful} for at in range(_DOUBTFUL)
        ]
        self.sqs.send_message_batch(QueueUrl=self.outputs.queue_url, Entries=entries)
        # What the API answers to a refusal is no concern of this load.
        with contextlib.suppress(ApiError):
            tick = {"symbol": name, "timestamp": _MINUTE, "price": "1.5", "size": "1"}
            for _ in range(2):
                self._api.post("/ingest", json.dumps(tick).encode(), {"Idempotency-Key": name})
            self._api.get(f"/bars/{name}", {"from": _MINUTE, "to": "2026-01-05T15:00:00Z"})
            self._api.get("/symbols", {"prefix": name})
            self._api.get("/ingests", {"key": f"load/{name}-cut.csv"})
        self._taken_back.send(name)
        self.poke()

    def _break_an_upload(self, name: str) -> None:
        """Have bad rows of more than one part, of which the first cannot be written at once."""
        row = b"no tick " + b"x" * 900 + b"\n"
        # A tick before them: an object of which nothing can be read is refused as a whole, without writing its rows.
        tick = f"{name},{_MINUTE},1.5,1\n"
        body = gzip.compress((_HEADER + tick).encode() + row * (PART_BYTES // len(row) + 100))
        processor = self.outputs.processor_function_name
        self._faults.add([FaultRule(_BREAKS, "s3", "UploadPart", processor, times=1)])
        self.put(self.outputs.bucket_name, f"load/{name}.csv.gz", body)

    def _lose_a_rollup(self, name: str) -> None:
        """Have a range be committed a while ago and no rollup include it, nor any list: the schedule lists it again."""
        then_ms = time.time_ns() // 10**6 - 2 * CONFIRM_AFTER_MS
        ingest_id, hour = posted_ingest_id("load", name), then_ms // MS_PER_HOUR
        bar = bar_of(Tick(name, hour * NS_PER_HOUR, 10**9, 10**9), ingest_id, "", 0)
        items = [
            slice_item(Slice(name, hour, range_id(ingest_id, 0), encode_bars([bar])), ingest_id, 0, then_ms),
            *receipt_items(Receipt(ingest_id, 0, 1, 0, then_ms, {name: (hour,)}), then_ms),
            activity_item(Activity(ingest_id, then_ms, 1)),
        ]
        for item in items:
            self.target.client("dynamodb").put_item(TableName=self.outputs.table_name, Item=item)

    def poke(self) -> None:
        """Call the schedules."""
        trigger_schedule(self.target, self.outputs)
        self._taken_back.poke()

    def clear_leftovers(self) -> None:
        """See Load."""
        self._faults.remove(_BREAKS)
        self._packed.clear_leftovers()
        self.sqs.purge_queue(QueueUrl=self.outputs.queue_url)
        for board in (ROLLING_UP, SURVEYING):
            self.target.client("dynamodb").delete_item(TableName=self.outputs.table_name, Key=key_of(PARTITION, board))

    def leave_behind(self) -> None:
        """See Load."""
        self.leave(self.outputs.bucket_name)
        self.leave(self.outputs.rejected_bucket_name)
