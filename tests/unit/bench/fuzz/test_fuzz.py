"""What the fuzzing objects to: an answer of each wrong kind is noticed, and what is right is not."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from bench.fuzz.campaign import Finding, Tally
from bench.fuzz.exchange import Exchange, Origin, command, origin_of
from bench.fuzz.objections import Judge
from bench.fuzz.run import Calls, Fuzzed
from generator.openapi import CONTRACTS, document
from services.api_answers import HEADERS

JUDGE = Judge({"MarketDataState-fuzz", "DataQuery-us-east-1-fuzz"}, document(CONTRACTS["market-analytics"]))
FUNCTION = {name.lower(): value for name, value in HEADERS.items()}
REFUSED = {"error": {"code": "invalid_body", "message": "The body does not have the form that this call takes."}}


def exchange(status: int, body: Any, operation: str = "GET /bars/{symbol}", **changes: Any) -> Exchange:
    """An exchange whose answer is a function's, unless changed."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    method = operation.partition(" ")[0]
    made = Exchange(operation, method, "http://api/bars/AAPL", {}, b"", False, status, FUNCTION, text)  # noqa: FBT003
    return replace(made, **changes)


def rules(one: Exchange) -> list[str]:
    """The rules that an exchange breaks."""
    return [objection.rule for objection in JUDGE.objections(one)]


def error(code: str, message: str = "why", **details: Any) -> dict[str, Any]:
    """The body of a refusal."""
    return {"error": {"code": code, "message": message, **details}}


def test_a_good_answer_is_not_objected_to() -> None:
    """What the functions and the gateway really answer is right."""
    assert rules(exchange(200, {"symbol": "AAPL", "bars": []})) == []
    assert rules(exchange(400, error("bad_limit"))) == []
    gateway = {"content-type": "application/json", "x-amzn-errortype": "BadRequestException"}
    assert rules(exchange(400, REFUSED, "POST /bars", headers=gateway)) == []


@pytest.mark.parametrize(
    "told",
    [
        "arn:aws:iam::1:role/x",
        "Traceback (most recent call last)",
        'File "/var/task/handler.py", line 3',
        "botocore.exceptions",
        "KeyError: 'symbol'",
        "in data_query.py",
        "table MarketDataState-fuzz",
        "role DataQuery-us-east-1-fuzz",
    ],
)
def test_an_answer_that_tells_of_the_inside_is_noticed(told: str) -> None:
    """ARNs, traces, exceptions and names of resources, in whatever status."""
    for status in (200, 400, 500):
        assert rules(exchange(status, error("internal_error", told))) == ["no answer tells of the inside"]


def test_what_a_caller_wrote_tells_them_nothing() -> None:
    """An unknown parameter is named by what it was called; the bucket that was asked about is in the status."""
    asked = exchange(400, error("unknown_parameter", "unknown: KeyError"), uri="http://api/bars/A?KeyError=1")
    assert rules(asked) == []
    found = exchange(200, {"bucketName": "MarketDataState-fuzz"}, "GET /status/{fileId}")
    assert rules(found) == []
    assert rules(replace(found, operation="GET /bars/{symbol}")) == ["no answer tells of the inside"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, {"message": "Internal server error"}),
        (403, {"message": "Missing Authentication Token"}),
        (400, {**REFUSED, "more": 1}),
        (401, REFUSED),
        (500, b"Error in apigateway invocation: list index out of range"),
        (
            500,
            b"Error in apigateway invocation: 'utf-8' codec can't decode byte 0x89 in position 0: invalid start byte",
        ),
    ],
)
def test_an_answer_of_nobody_is_noticed(status: int, body: Any) -> None:
    """An answer without a function's headers is a text of the template, or somebody must look."""
    headers = {"content-type": "application/json", "x-amzn-errortype": "X"}
    assert origin_of(exchange(status, body, headers=headers))[0] is Origin.NOBODY
    assert rules(exchange(status, body, headers=headers)) == ["every answer is a function's or a text of the template"]


