"""Where market analytics' work waits, and where it ends when it fails for good.

There are seven dead-letter queues: one for each of the three queues, one a function that is invoked asynchronously, and
one for events that EventBridge could not deliver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from generator.blocks.function import LONGEST_TIMEOUT_S
from generator.blocks.queue import (
    LIVES_A_VISIBILITY,
    WORK_RETENTION_S,
    Queue,
    dead_letter_queue,
    max_receives,
    rule_dead_letter_queue,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from generator.blocks.stack import Stack

LARGE_LATE_S = 6 * 3600
"""Large ranges may wait: a backfill is let through few at a time, and takes the hours that the table needs for it."""

LARGE_RETENTION_S = 10 * 24 * 3600
"""A backlog of years may take more than four days, and what grows too old in a queue is gone. Not two weeks: those the
dead-letter queue keeps, where a message's age counts from its first sending, and what fails late must stay a while."""

LATE_S = 900
"""Three visibility timeouts: a message this old has failed twice, or there is too much work for the ceiling."""

INDEX_LATE_S = 3_600
"""An order that is worked on is replaced within a quarter of an hour. One this old waits for its turn among very many,
or has failed and comes again when its visibility timeout is over, an hour and a half after it was received."""

_RULES = ("MarketDataProcessed", "LanesWaiting", "AggregationSchedule", "RevisionWaiting", "RevisionSchedule")


@dataclass(frozen=True, slots=True)
class Queues:
    """The queues of one stack."""

    work: Queue
    large_work: Queue
    orders: Queue
    processing_failed: Queue
    large_failed: Queue
    indexing_failed: Queue
    ingestion_failed: Queue
    aggregation_failed: Queue
    revision_failed: Queue
    undelivered: Queue

    @classmethod
    def add_to(cls, stack: Stack) -> Self:
        """Add all of them to a stack, and return them."""
        processing_failed = dead_letter_queue(stack, "ProcessingDeadLetterQueue", of="ProcessingQueue")
        large_failed = dead_letter_queue(stack, "LargeRangeDeadLetterQueue", of="LargeRangeQueue")
        indexing_failed = dead_letter_queue(stack, "IndexDeadLetterQueue", of="IndexQueue")
        receives = max_receives(stack)
        return cls(
            work=Queue(
                stack,
                "ProcessingQueue",
                retention_s=WORK_RETENTION_S,
                dead_letters=processing_failed,
                max_receives=receives,
            ),
            large_work=Queue(
                stack,
                "LargeRangeQueue",
                retention_s=LARGE_RETENTION_S,
                dead_letters=large_failed,
                max_receives=receives,
            ),
            orders=Queue(
                stack,
                "IndexQueue",
                retention_s=WORK_RETENTION_S,
                visibility_timeout_s=LIVES_A_VISIBILITY * LONGEST_TIMEOUT_S,
                dead_letters=indexing_failed,
                max_receives=receives,
            ),
            processing_failed=processing_failed,
            large_failed=large_failed,
            indexing_failed=indexing_failed,
            ingestion_failed=dead_letter_queue(stack, "IngestionDeadLetterQueue"),
            aggregation_failed=dead_letter_queue(stack, "AggregatorDeadLetterQueue"),
            revision_failed=dead_letter_queue(stack, "RevisionDeadLetterQueue"),
            undelivered=rule_dead_letter_queue(stack, "RuleDeadLetterQueue", rules=_RULES),
        )

    def dead_letters(self) -> tuple[Queue, ...]:
        """Return those in which nothing should be."""
        return (
            self.processing_failed,
            self.large_failed,
            self.indexing_failed,
            self.ingestion_failed,
            self.aggregation_failed,
            self.revision_failed,
            self.undelivered,
        )

    def oldest_s(self) -> Mapping[Queue, int]:
        """Return how old the oldest message of a queue of work may get."""
        return {self.work: LATE_S, self.large_work: LARGE_LATE_S, self.orders: INDEX_LATE_S}

    def outputs(self) -> Mapping[str, tuple[Any, str]]:
        """Return the stack's outputs about them: value and text by key."""
        return {
            "queueUrl": (self.work.url, "Queue between ingestion and processing"),
            "processingDeadLetterQueueUrl": (self.processing_failed.url, "Messages that failed for good"),
            "largeRangeQueueUrl": (self.large_work.url, "Queue of large ranges, processed few at a time"),
            "largeRangeDeadLetterQueueUrl": (self.large_failed.url, "Messages of large ranges that failed for good"),
            "indexQueueUrl": (self.orders.url, "Queue of packed objects that are to be indexed"),
            "indexDeadLetterQueueUrl": (self.indexing_failed.url, "Orders to index that failed for good"),
            "ingestionDeadLetterQueueUrl": (self.ingestion_failed.url, "Object events that failed for good"),
            "aggregatorDeadLetterQueueUrl": (self.aggregation_failed.url, "Aggregations that failed for good"),
            "revisionDeadLetterQueueUrl": (self.revision_failed.url, "Retractions that failed for good"),
            "ruleDeadLetterQueueUrl": (self.undelivered.url, "Events that EventBridge could not deliver"),
        }
