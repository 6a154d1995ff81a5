"""The part of market analytics' load that is about packed objects: indexed, not to be seen, gone, and without index."""

from __future__ import annotations

import gzip
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from backports import zstd

from bench.faults import FaultRule
from bench.permissions.loads import missing, new_name
from services.index_parts import COPY_PART_BYTES
from tickstream.ingests import Container, Format, Layout, Manifest, Source, Span
from tickstream.items import manifest_item
from tickstream.messages import IndexOrder, RangePointer, encode_message, encode_order
from tickstream.packed_index import LEAST_STEP_BYTES

if TYPE_CHECKING:
    from bench.faults import FaultInjector
    from bench.permissions.loads import Sender
    from bench.stack.outputs import Outputs

_UNSEEN: Final = "a packed object that is not shown at first"
_BREAKS: Final = "a copy of which a part is refused"
#: Of hexadecimal digits, half of whose bytes are left when they are packed.
_BAD_ROW_BYTES: Final = 1_000_000
_COLUMNS: Final = ("symbol", "timestamp", "price", "size")
_HEADER: Final = ",".join(_COLUMNS) + "\n"
_LAYOUT: Final = Layout(Format.CSV, Container.GZIP, columns=_COLUMNS, data_start=len(_HEADER))
#: Packed they are more than an index is worth its making for.
_ROWS: Final = LEAST_STEP_BYTES // 8


class PackedObjects:
    """What is sent so that DataIndexer, and who depends on it, does everything that it may."""

    def __init__(self, sender: Sender, outputs: Outputs, faults: FaultInjector) -> None:
        self._sender = sender
        self._outputs = outputs
        self._faults = faults

    def send(self) -> None:
        """See Load."""
        name = new_name()
        self._put_one_that_is_not_shown(name)
        self._order_one_that_is_gone(name)
        self._ask_for_an_index_that_is_lost(name)
        self._break_a_copy(name)

    def _put_one_that_is_not_shown(self, name: str) -> None:
        """Put an object that is indexed; its order is put back once, because S3 shows the object a moment later."""
        key, indexer = f"load/{name}-indexed.csv.gz", self._outputs.indexer_function_name
        self._faults.add([FaultRule(_UNSEEN, "s3", "GetObject", indexer, key, "NoSuchVersion", 404, times=1)])
        self._sender.put(self._outputs.bucket_name, key, gzip.compress(_text(name, _ROWS)))

    def _order_one_that_is_gone(self, name: str) -> None:
        """Order the index of a version that was deleted after DataIngestion looked at it."""
        gone = missing(self._outputs.bucket_name, f"load/{name}-gone.csv.gz")
        order = IndexOrder(new_name().lower().ljust(32, "0"), _now_ms(), gone, _LAYOUT)
        self._know(Manifest(order.ingest_id, order.received_ms, 0, source=gone, layout=_LAYOUT, indexing=True))
        self._sender.sqs.send_message(QueueUrl=self._outputs.index_queue_url, MessageBody=encode_order(order))

    def _ask_for_an_index_that_is_lost(self, name: str) -> None:
        """Queue the range of an object whose index is not there: put back; the index is ordered, made, read."""
        bucket, key = self._outputs.bucket_name, f"load/{name}-lost.csv.gz"
        text = _text(name, 1)
        packed = gzip.compress(text)
        put = self._sender.s3.put_object(Bucket=bucket, Key=key, Body=packed)
        source = Source(bucket, key, put["VersionId"], put["ETag"].strip('"'), len(packed))
        span, layout = Span(0, len(_HEADER), len(text)), replace(_LAYOUT, indexed=True)
        pointer = RangePointer(new_name().lower().ljust(32, "0"), _now_ms(), span, source, layout)
        self._know(Manifest(pointer.ingest_id, pointer.received_ms, 1, (span,), source, layout))
        self._sender.sqs.send_message(QueueUrl=self._outputs.large_range_queue_url, MessageBody=encode_message(pointer))

    def _break_a_copy(self, name: str) -> None:
        """Put a zst in one frame, of whose copy the first part cannot be written at once: bad rows that do not pack."""
        key, indexer = f"load/{name}-frame.csv.zst", self._outputs.indexer_function_name
        self._faults.add([FaultRule(_BREAKS, "s3", "UploadPart", indexer, times=1)])
        chance = random.Random(name)  # noqa: S311 - no secret depends on it
        rows = (
            chance.randbytes(_BAD_ROW_BYTES // 2).hex().encode() for _ in range(3 * COPY_PART_BYTES // _BAD_ROW_BYTES)
        )
        self._sender.put(self._outputs.bucket_name, key, zstd.compress(_text(name, 1) + b"\n".join(rows)))

    def _know(self, manifest: Manifest) -> None:
        """Write a manifest as DataIngestion or DataIndexer would have."""
        dynamodb = self._sender.target.client("dynamodb")
        dynamodb.put_item(TableName=self._outputs.table_name, Item=manifest_item(manifest))

    def clear_leftovers(self) -> None:
        """See Load."""
        self._faults.remove(_UNSEEN)
        self._faults.remove(_BREAKS)
        for url in (self._outputs.index_queue_url, self._outputs.large_range_queue_url):
            self._sender.sqs.purge_queue(QueueUrl=url)


def _text(symbol: str, rows: int) -> bytes:
    """Return a CSV of ticks whose sizes do not pack."""
    chance = random.Random(symbol)  # noqa: S311 - no secret depends on it
    sizes = (f"{chance.randrange(10**9)}.{chance.randrange(10**9):09}" for _ in range(rows))
    return (_HEADER + "".join(f"{symbol},2026-01-05T14:30:00Z,1.5,{size}\n" for size in sizes)).encode()


def _now_ms() -> int:
    return time.time_ns() // 10**6
