"""About what a run will cost, before it is made: an estimate to decide by, on the high side."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from bench.cost.bill import MILLION, bill_of
from bench.cost.prices import prices

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What every run uses: deploying, asking how far it is, reading everything back once; an hour of each metric.
_PER_RUN: Final[Mapping[str, Decimal]] = {
    "lambda_gb_seconds": Decimal(300),
    "lambda_requests": Decimal(500),
    "dynamodb_write_units": Decimal(1_000),
    "dynamodb_read_units": Decimal(2_000),
    "s3_writes": Decimal(100),
    "s3_reads": Decimal(100),
    "sqs_requests": Decimal(5_000),
    "eventbridge_events": Decimal(100),
    "api_calls": Decimal(500),
    "logs_gb": Decimal("0.01"),
    "metric_months": Decimal("0.02"),
    "xray_traces": Decimal(500),
}
#: Above what runs of a million ticks of 500 symbols were seen to use, and the bench's reading of all bars.
_PER_MILLION_TICKS: Final[Mapping[str, Decimal]] = {
    "lambda_gb_seconds": Decimal(600),
    "lambda_requests": Decimal(1_000),
    "dynamodb_write_units": Decimal(60_000),
    "dynamodb_read_units": Decimal(100_000),
    "s3_writes": Decimal(200),
    "s3_reads": Decimal(500),
    "sqs_requests": Decimal(2_000),
    "eventbridge_events": Decimal(1_000),
    "api_calls": Decimal(2_000),
    "logs_gb": Decimal("0.05"),
    "xray_traces": Decimal(1_000),
}
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Estimate:
    """The dollars of each thing, by its name, largest first, and by service. said: which prices these are."""

    dollars: Mapping[str, Decimal]
    by_service: Mapping[str, Decimal]
    said: str

    @property
    def total(self) -> Decimal:
        """All of it, in dollars."""
        return sum(self.dollars.values(), Decimal(0))

    def lines(self) -> tuple[str, ...]:
        """Say it: the total, then what is worth a cent."""
        worth = [f"  {name:<38} $ {dollars:.2f}" for name, dollars in self.dollars.items() if dollars >= _CENT / 2]
        return (f"estimated cost of this run: about $ {max(self.total, _CENT):.2f} ({self.said})", *worth)


def estimate(ticks: int, architecture: str = "arm64") -> Estimate:
    """Estimate one run that sends so many ticks; 0 is a stack that is deployed and left alone."""
    table, millions = prices(), ticks / MILLION
    keys = _PER_RUN.keys() | _PER_MILLION_TICKS.keys()
    used = {
        key: _PER_RUN.get(key, Decimal(0)) + _PER_MILLION_TICKS.get(key, Decimal(0)) * millions for key in sorted(keys)
    }
    lines = bill_of(used, table).lines
    named = {f"{line.price.service}, {line.price.unit}": line.dollars[architecture] for line in lines}
    by_service: dict[str, Decimal] = {}
    for line in lines:
        by_service[line.price.service] = by_service.get(line.price.service, Decimal(0)) + line.dollars[architecture]
    return Estimate(dict(sorted(named.items(), key=lambda item: -item[1])), by_service, table.said)
