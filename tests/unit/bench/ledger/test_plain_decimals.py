from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ledger.api_client import scaled


@given(st.integers(-(10**40), 10**40), st.sampled_from((9, 18)))
def test_a_decimal_as_the_api_writes_it_is_its_integer(number: int, digits: int) -> None:
    """Whatever is written without an exponent is read back, to the last digit, below zero too."""
    with localcontext(prec=60):
        text = f"{Decimal(number).scaleb(-digits):f}"
    assert scaled(text, digits) == number


@pytest.mark.parametrize(
    "text",
    ["", "-", "--1", "+1", ".5", "1.", "1e3", "1_0", " 1", "1 ", "1.2.3", "\u0661", "1.\u00b2", "0x1", "1.0000000001"],
)
def test_anything_else_is_refused(text: str) -> None:
    """What is no plain decimal of nine digits is an error, not a guess."""
    with pytest.raises(ValueError, match="not a plain decimal"):
        scaled(text, 9)


@pytest.mark.parametrize("number", [1, 1.5, None, True, ["1"]])
def test_a_number_is_refused(number: object) -> None:
    """A JSON number may have been rounded on its way."""
    with pytest.raises(TypeError, match="not a decimal as text"):
        scaled(number, 9)
