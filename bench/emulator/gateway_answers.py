"""The gateway's own refusals in the words of the deployed stack: of these LocalStack takes the status alone."""

import json
from typing import Any, Final

from bench.engine import (
    GatewayExceptionHandler,
    Response,
    RestApiInvocationContext,
    get_gateway_response_or_default,
    patch,
)

_JSON: Final = "application/json"


def install() -> None:
    """Apply the stack's gateway responses; called once, while LocalStack starts."""

    @patch(GatewayExceptionHandler.create_exception_response)  # type: ignore[untyped-decorator] # LocalStack is untyped
    def create_exception_response(
        create: Any, self: GatewayExceptionHandler, exception: Any, context: RestApiInvocationContext
    ) -> Response:
        answer = create(self, exception, context)
        found = get_gateway_response_or_default(exception.type, context.deployment.rest_api.gateway_responses)
        text = literal_text(found.get("responseTemplates") or {})
        if text is not None:
            answer.set_response(text)
        return answer


def literal_text(templates: dict[str, str]) -> str | None:
    """Return a template of JSON that is the answer as it stands; None where it has variables, or is not there."""
    text = templates.get(_JSON)
    if text is None or "$" in text:
        return None
    json.loads(text)
    return text
