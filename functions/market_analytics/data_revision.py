"""DataRevision: `DELETE /ingest/{ingestId}`, and the work behind it, by event and every five minutes by schedule."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_election import ROLLING_UP, Election
from market_analytics.data_aggregator_lists import pages_of
from market_analytics.data_revision_orders import order_retraction
from market_analytics.data_revision_visits import Visited, Visits
from services import settings
from services.api_answers import answer_with
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.events import EventBus
from services.log_lines import one_line
from tickstream import keys
from tickstream.errors import BadRequest, MalformedItem, TickstreamError
from tickstream.ingests import IngestState
from tickstream.items import primary_key
from tickstream.messages import CALL_DETAIL_TYPE, CALL_SOURCE, CalledFor, call_detail
from tickstream.promises import INGEST_ID_PATTERN
from tickstream.revisions import (
    MAX_INGESTS_AN_ORDER,
    ORDER_DETAIL_TYPE,
    ORDER_SOURCE,
    Cause,
    order_detail,
    order_from_detail,
    state_of_retraction,
)
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from market_analytics.data_aggregator_election import Lanes
    from market_analytics.data_revision_orders import PutEvents
    from services.table import Table
    from tickstream.items import Item

SCHEDULED_DETAIL_TYPE: Final = "Scheduled Event"
#: No new piece of work is begun with less time than this: twenty ranges' hours, side by side.
WORK_RESERVE_S: Final = 60.0
#: A caller is answered within this, whatever the table does: API Gateway waits for 29 s.
ANSWER_S: Final = 25.0
ENTRIES_A_SHARD: Final = 100
#: Naming lanes is one request; nobody works here, so no claim is made.
_NO_LEASE_MS: Final = 1
_INGEST_ID: Final = re.compile(INGEST_ID_PATTERN)

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """The function's environment."""

    table_name: str
    event_bus_name: str

    @classmethod
    def from_env(cls) -> Self:
        """Read it. Raises ConfigurationError naming what is missing."""
        return cls(settings.text("TABLE_NAME"), settings.text("EVENT_BUS_NAME"))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    """Answer an API call, or serve an event. What that raises sends it to Lambda's retries, then to dead letters."""
    if "requestContext" in event:
        deadline = Deadline.after(ANSWER_S)
        return answer_with(lambda: _revision(deadline).on_request(event), logger, context.aws_request_id)
    try:
        _serve(event, _revision(Deadline.of(context)))
    except Exception:
        logger.exception("event not served")
        raise
    return None


def _revision(deadline: Deadline) -> Revision:
    config = Settings.from_env()

    def bus(source: str, detail_type: str) -> PutEvents:
        # Its client is made where it is needed.
        return lambda details: EventBus(config.event_bus_name, source, detail_type, deadline).put(details)

    return Revision(
        DynamoTable(config.table_name, deadline),
        now_ms=lambda: time.time_ns() // 10**6,
        remaining_s=deadline.remaining_s,
        put_orders=bus(ORDER_SOURCE, ORDER_DETAIL_TYPE),
        put_calls=bus(CALL_SOURCE, CALL_DETAIL_TYPE),
    )


def _serve(event: Mapping[str, Any], revision: Revision) -> None:
    detail_type = event.get("detail-type")
    if detail_type == ORDER_DETAIL_TYPE:
        revision.on_order(event.get("detail") or {})
    elif detail_type == SCHEDULED_DETAIL_TYPE:
        revision.on_schedule()
    else:
        raise MalformedItem(f"not an event for this function: detail-type {detail_type!r}")


@dataclass(frozen=True, slots=True)
class Revision:
    """One invocation's. put_orders: puts events for this function; put_calls: for DataAggregator."""

    table: Table
    now_ms: Callable[[], int]
    remaining_s: Callable[[], float]
    put_orders: PutEvents
    put_calls: PutEvents

    def on_request(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Order a retraction; return the fields of the answer. Raises BadRequest."""
        path: Mapping[str, str] = event.get("pathParameters") or {}
        ingest_id = path.get("ingestId", "")
        if event.get("multiValueQueryStringParameters") or event.get("queryStringParameters"):
            raise BadRequest("unknown_parameter", "this path takes no query parameters")
        if not _INGEST_ID.fullmatch(ingest_id):
            raise BadRequest("bad_ingest_id", "an ingest id is 32 hexadecimal digits in lower case")
        logger.append_keys(ingest_id=ingest_id)
        retraction = order_retraction(self.table, ingest_id, Cause.ASKED, self.now_ms(), self.put_orders)
        logger.info("retraction ordered", extra={"step": retraction.step.value, "cause": retraction.cause.value})
        return {
            "ingestId": ingest_id,
            "state": state_of_retraction(retraction) or IngestState.RETRACTING,
            "askedAt": iso_8601(retraction.asked_ms * keys.NS_PER_MS),
        }

    def on_order(self, detail: Mapping[str, Any]) -> None:
        """Go on with the entries that an event names. Raises MalformedItem, ServiceIncomplete or ServiceRefused."""
        found = self.table.batch_get(order_from_detail(detail))
        self._visit_all(iter([found]))

    def on_schedule(self) -> None:
        """Go on with whatever is listed. Raises as the above."""
        self._visit_all(pages_of(self.table, keys.revising_partitions(), ENTRIES_A_SHARD))

    def _visit_all(self, pages: Iterator[list[Item]]) -> None:
        visits = Visits(self.table, self.now_ms, self._time_is_up, self._order)
        left: list[Item] = []
        counts: dict[str, int] = {}
        for page in pages:
            for entry in page:
                ended = Visited.OUT_OF_TIME if self._time_is_up() else self._visit(visits, entry)
                counts[ended.name.lower()] = counts.get(ended.name.lower(), 0) + 1
                if ended is Visited.OUT_OF_TIME:
                    left.append(entry)
            if self._time_is_up():
                break  # the schedule sees the pages behind this one
        if visits.lanes:
            self._wake(frozenset(visits.lanes))
        if left:
            self._order(map(primary_key, left))
        logger.info("retractions visited", extra={**counts, "lanes": sorted(visits.lanes)})

    def _order(self, entries: Iterable[Item]) -> None:
        """Have entries, given by their keys, gone on with; what one event does not hold is the schedule's."""
        details = [order_detail(islice(entries, MAX_INGESTS_AN_ORDER))]
        for why in self.put_orders(details).values():
            logger.warning("nobody called: the schedule goes on", why=why)

    def _visit(self, visits: Visits, entry: Item) -> Visited:
        try:
            return visits.visit(entry)
        except TickstreamError:
            # It stays listed, and must not keep the others from their turn.
            named = entry.get("ingest", {}).get("S", "")
            logger.exception("a retraction could not go on", extra={"entry": primary_key(entry), "ingest_id": named})
            return Visited.WAITING

    def _time_is_up(self) -> bool:
        return self.remaining_s() < WORK_RESERVE_S

    def _wake(self, lanes: Lanes) -> None:
        """Have the hours mended that were listed in these lanes."""

        def call(some: Lanes) -> None:
            for why in self.put_calls([call_detail(CalledFor.ROLLUPS, some)]).values():
                logger.warning("nobody called: the lanes wait for an event or the schedule", why=why)

        election = Election(self.table, ROLLING_UP, _NO_LEASE_MS, self.now_ms, lambda: True, call)
        election.name_and_call(lanes)
