"""Mutants in what trades update by their sale conditions, and in what takes trades back."""

from __future__ import annotations

from typing import Final

from bench.mutants.mutant import Edit, Mutant

_STORED: Final = "bars in DynamoDB"
_RECEIPTS: Final = "receipts"
_MINUTE_BARS: Final = "tickstream/decoding/minute_bars.py"
_EFFECTS: Final = "tickstream/feeds/effects.py"
_READERS: Final = "tickstream/feeds/readers.py"
_SINK: Final = "tickstream/decoding/outcome.py"
_PAIRS: Final = "tickstream/pairs.py"
_RANGES: Final = "market_analytics/data_processor_pairs.py"

EFFECTS: Final = (
    Mutant(
        "ineligible-print-sets-low",
        "prints that may set no high and no low do so if they count as volume: odd lots, for one",
        (Edit(_MINUTE_BARS, "(Updates.HIGH_LOW, extremes)", "(Updates.VOLUME, extremes)"),),
        (_STORED,),
    ),
    Mutant(
        "ineligible-print-moves-close",
        "prints that set high and low open and close too: derivatively priced ones, for one",
        (Edit(_MINUTE_BARS, "(Updates.OPEN_CLOSE, ends)", "(Updates.HIGH_LOW, ends)"),),
        (_STORED,),
    ),
    Mutant(
        "official-close-counted-twice",
        "the official close counts as volume, beside the auction that it speaks of",
        (Edit(_MINUTE_BARS, 'pl.when(_may(Updates.VOLUME)).then("size").otherwise(0)', 'pl.col("size")'),),
        (_STORED,),
    ),
    Mutant(
        "last-code-wins",
        "of several codes of a print the last one decides, not the strictest",
        (Edit(_EFFECTS, "lets, always = lets & effect.lets,", "lets, always = effect.lets,"),),
        (_STORED,),
    ),
    Mutant(
        "regular-hours-all-day",
        "what a code means in regular hours it means all day: Form T never sets a price",
        (Edit(_EFFECTS, "return lets | always, lets_outside | always_outside", "return lets | always, lets | always"),),
        (_STORED,),
    ),
    Mutant(
        "minute-without-prices-dropped",
        "a minute in which no print may set a price is left out of the bars",
        (
            Edit(
                _MINUTE_BARS,
                "    # Null where no tick may set open and close.\n",
                '    folded = folded.filter(pl.col("first").is_not_null())\n',
            ),
        ),
        (_STORED,),
    ),
)

CANCELS: Final = (
    Mutant(
        "cancelled-print-counted",
        "prints that the vendor marks as cancelled are in the bars",
        (Edit(_READERS, "            return RowKind.CANCELLED\n", "            return RowKind.TRADE\n"),),
        (_STORED, _RECEIPTS),
    ),
    Mutant(
        "taken-back-trade-counted",
        "a trade that a later row takes back stays in the bars",
        (Edit(_SINK, "            trades = trades.filter(~taken)\n", ""),),
        (_STORED, _RECEIPTS),
    ),
    Mutant(
        "first-of-equals-taken-back",
        "of two equal trades a cancel takes the earlier one back",
        (
            Edit(_PAIRS, "self._taken.add(left.pop())", "self._taken.add(left.pop(0))"),
            Edit(_PAIRS, "taken.update(left[-wanting:])", "taken.update(left[:wanting])"),
        ),
        (_STORED,),
    ),
    Mutant(
        "pair-across-ranges-missed",
        "a trade is taken back by rows of its own range of the object only",
        (
            Edit(
                _RANGES,
                "own.taken_back([pair_balances_from(balances_told[index]) for index in later])",
                "own.taken_back()",
            ),
        ),
        (_STORED, _RECEIPTS),
    ),
)
