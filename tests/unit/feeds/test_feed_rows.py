from __future__ import annotations

from typing import Any, Final

import pytest

from tickstream.errors import RowRejected
from tickstream.feeds.documents import feed_from
from tickstream.feeds.readers import RowReader

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
