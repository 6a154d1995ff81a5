"""DataIngestion: the handler behind S3's `ObjectCreated` events and behind `POST /ingest`.

There is one route, so there is no router: powertools' resolver would double the time that this module takes to import,
and a cold start is what a first caller waits for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from aws_lambda_powertools import Logger

from market_analytics.data_ingestion_objects import ingest_object
from market_analytics.data_ingestion_posts import take_ticks
from market_analytics.data_ingestion_requests import read_request, refusal_fields
from services import settings
from services.api_answers import answer_with
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.log_lines import one_line
from services.object_events import process_created
from services.objects import ObjectReader, put_line, stored_checksum
from services.queue import Queue
from tickstream import keys
from tickstream.counted_lines import OBJECT_REJECTED
from tickstream.notifications import object_created
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from market_analytics.data_ingestion_posts import Taken
    from tickstream.ingests import Source
    from tickstream.notifications import ObjectCreated

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment decides. `range_bytes`: the size that ranges are cut to."""

    table_name: str
    queue_url: str
    large_range_queue_url: str
    index_queue_url: str
    rejected_bucket: str
    same_key: str
    range_bytes: int

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment. Raises ConfigurationError, naming the variable."""
        return cls(
            table_name=settings.text("TABLE_NAME"),
            queue_url=settings.text("QUEUE_URL"),
            large_range_queue_url=settings.text("LARGE_RANGE_QUEUE_URL"),
            index_queue_url=settings.text("INDEX_QUEUE_URL"),
            rejected_bucket=settings.text("REJECTED_BUCKET"),
            same_key=settings.text("SAME_KEY"),
            range_bytes=settings.whole_number("RANGE_BYTES", minimum=1),
        )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    """Answer an API call, or ingest the objects of an S3 event (which nobody waits for)."""
    if "requestContext" in event:
        return answer_with(lambda: _taken_fields(_take(event, context)), logger, context.aws_request_id)
    process_created(event, lambda record: _ingest_one(object_created(record), context), _names_of, logger)
    return None


# --- objects -------------------------------------------------------------------------------------------------------


def _names_of(source: Source) -> dict[str, str]:
    ingest_id = keys.object_ingest_id(source.bucket, source.key, source.etag, source.size_bytes)
    return {"ingest_id": ingest_id, "bucket": source.bucket, "key": source.key}


def _ingest_one(created: ObjectCreated, context: LambdaContext) -> None:
    source = created.source
    configured = Settings.from_env()
    deadline = Deadline.of(context)
    ingested = ingest_object(
        source,
        time.time_ns() // 10**6,
        configured.range_bytes,
        table=DynamoTable(configured.table_name, deadline),
        read=ObjectReader(source, deadline),
        send=Queue(configured.queue_url, deadline).send,
        send_large=Queue(configured.large_range_queue_url, deadline).send,
        order_index=Queue(configured.index_queue_url, deadline).send,
        checksum=lambda: stored_checksum(source, deadline),
        put_ms=created.created_ms,
        replaces=configured.same_key == "replace",
        keep_refusal=partial(put_line, configured.rejected_bucket),
    )
    manifest = ingested.manifest
    # Not the one that its ETag says, where the same bytes came under another ETag before.
    logger.append_keys(ingest_id=manifest.ingest_id)
    facts = {
        "size_bytes": source.size_bytes,
        "ranges": manifest.ranges,
        "indexing": manifest.indexing,
        "sent": ingested.sent,
        "known": ingested.known,
    }
    if manifest.rejected is not None:
        # A warning: the uploader's fault and on record, nothing for the function's error count. It has a count of its
        # own, by these words (the stack's metric filter), and an alarm.
        logger.warning(
            OBJECT_REJECTED, extra={**facts, "reason": manifest.rejected.value, "detail": manifest.rejected_detail}
        )
    else:
        logger.info("object ingested", extra=facts)


# --- posts ---------------------------------------------------------------------------------------------------------


def _take(event: Mapping[str, Any], context: LambdaContext) -> Taken:
    posted = read_request(event)
    configured = Settings.from_env()
    deadline = Deadline.of(context)
    return take_ticks(
        posted,
        # Lambda's id and not API Gateway's: that one a client may choose.
        context.aws_request_id,
        time.time_ns(),
        table=DynamoTable(configured.table_name, deadline),
        send=Queue(configured.queue_url, deadline).send,
    )


def _taken_fields(taken: Taken) -> dict[str, Any]:
    """Return what a 200 says. It is said only of ticks that are in the queue."""
    checked = taken.checked
    logger.info(
        "ticks taken",
        extra={"accepted": len(checked.accepted), "rejected": len(checked.refused)},
    )
    return {
        "ingestId": taken.ingest_id,
        "accepted": len(checked.accepted),
        "rejected": len(checked.refused),
        **refusal_fields(checked.refused),
        "receivedAt": iso_8601(taken.received_ns),
        # As text: a JSON number of 19 digits is rounded by most readers.
        "receivedNs": str(taken.received_ns),
    }
