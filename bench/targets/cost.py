"""What a run on AWS would cost: a small, dated price table, and how much of each thing so many ticks use.

An estimate to decide by, on the high side: no free tier, no discount.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: List prices of us-east-1 in dollars, as published when the table was made. Other regions differ by up to a half.
PRICES_OF: Final = "2025-11"


@dataclass(frozen=True, slots=True)
class Price:
    """One thing that is billed.

    dollars: for one ``unit``. per_run: units that every run uses. per_million_ticks: units for a million ticks.
    """

    name: str
    unit: str
    dollars: float
    per_run: float
    per_million_ticks: float


# Of uses no more than the order of magnitude is meant: the design's 1.5 requests for a thousand ticks (a million ticks
# of 500 symbols), the items that slices and rollups are, and reading everything back once, each rounded up.
PRICES: Final[tuple[Price, ...]] = (
    Price("Lambda, arm64", "GB-second", 0.0000133334, 300.0, 600.0),
    Price("Lambda requests", "million", 0.20, 0.0005, 0.001),
    Price("DynamoDB writes", "million units", 0.625, 0.001, 0.3),
    Price("DynamoDB reads", "million units", 0.125, 0.002, 0.5),
    Price("S3 writes and lists", "thousand", 0.005, 0.1, 0.2),
    Price("S3 reads", "thousand", 0.0004, 0.1, 0.5),
    Price("SQS requests", "million", 0.50, 0.005, 0.002),
    Price("EventBridge events", "million", 1.00, 0.0001, 0.001),
    Price("API Gateway calls", "million", 3.50, 0.0005, 0.002),
    Price("CloudWatch Logs", "GB", 0.50, 0.01, 0.05),
    # Metric filters' metrics are billed by the hour in which they report: one hour of each.
    Price("CloudWatch metrics", "metric-month", 0.30, 0.02, 0.0),
    Price("X-Ray traces", "million", 5.00, 0.0005, 0.001),
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The dollars of each thing, by its name, largest first."""

    dollars: dict[str, float]

    @property
    def total(self) -> float:
        """All of it, in dollars."""
        return sum(self.dollars.values())

    def lines(self) -> tuple[str, ...]:
        """Say it: the total, then what is worth a cent."""
        worth = [f"  {name:<22} $ {dollars:.2f}" for name, dollars in self.dollars.items() if dollars >= 0.005]
        return (
            f"estimated cost of this run: about $ {max(self.total, 0.01):.2f} (list prices of us-east-1, {PRICES_OF})",
            *worth,
        )


def estimate(ticks: int) -> Estimate:
    """Estimate one run that sends so many ticks; 0 is a stack that is deployed and left alone."""
    found = {price.name: price.dollars * (price.per_run + price.per_million_ticks * ticks / 1e6) for price in PRICES}
    return Estimate(dict(sorted(found.items(), key=lambda item: -item[1])))
