from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest

from tickstream.errors import RowRejected
from tickstream.feeds.description import SaleConditions
from tickstream.feeds.documents import feed_from
from tickstream.feeds.effects import EffectRule
from tickstream.feeds.readers import RowReader
from tickstream.feeds.rows import json_text
from tickstream.rows import JsonNumber
from tickstream.ticks import Updates

DOCUMENT: Final[dict[str, Any]] = {
    "name": "own",
    "format": "csv",
    "tick": {
        "symbol": {"from": "{s}"},
        "timestamp": {"from": "{t}", "unit": "ns"},
        "price": {"from": "{p}"},
        "size": {"from": "{q}"},
        "conditions": {"value": "{c}", "split": "hexBits"},
        "cancel": {"pair": {"where": [{"value": "{k}", "in": ["X"]}], "by": ["{id}"]}},
    },
}
GOOD: Final = {"s": "A", "t": "1767623400000000000", "p": "1", "q": "1", "c": "0", "k": "", "id": "7"}
FAULTS: Final = [
    ("s", "A B", "bad_symbol"),
    ("t", "x", "bad_timestamp"),
    ("p", "x", "bad_price"),
    ("q", "x", "bad_size"),
    ("c", "x", "bad_condition"),
    ("id", "", "missing_field"),
]


@pytest.mark.parametrize("at", range(len(FAULTS)))
def test_of_several_faults_of_a_row_the_first_is_told(at: int) -> None:
    """A row is called by the first of its faults, in the order of symbol, time, price, size, conditions, pair."""
    fields = {**GOOD, **{name: text for name, text, _ in FAULTS[at:]}}
    with pytest.raises(RowRejected) as caught:
        RowReader(feed_from(DOCUMENT), {}).read(fields, 0)
    assert caught.value.reason.value == FAULTS[at][2]


@pytest.mark.parametrize(("tape", "updates"), [("C", Updates.VOLUME), ("A", Updates.ALL), ("", Updates.ALL)])
def test_m26_a_code_that_means_the_same_for_all_other_tapes_means_it(tape: str, updates: Updates) -> None:
    """The strictest of its meanings is for codes that are known for some tapes only."""
    rule = SaleConditions(value="{c}", by="{z}", codes={"B": "all", "B (by C)": "volume"})
    assert EffectRule(rule).decide("B", tape)[0] == updates


def test_m26_a_code_of_other_tapes_only_has_the_strictest_of_its_meanings() -> None:
    """Nobody knows what it means here, so it updates what it may everywhere."""
    rule = SaleConditions(value="{c}", by="{z}", codes={"B (by A)": "high_low volume", "B (by C)": "open_close volume"})
    assert EffectRule(rule).decide("B", "N")[0] == Updates.VOLUME


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["A", JsonNumber("12")], '["A", "12"]'),
        ([12, Decimal("1.50"), None, True], '["12", "1.50", "true"]'),
        ([["A"]], None),
    ],
)
def test_m26_codes_of_json_are_texts_however_they_are_written(value: object, text: str | None) -> None:
    """Numbers of a line and of a document are the same codes, and a null among codes takes none of them away."""
    assert json_text(value) == text
