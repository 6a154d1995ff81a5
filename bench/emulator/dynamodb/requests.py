"""DynamoDB's requests and answers read once, as the JSON that they are.

LocalStack walks each request and each of moto's answers through the service's model in Python, to make bytes and dates
of what JSON has no types for: three quarters of what a BatchWriteItem costs. The item operations know neither dates
nor anything that the handlers here and moto want decoded: what they get holds binaries in Base64, as moto stores them.
"""

import base64
from functools import cache
from typing import Any, Final

import msgspec
from moto.core import responses
from moto.dynamodb.responses import DynamoHandler
from moto.utilities.aws_headers import gen_amzn_requestid_long

from bench.engine import ProtocolParserError, RequestContext, Response, ServiceRequestParser, patch

#: The operations on items, whose requests and answers need no model.
ITEM_OPERATIONS: Final = frozenset({
    "BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "TransactGetItems",
    "TransactWriteItems", "UpdateItem",
})  # fmt: skip
_CONTENT_TYPE: Final = "application/x-amz-json-1.0"


def install() -> None:
    """Read DynamoDB's item requests like this from now on; once a process."""
    # moto looks its own class through anew for every request.
    responses.method_names_from_class = cache(responses.method_names_from_class)

    # It looks through each answer for the request id of an XML document, a fifth of the cost of a large one.
    DynamoHandler._enrich_response = staticmethod(_with_request_id)  # noqa: SLF001 - its hook

    @patch(ServiceRequestParser.parse_and_enrich)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def parse_and_enrich(parse: Any, self: ServiceRequestParser, context: RequestContext) -> None:
        headers = context.request.headers
        operation = headers.get("X-Amz-Target", "").rpartition(".")[2]
        if (
            context.service.service_name != "dynamodb"
            or operation not in ITEM_OPERATIONS
            or headers.get("Content-Type") != _CONTENT_TYPE
        ):
            parse(self, context)
            return
        try:
            request = msgspec.json.decode(context.request.data)
        except ValueError as error:
            raise ProtocolParserError("the body is no JSON") from error
        context.operation = context.service.operation_model(operation)
        context.service_request = request


def with_binaries(parameters: Any) -> Any:
    """Return a request's parameters as boto3 takes them: with bytes where the JSON has Base64.

    What is sent on as it stands would be encoded once more.
    """
    if isinstance(parameters, dict):
        return {name: _BINARIES.get(name, with_binaries)(value) for name, value in parameters.items()}
    if isinstance(parameters, list):
        return [with_binaries(value) for value in parameters]
    return parameters


def _binary(value: Any) -> Any:
    # An attribute may be called B too, and a table BS.
    return base64.b64decode(value) if isinstance(value, str) else with_binaries(value)


def _binary_set(value: Any) -> Any:
    return [_binary(one) for one in value] if isinstance(value, list) else with_binaries(value)


_BINARIES: Final = {"B": _binary, "BS": _binary_set}


def _with_request_id(headers: dict[str, str], body: Any) -> tuple[dict[str, str], Any]:
    if "status" in headers:
        headers["status"] = str(headers["status"])
    gen_amzn_requestid_long(headers)
    return headers, body


def note_answer(context: RequestContext, response: Response) -> None:
    """Give the response handlers what an item operation answered; an error they read themselves."""
    if context.operation.name in ITEM_OPERATIONS and response.status_code < 300:
        context.service_response = msgspec.json.decode(response.data)
