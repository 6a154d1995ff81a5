"""A result as a run with faults writes it, in plain JSON: big enough that every part of the report has something."""

from __future__ import annotations

import math
from typing import Any

from bench.report.result import SCHEMA_VERSION

ROWS = 200_000
_FAULTS = (
    "duplicate-s3-events", "duplicate-messages", "kill-before-writes", "kill-before-receipt", "kill-before-event",
    "kill-before-delete", "function-timeout", "unprocessed-items", "throttling", "server-errors", "partial-sends",
    "partial-events", "dropped-events", "two-aggregators", "two-compactions", "aggregator-down", "poison-objects",
    "poison-messages", "dead-letter-redrive",
)  # fmt: skip


def market_result() -> dict[str, Any]:
    """A passed run of market analytics with every fault."""
    return {
        "schema_version": SCHEMA_VERSION,
        "began": "2026-11-21T11:28:15.123456+00:00",
        "commit": "50aab5190c6df2f84a2f8fcb8a3c4b16c65ee4c0",
        "pipeline": "market-analytics",
        "host": {
            "system": "Linux-6.1.0-x86_64-with-glibc2.36", "machine": "x86_64", "python": "3.13.0", "cores_usable": 2,
            "memory_bytes": 25_276_502_016, "load_1_minute": 0.73,
            "packages": {"boto3": "1.42.54", "localstack-core": "2026.3.0", "polars": "2.1.0", "tickstream": "0.1.0"},
        },
        "target": {
            "kind": "embedded", "endpoint_url": "http://127.0.0.1:60527", "python": "3.13.0",
            "localstack-core": "2026.3.0", "moto-ext": "5.1.25",
        },
        "target_settings": {"LAMBDA_RUNTIME_EXECUTOR": "process", "LAMBDA_KEEPALIVE_MS": "120000"},
        "not_emulated": [
            "IAM: policies are stored and not enforced, except a bucket policy that denies writes to everybody.",
            "X-Ray: tracing is accepted, traces are not recorded.",
        ],
        "deviations": ["visibility timeout 10 s instead of 300 s: what fails on purpose is tried again in seconds"],
        "stack_parameters": {"RangeBytes": "8388608"},
        "phases_s": {
            "start LocalStack": 3.09, "generate": 0.01, "bundle": 0.02, "make ticks": 1.2, "lint (beside)": 3.5,
            "deploy": 11.0, "push and wait": 61.4, "verify": 6.9, "destroy": 5.2,
        },
        "workload": {
            "name": "dirty", "ticks": ROWS, "symbols": 100, "seed": 7, "corrupt_fraction": 0.01,
            "market": {"day": "2026-01-05", "late_share": 0.05},
        },
        "objects": 40,
        "posts": 12,
        "sent_bytes": 9_876_543,
        "first_upload_to_last_acknowledgement_s": 12.4,
        "first_upload_to_last_rollup_s": 61.0,
        "ticks_per_s": 3_278.7,
        "progress": {"ingests": 52, "manifests": 52},
        "aggregator_triggers": 2,
        "peak_memory_bench_bytes": 512 * 2**20,
        "peak_memory_target_bytes": 1_400 * 2**20,
        "faults": {
            "names": list(_FAULTS),
            "seed": 7,
            "injected": {name: 3 + index * 7 for index, name in enumerate(_FAULTS)},
            "marks": [
                {"name": name, "at_s": round((hit * 7.31 + index * 3.17) % 55, 3)}
                for index, name in enumerate(_FAULTS)
                for hit in range(3 + index * 2)
            ],
        },
        "latency_ms": {
            "stages": {
                "send_delay": _percentiles(0.04),
                "acknowledged": _percentiles(24.0),
                "ingested": _percentiles(310.0),
                "processed": _percentiles(2_100.0),
                "event": _percentiles(2_300.0),
                "rollup": _percentiles(4_800.0),
                "visible": None,
            },
            "how": "HdrHistogram with three digits, from the intended time of sending, one value a piece.",
        },
        "timeline": [_sample(look * 0.4) for look in range(153)],
        "requests": [
            _requests("dynamodb:BatchWriteItem", "DataProcessor-bench", 410, 12, 9_800),
            _requests("dynamodb:Query", "DataAggregator-bench", 300, 0, 8_000),
            _requests("dynamodb:GetItem", "bench", 900, 0, 900),
            _requests("events:PutEvents", "DataProcessor-bench", 64, 4, 60),
            _requests("s3:GetObject", "DataProcessor-bench", 70, 0, 0),
            _requests("s3:PutObject", "bench", 40, 0, 0),
            _requests("sqs:ReceiveMessage", "localstack", 800, 0, 60),
        ],
        "functions": [
            {"function": "DataAggregator-bench", "memory_mb": 3072, "invocations": 41, "errors": 2, "billed_ms": 9_120},
            {"function": "DataProcessor-bench", "memory_mb": 3072, "invocations": 58, "errors": 9, "billed_ms": 71_400},
        ],
        "verdict": {
            "passed": True,
            "counts": {
                "attempted": ROWS, "acknowledged": ROWS, "ok": 198_000, "lost": 0, "recovered": 1_200,
                "duplicated": 0, "unexpected": 0, "indeterminate": 0, "rejected": 2_000, "dead-lettered": 0,
                "dead letters": 0, "bars": 32_225, "wrong bars": 0,
            },
            "checks": [
                {"name": "acknowledged", "passed": True, "detail": "200,000 of 200,000 rows in 52 objects"},
                {"name": "everything processed", "passed": True, "detail": "everything is processed"},
                {"name": "bars in DynamoDB", "passed": True, "detail": "32,225 bars, 0 of them not the oracle's"},
                {"name": "rejected rows", "passed": True, "detail": "2,000 of 2,000 as planted; 0 missing"},
                {"name": "one deletion leaves nothing", "passed": True, "detail": "nothing of the stack is left"},
            ],
            "rejected_by_reason": {
                "planted": {"price_not_decimal": 700, "timestamp_out_of_range": 800, "wrong_columns": 500},
                "recorded": {"price_not_decimal": 700, "timestamp_out_of_range": 800, "wrong_columns": 500},
            },
            "examples": [],
        },
    }  # fmt: skip


