"""What a tick is, field by field, against Decimal and datetime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.errors import Reason, RowRejected
from tickstream.ticks import (
    EARLIEST_NS,
    LATEST_NS,
    Tick,
    format_scaled,
    parse_decimal_e9,
    parse_symbol,
    parse_tick,
    parse_timestamp_ns,
)

GOOD = {"symbol": "AAPL", "timestamp": "1767625800000000000", "price": "187.50", "size": "100"}


@given(st.decimals(min_value=Decimal("0.000000001"), max_value=Decimal("999999999.999999999"), places=9))
def test_decimals_are_exact(value: Decimal) -> None:
    """Each decimal of nine places is read and written again without losing a digit."""
    scaled = parse_decimal_e9(f"{value:f}", Reason.BAD_PRICE)
    assert Decimal(scaled) == value * 10**9
    assert Decimal(format_scaled(scaled)) == value


@given(st.integers(), st.integers(1, 18))
def test_scaled_integers_are_written_exactly(value: int, digits: int) -> None:
    """A scaled integer of any size and sign is written as the plain decimal that it is."""
    text = format_scaled(value, digits)
    whole, _, fraction = text.removeprefix("-").partition(".")
    assert int(whole) * 10**digits + int(fraction.ljust(digits, "0")) == abs(value)
    assert text.startswith("-") == (value < 0)
    assert not fraction.endswith("0")


@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2099, 12, 30)),  # noqa: DTZ001 - the offset is drawn apart
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.integers(0, 999),
)
def test_iso_8601_keeps_nanoseconds_and_offset(moment: datetime, offset_minutes: int, nanoseconds: int) -> None:
    """A time with an offset and nine digits of a second is the right nanosecond since 1970."""
    local = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}{nanoseconds:03}{local.isoformat()[-6:]}"
    since_1970 = local - datetime(1970, 1, 1, tzinfo=UTC)
    expected = (since_1970 // timedelta(microseconds=1)) * 1000 + nanoseconds
    assert parse_timestamp_ns(text) == expected


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("symbol", "", Reason.MISSING_FIELD),
        ("symbol", "aapl", Reason.BAD_SYMBOL),
        ("symbol", "AAPL\n", Reason.BAD_SYMBOL),
        ("symbol", "A" * 33, Reason.BAD_SYMBOL),
        ("symbol", "A#1", Reason.BAD_SYMBOL),
        ("timestamp", "", Reason.MISSING_FIELD),
        ("timestamp", "1767625800", Reason.TIMESTAMP_OUT_OF_RANGE),
        ("timestamp", str(EARLIEST_NS - 1), Reason.TIMESTAMP_OUT_OF_RANGE),
        ("timestamp", str(LATEST_NS), Reason.TIMESTAMP_OUT_OF_RANGE),
        ("timestamp", "-1767625800000000000", Reason.BAD_TIMESTAMP),
        ("timestamp", "1.767e18", Reason.BAD_TIMESTAMP),
        ("timestamp", "2026-01-05T14:30:00", Reason.BAD_TIMESTAMP),
        ("timestamp", "2026-02-30T14:30:00Z", Reason.BAD_TIMESTAMP),
        ("timestamp", "2026-01-05T14:30:00.1234567890Z", Reason.BAD_TIMESTAMP),
        ("price", "", Reason.MISSING_FIELD),
        ("price", "0", Reason.BAD_PRICE),
        ("price", "0.000000000", Reason.BAD_PRICE),
        ("price", "1e3", Reason.BAD_PRICE),
        ("price", "+1", Reason.BAD_PRICE),
        ("price", "1.", Reason.BAD_PRICE),
        ("price", ".5", Reason.BAD_PRICE),
        ("price", "1000000000", Reason.BAD_PRICE),
        ("price", "1.0000000001", Reason.BAD_PRICE),
        ("price", "\u0661", Reason.BAD_PRICE),
        ("price", "NaN", Reason.BAD_PRICE),
        ("size", "", Reason.MISSING_FIELD),
        ("size", "-1", Reason.BAD_SIZE),
        ("size", "0", Reason.BAD_SIZE),
        ("size", "1 ", Reason.BAD_SIZE),
    ],
)
def test_each_bad_field_has_its_reason(field: str, text: str, reason: Reason) -> None:
    """A field outside the grammar is refused with the reason that belongs to it."""
    with pytest.raises(RowRejected) as refusal:
        parse_tick(GOOD | {field: text})
    assert refusal.value.reason is reason


def test_seconds_instead_of_nanoseconds_are_named() -> None:
    """Someone who sends seconds is told so."""
    with pytest.raises(RowRejected, match="seconds"):
        parse_timestamp_ns("1767625800")


def test_the_bounds_belong_to_the_grammar() -> None:
    """The smallest and the largest values are ticks."""
    tick = parse_tick(
        {"symbol": "A", "timestamp": str(EARLIEST_NS), "price": "0.000000001", "size": "999999999.999999999"}
    )
    assert tick == Tick("A", EARLIEST_NS, 1, 10**18 - 1)
    assert parse_timestamp_ns(str(LATEST_NS - 1)) == LATEST_NS - 1
    assert parse_symbol("BRK.B-W/X_1") == "BRK.B-W/X_1"
