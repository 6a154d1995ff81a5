"""What of a result AWS would bill, in the units of the price table.

Requests count however they were answered, which is a little more than AWS bills. Not counted, because they are free or
next to nothing: deletes of S3, deliveries of EventBridge and S3, STS, traffic within a region, and the calls to KMS for
the table's key, of which DynamoDB makes one in five minutes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from bench.errors import ResultError
from bench.report.result import OUTSIDERS
from generator.pipelines import PIPELINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.report.result import FunctionUse, Requests, Result

#: Functions that answer questions: what they use grows with the questions, not with the ticks.
_READERS: Final = ("DataQuery-", "status-query-")
_READING_CALLS: Final = ("GET ", "POST /bars")
_S3_WRITES: Final = frozenset(
    {"PutObject", "CopyObject", "PostObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
)
_S3_FREE: Final = frozenset({"DeleteObject", "DeleteObjects", "AbortMultipartUpload", "DeleteBucket"})
_PUT_METRICS: Final = ("cloudwatch", "PutMetricData")
#: Decimal gigabytes: AWS's are 7 % larger, so that this is on the high side.
GB: Final = Decimal(10**9)

type Quantities = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run used, by key of the price table.

    units: what the verdict counts, such as ticks: so many were sent. work: what grows with them. reading: what was
    asked of the API meanwhile, by the bench to see how far the run is. stored: what was there at the end.
    """

    unit: str
    units: int
    work: Quantities
    reading: Quantities
    stored: Quantities


def usage_of(result: Result) -> Usage:
    """Return what a run used. Raises ResultError where the result does not say."""
    units = result.verdict.counts.get("attempted", 0)
    if result.requests is None or result.functions is None:
        raise ResultError(f"a run on {result.target['kind']} keeps no journal of requests: there is nothing to price")
    if units < 1:
        raise ResultError(f"nothing was sent in this run, so that nothing is to be said per million {result.unit}")
    if any(row.write_units is None for row in result.requests):
        raise ResultError("this result is from before units were counted: make the run again")
    traced = result.pipeline in PIPELINES
    is_reading = [_is_reading(row.caller, row.operation) for row in result.requests]
    rows = list(zip(result.requests, is_reading, strict=True))
    return Usage(
        unit=result.unit,
        units=units,
        work=_quantities((row for row, reading in rows if not reading), _of(result.functions, reading=False), traced),
        reading=_quantities((row for row, reading in rows if reading), _of(result.functions, reading=True), traced),
        stored=_stored(result),
    )


def quantities(requests: Iterable[Requests], functions: Iterable[FunctionUse]) -> Quantities:
    """Return what some requests and invocations of a traced pipeline are billed by."""
    return _quantities(requests, functions, traced=True)


def _is_reading(caller: str, operation: str) -> bool:
    return caller.startswith(_READERS) or operation.startswith(_READING_CALLS)


def _of(functions: Iterable[FunctionUse], *, reading: bool) -> list[FunctionUse]:
    return [use for use in functions if use.function.startswith(_READERS) is reading]


def _quantities(requests: Iterable[Requests], functions: Iterable[FunctionUse], traced: bool) -> Quantities:  # noqa: FBT001
    found: Counter[str] = Counter()
    for row in requests:
        found.update(_of_request(row))
    gb_seconds = Decimal(0)
    for use in functions:
        found["lambda_requests"] += use.invocations
        found["log_bytes"] += use.log_bytes or 0
        # The most that tracing records: every invocation. What it records of a busy day, see `bench.cost.bill`.
        found["xray_traces"] += use.invocations if traced else 0
        gb_seconds += Decimal(use.memory_mb) * use.billed_ms / 1024 / 1000
    amounts = {key: Decimal(number) for key, number in found.items()}
    amounts["logs_gb"] = amounts.pop("log_bytes", Decimal(0)) / GB
    amounts["dynamodb_read_units"] = amounts.pop("read_half_units", Decimal(0)) / 2
    amounts["lambda_gb_seconds"] = gb_seconds
    return {key: amount for key, amount in amounts.items() if amount}


def _of_request(row: Requests) -> dict[str, int]:
    if row.service == "execute-api":
        return {"api_calls": row.requests}
    if row.caller == "bench" and row.service == "s3" and row.operation in _S3_WRITES:
        return {"s3_uploads": row.requests}
    if row.caller in OUTSIDERS:
        return {}
    if row.service == "s3":
        is_write = row.operation in _S3_WRITES or row.operation.startswith("List")
        return {} if row.operation in _S3_FREE else {"s3_writes" if is_write else "s3_reads": row.requests}
    return {
        "dynamodb_write_units": row.write_units or 0,
        "read_half_units": row.read_half_units or 0,
        "eventbridge_events" if row.service == "events" else "sqs_requests": row.chunks or 0,
        "sqs_fifo_requests": row.fifo_chunks or 0,
        "metric_requests": row.requests if (row.service, row.operation) == _PUT_METRICS else 0,
    }


def _stored(result: Result) -> Quantities:
    objects = sum(row.request_bytes for row in result.requests or () if row.operation in {"PutObject", "UploadPart"})
    found = {"s3_gb_months": Decimal(objects) / GB}
    if result.stored is not None:
        found["dynamodb_gb_months"] = Decimal(result.stored.table_bytes) / GB
    return found
