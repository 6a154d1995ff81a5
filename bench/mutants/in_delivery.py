"""Mutants in what moves bars on: queues, keys, rollups, and the answers to readers."""

from __future__ import annotations

from typing import Final

from bench.mutants import conditions
from bench.mutants.mutant import Edit, Mutant

_STORED: Final = "bars in DynamoDB"
_POSTED: Final = "bars through POST /bars"
_PROCESSED: Final = "everything processed"
_RECEIPTS: Final = "receipts"
_ROLLED_UP: Final = "rollups include everything"
_HOSTILE: Final = "hostile objects"
_SESSIONS: Final = "bars of sessions"
_LISTED: Final = "found in the lists"
_CLOSED: Final = "bars are closed"
_FILLED: Final = "minutes without a trade"
_NAMES: Final = "GET /symbols"
_OBJECTS: Final = "market_analytics/data_ingestion_objects.py"
_POSTS: Final = "market_analytics/data_ingestion_posts.py"
_RANGES: Final = "market_analytics/data_processor_ranges.py"
_PROCESSOR: Final = "market_analytics/data_processor.py"
_ROLLUPS: Final = "market_analytics/data_aggregator_rollups.py"
_AGGREGATED_HOURS: Final = "market_analytics/data_aggregator_hours.py"
_QUERY: Final = "market_analytics/data_query_bars.py"
_SYMBOLS: Final = "market_analytics/data_query_symbols.py"
_READ_HOURS: Final = "market_analytics/data_query_hours.py"
_HOURS: Final = "tickstream/hours.py"
_BARS: Final = "tickstream/bars.py"
_DAYS: Final = "tickstream/sessions/days.py"
_TABLE: Final = "services/dynamo_table.py"
_QUEUE: Final = "services/queue.py"
_EVENTS: Final = "services/events.py"
_READER: Final = "services/objects.py"
_FREEZE: Final = "_freeze(planned, table)"

DELIVERING: Final = (
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
                "if (rollup and rollup.segments) or len(known | wanted[symbol_hour]) >= self.compaction_threshold:",
                "if True:",
            ),
            Edit(_ROLLUPS, "        lost = wanted - refreshed.settled\n", "        lost = set[int]()\n"),
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
                f"    manifest, is_new = {_FREEZE}\n",
                f"    manifest, is_new = {_FREEZE}\n"
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
        "parquet-decoded-here",
        "DataProcessor decodes Parquet in its own process, which ends where polars aborts",
        (Edit(_PROCESSOR, "        decode=partial(decode_apart, deadline=deadline),\n", ""),),
        (_HOSTILE,),
        conditions.HOSTILE,
    ),
    Mutant(
        "deleted-on-error",
        "a message whose range failed is deleted like any other",
        (Edit(_PROCESSOR, "    return failures_answer(batch.failed)", "    return failures_answer([])"),),
        (_PROCESSED, _RECEIPTS, _STORED),
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
        (_PROCESSED, _RECEIPTS, _STORED),
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
        "not-found-by-its-key",
        "an object is listed as open, and in nothing that anybody finds it by",
        (
            Edit(
                _OBJECTS,
                "    table.batch_write((*arrival_items(manifest), activity_of(manifest)))\n",
                "    table.batch_write((activity_of(manifest),))\n",
            ),
        ),
        (_LISTED,),
    ),
    Mutant(
        "receipt-before-slices",
        "a range is committed before its slices are written",
        (
            Edit(
                _RANGES,
                "    table.put_in_order(slices)\n",
                "    table.batch_write(head for one in ranges for head in one.heads)\n    table.put_in_order(slices)\n",
            ),
        ),
        ("every row accounted for",),
        conditions.NEVER_WRITTEN,
    ),
)

