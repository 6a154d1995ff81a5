"""What a tick is: the grammar of its fields, and the only parser that is trusted about them.

The fast paths in `tickstream.decoding` must agree with `parse_tick` on every row; where they cannot prove it, they
hand the row to it. Prices and sizes are integers of 10^-9, notionals of 10^-18: exact, and cheap to add.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Final

from tickstream.errors import Reason, RowRejected

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUIRED_COLUMNS: Final = ("symbol", "timestamp", "price", "size")

SCALE: Final = 10**9
NOTIONAL_SCALE: Final = 10**18
FRACTION_DIGITS: Final = 9

EARLIEST_NS: Final = 631_152_000 * 10**9  # 1990-01-01T00:00:00Z, included
LATEST_NS: Final = 4_102_444_800 * 10**9  # 2100-01-01T00:00:00Z, excluded

#: What prices are below without their sign: as integers of 10^-9 they have 64 bits. A coin in rupiah is above 10^9.
PRICE_LIMIT_E9: Final = 9 * 10**18
#: What sizes are below: the smallest coins are traded by the billion.
SIZE_LIMIT_E9: Final = 10**24

SYMBOL_PATTERN: Final = r"[!$-+\--\[\]-~]{1,64}"
#: A number: digits on both sides of the point, and an exponent if need be. How large it may be its value decides.
NUMBER_PATTERN: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?"
#: The plain ones, which are nearly all: nine digits keep a value below 10^9 by form alone.
PLAIN_PRICE_PATTERN: Final = r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?"
PLAIN_SIZE_PATTERN: Final = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
NANOSECONDS_PATTERN: Final = r"[0-9]{1,19}"
_DAY: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
_FRACTION: Final = "[0-9]{1,9}"
_OFFSET: Final = "Z| UTC|[+-][0-9]{2}(?::?[0-9]{2})?"
#: As programs export moments: pandas, polars, DuckDB and PostgreSQL write a blank for the T, and shorter offsets.
ISO_8601_PATTERN: Final = rf"{_DAY}[T ]{_TIME}(?:\.{_FRACTION})?(?:{_OFFSET})"

# fullmatch and [0-9], never `$` and `\d`: those let a trailing newline and other scripts' digits through.
_SYMBOL: Final = re.compile(SYMBOL_PATTERN)
_NUMBER: Final = re.compile(NUMBER_PATTERN)
_PLAIN: Final = re.compile(PLAIN_PRICE_PATTERN)
_NANOSECONDS: Final = re.compile(NANOSECONDS_PATTERN)
_ISO_8601: Final = re.compile(
    rf"(?P<day>{_DAY})[T ](?P<time>{_TIME})(?:\.(?P<fraction>{_FRACTION}))?(?P<offset>{_OFFSET})?"
)
#: The longest number: a double printed to its last digit has 24 characters, a 128-bit integer 39.
MAX_NUMBER_CHARACTERS: Final = 64
#: Enough for any number of so many characters, whatever its exponent.
_EXACT: Final = Context(prec=1_200)


@dataclass(frozen=True, slots=True)
class Tick:
    """One trade.

    timestamp_ns: Unix nanoseconds. price_e9, size_e9: integers of 10^-9; a price may be negative (spreads), a size zero
    (quotes, indices). sequence: decides between ticks of one nanosecond, in 64 bits with a sign.
    """

    symbol: str
    timestamp_ns: int
    price_e9: int
    size_e9: int
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row that is not a tick. `offset`: where its first byte (or, in Parquet and a POST, the row) stands."""

    offset: int
    reason: Reason
    detail: str
    raw: bytes


def parse_symbol(text: str) -> str:
    """Return the symbol itself. Raises RowRejected."""
    if not _SYMBOL.fullmatch(text):
        raise RowRejected(
            Reason.BAD_SYMBOL, 'a symbol is 1 to 64 printable ASCII characters, without blanks and # , " \\'
        )
    return text


def parse_timestamp_ns(text: str) -> int:
    """Unix nanoseconds from an integer of nanoseconds or ISO 8601 with an offset. Raises RowRejected."""
    timestamp_ns = parse_bound_ns(text)
    if timestamp_ns == LATEST_NS:
        raise _out_of_range(timestamp_ns)
    return timestamp_ns


def parse_bound_ns(text: str) -> int:
    """Read the same for an end of a window of ticks: the first moment after the last that a tick may have is one."""
    timestamp_ns = int(text) if _NANOSECONDS.fullmatch(text) else _parse_iso_8601_ns(text)
    if not EARLIEST_NS <= timestamp_ns <= LATEST_NS:
        raise _out_of_range(timestamp_ns)
    return timestamp_ns


