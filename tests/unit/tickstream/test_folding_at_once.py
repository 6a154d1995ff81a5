"""Rows that are all proven are folded while they are read: the same bars as by the way that looks at columns first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.decoding import decode_span, plain_rows
from tickstream.ingests import Format, Layout, Source, Span

if TYPE_CHECKING:
    from tickstream.decoding import Decoded

HEADER = b"symbol,timestamp,price,size,venue\n"
START_NS = 1_767_623_400_000_000_000
NUMBERS = ("0", "1", "74.88", "-0.01", "000.5", "999999999999999.999999999", "9223372036.854775807", "0.000000001")
ROWS = st.tuples(
    st.sampled_from(["A", "BRK.B", '"C"']),
    st.sampled_from([0, 1, 10**9, 59 * 10**9, 60 * 10**9, 3600 * 10**9]).map(lambda step: str(START_NS + step))
    | st.sampled_from(["0", "4999999999999999999", f'"{START_NS}"']),
    st.sampled_from(NUMBERS),
    st.sampled_from(NUMBERS),
    st.sampled_from(["Q", '"a,b"', ""]),
).map(",".join)


def decode(rows: list[str], end: str = "\n", last: str = "\n") -> Decoded:
    """What one range of these rows gives."""
    content = HEADER + (end.join(rows) + last).encode()
    source = Source("bucket", "key.csv", "1", "0" * 32, len(content))
    columns = tuple(HEADER.decode().strip().split(","))
    layout = Layout(Format.CSV, columns=columns, data_start=len(HEADER))
    span = Span(0, len(HEADER), len(content))
    return decode_span(source, layout, span, lambda start, stop: content[start:stop])


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note of each block whether it was folded at once."""
    noted: list[bool] = []
    add = plain_rows._add_at_once

    def note(*arguments: object) -> bool:
        noted.append(add(*arguments))  # type: ignore[arg-type] # its own
        return noted[-1]

    monkeypatch.setattr(plain_rows, "_add_at_once", note)
    return noted


@given(st.lists(ROWS, min_size=1, max_size=30), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n", "\r"]))
def test_bars_are_the_same_with_and_without_it(rows: list[str], end: str, last: str) -> None:
    """Whatever is in the rows, and however lines end: bars, counts and rejects are equal."""
    found = decode(rows, end, last)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_rows, "_add_at_once", lambda *_: False)
        expected = decode(rows, end, last)
    assert dict(found.bars) == dict(expected.bars)
    assert (found.ticks, found.rejects) == (expected.ticks, expected.rejects)


@pytest.mark.parametrize("last", ["", "\n"])
def test_ordinary_rows_are_folded_at_once(at_once: list[bool], last: str) -> None:
    """Rows as vendors write them take the quick way, with quotes and carriage returns too."""
    rows = [f'A,{START_NS + at},74.8{at},100,"@,T"' for at in range(10)]
    for end in ("\n", "\r\n"):
        decoded = decode(rows, end, last)
        (((_, _), (bar,)),) = decoded.bars.items()
        assert (bar.ticks, bar.open_e9, bar.close_e9) == (10, 74_800_000_000, 74_890_000_000)
        assert (bar.volume_e9, bar.first and bar.first.offset) == (1_000 * 10**9, len(HEADER))
    assert at_once == [True, True]


@pytest.mark.parametrize(
    ("row", "ticks"),
    [
        (f"A,{START_NS},9223372036.854775808,1,Q", 1),
        (f"A,{START_NS},1,9223372036.854775808,Q", 2),
        (f"A,{START_NS},1,9223372036.854775807,Q", 2),
        (f"A,{START_NS},1000000000,9000000000,Q", 2),
        ("A,0,1,1,Q", 1),
        (f"A,{START_NS},1,-1,Q", 1),
    ],
    ids=["price of 65 bits", "size of 65 bits", "volume", "notional", "time", "negative size"],
)
def test_what_might_not_fit_or_is_no_tick_is_looked_at(at_once: list[bool], row: str, ticks: int) -> None:
    """A sum that might wrap around, and a row that may be none, is left to the way that looks before it adds."""
    decoded = decode([f"A,{START_NS},1,9000000000,Q", row])
    assert at_once == [False]
    assert (decoded.ticks, len(decoded.rejects)) == (ticks, 2 - ticks)
