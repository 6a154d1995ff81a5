"""DataAggregator: rollups when a range is committed, and every five minutes what events have missed.

An event of DataProcessor wakes it; who comes while another works ends at once (`data_aggregator_election`). One that
has too much to do calls others, by an event of its own. The schedule does the same work first, then looks through the
open ingests and publishes the metrics.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_confirmation import Survey, survey_ingests
from market_analytics.data_aggregator_election import ROLLING_UP, SURVEYING, Election
from market_analytics.data_aggregator_lists import oldest_commit_ms, roll_up_entries, roll_up_pending
from market_analytics.data_aggregator_rollups import Rollups
from market_analytics.data_revision_orders import take_back_refused
from services import settings
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.events import EventBus
from services.log_lines import one_line
from services.metrics import Metric, publish
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.ingests import Pending
from tickstream.items import key_of_pending
from tickstream.messages import (
    CALL_DETAIL_TYPE,
    CALL_SOURCE,
    EVENT_DETAIL_TYPE,
    CalledFor,
    call_detail,
    call_from_detail,
    ranges_from_detail,
)
from tickstream.revisions import ORDER_DETAIL_TYPE, ORDER_SOURCE, key_of_publishing, order_detail

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from market_analytics.data_aggregator_election import Ended, Lanes, Share, Work
    from market_analytics.data_revision_orders import PutEvents
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
    event_bus_name: str
    compaction_threshold: int
    overdue_seconds: int

    @classmethod
    def from_env(cls) -> Self:
        """Read it. Raises ConfigurationError naming what is missing."""
        return cls(
            table_name=settings.text("TABLE_NAME"),
            event_bus_name=settings.text("EVENT_BUS_NAME"),
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

    def bus(source: str, detail_type: str) -> PutEvents:
        # Its client is made where it is needed: seldom.
        return lambda details: EventBus(config.event_bus_name, source, detail_type, deadline).put(details)

    aggregator = Aggregator(
        DynamoTable(config.table_name, deadline),
        config,
        Clock(lambda: time.time_ns() // 10**6, deadline.remaining_s, time.sleep),
        bus(CALL_SOURCE, CALL_DETAIL_TYPE),
        bus(ORDER_SOURCE, ORDER_DETAIL_TYPE),
    )
    detail_type = event.get("detail-type")
    if detail_type == EVENT_DETAIL_TYPE:
        aggregator.on_processed(event.get("detail") or {})
    elif detail_type == CALL_DETAIL_TYPE:
        publish(aggregator.on_called(event.get("detail") or {}), function_request_id=context.aws_request_id)
    elif detail_type == SCHEDULED_DETAIL_TYPE:
        publish(aggregator.on_schedule(), function_request_id=context.aws_request_id)
    else:
        raise MalformedItem(f"not an event for this function: detail-type {detail_type!r}")


@dataclass(frozen=True, slots=True)
class Aggregator:
    """One invocation's. put_calls: puts events for DataAggregator itself; put_orders: for DataRevision.

    listed: symbols that it has listed; each pass would write them once more.
    """

    table: Table
    config: Settings
    clock: Clock
    put_calls: PutEvents
    put_orders: PutEvents
    listed: set[str] = field(default_factory=set)

    def on_processed(self, detail: Mapping[str, Any]) -> bool:
        """Roll up, if a range of the event still needs it and nobody else is at work; say whether work was done here.

        Raises MalformedItem for an event that is none of ours, ServiceRefused, or ServiceIncomplete from the work.
        """
        ranges = ranges_from_detail(detail)
        # A pass works on whatever is pending: its lines say which ingest they are about, where it is one, and all of
        # them whose event began the pass.
        logger.append_keys(woken_by=[f"{one.ingest_id}/{one.index}" for one in ranges])
        self._take_back({one.ingest_id for one in ranges if one.refused})
        self._publish({(one.ingest_id, one.received_ms) for one in ranges if one.waits})
        entries_of = [
            key_of_pending(Pending(one.ingest_id, one.index, one.received_ms, lane))
            for one in ranges
            for lane in one.lanes
            if not one.waits
        ]
        if not entries_of:
            return False  # ranges without ticks

        def own() -> Work | None:
            # Rolled up already, by whoever was at work when they were committed: events of a busy hour end here, or
            # before they ask.
            entries = self.table.batch_get(entries_of)
            rollups = self._rollups(WORK_RESERVE_S)
            return (lambda lanes, share: roll_up_entries(rollups, entries, lanes, share)) if entries else None

        coalescing = sum(one.ticks for one in ranges) >= COALESCE_TICKS
        election = self._election(CalledFor.ROLLUPS, WORK_RESERVE_S, self.clock.wait if coalescing else None)
        named = {lane for one in ranges if not one.waits for lane in one.lanes}
        worked = election.run(named, self._work(WORK_RESERVE_S), own)
        logger.info("event served", worked=worked)
        return worked

    def on_called(self, detail: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Do some lanes' work, if nobody else does; return the metrics of a survey. Raises as the above."""
        work, lanes = call_from_detail(detail)
        election = self._election(work, WORK_RESERVE_S)
        surveys: list[Survey] = []
        worked = election.run_called(
            lanes, self._work(WORK_RESERVE_S) if work is CalledFor.ROLLUPS else self._survey(surveys)
        )
        logger.info("call served", work=work, lanes=sorted(lanes), worked=worked)
        return self._surveyed(surveys)

    def on_schedule(self) -> tuple[Metric, ...]:
        """Roll up what events missed, look through the open ingests, return the metrics. Raises as the above."""
        every = range(keys.LANES)
        self._election(CalledFor.ROLLUPS, SURVEY_RESERVE_S).run(every, self._work(SURVEY_RESERVE_S))
        surveys: list[Survey] = []
        self._election(CalledFor.SURVEY, WORK_RESERVE_S).run(every, self._survey(surveys))
        metrics = self._surveyed(surveys)
        oldest_ms = oldest_commit_ms(self.table)
        lag_ms = 0 if oldest_ms is None else max(0, self.clock.now_ms() - oldest_ms)
        return (*metrics, Metric("RollupLagSeconds", lag_ms // 1000, "Seconds"))

    def _election(self, work: CalledFor, reserve_s: float, wait: Callable[[float], None] | None = None) -> Election:
        return Election(
            self.table,
            ROLLING_UP if work is CalledFor.ROLLUPS else SURVEYING,
            int(self.clock.remaining_s() * 1000) + LEASE_MARGIN_MS,
            self.clock.now_ms,
            self.clock.up(reserve_s),
            lambda lanes: self._call(work, lanes),
            wait,
        )

    def _survey(self, surveys: list[Survey]) -> Work:
        def survey(lanes: Lanes, share: Share) -> Ended:
            surveys.append(
                survey_ingests(
                    self.table,
                    lanes,
                    share,
                    now_ms=self.clock.now_ms(),
                    overdue_ms=self.config.overdue_seconds * 1000,
                    time_is_up=self.clock.up(WORK_RESERVE_S),
                    take_back=self._take_back,
                )
            )
            return surveys[-1].ended

        return survey

    def _surveyed(self, surveys: Sequence[Survey]) -> tuple[Metric, ...]:
        """Have what surveys listed again rolled up, and return their metrics."""
        if relisted := frozenset[int]().union(*(survey.relisted for survey in surveys)):
            self._election(CalledFor.ROLLUPS, WORK_RESERVE_S).name_and_call(relisted)
        for survey in surveys:
            logger.info("open ingests surveyed", survey=str(survey))
        return _metrics(surveys) if surveys else ()

    def _take_back(self, ingest_ids: Iterable[str]) -> None:
        for ingest_id in ingest_ids:
            take_back_refused(self.table, ingest_id, self.clock.now_ms(), self.put_orders)

    def _publish(self, ingests: Collection[tuple[str, int]]) -> None:
        """Have DataRevision look whether all of an ingest is there that is to take the place of others."""
        if not ingests:
            return
        for why in self.put_orders([order_detail(key_of_publishing(*one) for one in sorted(ingests))]).values():
            logger.warning("nobody called: the schedule goes on with it", why=why)

    def _rollups(self, reserve_s: float) -> Rollups:
        return Rollups(self.table, self.config.compaction_threshold, self.clock.up(reserve_s), self.listed)

    def _work(self, reserve_s: float) -> Work:
        return lambda lanes, share: roll_up_pending(self._rollups(reserve_s), lanes, share)

    def _call(self, work: CalledFor, lanes: Lanes) -> None:
        for why in self.put_calls([call_detail(work, lanes)]).values():
            # They wait for whoever leaves next, the next event that finds nobody at work, or the schedule.
            logger.warning("nobody called", work=work, lanes=sorted(lanes), why=why)


def _metrics(surveys: Sequence[Survey]) -> tuple[Metric, ...]:
    # An ingest is in one lane, and so in one survey, but for what a survey that ended early left to the next.
    return (
        Metric("TicksProcessed", sum(one.ticks for one in surveys), "Count"),
        Metric("RowsRejected", sum(one.rejected for one in surveys), "Count"),
        Metric("OpenIngests", sum(one.open_ingests for one in surveys), "Count"),
        Metric("OverdueIngests", sum(one.overdue for one in surveys), "Count"),
    )
