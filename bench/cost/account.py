"""Everything that `bench cost` says of one result, before it is put into tables or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from bench.cost.bill import (
    ARCHITECTURES,
    DAYS,
    MILLION,
    Bill,
    bill_of,
    of_a_day,
    of_a_day_of_rounds,
    of_a_million,
    scaled,
)
from bench.cost.idle import IdleDay, idle_day
from bench.cost.prices import Prices, prices
from bench.cost.usage import usage_of

if TYPE_CHECKING:
    from bench.cost.usage import Usage
    from bench.report.result import Result

_DAY_S: Final = 24 * 3600

#: What the figures take for granted, one sentence each.
ASSUMPTIONS: Final = (
    "Requests, units, events and bytes are the run's own, counted; they grow with the ticks in proportion.",
    "A run that sends all at once is rolled up many ranges at a time; a feed that trickles in writes more rollups.",
    "GB-seconds are an upper bound: two busy cores that also run LocalStack bill more milliseconds than Lambda would.",
    "Uploads are billed to the bucket's owner, so they are in the total, in a line of their own.",
    "Reading is what the bench asked of the API while it waited; it grows with the questions and is not in the total.",
    "X-Ray records each invocation of the million; of a day's the first of each second and a twentieth of the rest.",
    "Logs are the bytes of this run and 26 a line; AWS writes START, END and REPORT as JSON, which is a little longer.",
    "No free tier, no discount, no traffic out of the region.",
)


@dataclass(frozen=True, slots=True)
class StreamsDay:
    """A day in which the run's streams go on around the clock. objects: of all of them."""

    streams: int
    objects: int
    bill: Bill


@dataclass(frozen=True, slots=True)
class Account:
    """The bills of one result.

    million: of a million ticks. reading: what was asked of the API during the run. stored: a month of what a million
    ticks leave. days: of so many ticks, an idle day's own included. idle: of a day without any.
    streams: of a day of the run's streams, where they put objects in rounds.
    """

    usage: Usage
    prices: Prices
    million: Bill
    reading: Bill
    stored: Bill
    days: dict[int, Bill]
    idle_day: IdleDay
    idle: Bill
    streams: StreamsDay | None = None

    def options(self) -> dict[str, Decimal]:
        """What may be switched on or off, in dollars a month."""
        return {
            "alarms": self.prices.of("alarm_months").of(Decimal(self.idle_day.standing.alarm_metrics)),
            "dashboard": self.prices.of("dashboard_months").of(Decimal(1)),
            "each custom metric, if it has data in every hour": self.prices.of("metric_months").of(Decimal(1)),
        }

    def facts(self) -> dict[str, Any]:
        """Return all of it in plain JSON; numbers that are not whole are decimals as text."""
        return {
            "unit": self.usage.unit,
            "units": self.usage.units,
            "prices": {"region": self.prices.region, "as_of": self.prices.as_of.isoformat()},
            "million": _facts(self.million),
            "reading_in_the_run": _facts(self.reading),
            "stored_a_month_of_a_million": _facts(self.stored),
            "days": {str(ticks): _facts(bill) for ticks, bill in self.days.items()},
            "day_of_streams": self.streams
            and {"streams": self.streams.streams, "objects": self.streams.objects, **_facts(self.streams.bill)},
            "idle_day": _facts(self.idle) | {"schedule_measured": not self.idle_day.unmeasured},
            "options_usd_a_month": {name: str(dollars) for name, dollars in self.options().items()},
            "assumptions": list(ASSUMPTIONS),
        }


def account_of(result: Result) -> Account:
    """Price a result. Raises ResultError where it does not say what was used, PriceError."""
    table, usage, idle = prices(), usage_of(result), idle_day(result)
    stored = dict(scaled(usage.stored, MILLION / usage.units))
    if "dynamodb_gb_months" in stored and idle.standing.is_recoverable:
        stored["dynamodb_recovery_gb_months"] = stored["dynamodb_gb_months"]
    return Account(
        usage=usage,
        prices=table,
        million=bill_of(of_a_million(usage), table),
        reading=bill_of(usage.reading, table),
        stored=bill_of(stored, table),
        days={ticks: bill_of(of_a_day(usage, ticks, idle.quantities), table) for ticks in DAYS},
        idle_day=idle,
        idle=bill_of(idle.quantities, table),
        streams=_streams_day(result, usage, idle, table),
    )


def _streams_day(result: Result, usage: Usage, idle: IdleDay, table: Prices) -> StreamsDay | None:
    workload = result.workload
    if not workload.get("round_s") or workload["rounds"] < 2:
        return None
    factor = _DAY_S / Decimal(str(workload["round_s"])) / workload["rounds"]
    bill = bill_of(of_a_day_of_rounds(usage, factor, idle.quantities), table)
    return StreamsDay(workload["streams"], round((result.objects or 0) * factor), bill)


def _facts(bill: Bill) -> dict[str, Any]:
    return {
        "lines": [
            {
                "service": line.price.service,
                "unit": line.price.unit,
                "quantity": str(line.quantity),
                **{f"{one}_usd": str(line.dollars[one]) for one in ARCHITECTURES},
            }
            for line in bill.lines
        ],
        **{f"{one}_usd": str(bill.total(one)) for one in ARCHITECTURES},
    }
