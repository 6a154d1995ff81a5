from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from bench.cost.prices import prices, prices_of
from bench.errors import PriceError

ROW = """
region = "us-east-1"
as_of = 2026-01-31
[sqs_requests]
service = "SQS"
unit = "requests"
dollars = 0.40
per = 1_000_000
source = "https://aws.amazon.com/sqs/pricing/"
"""


def test_every_price_has_its_source_and_the_table_its_day() -> None:
    """A price without them is worth nothing a year later; what pays for everything is there."""
    table = prices()
    assert table.region == "us-east-1"
    assert table.as_of >= date(2026, 1, 1)
    assert all(price.source.startswith("https://aws.amazon.com/") for price in table.by_key.values())
    assert {"lambda_gb_seconds_arm64", "lambda_gb_seconds_x86_64", "dynamodb_write_units"} <= table.by_key.keys()


def test_prices_are_decimals() -> None:
    """Three requests cost three times a price, to the last digit."""
    price = prices_of(ROW).of("sqs_requests")
    assert price.dollars == Decimal("0.40")
    assert price.of(Decimal(3)) == Decimal("0.0000012")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("dollars = 0.40", 'dollars = "0.40"'), "sqs_requests.dollars"),
        (("dollars = 0.40", "dollars = 0.0"), "sqs_requests.dollars"),
        (("per = 1_000_000", ""), "sqs_requests.per"),
        (("https://aws.amazon.com/", "https://example.com/"), "sqs_requests.source"),
        (("as_of = 2026-01-31", ""), "no as_of"),
        (("[sqs_requests]", "[sqs_requests"), "no TOML"),
        (("per =", "pro ="), "sqs_requests.p"),
    ],
)
def test_a_table_that_is_wrong_is_refused_by_its_row(change: tuple[str, str], said: str) -> None:
    """One line names the row: a price that is guessed would be believed."""
    with pytest.raises(PriceError, match=said):
        prices_of(ROW.replace(*change))
