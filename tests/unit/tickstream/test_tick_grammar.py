"""What a tick is, field by field, against Decimal and datetime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.errors import Reason, RowRejected
from tickstream.ticks import (
    EARLIEST_NS,
    LATEST_NS,
    PRICE_BOUND_E9,
    SIZE_BOUND_E9,
    Tick,
    format_scaled,
    parse_decimal_e9,
    parse_price_e9,
    parse_symbol,
    parse_tick,
    parse_timestamp_ns,
)

GOOD = {"symbol": "AAPL", "timestamp": "1767625800000000000", "price": "187.50", "size": "100"}


@given(st.decimals(min_value=Decimal("-8999999999.999999999"), max_value=Decimal("8999999999.999999999"), places=9))
def test_decimals_are_exact(value: Decimal) -> None:
    """Each decimal of nine places and either sign is read and written again without losing a digit."""
    scaled = parse_price_e9(f"{value:f}")
    assert Decimal(scaled) == value * 10**9
    assert Decimal(format_scaled(scaled)) == value


@given(st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_any_decimal_is_exact_or_refused(text: str) -> None:
    """With an exponent, zeros in front or behind: what Decimal makes of it, or refused for its tenth digit."""
    with localcontext(prec=200):
        expected = Decimal(text).scaleb(9)
        inexact = expected % 1 != 0
    if inexact:
        with pytest.raises(RowRejected):
            parse_decimal_e9(text, Reason.BAD_PRICE)
    elif abs(expected) < SIZE_BOUND_E9:
        assert parse_decimal_e9(text, Reason.BAD_PRICE) == expected


@pytest.mark.parametrize("exponent", ["9" * 50, "-" + "9" * 50, "65", "-99"])
def test_an_exponent_is_never_raised_to_unseen(exponent: str) -> None:
    """An exponent of fifty digits is refused at once, and takes nothing where the number is zero."""
    with pytest.raises(RowRejected):
        parse_price_e9(f"1e{exponent}")
    assert parse_price_e9(f"0e{exponent}") == 0


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
        ("symbol", "A B", Reason.BAD_SYMBOL),
        ("symbol", 'A"B', Reason.BAD_SYMBOL),
        ("symbol", "A,B", Reason.BAD_SYMBOL),
        ("symbol", "A\\B", Reason.BAD_SYMBOL),
        ("symbol", "A\x7f", Reason.BAD_SYMBOL),
        ("symbol", "\u00c4", Reason.BAD_SYMBOL),
        ("symbol", "AAPL\n", Reason.BAD_SYMBOL),
        ("symbol", "A" * 65, Reason.BAD_SYMBOL),
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
        ("price", "+1", Reason.BAD_PRICE),
        ("price", "--1", Reason.BAD_PRICE),
        ("price", "-", Reason.BAD_PRICE),
        ("price", "1_000", Reason.BAD_PRICE),
        ("price", "1e", Reason.BAD_PRICE),
        ("price", "1e1.0", Reason.BAD_PRICE),
        ("price", "1.5e-9", Reason.BAD_PRICE),
        ("price", "Infinity", Reason.BAD_PRICE),
        ("price", "0" * 65, Reason.BAD_PRICE),
        ("price", "9e9", Reason.BAD_PRICE),
        ("price", "-9000000000", Reason.BAD_PRICE),
        ("price", "1.", Reason.BAD_PRICE),
        ("price", ".5", Reason.BAD_PRICE),
        ("price", "1.0000000001", Reason.BAD_PRICE),
        ("price", "\u0661", Reason.BAD_PRICE),
        ("price", "NaN", Reason.BAD_PRICE),
        ("size", "", Reason.MISSING_FIELD),
        ("size", "-1", Reason.BAD_SIZE),
        ("size", "-1e-9", Reason.BAD_SIZE),
        ("size", "1e15", Reason.BAD_SIZE),
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


@pytest.mark.parametrize("naive", ["2026-01-05T14:30:00", "2026-01-05 14:30:00.123"])
def test_a_time_without_a_zone_is_refused_and_told_so(naive: str) -> None:
    """A naive time is nobody's time, and its writer is told what is missing."""
    with pytest.raises(RowRejected, match="time zone is missing") as refusal:
        parse_timestamp_ns(naive)
    assert refusal.value.reason is Reason.BAD_TIMESTAMP


@pytest.mark.parametrize("separator", ["T", " "])
@pytest.mark.parametrize(
    ("offset", "hours"), [("Z", 0), (" UTC", 0), ("+00:00", 0), ("+0000", 0), ("+00", 0), ("-05", -5), ("+0530", 5.5)]
)
@pytest.mark.parametrize("fraction", ["", ".5", ".123456", ".123456789"])
def test_times_are_read_as_the_usual_tools_write_them(separator: str, offset: str, hours: float, fraction: str) -> None:
    """Exports of pandas, polars, DuckDB and PostgreSQL come in: T or a blank, any fraction, any spelling of UTC."""
    expected = 1_767_623_400 * 10**9 - int(hours * 3600) * 10**9 + int(fraction[1:].ljust(9, "0"))
    assert parse_timestamp_ns(f"2026-01-05{separator}14:30:00{fraction}{offset}") == expected


@pytest.mark.parametrize(
    "symbol",
    ["BRK.B-W/X_1", "O:SPY260918C00770000", "^GSPC", "GC=F", "1000PEPE/USDT:USDT", "btcusd_perp", "A" * 64, "%41", "'"],
)
def test_a_symbol_stays_as_it_is(symbol: str) -> None:
    """Vendors' symbols are taken, and their case is theirs."""
    assert parse_symbol(symbol) == symbol


def test_the_bounds_belong_to_the_grammar() -> None:
    """The smallest and the largest values are ticks, and so are zeros."""

    def tick(price: str, size: str) -> Tick:
        return parse_tick({"symbol": "A", "timestamp": str(EARLIEST_NS), "price": price, "size": size})

    assert tick("-8999999999.999999999", "0") == Tick("A", EARLIEST_NS, 1 - PRICE_BOUND_E9, 0)
    assert tick("8999999999.999999999", "999999999999999.999999999") == Tick(
        "A", EARLIEST_NS, PRICE_BOUND_E9 - 1, SIZE_BOUND_E9 - 1
    )
    assert tick("-0.0", "-0") == Tick("A", EARLIEST_NS, 0, 0)
    assert tick("1.347e-05", "1E3") == Tick("A", EARLIEST_NS, 13470, 10**12)
    assert tick("1.1234567890000", "0.10e1") == Tick("A", EARLIEST_NS, 1_123456789, 10**9)
    assert parse_timestamp_ns(str(LATEST_NS - 1)) == LATEST_NS - 1
