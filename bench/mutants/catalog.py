"""The mutants: one small defect each, of the kinds that real pipelines have."""

from __future__ import annotations

from typing import Final

from bench.mutants import conditions
from bench.mutants.mutant import Edit, Mutant

_STORED: Final = "bars in DynamoDB"
_POSTED: Final = "bars through POST /bars"
_REJECTED: Final = "rejected rows"
_BALANCE: Final = "books balance"
_RECEIPTS: Final = "receipts"
_ROLLED_UP: Final = "rollups include everything"

_OBJECTS: Final = "market_analytics/data_ingestion_objects.py"
_POSTS: Final = "market_analytics/data_ingestion_posts.py"
_RANGES: Final = "market_analytics/data_processor_ranges.py"
_PROCESSOR: Final = "market_analytics/data_processor.py"
_ROLLUPS: Final = "market_analytics/data_aggregator_rollups.py"
_AGGREGATED_HOURS: Final = "market_analytics/data_aggregator_hours.py"
_QUERY: Final = "market_analytics/data_query_bars.py"
_HOURS: Final = "tickstream/hours.py"
_BARS: Final = "tickstream/bars.py"
_SPANS: Final = "tickstream/ranges.py"
_ROWS: Final = "tickstream/rows.py"
_TEXT: Final = "tickstream/decoding/text.py"
_CSV: Final = "tickstream/decoding/csv_blocks.py"
_FOLD: Final = "tickstream/decoding/fold.py"
_TABLE: Final = "services/dynamo_table.py"
_QUEUE: Final = "services/queue.py"
_EVENTS: Final = "services/events.py"
_READER: Final = "services/objects.py"

_CUTTING: Final = (
    Mutant(
        "last-row-dropped",
        "the row that crosses the end of a range is read by nobody",
        (
            Edit(
                _TEXT,
                'end = data.find(b"\\n", span.end - 1 - first) + 1',
                'end = data.rfind(b"\\n", 0, span.end - 1 - first) + 1',
            ),
        ),
        (_STORED, _RECEIPTS),
        conditions.CALM,
    ),
    Mutant(
        "first-row-twice",
        "ranges overlap: the first rows of a range are counted by the range before it too",
        (Edit(_SPANS, "min(start + step_bytes, size_bytes)", "min(start + step_bytes + 64, size_bytes)"),),
        (_STORED, _RECEIPTS),
        conditions.CALM,
    ),
    Mutant(
        "last-row-groups-dropped",
        "row groups of Parquet behind the last full range are read by nobody",
        (
            Edit(
                _SPANS,
                "    if end > start:\n        spans.append(Span(len(spans), start, end))\n    return",
                "    return",
            ),
        ),
        (_STORED, _RECEIPTS),
        conditions.CALM,
    ),
    Mutant(
        "gzip-tail-dropped",
        "the last row of a gzipped object is lost where no newline ends it",
        (Edit(_TEXT, "    if carry:\n        yield offset, carry", "    carry = None"),),
        (_STORED, _RECEIPTS),
        conditions.CALM,
    ),
    Mutant(
        "second-gzip-member-dropped",
        "of a gzipped object made by joining two, the second is not read",
        (
            Edit(
                _TEXT,
                "packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail",
                "packed = unpacker.unconsumed_tail",
            ),
        ),
        (_STORED, _RECEIPTS),
        conditions.CALM,
    ),
)