@pytest.mark.parametrize(
    ("sent", "headers", "answered"),
    [
        (b"\x89|", {}, b"'utf-8' codec can't decode byte 0x89 in position 0: invalid start byte"),
        (b"L\xff\xff", {}, b"'utf-8' codec can't decode bytes in position 1-2: invalid continuation byte"),
        (b"{}", {"content-type": "multipart/form-data"}, b"list index out of range"),
    ],
)
def test_localstacks_own_failures_are_known_by_both_sides(
    sent: bytes, headers: dict[str, str], answered: bytes
) -> None:
    """What LocalStack breaks is told apart by what was sent and what was answered; neither alone is enough."""
    body = b"Error in apigateway invocation: " + answered
    own = exchange(500, body, "POST /bars", request_body=sent, request_headers=headers, headers={})
    assert origin_of(own)[0] is Origin.LOCALSTACK
    assert rules(own) == []
    for other in (
        replace(own, request_body=b"{}", request_headers={}),
        replace(own, body=body + b" and more"),
        replace(own, status=502),
        replace(own, headers=FUNCTION),
    ):
        assert origin_of(other)[0] is not Origin.LOCALSTACK


def test_a_refusal_of_what_is_allowed_is_noticed() -> None:
    """What the description allows is refused only for what no schema can say."""
    assert rules(exchange(400, error("bad_symbol"), allowed=True)) == ["what the description allows is taken"]
    assert rules(exchange(400, error("from_after_to"), allowed=True)) == []
    assert rules(exchange(400, error("bad_symbol"))) == []


def posted(ticks: list[Any], status: int, answer: dict[str, Any]) -> list[str]:
    """The rules that an answer to posted ticks breaks."""
    return rules(exchange(status, answer, "POST /ingest", request_body=json.dumps({"ticks": ticks}).encode()))


def counts(accepted: int, rejected: int, *reasons: tuple[int, str]) -> dict[str, Any]:
    """What an answer says of ticks."""
    listed = [{"position": position, "reason": reason, "detail": ""} for position, reason in reasons]
    return {"accepted": accepted, "rejected": rejected, "reasons": listed, "reasonsOmitted": rejected - len(listed)}


GOOD = {"symbol": "AAPL", "price": "1", "size": 1}


def test_posted_ticks_are_judged_one_by_one() -> None:
    """A tick that is lost, taken though forbidden, or refused though allowed, is noticed."""
    assert posted([GOOD, {}], 200, counts(1, 1, (1, "missing_field"))) == []
    assert posted([GOOD, GOOD], 200, counts(1, 0)) == ["every posted tick is counted"]
    assert posted([GOOD, {**GOOD, "symbol": "a b"}], 200, counts(2, 0)) == [
        "a tick that the description forbids is refused"
    ]
    assert posted([GOOD, {**GOOD, "symbol": "A\n"}], 200, counts(2, 0)) != []
    assert posted([GOOD, GOOD], 200, counts(1, 1, (1, "bad_symbol"))) == ["a tick that the description allows is taken"]
    assert posted([{**GOOD, "price": "9e9"}], 400, error("all_ticks_rejected", **counts(0, 1, (0, "bad_price")))) == []


@pytest.mark.parametrize("body", [b"", b"plain", b'{"a": "it\'s"}', b"\xff\x00\xfe", b"a\0b", "\u00e9\n".encode()])
def test_a_command_sends_the_same_bytes(body: bytes) -> None:
    """The line that is shown for a finding is one for a shell, and carries the body to the byte."""
    line = command("POST", "http://api/bars?a=1&b='2'", {"content-type": "a/b", "user-agent": "x"}, body)
    assert "user-agent" not in line
    echoing = line.replace("curl ", "python3 -c 'import sys; [sys.stdout.write(repr(one)) for one in sys.argv]' ", 1)
    done = subprocess.run(["/bin/bash", "-c", echoing], capture_output=True, check=True)
    assert b"http://api/bars?a=1&b=" in done.stdout
    if "base64" in line:
        packed = line.split()[1]
        decoded = subprocess.run(["/bin/bash", "-c", f"echo {packed} | base64 -d"], capture_output=True, check=True)
        assert decoded.stdout == body
    elif body:
        assert repr(body.decode()).encode() in done.stdout


def test_an_invocation_without_an_answer_is_a_finding() -> None:
    """A function that ran and gave no answer of its own crashed, whatever the caller was told."""
    tally = Tally(requests=5)
    good, bad = Calls("DataQuery", 5, 5), Calls("DataIngestion", 6, 5)
    fuzzed = Fuzzed(1, 1.0, {"market-analytics": tally}, (good, bad))
    assert [finding.operation for finding in fuzzed.findings] == ["DataIngestion"]
    tally.object_to(Finding("GET /bars", "rule", "first", "curl"))
    tally.object_to(Finding("GET /bars", "rule", "second", "curl"))
    assert [finding.seen for finding in fuzzed.findings] == ["first", "6 invocations, 5 answers"]
    assert tally.found["GET /bars", "rule"] == 2