def file_result() -> dict[str, Any]:
    """A failed run of file processing: it has no stages, no timeline, no requests, and other counts."""
    result = market_result()
    for absent in (
        "faults", "latency_ms", "timeline", "requests", "functions", "ticks_per_s",
        "first_upload_to_last_rollup_s", "objects", "posts", "progress", "aggregator_triggers",
    ):  # fmt: skip
        del result[absent]
    return result | {
        "pipeline": "file-processing",
        "workload": {"files": 500, "seed": 1, "corrupt_share": 0.1},
        "files": {"good": 430, "corrupt": 50, "poison": 10, "curable": 10},
        "first_upload_to_rest_s": 41.5,
        "rest": {"acknowledged": 500},
        "verdict": {
            "passed": False,
            "counts": {"attempted": 500, "acknowledged": 500, "completed": 438, "failed": 60, "lost": 2},
            "checks": [
                {"name": "every file at rest", "passed": True, "detail": "all are at rest"},
                {"name": "fates", "passed": False, "detail": "498 of 500; the first: <b>a.csv</b> is nowhere"},
            ],
            "rejected_by_reason": {"planted": {"no_rows": 50}, "recorded": {"no_rows": 48}},
            "examples": ["a.csv: expected completed, got nothing"],
        },
    }


def _percentiles(middle_ms: float) -> dict[str, float]:
    values = {"p50": 1.0, "p90": 1.9, "p99": 3.4, "p99_9": 4.8, "max": 6.0}
    return {"count": 52, **{name: round(middle_ms * times, 3) for name, times in values.items()}}


def _sample(at_s: float) -> dict[str, float]:
    done = ROWS / (1 + math.exp(-(at_s - 25) / 6))
    sent = min(1.0, at_s / 12.4)
    return {
        "at_s": round(at_s, 3),
        "acknowledged_rows": int(ROWS * sent),
        "ticks": int(done * 0.99),
        "rejected": int(done * 0.01),
        "queued": int(max(0.0, 40 * sent - 40 * done / ROWS)),
        "in_flight": int(8 * math.sin(min(math.pi, at_s / 18)) ** 2),
        "dead_letters": 3 if 20 < at_s < 35 else 0,
        "pending": int(max(0.0, 14 * math.sin(min(math.pi, at_s / 19)))),
    }


def _requests(call: str, caller: str, requests: int, errors: int, items: int) -> dict[str, Any]:
    service, _, operation = call.partition(":")
    return {
        "service": service, "operation": operation, "caller": caller, "requests": requests, "errors": errors,
        "items": items, "request_bytes": requests * 812, "response_bytes": requests * 230,
    }  # fmt: skip
