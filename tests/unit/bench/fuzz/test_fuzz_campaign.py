"""The fuzzing can fail: behind a small server it finds nothing in the real status-query, and each planted fault."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from bench.fuzz.campaign import Campaign, Tally
from bench.fuzz.exchange import Origin
from bench.fuzz.objections import Judge
from file_processing import status_query
from generator.blocks.api import REFUSALS
from generator.openapi import CONTRACTS, document
from services.api_answers import answer, answer_with
from services.memory_status_table import MemoryStatusTable

type Function = Callable[[Mapping[str, Any]], Mapping[str, Any]]

JUDGE = Judge({"processing-status-test"}, document(CONTRACTS["market-analytics"]))
REFUSED = next(one for one in REFUSALS if one.kind == "MISSING_AUTHENTICATION_TOKEN")


def real(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the function answers, of no file."""
    config = status_query.Settings("processing-status-test", "file-processing-test")

    def fields() -> dict[str, Any]:
        return status_query.respond(event, MemoryStatusTable(), config, 1_767_623_400_000)

    return answer_with(fields, status_query.logger, "request-1")


@contextmanager
def served(function: Function) -> Iterator[str]:
    """A gateway of one function on a loopback port; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            given = {"fileId": path.removeprefix("/status/")} if path.startswith("/status/") else None
            asked = parse_qs(query, keep_blank_values=True) or None
            made = function({"resource": path, "pathParameters": given, "multiValueQueryStringParameters": asked})
            self.give(int(made["statusCode"]), made["headers"], made["body"])

        def refuse(self) -> None:
            text = json.dumps({"error": {"code": REFUSED.code, "message": REFUSED.message}})
            self.give(403, {"Content-Type": "application/json", "x-amzn-ErrorType": "X"}, text)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_QUERY = do_HEAD = refuse  # noqa: N815

        def give(self, status: int, headers: Mapping[str, str], body: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def fuzzed(function: Function) -> Tally:
    """What one round against a function comes to."""
    tally = Tally()
    with served(function) as url:
        campaign = Campaign(document(CONTRACTS["file-processing"]), url, {"path.fileId": ["bucket/key"]}, JUDGE)
        campaign.go(tally, seed=1, workers=1, examples=10)
    return tally


def test_the_real_function_is_not_objected_to() -> None:
    """Requests that are allowed and such that are not, methods that there are not: every answer is right."""
    tally = fuzzed(real)
    assert tally.findings == {}
    assert tally.requests >= 20
    assert {status for _, status, _ in tally.answers} >= {400, 403, 404}
    assert {origin for _, _, origin in tally.answers} == {Origin.FUNCTION, Origin.GATEWAY}


def crashes(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Die of odd ids, as Lambda and the gateway then tell it."""
    if "%" in ((event["pathParameters"] or {}).get("fileId") or ""):
        return {"statusCode": 502, "headers": {"Content-Type": "application/json"}, "body": '{"message": "Internal"}'}
    return real(event)


def tells(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name the table."""
    made = dict(real(event))
    made["body"] = made["body"].replace("no such file", "no such item in processing-status-test")
    return made


def takes_anything(_: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer in a form of its own."""
    return answer(200, {"status": "fine"})


@pytest.mark.parametrize(
    ("function", "rules"),
    [
        (crashes, {"not_a_server_error", "every answer is a function's or a text of the template"}),
        (tells, {"no answer tells of the inside"}),
        (takes_anything, {"response_schema_conformance", "negative_data_rejection", "status_code_conformance"}),
    ],
)
def test_a_planted_fault_is_found_with_a_request_that_shows_it(function: Function, rules: set[str]) -> None:
    """A function that crashes, tells too much or takes what is forbidden is found by the rule that should."""
    findings = fuzzed(function).findings.values()
    assert rules <= {finding.rule for finding in findings}
    assert all(finding.example.startswith(("curl ", "echo ")) for finding in findings)


def test_equal_seeds_make_equal_rounds() -> None:
    """Where the API answers the same, the same requests are sent: a finding can be met again by its seed."""
    first, second = fuzzed(tells), fuzzed(tells)
    assert first.answers == second.answers