ROLLING_UP: Final = (
    Mutant(
        "not-listed-as-pending",
        "a committed range is not put on the aggregator's list",
        (
            Edit(
                _RANGES,
                "    return Writes(slices, tuple(parts), (*listed, head), processed)\n",
                "    del listed\n    return Writes(slices, tuple(parts), (head,), processed)\n",
            ),
        ),
        (_ROLLED_UP,),
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
            Edit(_HOURS, "included = self.compacted | over_latest\n", "included = over_latest\n"),
            Edit(_HOURS, "_Basis(latest, self.compacted, ", "_Basis(latest, frozenset(), "),
        ),
        (_STORED,),
    ),
    Mutant(
        "compaction-deletes-what-came-meanwhile",
        "with the slices of a segment those are deleted that came after it",
        (
            Edit(
                _HOURS,
                "return tuple(piece for piece in self.slices if piece.range_id in settled)",
                "return self.slices if settled else ()",
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
                "        has_written |= table.put_if_absent(segment_item(next_segment(hour)))",
                "        segment = segment_item(next_segment(hour))\n"
                "        table.batch_write((), [slice_key(piece) for piece in hour.slices])\n"
                "        has_written |= table.put_if_absent(segment)",
            ),
        ),
        (_STORED,),
        conditions.SEGMENT_REFUSED,
    ),
)

READING: Final = (
    Mutant(
        "last-hour-not-read",
        "the query for bars ends an hour early",
        (
            Edit(
                _READ_HOURS,
                "    items = table.query(symbol, keys.sort_key(first, 0), keys.sort_key(end, 0) - 1)\n",
                "    items = table.query(symbol, keys.sort_key(first, 0), keys.sort_key(end - 1, 0) - 1)\n",
            ),
        ),
        (_POSTED,),
    ),
    Mutant(
        "interval-keeps-its-last-minute",
        "a bar of a longer interval is its last minute instead of all of them together",
        (
            Edit(
                _BARS,
                "merged[start] = bar if known is None else merge_two(known, bar)\n",
                "merged[start] = bar\n",
            ),
        ),
        ("bars of longer intervals",),
    ),
    Mutant(
        "session-off-by-an-hour",
        "the sessions of exchanges begin and end an hour late",
        (
            Edit(
                _DAYS,
                "return minute_at(self.zone, day, minute_of_day)\n",
                "return minute_at(self.zone, day, minute_of_day) + 60\n",
            ),
        ),
        (_SESSIONS,),
    ),
    Mutant(
        "bar-between-pages",
        "the next page begins one minute too late",
        (
            Edit(
                _QUERY,
                "NextBar(reading.index, bar.minute, close_e9)",
                "NextBar(reading.index, bar.minute + 1, close_e9)",
            ),
        ),
        ("bars through GET /bars",),
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
    Mutant(
        "late-bars-closed",
        "a bar is closed when its end has passed, whatever of its hours is in no rollup",
        (Edit(_QUERY, " and self.open_hours.isdisjoint(hours)", " and bool(hours)"),),
        ("bars while rollups are late",),
        conditions.AGGREGATOR_DOWN,
    ),
    Mutant(
        "never-closed",
        "a bar is open as long as its hour has slices, rolled up or not",
        (
            Edit(
                _HOURS,
                "return all(piece.range_id in settled for piece in self.slices)",
                "return not self.slices",
            ),
        ),
        (_CLOSED,),
    ),
    Mutant(
        "first-close-carried-on",
        "gaps are filled with the first close that is known, and not with the last",
        (
            Edit(
                _QUERY,
                "            close_e9 = bar.close_e9 if bar.close_e9 is not None else close_e9\n",
                "            close_e9 = bar.close_e9 if close_e9 is None else close_e9\n",
            ),
        ),
        (_FILLED,),
    ),
    Mutant(
        "symbols-never-listed",
        "hours are rolled up and their symbols are in no list",
        (
            Edit(
                _ROLLUPS,
                "        self._list_symbols({symbol for symbol, _ in wanted.keys() - damaged - rollups.keys()})\n",
                "",
            ),
        ),
        (_NAMES,),
    ),
    Mutant(
        "last-bar-of-the-first-hour",
        "a symbol's last bar is looked for in its first hour",
        (
            Edit(
                _SYMBOLS,
                "(table, symbol, first_hour, hours.end, newest_first=True)",
                "(table, symbol, first_hour, first_hour + 1, newest_first=True)",
            ),
        ),
        (_NAMES,),
    ),
)
