"""What a tick is: the grammar of its fields, and the only parser that is trusted about them.

The fast paths in `tickstream.decoding` must agree with `parse_tick` on every row; where they cannot prove it, they
hand the row to it. Prices and sizes are integers of 10^-9, notionals of 10^-18: exact, and cheap to add.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntFlag
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

#: Of prices, below and above zero, and of sizes, which are never negative; both excluded. A price fits 64 bits.
PRICE_BOUND_E9: Final = 9 * 10**9 * SCALE
SIZE_BOUND_E9: Final = 10**15 * SCALE

#: Printable ASCII but blank, quote, `#`, comma and backslash, as codes: Python, Rust and ECMAScript all read them so.
SYMBOL_PATTERN: Final = r"[\x21\x24-\x2b\x2d-\x5b\x5d-\x7e]{1,64}"
DECIMAL_PATTERN: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
#: The longest number: a DECIMAL(38, 18) with its sign and point has 40.
MAX_DECIMAL_CHARACTERS: Final = 64
NANOSECONDS_PATTERN: Final = r"[0-9]{1,19}"
_SECONDS: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}"
_FRACTION: Final = "[0-9]{1,9}"
_OFFSET: Final = "Z| UTC|[+-][0-9]{2}(?::?[0-9]{2})?"
ISO_8601_PATTERN: Final = rf"{_SECONDS}(?:\.{_FRACTION})?(?:{_OFFSET})"

# fullmatch and [0-9], never `$` and `\d`: those let a trailing newline and other scripts' digits through.
_SYMBOL: Final = re.compile(SYMBOL_PATTERN)
_DECIMAL: Final = re.compile(
    r"(?P<sign>-?)(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?(?:[eE](?P<exponent>[+-]?[0-9]+))?"
)
_NANOSECONDS: Final = re.compile(NANOSECONDS_PATTERN)
_ISO_8601: Final = re.compile(rf"(?P<seconds>{_SECONDS})(?:\.(?P<fraction>{_FRACTION}))?(?P<offset>{_OFFSET})?")


class Updates(IntFlag):
    """What of a bar a tick may set: the market's rules on sale conditions let some prints set no price, or no volume.

    VOLUME is of the notional too, and so of the VWAP. Every tick is counted, whatever it updates.
    """

    NOTHING = 0
    OPEN_CLOSE = 1
    HIGH_LOW = 2
    VOLUME = 4
    ALL = 7


@dataclass(frozen=True, slots=True)
class Tick:
    """One trade. `timestamp_ns`: Unix nanoseconds; `price_e9`, `size_e9`: integers of 10^-9.

    sequence: orders ticks of one nanosecond before anything else does; signed 64 bits.
    pair: what a row that takes this one back calls it by; empty where its feed has no such rows.
    """

    symbol: str
    timestamp_ns: int
    price_e9: int
    size_e9: int
    sequence: int = 0
    updates: Updates = Updates.ALL
    pair: str = ""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row that is not a tick. `offset`: where its first byte (or, in Parquet and a POST, the row) stands."""

    offset: int
    reason: Reason
    detail: str
    raw: bytes


_WHAT_A_SYMBOL_IS: Final = "a symbol is 1 to 64 printable ASCII characters, no blank, quote, #, comma or backslash"


def parse_symbol(text: str) -> str:
    """Return the symbol itself. Raises RowRejected."""
    if not _SYMBOL.fullmatch(text):
        raise RowRejected(Reason.BAD_SYMBOL, _WHAT_A_SYMBOL_IS)
    return text


def parse_timestamp_ns(text: str) -> int:
    """Unix nanoseconds from an integer of nanoseconds or a date and time with an offset. Raises RowRejected."""
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
    if match["offset"] is None:
        raise RowRejected(
            Reason.BAD_TIMESTAMP, "its time zone is missing: write an offset behind it (2026-01-05T14:30:00Z)"
        )
    if len(match["offset"]) > len("+00") and match["offset"][-2:].isdigit() and match["offset"][-2:] > "59":
        raise RowRejected(Reason.BAD_TIMESTAMP, "an offset has at most 59 minutes")
    try:
        moment = datetime.fromisoformat(match["seconds"] + match["offset"].replace(" UTC", "Z"))
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
    """Integer of 10^-9 from the text of a price. Raises RowRejected (bad_price)."""
    return checked_price_e9(parse_decimal_e9(text, Reason.BAD_PRICE))


def parse_size_e9(text: str) -> int:
    """Integer of 10^-9 from the text of a size. Raises RowRejected (bad_size)."""
    return checked_size_e9(parse_decimal_e9(text, Reason.BAD_SIZE))


def checked_price_e9(price_e9: int) -> int:
    """Return a price that is within bounds. Raises RowRejected (bad_price)."""
    if not -PRICE_BOUND_E9 < price_e9 < PRICE_BOUND_E9:
        raise RowRejected(Reason.BAD_PRICE, "a price is above -9000000000 and below 9000000000")
    return price_e9


def checked_size_e9(size_e9: int) -> int:
    """Return a size that is within bounds. Raises RowRejected (bad_size)."""
    if not 0 <= size_e9 < SIZE_BOUND_E9:
        raise RowRejected(Reason.BAD_SIZE, "a size is 0 or more and below 10^15")
    return size_e9


def parse_decimal_e9(text: str, reason: Reason) -> int:
    """Integer of 10^-9 from a decimal, perhaps with an exponent. Raises RowRejected with the given reason.

    Exact: a digit beyond the ninth behind the point that is not zero is refused.
    """
    match = _DECIMAL.fullmatch(text) if len(text) <= MAX_DECIMAL_CHARACTERS else None
    if match is None:
        raise RowRejected(
            reason, f"a decimal is wanted (1.5, -0.25, 1e-05) of at most {MAX_DECIMAL_CHARACTERS} characters"
        )
    fraction = match["fraction"] or ""
    digits = int(match["whole"] + fraction)
    if not digits:
        return 0
    shift = int(match["exponent"] or 0) + FRACTION_DIGITS - len(fraction)
    # Looked at before it is raised to: the exponent may have sixty digits. Beyond is more than any bound, or no digit.
    if shift > MAX_DECIMAL_CHARACTERS:
        raise RowRejected(reason, "it is far too large")
    if shift >= 0:
        value: int = digits * 10**shift
    else:
        value, rest = divmod(digits, 10 ** min(-shift, MAX_DECIMAL_CHARACTERS))
        if rest:
            raise RowRejected(reason, f"at most {FRACTION_DIGITS} digits behind the point, then zeros only")
    return -value if match["sign"] else value


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
    # By its digits: an answer of a day of bars writes three thousand, and a division takes twice as long.
    text = str(abs(value)).rjust(digits + 1, "0")
    plain = f"{text[:-digits]}.{text[-digits:]}".rstrip("0").rstrip(".")
    return f"-{plain}" if value < 0 else plain
