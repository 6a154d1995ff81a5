"""Mutants in what makes bars and rejected rows of an object."""

from __future__ import annotations

from typing import Final

from bench.mutants.mutant import Edit, Mutant

_STORED: Final = "bars in DynamoDB"
_POSTED: Final = "bars through POST /bars"
_REJECTED: Final = "rejected rows"
_RECEIPTS: Final = "receipts"
_RANGES: Final = "market_analytics/data_processor_ranges.py"
_BARS: Final = "tickstream/bars.py"
_PACKED_BARS: Final = "tickstream/bar_codec.py"
_SPANS: Final = "tickstream/ranges.py"
_ROWS: Final = "tickstream/rows.py"
_TEXT: Final = "tickstream/decoding/text.py"
_GZIP: Final = "tickstream/gzip_stream.py"
_PLAIN: Final = "tickstream/decoding/plain_rows.py"
_JSON: Final = "tickstream/decoding/json_lines.py"
_FOLD: Final = "tickstream/decoding/fold.py"
_FOLDED: Final = "tickstream/decoding/folded.py"
_MINUTE_BARS: Final = "tickstream/decoding/minute_bars.py"
#: Nothing is folded at once: for what is broken in the way that looks at columns first.
_NEVER_AT_ONCE: Final = Edit(_PLAIN, "    if form.at_once is None or", "    if True or form.at_once is None or")

CUTTING: Final = (
    Mutant(
        "last-row-dropped",
        "the row that crosses the end of a range is read by nobody",
        (
            Edit(
                _TEXT,
                "    return first + begin, data[begin : end if end >= 0 else len(data)]",
                '    return first + begin, data[begin : data.rfind(b"\\n", 0, span.end - 1 - first) + 1]',
            ),
        ),
        (_STORED, _RECEIPTS),
    ),
    Mutant(
        "first-row-twice",
        "ranges overlap: the first rows of a range are counted by the range before it too",
        (Edit(_SPANS, "min(start + step_bytes, size_bytes)", "min(start + step_bytes + 64, size_bytes)"),),
        (_STORED, _RECEIPTS),
    ),
    Mutant(
        "last-row-groups-dropped",
        "row groups of Parquet behind the last full range are read by nobody",
        (
            Edit(
                _SPANS,
                "    if rows:\n        yield len(footer.row_groups)",
                "",
            ),
        ),
        (_STORED, _RECEIPTS),
    ),
    Mutant(
        "gzip-tail-dropped",
        "the last row of a gzipped object is lost where no newline ends it",
        (Edit(_TEXT, "    if carry and not skipping:\n        yield offset, carry", "    carry = b''"),),
        (_STORED, _RECEIPTS),
    ),
    Mutant(
        "second-gzip-member-dropped",
        "of a gzipped object made by joining two, the second is not read",
        (
            Edit(
                _GZIP,
                "if self.members and view[at] == 0:\n                    at = _after_zeros(view, at)",
                "if self.members:\n                    at = len(view)",
            ),
        ),
        (_STORED, _RECEIPTS),
    ),
)

