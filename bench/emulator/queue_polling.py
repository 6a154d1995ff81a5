"""Standard queues' event source mappings: told of messages instead of asking for them, and several batches at a time.

LocalStack asks each queue for messages again and again, and hands over one batch after the other. Here a mapping waits
for its queue to say that there is a message, as long polling does on AWS, and asks then. And it goes on while a batch
is processed, up to the mapping's MaximumConcurrency, and to a few: functions are processes of this machine. FIFO
queues are left alone, since the order of their messages rests on that.

What a function failed on comes again when the queue's visibility timeout is over, as on AWS, or sooner where a run says
so (`bench.faults.retries`).
"""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import batched
from typing import Any, Final

from bench.engine import EsmWorker, SqsPoller, StandardQueue, parse_arn, patch, sqs_stores
from bench.faults.retries import RETRY_TAG

LOG = logging.getLogger(__name__)
#: How many batches of one queue may be under way, where its mapping allows as many.
VARIABLE: Final = "TICKSTREAM_CONCURRENT_BATCHES"
# A mapping that is deleted while it waits is gone this much later.
_WAIT_S: Final = 0.25
#: SQS takes no more in one request.
_BATCH_ENTRIES: Final = 10


class Batches:
    """The batches of one mapping that are under way: at most ``limit``, each in a thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free = threading.Semaphore(limit)
        self._pool: ThreadPoolExecutor | None = None

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until one more may begin; only one thread begins them, so it then may."""
        free = self._free.acquire(timeout=timeout_s)
        if free:
            self._free.release()
        return free

    def begin(self, work: Any, *arguments: Any) -> None:
        """Do the work in a thread; what it raises is logged, as LocalStack does, and its messages come again."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._limit, thread_name_prefix="queue-batch")
        self._free.acquire()
        self._pool.submit(self._do, work, arguments)

    def close(self) -> None:
        """Wait for what is under way. More may begin afterwards."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _do(self, work: Any, arguments: tuple[Any, ...]) -> None:
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the queue gives the messages out again
            LOG.warning("a batch was not processed: %s", error)
        finally:
            self._free.release()


def _store_of(poller: SqsPoller) -> Any:
    """Return LocalStack's own store of the queues of an account and region."""
    arn = parse_arn(poller.source_arn)
    return sqs_stores[arn["account"]][arn["region"]]


def _queue_of(poller: SqsPoller) -> Any:
    """Return the queue that is polled, LocalStack's own; None for one that is gone."""
    return _store_of(poller).queues.get(parse_arn(poller.source_arn)["resource"])


def _retry_soon(poller: SqsPoller, messages: Sequence[Mapping[str, Any]]) -> None:
    """Have what is left of a batch that was handled come again as its queue's tag says; the rest is deleted."""
    tags = _store_of(poller).tags.get_tags(poller.source_arn)
    if RETRY_TAG not in tags:
        return
    seconds = int(tags[RETRY_TAG])
    for batch in batched(messages, _BATCH_ENTRIES, strict=False):
        entries = [
            {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": seconds}
            for place, message in enumerate(batch)
        ]
        poller.source_client.change_message_visibility_batch(QueueUrl=poller.queue_url, Entries=entries)


def _has_message(queue: StandardQueue, timeout_s: float) -> bool:
    """Wait until a message is visible in a queue."""
    visible = queue.visible
    with visible.not_empty:
        return bool(visible.not_empty.wait_for(lambda: visible._qsize() or visible.is_shutdown, timeout_s))  # noqa: SLF001 - its size, under its own lock


def install() -> None:
    """Have mappings poll like this from now on; called once, while LocalStack starts."""
    limit = int(os.environ.get(VARIABLE, "1"))

    @patch(EsmWorker.__init__)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def init(begin: Any, self: EsmWorker, esm_config: Any, poller: Any, *more: Any, **named: Any) -> None:
        begin(self, esm_config, poller, *more, **named)
        if isinstance(poller, SqsPoller):
            allowed = (esm_config.get("ScalingConfig") or {}).get("MaximumConcurrency") or limit
            poller.batches = Batches(min(limit, allowed))

    @patch(SqsPoller.poll_events)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def poll_events(poll: Any, self: SqsPoller) -> None:
        # EventBridge's pipes use the same poller, without a mapping.
        queue = _queue_of(self) if hasattr(self, "batches") else None
        # Where there is nothing it is asked again at once, unless the mapping was stopped; a poll that finds nothing
        # would make it sleep, deaf to what comes meanwhile.
        if not isinstance(queue, StandardQueue) or (
            self.batches.wait_for_room(_WAIT_S) and _has_message(queue, _WAIT_S)
        ):
            poll(self)

    @patch(SqsPoller.handle_messages)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def handle_messages(handle: Any, self: SqsPoller, messages: Any) -> None:
        def handle_once() -> None:
            try:
                handle(self, messages)
            finally:
                _retry_soon(self, messages)

        if not hasattr(self, "batches"):
            handle(self, messages)
        elif self.is_fifo_queue:
            handle_once()
        else:
            self.batches.begin(handle_once)

    def close(self: SqsPoller) -> None:
        if hasattr(self, "batches"):
            self.batches.close()

    SqsPoller.close = close