def _parse_iso_8601_ns(text: str) -> int:
    match = _ISO_8601.fullmatch(text)
    if match is None:
        raise RowRejected(
            Reason.BAD_TIMESTAMP,
            "a timestamp is Unix nanoseconds or ISO 8601 with an offset (2026-01-05T14:30:00Z)",
        )
    offset = match["offset"]
    if offset is None:
        raise RowRejected(Reason.BAD_TIMESTAMP, "it does not say its zone: an offset is wanted (Z, +01:00)")
    try:
        moment = datetime.fromisoformat(f"{match['day']}T{match['time']}{'Z' if offset == ' UTC' else offset}")
    except ValueError as error:
        raise RowRejected(Reason.BAD_TIMESTAMP, "no such date or time of day") from error
    # The fraction apart: datetime keeps six digits, a tick nine.
    fraction_ns = int((match["fraction"] or "").ljust(9, "0"))
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _ONE_SECOND
    return seconds * 10**9 + fraction_ns


_ONE_SECOND: Final = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)


def _out_of_range(timestamp_ns: int) -> RowRejected:
    detail = "not within 1990 to 2100"
    for unit, ns_per_unit in (("seconds", 10**9), ("milliseconds", 10**6), ("microseconds", 10**3)):
        if EARLIEST_NS <= timestamp_ns * ns_per_unit < LATEST_NS:
            detail = f"{detail}: it looks like {unit}, nanoseconds are wanted"
    return RowRejected(Reason.TIMESTAMP_OUT_OF_RANGE, detail)


def parse_price_e9(text: str) -> int:
    """Integer of 10^-9 from a number of at most nine digits after the point, whatever its sign. Raises RowRejected."""
    return _parse_e9(text, Reason.BAD_PRICE, PRICE_LIMIT_E9)


def parse_size_e9(text: str) -> int:
    """Integer of 10^-9 from a number that is not negative. Raises RowRejected."""
    size_e9 = _parse_e9(text, Reason.BAD_SIZE, SIZE_LIMIT_E9)
    if size_e9 < 0:
        raise RowRejected(Reason.BAD_SIZE, "it must not be negative")
    return size_e9


def _parse_e9(text: str, reason: Reason, limit_e9: int) -> int:
    if _PLAIN.fullmatch(text):
        whole, _, fraction = text.partition(".")
        value = abs(int(whole)) * SCALE + int(fraction.ljust(FRACTION_DIGITS, "0"))
        return -value if whole[0] == "-" else value
    return scaled_e9(decimal_of(text, reason), 0, reason, limit_e9)


def decimal_of(text: str, reason: Reason) -> Decimal:
    """Read a number exactly. Raises RowRejected with the given reason."""
    if len(text) > MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(text):
        raise RowRejected(reason, "a number is wanted, such as -12.5 or 1.347e-05, of at most 64 characters")
    return Decimal(text)


def scaled_e9(value: Decimal, power_of_ten: int, reason: Reason, limit_e9: int) -> int:
    """Return value x 10^power_of_ten as an integer of 10^-9. Raises RowRejected where it has further digits.

    limit_e9: what the result is below, without its sign.
    """
    shifted = value.scaleb(power_of_ten + FRACTION_DIGITS, context=_EXACT)
    if abs(shifted) >= limit_e9:
        raise RowRejected(reason, f"it must be below {limit_e9 // SCALE}")
    whole = int(shifted)
    if whole != shifted:
        raise RowRejected(reason, f"at most {FRACTION_DIGITS} digits after the point")
    return whole


def parse_tick(fields: Mapping[str, str]) -> Tick:
    """Build the tick of one row's fields by column name; the first fault found names the reason.

    Raises RowRejected; faults are looked for in the order symbol, timestamp, price, size.
    """
    for column in REQUIRED_COLUMNS:
        if not fields.get(column):
            raise RowRejected(Reason.MISSING_FIELD, f"{column} is missing")
    return Tick(
        symbol=parse_symbol(fields["symbol"]),
        timestamp_ns=parse_timestamp_ns(fields["timestamp"]),
        price_e9=parse_price_e9(fields["price"]),
        size_e9=parse_size_e9(fields["size"]),
    )


def format_scaled(value: int, digits: int = FRACTION_DIGITS) -> str:
    """Write an integer of 10^-digits as a plain decimal without trailing zeros: 187500000000 is `187.5`."""
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), 10**digits)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:0{digits}d}".rstrip("0")
