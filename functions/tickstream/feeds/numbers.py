"""Numbers as vendors write them, exactly."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Final

from tickstream.errors import RowRejected
from tickstream.ticks import decimal_of

if TYPE_CHECKING:
    from tickstream.errors import Reason
    from tickstream.feeds.description import TableSchema

_EXACT: Final = Context(prec=1_200)
#: What floats are inexact by: a double has 53 bits, and a price is some sums and products away from what was meant.
FLOAT_NOISE: Final = Decimal(2) ** -48


def number_of(text: str, schema: TableSchema, reason: Reason) -> Decimal:
    """Read a number as the file writes it. Raises RowRejected with that reason."""
    plain = text.strip(" ")
    if schema.group_char:
        plain = plain.replace(schema.group_char, "")
    if schema.decimal_char != ".":
        plain = "?" if "." in plain else plain.replace(schema.decimal_char, ".")
    return decimal_of(plain, reason)


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