_COUNTING: Final = (
    Mutant(
        "content-deduplicated",
        "ticks that are equal in every field are taken for duplicates",
        (
            Edit(
                _FOLD,
                "        self.ticks += ticks.height\n",
                '        ticks = ticks.unique(["symbol", "timestamp", "price", "size"], maintain_order=True)\n'
                "        self.ticks += ticks.height\n",
            ),
        ),
        (_STORED, _RECEIPTS),
        conditions.CALM,
    ),
    Mutant(
        "keyed-by-symbol-and-timestamp",
        "of several ticks of a symbol at one timestamp the last one replaces the others",
        (
            Edit(
                _FOLD,
                "        self.ticks += ticks.height\n",
                '        ticks = ticks.unique(["symbol", "timestamp"], keep="last", maintain_order=True)\n'
                "        self.ticks += ticks.height\n",
            ),
        ),
        (_STORED, _RECEIPTS),
        conditions.CALM,
    ),
    Mutant(
        "float-prices",
        "prices of CSV go through a 64-bit float",
        (
            Edit(
                _CSV,
                'pl.col("price").to_physical(),',
                '(pl.col("price").cast(pl.Float64) * 1e9).cast(pl.Int128),',
            ),
        ),
        (_STORED,),
        conditions.CALM,
    ),
    Mutant(
        "float-json-numbers",
        "numbers of JSON go through a 64-bit float",
        (Edit(_ROWS, "parse_float=JsonNumber,", "parse_float=lambda text: JsonNumber(float(text)),"),),
        (_STORED,),
        conditions.CALM,
    ),
    Mutant(
        "float-notionals",
        "the sum of price times size is a 64-bit float",
        (
            Edit(
                _FOLD,
                '(pl.col("price") * pl.col("size")).sum().alias("notional")',
                '(pl.col("price") * pl.col("size")).sum().cast(pl.Float64).cast(pl.Int128).alias("notional")',
            ),
        ),
        (_STORED,),
        conditions.CALM,
    ),
    Mutant(
        "whole-volumes",
        "sizes are rounded up to whole shares",
        (
            Edit(
                _FOLD,
                'pl.col("size").sum().alias("volume")',
                '((pl.col("size") + 10**9 - 1) // 10**9 * 10**9).sum().alias("volume")',
            ),
        ),
        (_STORED,),
        conditions.CALM,
    ),
    Mutant(
        "ties-reordered",
        "ticks of one timestamp within an object change places",
        (
            Edit(
                _FOLD,
                'ordered = ticks if ticks["timestamp"].is_sorted() else ticks.sort("timestamp", maintain_order=True)',
                'ordered = ticks.reverse().sort("timestamp", maintain_order=True)',
            ),
        ),
        (_STORED,),
        conditions.CALM,
    ),
    Mutant(
        "ties-by-arrival",
        "of equal timestamps in two objects the one that is merged first opens and closes",
        (
            Edit(_BARS, "if one.first <= other.first else", "if one.first[0] <= other.first[0] else"),
            Edit(_BARS, "if one.last >= other.last else", "if one.last[0] >= other.last[0] else"),
        ),
        (_STORED,),
        conditions.CALM,
    ),
    Mutant(
        "order-by-arrival",
        "open and close follow the order in which ranges are merged, not the time of their ticks",
        (
            Edit(_BARS, "first = one if one.first <= other.first else other", "first = one"),
            Edit(_BARS, "last = one if one.last >= other.last else other", "last = other"),
        ),
        (_STORED,),
        conditions.CALM,
    ),
    Mutant(
        "vwap-half-up",
        "VWAP rounds a half up and not to even",
        (Edit(_BARS, "(twice == self.volume_e9 and quotient % 2 == 1)", "twice == self.volume_e9"),),
        (_POSTED,),
        conditions.CALM,
    ),
    Mutant(
        "wrong-hour",
        "the last minute of each hour is filed under the next one",
        (
            Edit(
                _FOLD,
                "(symbol, bar.minute // MINUTES_PER_HOUR)",
                "(symbol, (bar.minute + 1) // MINUTES_PER_HOUR)",
            ),
        ),
        (_POSTED,),
        conditions.CALM,
    ),
)

