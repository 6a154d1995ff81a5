"""DynamoDB's requests read as JSON: what handlers and moto get is what LocalStack's own parser would give them."""

import json
from typing import Any

import pytest

from bench.emulator.dynamodb import requests as dynamodb_requests
from bench.engine import (
    ProtocolParserError,
    Request,
    RequestContext,
    Response,
    ServiceRequestParser,
    create_parser,
    load_service,
)

dynamodb_requests.install()

KEY = {"symbol": {"S": "Zürich"}, "timestamp": {"N": "138115260000000000000000000000001"}}
REQUESTS: dict[str, dict[str, Any]] = {
    "PutItem": {"TableName": "t", "Item": {**KEY, "l": {"L": [{"N": "1"}, {"BOOL": True}, {"NULL": True}]}}},
    "BatchWriteItem": {"RequestItems": {"t": [{"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": KEY}}]}},
    "GetItem": {"TableName": "t", "Key": KEY, "ConsistentRead": True},
    "Query": {"TableName": "t", "Limit": 3, "ExpressionAttributeValues": {":a": {"M": {"x": {"SS": ["y"]}}}}},
}


def context_of(operation: str, body: bytes) -> RequestContext:
    """Return a request's context as the handlers before the parser leave it."""
    headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    context = RequestContext(Request("POST", "/", headers=headers, body=body))
    context.service, context.protocol = load_service("dynamodb"), "json"
    return context


def test_what_is_sent_on_has_bytes() -> None:
    """A part of a batch that a fault lets through is stored as it was sent, whatever its attributes are called."""
    item = {**KEY, "packed": {"B": "eJw="}, "B": {"S": "text"}, "m": {"M": {"B": {"BS": ["AQI="]}}}}
    sent_on = dynamodb_requests.with_binaries({"RequestItems": {"t": [{"PutRequest": {"Item": item}}]}})
    (write,) = sent_on["RequestItems"]["t"]
    wanted = {**KEY, "packed": {"B": b"x\x9c"}, "B": {"S": "text"}, "m": {"M": {"B": {"BS": [b"\1\2"]}}}}
    assert write["PutRequest"]["Item"] == wanted


@pytest.mark.parametrize("operation", REQUESTS)
def test_emulator_dynamodb_request_is_as_localstack_reads_it(operation: str) -> None:
    """Operation and parameters are the same, whichever way they are read."""
    context = context_of(operation, json.dumps(REQUESTS[operation]).encode())
    wanted, parameters = create_parser(context.service, "json").parse(context.request)
    ServiceRequestParser().parse_and_enrich(context)

    assert (context.operation.name, context.service_request) == (wanted.name, parameters)


def test_emulator_dynamodb_request_keeps_binaries_in_base64() -> None:
    """A binary stays what it was in the request: moto stores it so, and nobody here looks into it."""
    item = {**KEY, "b": {"B": "AAEC"}}
    context = context_of("PutItem", json.dumps({"TableName": "t", "Item": item}).encode())
    ServiceRequestParser().parse_and_enrich(context)

    assert context.service_request == {"TableName": "t", "Item": item}


def test_emulator_dynamodb_request_without_json_is_refused() -> None:
    """What is no JSON is LocalStack's usual error, not a failure of the emulator."""
    with pytest.raises(ProtocolParserError):
        ServiceRequestParser().parse_and_enrich(context_of("GetItem", b"{"))


@pytest.mark.parametrize(("status", "noted"), [(200, {"Item": KEY}), (400, None)])
def test_emulator_dynamodb_answer_is_noted_for_the_handlers(status: int, noted: dict[str, Any] | None) -> None:
    """An answer is given to the response handlers as it is; an error is left to LocalStack's parser."""
    context = context_of("GetItem", json.dumps(REQUESTS["GetItem"]).encode())
    ServiceRequestParser().parse_and_enrich(context)
    dynamodb_requests.note_answer(context, Response(json.dumps({"Item": KEY}), status))

    assert context.service_response == noted
