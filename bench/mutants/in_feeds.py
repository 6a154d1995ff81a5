"""Mutants in how feeds read vendors' files."""

from __future__ import annotations

from typing import Final

from bench.mutants import conditions
from bench.mutants.mutant import Edit, Mutant

_STORED: Final = "bars in DynamoDB"
_MOMENTS: Final = "tickstream/feeds/moments.py"
_READERS: Final = "tickstream/feeds/readers.py"
_NUMBERS: Final = "tickstream/feeds/numbers.py"

FEEDS: Final = (
    Mutant(
        "zone-ignored",
        "times by the clock of a feed's zone are taken for UTC",
        (Edit(_MOMENTS, "        return local_s - offset_s\n", "        return local_s\n"),),
        (_STORED,),
    ),
    Mutant(
        "offset-ignored",
        "the offset that stands beside a time in a vendor's file is not regarded",
        (
            Edit(
                _MOMENTS,
                "return (local_s - int(offset.total_seconds())) * 10**9",
                "return local_s * 10**9",
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "scale-off-by-ten",
        "prices that a feed scales are ten times too large",
        (
            Edit(
                _NUMBERS,
                "value.scaleb(power_of_ten + FRACTION_DIGITS",
                "value.scaleb(power_of_ten + (power_of_ten < 0) + FRACTION_DIGITS",
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "scale-ignored",
        "prices that a feed scales are taken as they stand in the file",
        (Edit(_NUMBERS, "value.scaleb(power_of_ten + FRACTION_DIGITS", "value.scaleb(FRACTION_DIGITS"),),
        (_STORED,),
    ),
    Mutant(
        "symbols-of-feeds-in-capitals",
        "two symbols of a vendor that differ in case only are one",
        (Edit(_READERS, "return parse_symbol(text)", "return parse_symbol(text).upper()"),),
        (_STORED,),
    ),
    Mutant(
        "skipped-rows-are-ticks",
        "rows that a feed says are no trades are in the bars",
        (
            Edit(
                _READERS,
                "        if not self._is_trade(blank):\n            return RowKind.SKIPPED\n",
                "        self._is_trade(blank)\n",
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "feed-read-anew",
        "a range is read by what the feed of that name says now, not by what it said when the object came",
        (
            Edit(
                "tickstream/feeds/documents.py",
                "        return msgspec.json.decode(text, type=Feed)\n",
                "        frozen = msgspec.json.decode(text, type=Feed)\n"
                "        from tickstream.feeds.catalogue import installed\n"
                "        return installed().named(frozen.name) or frozen\n",
            ),
        ),
        (_STORED,),
        conditions.FEED_CHANGED,
    ),
    Mutant(
        "feed-chosen-anew",
        "which feed reads an object is decided whenever a message comes",
        (
            Edit(
                "market_analytics/data_processor_ranges.py",
                "stores.decode(source, layout, ",
                "stores.decode(source, layout if message.layout.indexed else "
                '__import__("tickstream.layouts").layouts.sniff(source, read), ',
            ),
        ),
        (_STORED,),
        conditions.FEED_CHANGED,
    ),
)