_REJECTING: Final = (
    Mutant(
        "rejects-not-recorded",
        "bad rows are counted and nowhere written down",
        (Edit(_RANGES, "rejects.add(reject_line(row))", "reject_line(row)"),),
        (_REJECTED,),
        conditions.CALM,
    ),
    Mutant(
        "reject-text-cut",
        "of a bad row only 16 bytes are kept",
        (Edit(_RANGES, "MAX_RAW_BYTES: Final = 64 * 1024", "MAX_RAW_BYTES: Final = 16"),),
        (_REJECTED,),
        conditions.CALM,
    ),
    Mutant(
        "reject-offset-of-range",
        "a bad row's offset counts from its range and not from its object",
        (
            Edit(
                _CSV,
                "sink.add_text_row(block[start : start + length], offset + start, parse)",
                "sink.add_text_row(block[start : start + length], start, parse)",
            ),
        ),
        (_REJECTED,),
        conditions.CALM,
    ),
)

_DELIVERING: Final = (
    Mutant(
        "random-slice-key",
        "a range is stored under a key of its own each time it is processed",
        (
            Edit(
                _RANGES,
                "    range_id = keys.range_id(which.ingest_id, which.index)\n",
                '    range_id = 1 + __import__("secrets").randbelow(keys.RANGE_ID_SPAN)\n',
            ),
            # Rollups take whatever stands in the hour: without a second delivery nobody would notice.
            Edit(
                _ROLLUPS,
                "if (rollup and rollup.segments) or len(known | wanted[symbol_hour]) >= compaction_threshold:",
                "if True:",
            ),
            Edit(_ROLLUPS, "    lost = wanted - included\n", "    lost = set[int]()\n"),
        ),
        (_STORED,),
        conditions.TWICE,
    ),
    Mutant(
        "new-ingest-for-each-event",
        "a second event for the same object begins a second ingest of it",
        (
            Edit(
                _OBJECTS,
                "    manifest, is_new = _freeze(planned, table)\n",
                "    manifest, is_new = _freeze(planned, table)\n"
                "    if not is_new:\n"
                '        replace = __import__("dataclasses").replace\n'
                "        manifest, is_new = replace(manifest, ingest_id=manifest.ingest_id[::-1]), True\n",
            ),
        ),
        (_STORED, _RECEIPTS),
        conditions.TWICE,
    ),
    Mutant(
        "idempotency-key-ignored",
        "a POST that is sent again under its Idempotency-Key is a new one",
        (Edit(_POSTS, "    if key is None:\n", "    if key is not None or key is None:\n"),),
        (_STORED,),
        conditions.LOST_ANSWER,
    ),
    Mutant(
        "deleted-on-error",
        "a message whose range failed is deleted like any other",
        (Edit(_PROCESSOR, "    return failures_answer(failed)", "    return failures_answer([])"),),
        (_BALANCE, _RECEIPTS, _STORED),
        conditions.HELD,
    ),
    Mutant(
        "version-not-frozen",
        "a range reads the newest version of its object and not the one that was announced",
        (Edit(_READER, 'request["VersionId"] = self._source.version_id', "pass"),),
        (_STORED,),
        conditions.HELD,
    ),
    Mutant(
        "unprocessed-items-ignored",
        "what BatchWriteItem leaves undone stays undone",
        (
            Edit(
                _TABLE,
                'request = answer.get("UnprocessedItems")\n            if not request:\n                break',
                "break",
            ),
        ),
        (_STORED,),
        conditions.PARTIAL,
    ),
    Mutant(
        "failed-sends-ignored",
        "messages that SendMessageBatch could not send are not sent again",
        (
            Edit(
                _QUEUE,
                'waiting = {entry["Id"]: waiting[entry["Id"]] for entry in failed}',
                "waiting = {}",
            ),
        ),
        (_BALANCE, _RECEIPTS, _STORED),
        conditions.PARTIAL,
    ),
    Mutant(
        "failed-events-ignored",
        "events that PutEvents could not put are taken for put",
        (
            Edit(
                _EVENTS,
                'undone = {position: result for position, result in results if result.get("ErrorCode")}',
                "undone = {}",
            ),
        ),
        ("every range was announced",),
        conditions.PARTIAL,
    ),
    Mutant(
        "receipt-before-slices",
        "a range is committed before its slices are written",
        (
            Edit(
                _RANGES,
                "    stores.table.batch_write(written.items)\n    if written.receipt_parts:\n",
                "    stores.table.put(written.receipt_head)\n"
                "    stores.table.batch_write(written.items)\n    if written.receipt_parts:\n",
            ),
        ),
        ("every row accounted for",),
        conditions.NEVER_WRITTEN,
    ),
)

