"""The vectorised reading of timestamps agrees with the strict one wherever it answers at all."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tickstream.decoding.frames import TIMESTAMP_PATTERN, timestamps_ns
from tickstream.errors import Reason, RowRejected
from tickstream.ticks import EARLIEST_NS, LATEST_NS, parse_timestamp_ns

FORMED = st.from_regex(re.compile(TIMESTAMP_PATTERN, re.ASCII), fullmatch=True)


def strict(text: str) -> int | Reason:
    """The timestamp, or why it is none."""
    try:
        return parse_timestamp_ns(text)
    except RowRejected as refusal:
        return refusal.reason


@given(st.lists(FORMED, min_size=1, max_size=20))
def test_formed_timestamps_agree_with_the_strict_path(texts: list[str]) -> None:
    """A text that has the form gives the strict path's time, or one out of range where that says so, or null."""
    for text, fast in zip(texts, timestamps_ns(pl.Series(texts)).to_list(), strict=True):
        expected = strict(text)
        if fast is not None and EARLIEST_NS <= fast < LATEST_NS:
            assert fast == expected
        else:
            assert isinstance(expected, Reason)


@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2099, 12, 30)),  # noqa: DTZ001 - the offset is drawn apart
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.text("0123456789", max_size=9),
)
def test_real_times_take_the_fast_path(moment: datetime, offset_minutes: int, digits: str) -> None:
    """Every real time with an offset, with any fraction, is read fast and exactly, beside integers too."""
    sign, minutes = "-" if offset_minutes < 0 else "+", abs(offset_minutes)
    fraction = f".{digits}" if digits else ""
    text = f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    since_1970 = moment.replace(microsecond=0, tzinfo=UTC) - timedelta(minutes=offset_minutes)
    expected = (since_1970 - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * 10**9
    expected += int(digits.ljust(9, "0"))
    assert timestamps_ns(pl.Series([text, str(expected), None])).to_list() == [expected, expected, None]
    assert parse_timestamp_ns(text) == expected
