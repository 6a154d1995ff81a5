"""Numbers as they are written, as integers of 10^-9: in SQL over their digits, or in fractions. Never in floats."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.own_file.description import Description
    from bench.own_file.layers import Layers

_LONGEST: Final = 64
_NUMBER: Final = r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?"
#: More digits than any bound has, and fewer than 128 bits hold.
_MOST_DIGITS: Final = 30
#: How far a float may lie from the number that it stands for, in parts of itself.
_NOISE: Final = Fraction(1, 2**48)

PRICE_WITHIN: Final = "{0} > -9000000000000000000 AND {0} < 9000000000000000000"
SIZE_WITHIN: Final = "{0} >= 0 AND {0} < 1000000000000000000000000"


def add_number(layers: Layers, name: str, text: str, *, scale: int = 0, absolute: bool = False) -> None:
    """Add the column `name`: the integer of 10^-9 of the number that the column `text` holds; NULL where it is none.

    NULL too where it has a digit beyond the ninth, or more digits than any bound.
    """
    n = f"{name}_n"
    layers.add(**{n: f"regexp_extract({text}, '\\A{_NUMBER}\\z', ['sign', 'whole', 'fraction', 'exponent'])"})
    # The exponent of a zero may be any; of another number one that is too long for an integer is beyond all bounds.
    exponent = f"CASE WHEN {n}.exponent = '' THEN 0 ELSE TRY_CAST(ltrim({n}.exponent, '+') AS BIGINT) END"
    layers.add(
        **{
            f"{n}_digits": f"ltrim({n}.whole || {n}.fraction, '0')",
            f"{n}_exponent": f"least(greatest({exponent}, -1000000), 1000000)",
        }
    )
    digits = f"rtrim({n}_digits, '0')"
    places = f"{n}_exponent + length({n}_digits) - length({digits}) - length({n}.fraction) + {scale + 9}"
    layers.add(**{f"{n}_significant": digits, f"{n}_places": places})
    sign = "" if absolute else f"CASE WHEN {n}.sign = '-' THEN -1 ELSE 1 END * "
    digits, places = f"{n}_significant", f"{n}_places"
    layers.add(
        **{
            name: f"""CASE
                WHEN length({text}) > {_LONGEST} OR NOT regexp_full_match({text}, '{_NUMBER}') THEN NULL
                WHEN {digits} = '' THEN 0::HUGEINT
                WHEN {places} < 0 OR length({digits}) + {places} > {_MOST_DIGITS} THEN NULL
                ELSE {sign}TRY_CAST(rpad({digits}, (length({digits}) + {places})::INTEGER, '0') AS HUGEINT) END"""
        }
    )


def plain_sql(text: str, feed: Description) -> str:
    """Return SQL of a number's text with a point and nothing else between its digits."""
    plain = f"trim({text}, ' ')"
    if feed.group_char:
        plain = f"replace({plain}, {quoted(feed.group_char)}, '')"
    if feed.decimal_char != ".":
        plain = f"CASE WHEN contains({plain}, '.') THEN '?' ELSE replace({plain}, {quoted(feed.decimal_char)}, '.') END"
    return plain


def quoted(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def made_of(texts: Sequence[str | None], number: Mapping[str, Any], bad: str) -> tuple[int | None, str | None]:
    """Return what a feed makes of one text, or of the two that it wants the middle of; or why it makes nothing."""
    values = []
    for text in texts:
        if text is None:
            return None, "missing_field"
        value = _fraction(text)
        if value is not None and number.get("decimals") is not None:
            value = _rounded(value, number["decimals"])
        if value is None:
            return None, bad
        values.append(value)
    made = sum(values, Fraction(0)) / len(values) * Fraction(10) ** (number.get("scale", 0) + 9)
    if made.denominator != 1 or abs(made) >= 10**_MOST_DIGITS:
        return None, bad
    return (abs(int(made)) if number.get("abs") else int(made)), None


def _fraction(text: str) -> Fraction | None:
    found = re.fullmatch(_NUMBER, text)
    if not found or len(text) > _LONGEST:
        return None
    digits, exponent = found[2] + (found[3] or ""), int(found[4] or 0) - len(found[3] or "")
    if not digits.strip("0"):
        return Fraction(0)
    # 10^(10^60) is no number to compute; beyond a hundred places either way nothing is within bounds.
    if abs(exponent) > 2 * _LONGEST:
        return None
    return Fraction(int(found[1] + digits)) * Fraction(10) ** exponent


def _rounded(value: Fraction, decimals: int) -> Fraction | None:
    near = Fraction(round(value * 10**decimals), 10**decimals)
    return near if abs(near - value) <= abs(value) * _NOISE else None
