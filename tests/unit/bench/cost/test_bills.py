"""Bills against sums done by hand from the price table's figures."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bench.cost.account import account_of
from bench.cost.bill import bill_of, of_a_day, of_a_million, sampled_traces
from bench.cost.idle import idle_day, standing_of
from bench.cost.prices import prices
from bench.cost.usage import usage_of
from bench.errors import PriceError, ResultError
from bench.report.result import Result
from generator.environment import Environment
from generator.pipelines import PIPELINES
from tests.unit.bench.report.result_sample import file_result, market_result

if TYPE_CHECKING:
    from collections.abc import Mapping


def _row(name: str, caller: str, requests: int, **more: int) -> dict[str, Any]:
    service, _, operation = name.partition(":")
    counted = {"errors": 0, "items": 0, "request_bytes": 0, "response_bytes": 0}
    units = {"write_units": 0, "read_half_units": 0, "chunks": 0, "fifo_chunks": 0}
    named = {"service": service, "operation": operation, "caller": caller, "requests": requests}
    return named | counted | units | more


def _use(function: str, invocations: int, billed_ms: int, log_bytes: int = 0) -> dict[str, Any]:
    named = {"function": function, "memory_mb": 3072, "invocations": invocations, "errors": 0}
    return named | {"billed_ms": billed_ms, "log_bytes": log_bytes}


ROWS = [
    _row("dynamodb:BatchWriteItem", "DataProcessor-bench", 10, write_units=250),
    _row("dynamodb:Query", "DataAggregator-bench", 7, read_half_units=31),
    _row("dynamodb:Query", "DataQuery-bench", 7, read_half_units=14),
    _row("dynamodb:Scan", "bench", 90, read_half_units=1_000),
    _row("events:PutEvents", "DataProcessor-bench", 2, chunks=9),
    _row("execute-api:GET /bars", "bench", 5),
    _row("execute-api:POST /ingest", "bench", 4),
    _row("s3:DeleteObject", "BucketEmptier-bench", 3),
    _row("s3:GetObject", "DataProcessor-bench", 8),
    _row("s3:ListObjectsV2", "DataIngestion-bench", 1),
    _row("s3:PutObject", "DataProcessor-bench", 2, request_bytes=500_000_000),
    _row("s3:PutObject", "bench", 6, request_bytes=1_500_000_000),
    _row("sqs:GetQueueAttributes", "bench", 50, chunks=50),
    _row("sqs:ReceiveMessage", "aws:lambda", 20, chunks=21),
    _row("sqs:SendMessageBatch", "file-validator-bench", 3, fifo_chunks=3),
    _row("sqs:SendMessage", "localstack", 3, chunks=3),
    _row("sts:AssumeRole", "DataIngestion-bench", 3),
]
FUNCTIONS = [_use("DataProcessor-bench", 40, 20_000, 2_000_000), _use("DataQuery-bench", 5, 1_000, 100)]


def _result(**more: Any) -> Result:
    return Result.model_validate(market_result() | {"requests": ROWS, "functions": FUNCTIONS} | more)


def _numbers(quantities: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {key: amount.normalize() for key, amount in quantities.items()}


def test_each_request_is_billed_to_who_pays() -> None:
    """Not the bench's looking nor what LocalStack asks itself; uploads apart from the pipeline's own; reading apart."""
    usage = usage_of(_result())
    assert usage.units == 200_000
    assert _numbers(usage.work) == {
        "dynamodb_write_units": 250,
        "dynamodb_read_units": Decimal("15.5"),
        "eventbridge_events": 9,
        "api_calls": 4,
        "s3_reads": 8,
        "s3_writes": 3,
        "s3_uploads": 6,
        "sqs_requests": 21,
        "sqs_fifo_requests": 3,
        "lambda_requests": 40,
        "lambda_gb_seconds": 60,
        "logs_gb": Decimal("0.002"),
        "xray_traces": 40,
    }
    assert _numbers(usage.reading) == {
        "dynamodb_read_units": 7,
        "api_calls": 5,
        "lambda_requests": 5,
        "lambda_gb_seconds": 3,
        "logs_gb": Decimal("0.0000001"),
        "xray_traces": 5,
    }
    assert _numbers(usage.stored) == {"s3_gb_months": 2}


def test_a_bill_is_the_sum_of_its_lines_for_both_architectures() -> None:
    """By hand: 300 GB-seconds, 1,250 writes and 105 PUTs a million ticks; GB-seconds alone differ."""
    work = {"lambda_gb_seconds": Decimal(60), "dynamodb_write_units": Decimal(250), "s3_writes": Decimal(21)}
    usage = usage_of(_result())
    million = bill_of({key: amount * 5 for key, amount in work.items()}, prices())
    assert million.total("arm64") == Decimal("0.00400002") + Decimal("0.00078125") + Decimal("0.000525")
    assert million.total("x86_64") - million.total("arm64") == 300 * Decimal("0.0000033333")
    assert of_a_million(usage)["dynamodb_write_units"] == 1_250


@pytest.mark.parametrize(
    ("invocations", "seconds", "traces"), [(10, 100, "10"), (100, 100, "100"), (300, 100, "110"), (0, 100, "0")]
)
def test_of_a_busy_second_one_trace_and_a_twentieth_is_recorded(invocations: int, seconds: int, traces: str) -> None:
    """X-Ray's default rule."""
    assert sampled_traces(Decimal(invocations), Decimal(seconds)) == Decimal(traces)


