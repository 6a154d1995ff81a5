"""The truth of native rows: the grammar of a tick's four texts, in SQL.

Rows of `taken`: "offset", length, fault, symbol_text, moment_text, price_text, size_text.
"""

from __future__ import annotations

from typing import Final

from bench.ledger.truth import EVERYTHING
from bench.own_file import moments
from bench.own_file.feed_rows import SYMBOL, TRUTH
from bench.own_file.layers import Layers
from bench.own_file.numbers import PRICE_WITHIN, SIZE_WITHIN, add_number

TEXTS: Final = ("symbol_text", "moment_text", "price_text", "size_text")


def judged() -> str:
    """Return the query of the truth of `taken`."""
    layers = Layers("taken")
    written = moments.Groups("written", moments.NATIVE)
    written.add(layers, "moment_text")
    layers.add(
        in_ns="regexp_full_match(moment_text, '[0-9]{1,19}')",
        utc_s=f"CASE WHEN written_fits THEN {written.local_s()} - {written.ahead_s()} END",
    )
    in_iso = f"utc_s::HUGEINT * 1000000000 + {written.fraction_ns()}"
    layers.add(
        at_ns=f"CASE WHEN in_ns THEN TRY_CAST(moment_text AS HUGEINT) ELSE {in_iso} END",
        symbol="symbol_text",
        the_sequence="0",
        the_updates=str(EVERYTHING),
    )
    add_number(layers, "price_exact", "price_text")
    add_number(layers, "size_exact", "size_text")
    missing = " OR ".join(f"coalesce({text}, '') = ''" for text in TEXTS)
    # In the order in which the pipeline promises to look for faults.
    layers.add(
        reason=f"""CASE
            WHEN fault IS NOT NULL THEN fault
            WHEN {missing} THEN 'missing_field'
            WHEN NOT regexp_full_match(symbol_text, '{SYMBOL}') THEN 'bad_symbol'
            WHEN at_ns IS NULL THEN 'bad_timestamp'
            WHEN at_ns < {moments.EARLIEST_NS} OR at_ns >= {moments.LATEST_NS} THEN 'timestamp_out_of_range'
            WHEN price_exact IS NULL OR NOT ({PRICE_WITHIN.format("price_exact")}) THEN 'bad_price'
            WHEN size_exact IS NULL OR NOT ({SIZE_WITHIN.format("size_exact")}) THEN 'bad_size'
            END"""
    )
    return layers.select(TRUTH)
