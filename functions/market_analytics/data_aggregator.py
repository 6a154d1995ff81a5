"""DataAggregator: rollups when a range is committed, and every five minutes what events have missed.

An event of DataProcessor wakes it; who comes while another works ends at once (`data_aggregator_election`). The
schedule does the same work first, then looks through the open ingests and publishes the metrics.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_confirmation import CONFIRM_AFTER_MS, Survey, survey_ingests
from market_analytics.data_aggregator_election import CONFIRMING, Election, Lease
from market_analytics.data_aggregator_rollups import oldest_commit_ms, roll_up_entries, roll_up_pending
from services import settings
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.log_lines import one_line
from services.metrics import Metric, publish
from tickstream.errors import MalformedItem
from tickstream.ingests import Pending
from tickstream.items import key_of_pending
from tickstream.keys import pending_partitions
from tickstream.messages import EVENT_DETAIL_TYPE, ranges_from_detail

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from services.table import Table

SCHEDULED_DETAIL_TYPE: Final = "Scheduled Event"
#: No new piece of work is begun with less time than this: one takes a second on DynamoDB, some on an emulator.
WORK_RESERVE_S: Final = 12.0
#: What of the schedule's time is kept for the open ingests and the metrics, however long the rollups take.
SURVEY_RESERVE_S: Final = 25.0
#: A lease outlives its holder by this much, for clocks that differ and a write that is under way at the end.
LEASE_MARGIN_MS: Final = 10_000

#: An event of so many ticks is one of an object, whose other ranges are under way: it is worth a moment's wait.
COALESCE_TICKS: Final = 10_000

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """The function's environment."""

    table_name: str
    compaction_threshold: int
    overdue_seconds: int

    @classmethod
    def from_env(cls) -> Self:
        """Read it. Raises ConfigurationError naming what is missing."""
        return cls(
            table_name=settings.text("TABLE_NAME"),
            compaction_threshold=settings.whole_number("COMPACTION_THRESHOLD", minimum=2),
            overdue_seconds=settings.whole_number("OVERDUE_SECONDS", minimum=1),
        )


@dataclass(frozen=True, slots=True)
class Clock:
    """The invocation's time: what the wall clock says, how much is left, and how to let some pass (in seconds)."""

    now_ms: Callable[[], int]
    remaining_s: Callable[[], float]
    wait: Callable[[float], None]

    def up(self, reserve_s: float) -> Callable[[], bool]:
        """Return what says whether less than the reserve is left."""
        return lambda: self.remaining_s() < reserve_s


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Serve one event. What it raises sends the event to Lambda's retries, then to the dead-letter queue."""
    try:
        _serve(event, context)
    except Exception:
        # Lambda's own line about it knows no ingest.
        logger.exception("event not served")
        raise


def _serve(event: dict[str, Any], context: LambdaContext) -> None:
    config = Settings.from_env()
    deadline = Deadline.of(context)
    table = DynamoTable(config.table_name, deadline)
    clock = Clock(lambda: time.time_ns() // 10**6, deadline.remaining_s, time.sleep)
    detail_type = event.get("detail-type")
    if detail_type == EVENT_DETAIL_TYPE:
        on_processed(event.get("detail") or {}, table, config, clock)
    elif detail_type == SCHEDULED_DETAIL_TYPE:
        publish(on_schedule(table, config, clock), function_request_id=context.aws_request_id)
    else:
        raise MalformedItem(f"not an event for this function: detail-type {detail_type!r}")


def on_processed(detail: Mapping[str, Any], table: Table, config: Settings, clock: Clock) -> bool:
    """Roll up, if a range of the event still needs it and nobody else is at work; say whether work was done here.

    Raises MalformedItem for an event that is none of ours, ServiceRefused, or ServiceIncomplete from the work itself.
    """
    ranges = ranges_from_detail(detail)
    # A pass works on whatever is pending: its lines say which ingest they are about, where it is one, and all of them
    # whose event began the pass.
    logger.append_keys(woken_by=[f"{one.ingest_id}/{one.index}" for one in ranges])
    keys = [key_of_pending(Pending(one.ingest_id, one.index, one.received_ms)) for one in ranges]

    def own() -> Callable[[], bool] | None:
        # Rolled up already, by whoever was at work when they were committed: events of a busy hour end here, or before
        # they ask.
        entries = table.batch_get(keys)
        threshold, time_is_up = config.compaction_threshold, clock.up(WORK_RESERVE_S)
        return (lambda: roll_up_entries(table, entries, threshold, time_is_up)) if entries else None

    coalescing = sum(one.ticks for one in ranges) >= COALESCE_TICKS
    election = _election(table, clock, clock.wait if coalescing else None)
    worked = election.run({key["symbol"]["S"] for key in keys}, _work(table, config, clock, WORK_RESERVE_S), own)
    logger.info("event served", worked=worked)
    return worked


def on_schedule(table: Table, config: Settings, clock: Clock) -> tuple[Metric, ...]:
    """Roll up what events missed, look through the open ingests, return the metrics. Raises as `on_processed`."""
    _election(table, clock, None).run(pending_partitions(), _work(table, config, clock, SURVEY_RESERVE_S))
    # At most once in CONFIRM_AFTER_MS, whoever triggers the schedule how often: it is never released.
    confirming = Lease(table, CONFIRMING, CONFIRM_AFTER_MS, clock.now_ms).acquire()
    survey = survey_ingests(
        table,
        now_ms=clock.now_ms(),
        overdue_ms=config.overdue_seconds * 1000,
        confirming=confirming,
        compaction_threshold=config.compaction_threshold,
        time_is_up=clock.up(WORK_RESERVE_S),
    )
    oldest_ms = oldest_commit_ms(table)
    lag_ms = 0 if oldest_ms is None else max(0, clock.now_ms() - oldest_ms)
    logger.info("open ingests surveyed", confirming=confirming, survey=str(survey), lag_ms=lag_ms)
    return _metrics(survey, lag_ms)


def _election(table: Table, clock: Clock, wait: Callable[[float], None] | None) -> Election:
    hold_ms = int(clock.remaining_s() * 1000) + LEASE_MARGIN_MS
    return Election(table, hold_ms, clock.now_ms, wait)


def _work(table: Table, config: Settings, clock: Clock, reserve_s: float) -> Callable[[Collection[str]], bool]:
    time_is_up = clock.up(reserve_s)
    return lambda shards: roll_up_pending(table, shards, config.compaction_threshold, time_is_up)


def _metrics(survey: Survey, lag_ms: int) -> tuple[Metric, ...]:
    return (
        Metric("TicksProcessed", survey.ticks, "Count"),
        Metric("RowsRejected", survey.rejected, "Count"),
        Metric("RollupLagSeconds", lag_ms // 1000, "Seconds"),
        Metric("OpenIngests", survey.open_ingests, "Count"),
        Metric("OverdueIngests", survey.overdue, "Count"),
    )