COUNTING: Final = (
    Mutant(
        "content-deduplicated",
        "ticks that are equal in every field are taken for duplicates",
        (
            _NEVER_AT_ONCE,
            Edit(
                _FOLD,
                "        for some in ticks.iter_slices(MAX_ROWS):\n",
                '        ticks = ticks.unique(["symbol", "timestamp", "price", "size"], maintain_order=True)\n'
                "        for some in ticks.iter_slices(MAX_ROWS):\n",
            ),
        ),
        (_STORED, _RECEIPTS),
    ),
    Mutant(
        "keyed-by-symbol-and-timestamp",
        "of several ticks of a symbol at one timestamp the last one replaces the others",
        (
            _NEVER_AT_ONCE,
            Edit(
                _FOLD,
                "        for some in ticks.iter_slices(MAX_ROWS):\n",
                '        ticks = ticks.unique(["symbol", "timestamp"], keep="last", maintain_order=True)\n'
                "        for some in ticks.iter_slices(MAX_ROWS):\n",
            ),
        ),
        (_STORED, _RECEIPTS),
    ),
    Mutant(
        "float-prices",
        "prices of text go through a 64-bit float",
        (
            Edit(
                _PLAIN,
                'pl.col("price").to_physical().cast(pl.Int64, strict=False),',
                '(pl.col("price").cast(pl.Float64) * 1e9).cast(pl.Int64, strict=False),',
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "float-json-numbers",
        "numbers of JSON go through a 64-bit float",
        (
            Edit(_ROWS, "parse_float=JsonNumber,", "parse_float=lambda text: JsonNumber(float(text)),"),
            Edit(
                _JSON,
                "        return text\n",
                '        return re.sub(rb"[0-9]+[.][0-9]+", lambda one: b"%.9f" % float(one[0]), text)\n',
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "float-notionals",
        "the sum of price times size is a 64-bit float",
        (
            Edit(
                _MINUTE_BARS,
                'lower.sum().alias("lower")',
                'lower.sum().cast(pl.Float64).cast(pl.Int128).alias("lower")',
            ),
            Edit(
                _MINUTE_BARS,
                'wide.sum().alias("notional")',
                'wide.sum().cast(pl.Float64).cast(pl.Int128).alias("notional")',
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "sign-dropped",
        "a price below zero is taken for one above",
        (
            Edit(
                _PLAIN,
                'pl.col("price").to_physical().cast(pl.Int64, strict=False),',
                'pl.col("price").to_physical().cast(pl.Int64, strict=False).abs(),',
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "volumes-of-64-bits",
        "the sum of large sizes wraps around",
        (
            Edit(_MINUTE_BARS, '<= INT64_MAX else pl.col("size").cast(pl.Int128)', '<= INT64_MAX else pl.col("size")'),
            Edit(_MINUTE_BARS, "if largest * rows > INT64_MAX or ", "if "),
        ),
        (_STORED,),
    ),
    Mutant(
        "notionals-of-128-bits",
        "the product of a large price and a large size wraps around",
        (
            Edit(_MINUTE_BARS, "* ticks.height <= INT128_MAX:", "* ticks.height:"),
            Edit(_MINUTE_BARS, " or highest * largest * rows > INT128_MAX", ""),
        ),
        (_STORED,),
    ),
    Mutant(
        "symbols-in-capitals",
        "two symbols that differ in case only are one",
        (
            Edit(
                _MINUTE_BARS,
                '["symbol"].gather(folded[begin] % MAX_ROWS).cast(pl.String),',
                '["symbol"].gather(folded[begin] % MAX_ROWS).cast(pl.String).str.to_uppercase(),',
            ),
            Edit(
                _MINUTE_BARS,
                '        pl.col("symbol").cast(pl.String),\n',
                '        pl.col("symbol").cast(pl.String).str.to_uppercase(),\n',
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "whole-volumes",
        "sizes are rounded up to whole shares",
        (
            Edit(
                _MINUTE_BARS,
                'size.sum().alias("volume")',
                '((size + 10**9 - 1) // 10**9 * 10**9).sum().alias("volume")',
            ),
            Edit(
                _MINUTE_BARS,
                'pl.col("size").sum().alias("volume")',
                '((pl.col("size") + 10**9 - 1) // 10**9 * 10**9).sum().alias("volume")',
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "ties-reordered",
        "ticks of one timestamp within an object change places",
        (
            _NEVER_AT_ONCE,
            Edit(
                _MINUTE_BARS,
                '    if ticks["symbol"].dtype == pl.String:\n',
                '    ticks = ticks.reverse()\n    if ticks["symbol"].dtype == pl.String:\n',
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "ties-by-arrival",
        "of ticks of two objects at one timestamp the order of merging decides which opens and closes",
        (
            Edit(
                _PACKED_BARS,
                "    if one[:2] != other[:2] or one[2] == other[2]:\n        return one <= other\n",
                "    if sources:\n        return one[0] <= other[0]\n",
            ),
            Edit(_BARS, "one.first <= other.first)", "one.first[0] <= other.first[0])"),
            Edit(_BARS, "one.last >= other.last)", "one.last[0] >= other.last[0])"),
        ),
        (_STORED,),
    ),
    Mutant(
        "order-by-arrival",
        "open and close follow the order in which ranges are merged, not the time of their ticks",
        (
            Edit(
                _PACKED_BARS,
                "first = one if _is_not_after(one[_FIRST], other[_FIRST], sources) else other",
                "first = one",
            ),
            Edit(
                _PACKED_BARS,
                "last = other if _is_not_after(one[_LAST], other[_LAST], sources) else one",
                "last = other",
            ),
            Edit(_BARS, "one.first is not None and one.first <= other.first", "one.first is not None"),
            Edit(
                _BARS, "if other.last is None or (one.last is not None and one.last >= other.last)", "if not other.last"
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "vwap-half-up",
        "VWAP rounds a half up and not to even",
        (Edit(_BARS, "(twice == self.volume_e9 and quotient % 2 == 1)", "twice == self.volume_e9"),),
        (_POSTED,),
    ),
    Mutant(
        "wrong-hour",
        "the last minute of each hour is filed under the next one",
        (
            Edit(
                _FOLDED,
                'hour=pl.col("minute") // MINUTES_PER_HOUR',
                'hour=(pl.col("minute") + 1) // MINUTES_PER_HOUR',
            ),
        ),
        (_POSTED,),
    ),
)

REJECTING: Final = (
    Mutant(
        "rejects-not-recorded",
        "bad rows are counted and nowhere written down",
        (Edit(_RANGES, "rejects.add(reject_line(row))", "reject_line(row)"),),
        (_REJECTED,),
    ),
    Mutant(
        "reject-text-cut",
        "of a bad row only 16 bytes are kept",
        (Edit(_RANGES, "MAX_RAW_BYTES: Final = 64 * 1024", "MAX_RAW_BYTES: Final = 16"),),
        (_REJECTED,),
    ),
    Mutant(
        "reject-offset-of-range",
        "a bad row's offset counts from its range and not from its object",
        (
            Edit(
                _PLAIN,
                "sink.add_text_row(block[start : start + length], offset, reader.parse)",
                "sink.add_text_row(block[start : start + length], start, reader.parse)",
            ),
        ),
        (_REJECTED,),
    ),
)
