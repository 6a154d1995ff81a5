from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from bench.errors import TargetError
from bench.stack import deployment
from bench.targets import Capability, RunRequest, endpoint
from bench.targets.canary import FunctionHost
from bench.targets.endpoint import EndpointTarget
from bench.targets.template_types import placeholders, services_of, types_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEMPLATE = deployment.generate("unit")
SERVICES = (
    "apigateway",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "events",
    "iam",
    "lambda",
    "logs",
    "s3",
    "sns",
    "sqs",
    "sts",
)
REQUEST = RunRequest(TEMPLATE, "market-analytics-unit", "src-market-analytics-unit")
GOOD_HOST = FunctionHost("x86_64", "3.13", has_boto3=True, endpoint_url="http://127.0.0.1:1")


class Server(ThreadingHTTPServer):
    """A server of some JSON pages, and a CloudFormation with an answer or a refusal for each operation."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Any] = {
            "/_localstack/health": {"services": dict.fromkeys(SERVICES, "available"), "edition": "e", "version": "1"}
        }
        #: By operation: what is inside its result, or the message of its refusal.
        self.results: dict[str, str] = {}
        self.refuses = {"DescribeStacks": "Stack market-analytics-unit does not exist"}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Answer a page."""
        page = self.server.pages.get(self.path)
        self._answer(404 if page is None else 200, json.dumps(page))

    def do_POST(self) -> None:
        """Answer CloudFormation."""
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        operation = parse_qs(asked)["Action"][0]
        refusal = self.server.refuses.get(operation)
        if refusal is not None:
            body = f"<Error><Code>ValidationError</Code><Message>{refusal}</Message></Error>"
            self._answer(400, f"<ErrorResponse>{body}</ErrorResponse>")
            return
        result = f"<{operation}Result>{self.server.results.get(operation, '')}</{operation}Result>"
        self._answer(200, f"<{operation}Response>{result}</{operation}Response>")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base's
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve on the loopback interface; the canary comes back well."""
    monkeypatch.setattr(endpoint, "send_canary", lambda target: GOOD_HOST)
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


def test_a_server_that_can_everything_is_accepted(server: Server) -> None:
    """What the server is, and which of the bench's own abilities it lacks, is said; the run may begin."""
    with EndpointTarget(server.url) as target:
        found = target.preflight(REQUEST)
        assert target.capabilities == frozenset()
        assert target.architecture == "x86_64"
    assert found.refusal == ""
    said = "\n".join(found.lines)
    for wanted in (server.url, "Python 3.13 on x86_64", *Capability):
        assert wanted in said


@pytest.mark.parametrize("state", ["disabled", "error"])
def test_a_missing_service_is_named_before_the_run(server: Server, state: str) -> None:
    """A service that the template needs and the server does not serve refuses the run by its name."""
    server.pages["/_localstack/health"]["services"]["sqs"] = state
    del server.pages["/_localstack/health"]["services"]["events"]
    with EndpointTarget(server.url) as target:
        refusal = target.preflight(REQUEST).refusal
    assert "it has no events, sqs" in refusal
    assert "\n" not in refusal


def test_resource_types_that_are_refused_are_named_before_the_run(server: Server) -> None:
    """What the server's CloudFormation does not know ends the run with its own words."""
    server.refuses["ValidateTemplate"] = "Unrecognized resource types: [AWS::Logs::MetricFilter]"
    with EndpointTarget(server.url) as target:
        assert "AWS::Logs::MetricFilter" in target.preflight(REQUEST).refusal


def test_a_stack_that_is_there_is_not_taken_over(server: Server) -> None:
    """A stack of the same name is somebody's: it is neither updated nor, at the end, deleted."""
    server.refuses.clear()
    stack = "<member><StackName>s</StackName><StackStatus>CREATE_COMPLETE</StackStatus></member>"
    server.results["DescribeStacks"] = f"<Stacks>{stack}</Stacks>"
    with EndpointTarget(server.url) as target:
        assert "market-analytics-unit is there already" in target.preflight(REQUEST).refusal


@pytest.mark.parametrize(
    ("host", "named"),
    [
        (FunctionHost("x86_64", "3.12", has_boto3=True, endpoint_url="u"), "Python 3.12"),
        (FunctionHost("riscv64", "3.13", has_boto3=True, endpoint_url="u"), "riscv64"),
        (FunctionHost("aarch64", "3.13", has_boto3=False, endpoint_url="u"), "boto3"),
        (FunctionHost("x86_64", "3.13", has_boto3=True, endpoint_url=""), "AWS_ENDPOINT_URL"),
    ],
)
def test_functions_that_could_not_work_refuse_the_run(
    server: Server, monkeypatch: pytest.MonkeyPatch, host: FunctionHost, named: str
) -> None:
    """Another Python or processor, no boto3, or functions that would call AWS itself are said before the run."""
    monkeypatch.setattr(endpoint, "send_canary", lambda target: host)
    with EndpointTarget(server.url) as target:
        assert named in target.preflight(REQUEST).refusal


def test_a_canary_that_does_not_come_back_refuses_the_run(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why functions do not run there is the refusal."""

    def lost(target: object) -> FunctionHost:
        raise TargetError("functions do not run there: no Docker")

    monkeypatch.setattr(endpoint, "send_canary", lost)
    with EndpointTarget(server.url) as target:
        assert "functions do not run there: no Docker" in target.preflight(REQUEST).refusal


def test_what_plain_localstack_only_pretends_to_make_is_reported(server: Server) -> None:
    """Types that report success and are not made are said before the run and are not emulated in its result."""
    server.pages["/_localstack/info"] = {"version": "4.14.0"}
    with EndpointTarget(server.url) as target:
        said = "\n".join(target.preflight(REQUEST).lines)
        for wanted in ("AWS::Logs::MetricFilter", "Custom::BucketContents"):
            assert wanted in said
            assert any(wanted in sentence for sentence in target.not_emulated)


def test_a_server_with_the_benchs_extensions_can_do_all(server: Server) -> None:
    """The server that `bench up` leaves running injects faults and measures, also as an endpoint."""
    server.pages["/_localstack/info"] = {"version": "4.14.0"}
    server.pages["/_bench/identity"] = {"peak_resident_bytes": 7}
    with EndpointTarget(server.url) as target:
        assert target.capabilities == frozenset(Capability)
        assert target.memory_bytes() == 7


@pytest.mark.parametrize("page", [{"hello": "world"}, None, []])
def test_something_else_that_answers_is_no_target(server: Server, page: object) -> None:
    """Another program on that port is told apart from a server of AWS's API."""
    server.pages["/_localstack/health"] = page
    with pytest.raises(TargetError, match=server.url):
        EndpointTarget(server.url).start()


def test_nobody_there_is_one_sentence() -> None:
    """A refused connection ends in a TargetError with the address."""
    with pytest.raises(TargetError, match=r"127\.0\.0\.1:1: .*refused"):
        EndpointTarget("http://127.0.0.1:1").start()


@pytest.mark.parametrize("pipeline", ["market-analytics", "file-processing"])
def test_the_templates_need_only_services_that_are_known_by_name(pipeline: str) -> None:
    """Each namespace of the templates becomes a service's name, and the placeholders fit an inline template."""
    types: Mapping[str, int] = types_of(deployment.generate("unit", pipeline))
    assert set(services_of(types)) <= set(SERVICES)
    assert len(json.dumps(placeholders(types))) < 51_200
    assert {resource["Type"] for resource in placeholders(types)["Resources"].values()} == set(types)