_ROLLING_UP: Final = (
    Mutant(
        "not-listed-as-pending",
        "a committed range is not put on the aggregator's list",
        (
            Edit(
                _RANGES,
                "    items.append(pending_item(Pending(which.ingest_id, which.index, which.received_ms)))\n",
                "",
            ),
        ),
        (_ROLLED_UP,),
        conditions.CALM,
    ),
    Mutant(
        "late-slices-ignored",
        "an hour that has a rollup is not rolled up again",
        (Edit(_ROLLUPS, "        elif wanted[symbol_hour] - known:\n", "        elif rollup is None:\n"),),
        (_ROLLED_UP,),
        conditions.HELD,
    ),
    Mutant(
        "compacted-slices-count-again",
        "a slice counts although a segment holds it",
        (
            Edit(
                _HOURS,
                "included = self.compacted() | (rollup.ranges if rollup else frozenset())",
                "included = rollup.ranges if rollup else frozenset()",
            ),
        ),
        (_STORED,),
        conditions.CALM,
    ),
    Mutant(
        "compaction-deletes-what-came-meanwhile",
        "with the slices of a segment those are deleted that came after it",
        (
            Edit(
                _HOURS,
                "return tuple(piece for piece in self.slices if piece.range_id in compacted)",
                "return self.slices if compacted else ()",
            ),
            Edit(
                _AGGREGATED_HOURS,
                "            if len(hour.slices) >= MAX_SLICES_A_READ:\n",
                "            if leftovers:\n",
            ),
        ),
        (_STORED,),
        conditions.HELD,
    ),
    Mutant(
        "segment-after-its-slices",
        "slices are deleted before the segment is written that shall hold them",
        (
            Edit(
                _AGGREGATED_HOURS,
                "        table.put_if_absent(segment_item(next_segment(hour)))",
                "        segment = segment_item(next_segment(hour))\n"
                "        table.batch_write((), [_slice_key(piece) for piece in hour.slices])\n"
                "        table.put_if_absent(segment)",
            ),
        ),
        (_STORED,),
        conditions.SEGMENT_REFUSED,
    ),
)

_READING: Final = (
    Mutant(
        "last-hour-not-read",
        "the query for bars ends an hour early",
        (
            Edit(
                _QUERY,
                "last = keys.sort_key((end - 1) // keys.MINUTES_PER_HOUR + 1, 0) - 1",
                "last = keys.sort_key((end - 1) // keys.MINUTES_PER_HOUR, 0) - 1",
            ),
        ),
        (_POSTED,),
        conditions.CALM,
    ),
    Mutant(
        "bar-between-pages",
        "the next page begins one minute too late",
        (Edit(_QUERY, "return tuple(bars), bar.minute\n", "return tuple(bars), bar.minute + 1\n"),),
        ("bars through GET /bars",),
        conditions.CALM,
    ),
    Mutant(
        "rollup-trusted-alone",
        "readers take the rollup and leave out the slices that it misses",
        (
            Edit(
                _HOURS,
                "return merge_bars(items._base_bars(), *_bars_of(items.loose_slices()))",
                "return merge_bars(items._base_bars())",
            ),
        ),
        ("bars while rollups are late",),
        conditions.AGGREGATOR_DOWN,
    ),
)

MUTANTS: Final = (*_CUTTING, *_COUNTING, *_REJECTING, *_DELIVERING, *_ROLLING_UP, *_READING)

#: What the ordinary tests run: one mutant of each stage.
SMALLEST: Final = ("first-row-twice", "not-listed-as-pending", "last-hour-not-read")
