"""The APIs' descriptions in OpenAPI 3.0, made of the facts that the templates are made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from generator.blocks.api import REFUSALS
from generator.contracts import file_processing, market_analytics
from generator.contracts.operation import TEXT, Refused, choice_of, record
from services.api_answers import HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from generator.blocks.api import Refusal
    from generator.contracts.operation import Body, Contract, Operation, Parameter, Schema

OPENAPI_VERSION = "3.0.3"

CONTRACTS: Mapping[str, Contract] = {
    "market-analytics": market_analytics.CONTRACT,
    "file-processing": file_processing.CONTRACT,
}
"""Each pipeline's API, by the pipeline's name."""

_JSON = "application/json"

_ANY_CALL = {
    500: Refused(("internal_error",)),
    503: Refused(("try_again",)),
}
"""The functions' answers to what is nobody's fault; all are safe to log and say nothing but the request's id."""

_MEANINGS = {
    200: "Done.",
    400: "The call makes no sense; the code says why.",
    403: "The call is not signed, not allowed, or there is none of that name.",
    404: "There is no such thing.",
    409: "The Idempotency-Key was used for another body.",
    413: "Too much at once.",
    415: "Only application/json is taken.",
    429: "Too many calls at once: slow down and try again.",
    500: "A defect; the message has the request's id.",
    503: "Busy: try again.",
    504: "No answer in time: try again.",
}


def document(contract: Contract) -> dict[str, Any]:
    """Return an API's description, the same for every environment."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in contract.operations:
        paths.setdefault(operation.open_path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": contract.title,
            "description": f"{contract.does} Every call is signed (IAM, Signature Version 4). "
            'Errors are {"error": {"code": ..., "message": ...}}.',
            "version": "1",
            "license": {"name": "Apache-2.0"},
        },
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com/{stage}",
                "variables": {
                    "api": {"default": "api", "description": "The stack's output restApiId."},
                    "region": {"default": "us-east-1"},
                    "stage": {"default": "dev", "description": "The environment's name."},
                },
            }
        ],
        "security": [{"signature": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
            "schemas": dict(contract.schemas),
        },
    }


def render(contract: Contract) -> str:
    """Return the description as text: the same bytes on every machine."""
    return json.dumps(document(contract), indent=1, ensure_ascii=False) + "\n"


def render_all() -> dict[str, str]:
    """Return every API's description by file name, such as `market-analytics.json`."""
    return {f"{name}.json": render(contract) for name, contract in CONTRACTS.items()}


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": operation.name, "summary": operation.does}
    if operation.more:
        described["description"] = operation.more
    if operation.parameters:
        described["parameters"] = [_parameter(one) for one in operation.parameters]
    if operation.body is not None:
        described["requestBody"] = _body(operation.body)
    return {**described, "responses": _answers(operation)}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.does,
        "schema": parameter.schema,
    }


def _body(body: Body) -> dict[str, Any]:
    return {
        "required": True,
        "description": f"At most {body.max_bytes:,} bytes.",
        "content": {_JSON: {"schema": body.schema, "example": body.example}},
    }


def _answers(operation: Operation) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    if operation.answer is not None:
        headers = {
            name: {"required": True, "schema": choice_of([value])}
            for name, value in HEADERS.items()
            if name != "Content-Type"  # which OpenAPI says in a place of its own
        }
        answers["200"] = _answer(200, operation.answer, headers)
    gateway = [one for one in REFUSALS if operation.body is not None or not one.of_bodies]
    own = {**operation.refused, **_ANY_CALL}
    for status in sorted(own.keys() | {one.status for one in gateway if one.status}):
        answers[str(status)] = _answer(status, _error(own.get(status, Refused(())), gateway, status))
    return answers


def _answer(status: int, schema: Schema, headers: Mapping[str, Any] | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _MEANINGS[status]}
    if headers:
        answer["headers"] = headers
    return {**answer, "content": {_JSON: {"schema": schema}}}


def _error(refused: Refused, gateway: list[Refusal], status: int) -> Schema:
    """Return the schema of an error: every code that the function or the gateway may give under this status."""
    # DEFAULT_4XX and DEFAULT_5XX stand for whatever the gateway may refuse besides, under any status.
    of_gateway = {one.code for one in gateway if one.status == status or one.kind == f"DEFAULT_{status // 100}XX"}
    codes = choice_of(sorted({*refused.codes, *of_gateway}))
    return record({"error": record({"code": codes, "message": {**TEXT, "minLength": 1}}, refused.details)})
