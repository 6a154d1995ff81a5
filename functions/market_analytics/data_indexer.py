"""DataIndexer: the handler behind the index queue. What takes longer than an invocation goes on in the next one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from aws_lambda_powertools import Logger

from market_analytics.data_indexer_objects import Stores, index_object
from services import settings
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.index_parts import IndexParts
from services.log_lines import one_line
from services.objects import ObjectReader, put_line
from services.ordered_batches import failures_answer
from services.queue import Queue
from tickstream.counted_lines import OBJECT_REJECTED
from tickstream.errors import ComeAgain, MalformedItem, OutOfTime, ServiceIncomplete
from tickstream.messages import decode_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

#: What the writes of a part, and of all ranges, may still take when no more is begun.
MARGIN_S: Final = 60.0
_PASSING_S: Final = 30

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment decides."""

    table_name: str
    large_range_queue_url: str
    index_queue_url: str
    index_bucket: str
    range_bytes: int

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment. Raises ConfigurationError, naming the variable."""
        return cls(
            table_name=settings.text("TABLE_NAME"),
            large_range_queue_url=settings.text("LARGE_RANGE_QUEUE_URL"),
            index_queue_url=settings.text("INDEX_QUEUE_URL"),
            index_bucket=settings.text("REJECTED_BUCKET"),
            range_bytes=settings.whole_number("RANGE_BYTES", minimum=1),
        )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work on the orders of a batch (of one); return `batchItemFailures`."""
    configured = Settings.from_env()
    deadline = Deadline.of(context)

    def check() -> None:
        if deadline.remaining_s() < MARGIN_S:
            raise OutOfTime("the index goes on in another invocation")

    stores = Stores(
        table=DynamoTable(configured.table_name, deadline),
        parts=IndexParts(configured.index_bucket, deadline),
        open_object=lambda source: ObjectReader(source, deadline),
        send=Queue(configured.large_range_queue_url, deadline).send,
        check=check,
        now_ms=lambda: time.time_ns() // 10**6,
        keep_refusal=partial(put_line, configured.index_bucket),
    )
    queue = Queue(configured.index_queue_url, deadline)
    failed = [record["messageId"] for record in event["Records"] if not _is_done(record, configured, stores, queue)]
    return failures_answer(failed)


def _is_done(record: Mapping[str, Any], configured: Settings, stores: Stores, queue: Queue) -> bool:
    """Work on an order; whether its message may be deleted."""
    started_s = time.monotonic()
    with logger.append_context_keys(message_id=record["messageId"]):
        try:
            order = decode_order(record.get("body"))
            logger.append_keys(ingest_id=order.ingest_id)
            indexed = index_object(order, configured.range_bytes, stores)
        except ServiceIncomplete as error:
            # Out of time, or a service's trouble that passes: to fail the message would hide it for an hour and a half.
            delay_s = error.first_delay_s if isinstance(error, ComeAgain) else _PASSING_S
            logger.warning("order put back", extra={"why": str(error)})
            return not queue.put_back([record], delay_s)
        except MalformedItem:
            logger.exception("order cannot be read")
            return False
        except Exception:
            logger.exception("object not indexed")
            return False
    manifest, elapsed_ms = indexed.manifest, round((time.monotonic() - started_s) * 1000)
    if manifest.rejected is not None:
        why = {"reason": manifest.rejected.value, "detail": manifest.rejected_detail}
        logger.warning(OBJECT_REJECTED, extra={**why, "elapsed_ms": elapsed_ms})
    else:
        facts = {"ranges": manifest.ranges, "sent": indexed.sent}
        logger.info("object indexed", extra={**facts, "elapsed_ms": elapsed_ms})
    return True
