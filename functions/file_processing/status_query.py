"""status-query: `GET /status/{fileId+}`, the 400 of `GET /status`, and `GET /files`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote

from aws_lambda_powertools import Logger

from file_processing.status_query_files import listed_files
from services import settings
from services.api_answers import answer_with
from services.api_requests import parameters_of
from services.deadlines import Deadline
from services.log_lines import one_line
from services.status_table import DynamoStatusTable
from tickstream.errors import BadRequest
from tickstream.promises import MAX_FILE_ID_BYTES
from tickstream.status_items import status_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from services.status_table import StatusTable

#: A page of files ends when this much time is gone: about half of what API Gateway waits (29 s).
PAGE_SECONDS: Final = 14.0

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """The function's environment."""

    table_name: str
    data_bucket: str

    @classmethod
    def from_env(cls) -> Self:
        """Read it. Raises ConfigurationError naming what is missing."""
        return cls(settings.text("TABLE_NAME"), settings.text("DATA_BUCKET"))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway (REST, proxy integration); never raises."""

    def fields() -> dict[str, Any]:
        config = Settings.from_env()
        return respond(event, DynamoStatusTable(config.table_name), config, time.time_ns() // 10**6)

    return answer_with(fields, logger, context.aws_request_id)


def respond(event: Mapping[str, Any], statuses: StatusTable, config: Settings, now_ms: int) -> dict[str, Any]:
    """Return the fields of a 200. Raises BadRequest (400 without an id, 404 for a file that is not known)."""
    if event.get("resource") == "/files":
        deadline = Deadline.after(PAGE_SECONDS)
        asked = parameters_of(event)
        return listed_files(statuses, asked, config.data_bucket, now_ms, lambda: deadline.remaining_s() == 0)
    file_id = file_id_from(event.get("pathParameters") or {})
    logger.append_keys(file_id=file_id)
    status = statuses.get(file_id)
    # DynamoDB deletes what has expired within days, in its own time: what a caller sees does not depend on it.
    if status is None or status.expires_at_s <= now_ms // 1000:
        raise BadRequest("unknown_file", "no such file (they are forgotten after 30 days)", status=404)
    return status_fields(status)


def file_id_from(parameters: Mapping[str, str]) -> str:
    """Return the file id that the path names. Raises BadRequest.

    A REST API hands path parameters over as they were sent, still percent-encoded (query parameters it decodes), and
    so does LocalStack. So they are decoded here, once: `%2520` is the text `%20`, and a plus sign is a plus sign, which
    means a space in forms only. A slash at the very end, which gateways strip, can be sent as `%2F`.
    """
    sent = parameters.get("fileId") or ""
    if not sent:
        raise BadRequest("missing_file_id", "the path must name a file: /status/BUCKET/KEY")
    try:
        file_id = unquote(sent, errors="strict")
        length_bytes = len(file_id.encode())
    except UnicodeError as error:
        raise BadRequest("bad_file_id", "the file id is not UTF-8") from error
    bucket, slash, key = file_id.partition("/")
    if not (bucket and slash and key) or length_bytes > MAX_FILE_ID_BYTES:
        raise BadRequest("bad_file_id", "a file id is BUCKET/KEY, of at most 1,088 bytes")
    return file_id