def test_a_day_is_its_ticks_in_proportion_and_an_idle_day() -> None:
    """A billion ticks: 5,000 times the run's units and the day's polls; 200,000 invocations are sampled."""
    idle = {"sqs_requests": Decimal(21_600), "xray_traces": Decimal(288)}
    day = of_a_day(usage_of(_result()), 10**9, idle)
    assert day["dynamodb_write_units"] == 250 * 5_000
    assert day["sqs_requests"] == 21 * 5_000 + 21_600
    assert day["xray_traces"] == 23_400 + (40 * 5_000 - 23_400) / 20 + 288


def test_a_day_of_streams_is_the_rounds_of_24_hours() -> None:
    """Ten rounds of a minute are a 144th of the day; invocations are sampled over 24 hours, not over a session."""
    workload = {"streams": 2, "rounds": 10, "round_s": 60.0}
    account = account_of(_result(workload=market_result()["workload"] | workload, objects=20))
    assert account.streams is not None
    numbers = {line.price.unit: line.quantity for line in account.streams.bill.lines}
    assert (account.streams.streams, account.streams.objects) == (2, 2_880)
    assert numbers["write request units"] == 250 * 144
    assert numbers["requests of 64 KB"] == 21 * 144 + 64_800
    assert numbers["traces recorded"] == 40 * 144
    assert account.facts()["day_of_streams"]["objects"] == 2_880
    assert account_of(_result()).streams is None


def test_what_polls_and_what_is_watched_is_counted_in_the_template() -> None:
    """README: about 650,000 requests a month for each consumer with a ceiling, 27 and 19 metrics of alarms."""
    market = standing_of(PIPELINES["market-analytics"](Environment("dev")).to_dict())
    files = standing_of(PIPELINES["file-processing"](Environment("dev")).to_dict())
    assert (market.polls * 30, market.fifo_polls) == (3 * 648_000, 0)
    assert market.scheduled == {"DataAggregator": 288, "DataRevision": 288}
    assert files.scheduled == {}
    assert files.fifo_polls * 30 >= 2 * 648_000
    assert (market.alarm_metrics, files.alarm_metrics) == (27, 19)
    assert market.is_recoverable


def test_an_idle_day_is_288_measured_invocations_of_each_schedule_and_the_polls() -> None:
    """Two measured invocations with 3 write units between them are 432 units a day; the other's are its own."""
    idle = {
        "invocations": 3,
        "requests": [
            _row("dynamodb:PutItem", "DataAggregator-bench", 3, write_units=3),
            _row("dynamodb:Query", "DataRevision-bench", 16, read_half_units=16),
        ],
        "functions": [_use("DataAggregator-bench", 2, 400), _use("DataRevision-bench", 1, 100)],
    }
    day = idle_day(_result(idle=idle))
    assert _numbers(day.quantities) == {
        "sqs_requests": 64_800,
        "dynamodb_write_units": 432,
        "dynamodb_read_units": 288 * 8,
        "lambda_requests": 2 * 288,
        "lambda_gb_seconds": Decimal("172.8") + Decimal("86.4"),
        "xray_traces": 2 * 288,
    }
    assert day.unmeasured == ()


@pytest.mark.parametrize(
    ("measured", "missing"),
    [(None, ("DataAggregator", "DataRevision")), ("DataAggregator-bench", ("DataRevision",))],
)
def test_what_of_an_idle_day_nobody_measured_is_said(measured: str | None, missing: tuple[str, ...]) -> None:
    """A result of before there was a second schedule has the first one's part, and is no less for it."""
    functions = [_use(measured, 2, 400)] if measured else []
    day = idle_day(_result(idle={"invocations": 2, "requests": [], "functions": functions} if measured else None))
    assert day.unmeasured == missing
    assert day.quantities.get("lambda_requests", 0) == (288 if measured else 0)
    assert day.quantities["sqs_requests"] == 64_800


def test_what_has_no_price_is_refused() -> None:
    """A thing without a price would be billed as free."""
    with pytest.raises(PriceError, match="no metric_streams"):
        bill_of({"metric_streams": Decimal(1)}, prices())


def test_all_of_it_is_decimals_in_json() -> None:
    """No float anywhere, and the totals are those of the lines."""
    facts = account_of(_result(stored={"table_items": 3, "table_bytes": 10**9})).facts()

    def walk(value: Any) -> None:
        assert not isinstance(value, float), value
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(one)

    walk(facts)
    million = facts["million"]
    assert Decimal(million["arm64_usd"]) == sum(Decimal(line["arm64_usd"]) for line in million["lines"])
    # Five million-times 1 GB of items, kept and recoverable: 0.45 dollars each; and 10 GB of objects.
    assert Decimal(facts["stored_a_month_of_a_million"]["arm64_usd"]) == 5 * Decimal("0.45") + 10 * Decimal("0.023")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (file_result() | {"requests": None, "functions": None}, "no journal"),
        (market_result(), "before units were counted"),
        (market_result() | {"requests": ROWS, "functions": None}, "no journal"),
        (market_result() | {"requests": ROWS, "functions": FUNCTIONS, "pipeline": "gone"}, "no pipeline gone"),
    ],
)
def test_a_result_that_does_not_say_is_refused(result: dict[str, Any], said: str) -> None:
    """One line, never a price of nothing."""
    with pytest.raises(ResultError, match=said):
        account_of(Result.model_validate(result))
