"""The vectorised reading of decimals agrees with the strict one wherever it answers at all."""

from __future__ import annotations

import re
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.decoding import LIMITS, decode_span
from tickstream.decoding.frames import EXPONENT_PATTERN, PLAIN_DECIMAL_PATTERN, decimals_e9
from tickstream.errors import Reason, RowRejected
from tickstream.ingests import Source, Span
from tickstream.layouts import sniff
from tickstream.ticks import SIZE_BOUND_E9, parse_decimal_e9

NS = 1_767_625_800 * 10**9


def strict(text: str) -> int | None:
    """The value, None where it is none or beyond every bound."""
    try:
        value = parse_decimal_e9(text, Reason.BAD_PRICE)
    except RowRejected:
        return None
    return value if abs(value) < SIZE_BOUND_E9 else None


@pytest.mark.parametrize("pattern", [PLAIN_DECIMAL_PATTERN, EXPONENT_PATTERN])
@given(st.data())
def test_formed_decimals_agree_with_the_strict_path(pattern: str, data: st.DataObject) -> None:
    """Each text of a form is read to the digit; what has a tenth one, or is too large, is left to the strict path."""
    formed = st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
    texts = data.draw(st.lists(formed, min_size=1, max_size=20))
    for text, fast in zip(texts, decimals_e9(pl.Series(texts)).to_list(), strict=True):
        assert fast == strict(text)


@given(st.lists(st.one_of(st.none(), st.text("0123456789.eE+-", max_size=20)), min_size=1, max_size=20))
def test_other_texts_are_left_to_the_strict_path(texts: list[str | None]) -> None:
    """Whatever stands in a column of texts, nothing is read that the strict path would not read so."""
    for text, fast in zip(texts, decimals_e9(pl.Series(texts, dtype=pl.String)).to_list(), strict=True):
        assert fast is None or (text is not None and fast == strict(text))


@pytest.mark.parametrize("format_", ["csv", "json", "json texts"])
def test_a_file_of_exponents_needs_no_strict_path(format_: str) -> None:
    """Small numbers as pandas writes them, signs, zeros and large sizes are read in columns, to the digit."""
    pairs = [(f"-1.{row:03d}e-05", f"{row}e+9") for row in range(10_000)] + [("-0.25", "0"), ("0", "1E14")] * 500
    if format_ == "csv":
        text = "symbol,timestamp,price,size\n" + "".join(f"aB,{NS},{price},{size}\n" for price, size in pairs)
    else:
        quote = '"' if format_ == "json texts" else ""
        text = "".join(
            f'{{"symbol":"aB","timestamp":{NS},"price":{quote}{price}{quote},"size":{quote}{size}{quote}}}\n'
            for price, size in pairs
        )
    data = text.encode()
    source = Source("bucket", "key", "v1", "etag", len(data))
    layout = sniff(source, lambda start, end: data[start:end])
    limits = LIMITS.__class__(strict_work=0, few_rows=0)
    span = Span(0, layout.data_start, len(data))
    [[bar]] = decode_span(source, layout, span, lambda start, end: data[start:end], limits).bars.values()
    assert bar.ticks == len(pairs)
    assert bar.volume_e9 == sum(int(Decimal(size).scaleb(9)) for _, size in pairs)
    assert bar.notional_e18 == sum(int((Decimal(price) * Decimal(size)).scaleb(18)) for price, size in pairs)
