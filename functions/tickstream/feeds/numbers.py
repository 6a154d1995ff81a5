"""Numbers as vendors write them, exactly."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from tickstream.errors import RowRejected
from tickstream.ticks import DECIMAL_PATTERN, FRACTION_DIGITS, MAX_DECIMAL_CHARACTERS

if TYPE_CHECKING:
    from tickstream.errors import Reason
    from tickstream.feeds.description import TableSchema

_NUMBER: Final = re.compile(DECIMAL_PATTERN)
#: Enough for any number of so many characters whose exponent is within as many places.
_EXACT: Final = Context(prec=400)
#: What floats are inexact by: a double has 53 bits, and a price is some sums and products away from what was meant.
FLOAT_NOISE: Final = Decimal(2) ** -48


def number_of(text: str, schema: TableSchema, reason: Reason) -> Decimal:
    """Read a number as the file writes it. Raises RowRejected with that reason."""
    plain = text.strip(" ")
    if schema.group_char:
        plain = plain.replace(schema.group_char, "")
    if schema.decimal_char != ".":
        plain = "?" if "." in plain else plain.replace(schema.decimal_char, ".")
    if len(plain) > MAX_DECIMAL_CHARACTERS or not _NUMBER.fullmatch(plain):
        raise RowRejected(reason, f"no number: {text[:40]!r}")
    try:
        value = Decimal(plain)
    except InvalidOperation as error:
        if not plain.lower().partition("e")[0].strip("-0."):
            return Decimal(0)  # whatever its exponent is
        raise RowRejected(reason, "its exponent is too large") from error
    if abs(value.adjusted()) > MAX_DECIMAL_CHARACTERS and value:
        raise RowRejected(reason, "it is far too large, or far too small")
    return value


def middle_of(low: Decimal, high: Decimal) -> Decimal:
    """Return what lies between two numbers, exactly."""
    return _EXACT.divide(_EXACT.add(low, high), Decimal(2))


def rounded(value: Decimal, decimals: int, reason: Reason, noise: Decimal = FLOAT_NOISE) -> Decimal:
    """Return the number of so many places that a float stands for. Raises RowRejected where it stands for none.

    noise: how far a float may be from what was meant, in parts of itself.
    """
    near = value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN, context=_EXACT)
    if abs(near - value) > abs(value) * noise:
        raise RowRejected(reason, f"it is no number of {decimals} places after the point, even for a float")
    return near


def scaled_e9(value: Decimal, power_of_ten: int, reason: Reason) -> int:
    """Return value x 10^power_of_ten as an integer of 10^-9. Raises RowRejected where it has further digits."""
    shifted = value.scaleb(power_of_ten + FRACTION_DIGITS, context=_EXACT)
    whole = int(shifted)
    if whole != shifted:
        raise RowRejected(reason, f"at most {FRACTION_DIGITS} digits behind the point, then zeros only")
    return whole
