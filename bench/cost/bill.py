"""Usage times prices: of a million ticks, and of a day.

Everything but traces grows with the ticks in proportion, as far as a day is like the run: the same symbols an object,
ranges of the same size. Of traces X-Ray records the first of each second and a twentieth of the others (its default
rule), so that a busy day has fewer than invocations; invocations are taken to be spread evenly over a session, or over
the day where streams go on around the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from bench.errors import PriceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.cost.prices import Price, Prices
    from bench.cost.usage import Quantities, Usage

ARCHITECTURES: Final = ("arm64", "x86_64")
MILLION: Final = Decimal(10**6)
#: Days of so many ticks are told.
DAYS: Final = (10**7, 10**9)
_SESSION_S: Final = Decimal(6 * 3600 + 30 * 60)
_DAY_S: Final = Decimal(24 * 3600)
_SAMPLED_SHARE: Final = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing on a bill; the dollars of both architectures, which differ for GB-seconds alone."""

    price: Price
    quantity: Decimal
    dollars: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Bill:
    """Lines in the order of the price table."""

    lines: tuple[Line, ...]

    def total(self, architecture: str) -> Decimal:
        """All of it, in dollars."""
        return sum((line.dollars[architecture] for line in self.lines), Decimal(0))


def bill_of(quantities: Quantities, prices: Prices) -> Bill:
    """Price quantities. Raises PriceError for what the table does not have: left out, it would be free."""
    keys = {key if key != "lambda_gb_seconds" else "lambda_gb_seconds_arm64": key for key in quantities}
    if missing := sorted(keys.keys() - prices.by_key.keys()):
        raise PriceError(f"the price table has no {', '.join(missing)}")
    lines = []
    for key in prices.by_key:
        if key not in keys:
            continue
        quantity = quantities[keys[key]]
        priced = {one: prices.of(key.replace(ARCHITECTURES[0], one)).of(quantity) for one in ARCHITECTURES}
        lines.append(Line(prices.of(key), quantity, priced))
    return Bill(tuple(lines))


def scaled(quantities: Quantities, factor: Decimal) -> Quantities:
    """Return so many times as much."""
    return {key: amount * factor for key, amount in quantities.items()}


def of_a_million(usage: Usage) -> Quantities:
    """Return what a million ticks use, every invocation traced."""
    return scaled(usage.work, MILLION / usage.units)


def of_a_day(usage: Usage, units: int, idle: Quantities) -> Quantities:
    """Return what a day of so many ticks uses: their work, and what the day uses without any."""
    return _with_idle(scaled(usage.work, Decimal(units) / usage.units), idle, _SESSION_S)


def of_a_day_of_rounds(usage: Usage, factor: Decimal, idle: Quantities) -> Quantities:
    """Return what a day uses that has so many times the run's rounds, around the clock."""
    return _with_idle(scaled(usage.work, factor), idle, _DAY_S)


def _with_idle(quantities: Quantities, idle: Quantities, seconds: Decimal) -> Quantities:
    work = dict(quantities)
    if "xray_traces" in work:
        work["xray_traces"] = sampled_traces(work["xray_traces"], seconds)
    return {key: work.get(key, Decimal(0)) + idle.get(key, Decimal(0)) for key in work.keys() | idle.keys()}


def sampled_traces(invocations: Decimal, seconds: Decimal) -> Decimal:
    """Return how many of so many invocations in so many seconds X-Ray's default rule records."""
    first = min(invocations, seconds)
    return first + (invocations - first) * _SAMPLED_SHARE
