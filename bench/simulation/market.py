"""The world of market analytics: its functions as they are deployed, and what is around them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.functions import BusClient, Context, EventSource, Function
from bench.simulation.market_history import MarketHistory
from bench.simulation.market_inputs import OBJECTS, POSTS, RANGES, STOCK, SYMBOLS, Do, Input
from bench.simulation.objects import Bucket, ObjectClient
from bench.simulation.queues import Queue, QueueClient
from bench.simulation.remembered import Remembered, remembered
from bench.simulation.scheduler import EPOCH_MS, Actor, Scheduler
from bench.simulation.services import Calls
from bench.simulation.table import Table, TableClient
from bench.simulation.ticks import FIRST_MINUTE, TicksError, counted
from bench.simulation.verdicts import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.simulation.decisions import Choices
    from bench.simulation.market_inputs import Scenario

TABLE: Final = "state"
FUNCTION_MS: Final = 29_000
CONSUMER_MS: Final = 50_000
SCHEDULE_MS: Final = 300_000
OVERDUE_S: Final = 900
#: A post that was not answered is sent again until it is, after 5 s, 10 s, ... and each minute. (One that is given up
#: may leave an ingest that is listed until it expires, and nothing else.)
_POSTED_AGAIN_MS: Final = 5_000
_LONGEST_PAUSE_MS: Final = 60_000
#: What a writer did not do comes again.
_COMMITTED_AGAIN_MS: Final = 60_000

HANDLERS: Final = (
    "market_analytics.data_ingestion",
    "market_analytics.data_processor",
    "market_analytics.data_aggregator",
    "market_analytics.data_query",
)


def seams() -> dict[str, dict[str, object]]:
    """Return what is set in the functions' modules: pure work that is remembered, and limits made small.

    Limits are small so that a few ranges reach them; a list of 16 shards takes eight times the requests of one of two.
    """
    from services.decoder_process import decode_apart  # noqa: PLC0415 - a planted fault must be in place before
    from tickstream.decoding import fold_ticks  # noqa: PLC0415
    from tickstream.layouts import sniff_with_footer  # noqa: PLC0415
    from tickstream.row_samples import refuse_rows_that_fail_alike  # noqa: PLC0415

    return {
        "market_analytics.data_ingestion_objects": {
            "sniff_with_footer": Remembered(sniff_with_footer, read_at=1),
            "refuse_rows_that_fail_alike": Remembered(refuse_rows_that_fail_alike, read_at=2),
        },
        "market_analytics.data_processor": {"decode_apart": Remembered(decode_apart, read_at=3)},
        "market_analytics.data_processor_ranges": {"fold_ticks": remembered(fold_ticks)},
        "market_analytics.data_aggregator": {"publish": _unpublished},
        "market_analytics.data_aggregator_rollups": {"RECEIPTS_A_READ": 2, "SLICES_A_CHUNK": 2},
        "market_analytics.data_aggregator_confirmation": {"RANGES_A_CHECK": 2, "RANGES_A_TURN": 2},
        "tickstream.keys": {"PENDING_SHARDS": 2, "ACTIVITY_SHARDS": 2},
    }


def _unpublished(*_: object, **__: object) -> None:
    """Metrics go nowhere."""


@dataclass(frozen=True, slots=True)
class _Order:
    """Ranges of the stock that a writer commits together. received_ms: when they came. is_told: whether by an event."""

    numbers: tuple[int, ...]
    received_ms: int
    is_told: bool


class MarketWorld:
    """One schedule of market analytics.

    The functions must be on its stage (`seams.on_stage`) while it runs.
    """

    def __init__(self, scenario: Scenario, choices: Choices) -> None:
        from market_analytics import data_aggregator, data_ingestion, data_processor, data_query  # noqa: PLC0415

        self.scheduler = Scheduler()
        self.scenario = scenario
        self.calls = Calls(self.scheduler, choices)
        self.history = MarketHistory(self.scheduler)
        self.table = Table("symbol", "timestamp", self.history.wrote)
        self.bucket = Bucket()
        self.violations: list[Violation] = []
        self.dead_letters = [Queue(f"{name}-dead-letters", self.calls) for name in ("ranges", "objects", "rollups")]
        dead_ranges, dead_objects, dead_events = self.dead_letters
        self.queue = Queue("ranges", self.calls, dead_letters=dead_ranges)
        orders = Queue("orders", self.calls)
        environment = {
            "TABLE_NAME": TABLE,
            "QUEUE_URL": self.queue.url,
            "INDEX_QUEUE_URL": orders.url,
            "RANGE_BYTES": str(scenario.range_bytes),
            "REJECTED_BUCKET": "rejected",
            "EVENT_BUS_NAME": "default",
            "COMPACTION_THRESHOLD": str(scenario.threshold),
            "OVERDUE_SECONDS": str(OVERDUE_S),
        }

        def function(name: str, module: Any, timeout_ms: int, dead_letters: Queue | None = None) -> Function:
            return Function(
                name, module.handler, timeout_ms, self.scheduler, choices, environment, dead_letters
            )  # fmt: skip

        self.ingestion = function("DataIngestion", data_ingestion, FUNCTION_MS, dead_objects)
        self.processor = function("DataProcessor", data_processor, CONSUMER_MS)
        self.aggregator = function("DataAggregator", data_aggregator, CONSUMER_MS, dead_events)
        self.query = function("DataQuery", data_query, FUNCTION_MS)
        self.writer = Function("Writer", self._commit, CONSUMER_MS, self.scheduler, choices, environment)
        EventSource(self.queue, self.processor, batch_size=scenario.batch_size)
        self.clients: Mapping[str, Any] = {
            "dynamodb": TableClient({TABLE: self.table}, self.calls),
            "sqs": QueueClient({queue.url: queue for queue in (self.queue, orders)}, self.calls),
            "s3": ObjectClient(self.bucket, self.calls),
            "events": BusClient(self.aggregator, self.calls),
        }
        self._uploads = 0
        self._fires = 0
        for one in scenario.inputs:
            self.scheduler.at(EPOCH_MS + one.at_ms, partial(self._do, one))

    def logged(self, level: str, message: str, error: BaseException | None) -> None:
        """Hear of what a function logs: an error that nothing explains is a violation, a service's failure is not."""
        from tickstream.errors import ServiceIncomplete  # noqa: PLC0415

        if level == "error" and message not in _EXPLAINED:
            self.violations.append(Violation("error logged", message))
        elif error is not None and not isinstance(error, ServiceIncomplete):
            self.violations.append(Violation(f"unexpected {type(error).__name__}", f"{message}: {error!r}"))

    # --- what the world outside does -----------------------------------------------------------------------------

    def _do(self, one: Input) -> None:
        if one.do is Do.UPLOAD:
            self._upload(one.number % STOCK)
        elif one.do is Do.POST:
            self._post(one.number % STOCK, 0)
        elif one.do in {Do.COMMIT, Do.COMMIT_UNTOLD}:
            numbers = tuple(number % STOCK for number in range(one.number, one.number + one.count))
            for number in numbers:
                self.history.sent(RANGES[number].ticks, surely=True)
            self._have_committed(_Order(numbers, self.scheduler.now_ms, is_told=one.do is Do.COMMIT))
        elif one.do is Do.FIRE:
            self.fire()
        elif one.do is Do.READ:
            self.read(SYMBOLS[one.number % 2])
        else:
            self._ask(one.number)

    def _upload(self, number: int) -> None:
        self._uploads += 1
        parcel = OBJECTS[number]
        version = self.bucket.put(parcel.name, parcel.text().encode())
        about = {"key": parcel.name, "versionId": version.id, "eTag": version.etag, "size": len(version.body)}
        record = {"eventTime": "2026-01-05T14:00:00.000Z", "s3": {"bucket": {"name": "data"}, "object": about}}
        self.history.sent(parcel.ticks, surely=True)
        self.ingestion.invoke_later({"Records": [record]}, f"announcement {self._uploads}", may_be_lost=False)

    def _post(self, number: int, tries: int) -> None:
        parcel = POSTS[number]
        event = {
            "requestContext": {"accountId": "000000000000"},
            "headers": {"Idempotency-Key": parcel.name},
            "body": json.dumps({"ticks": [tick.entry() for tick in parcel.ticks]}),
        }
        self.history.sent(parcel.ticks, surely=False)

        def answered(actor: Actor) -> None:
            if actor.error is None and actor.result["statusCode"] == 200:
                self.history.sent(parcel.ticks, surely=True)
                self.history.taken(json.loads(actor.result["body"])["ingestId"], len(parcel.ticks))
            else:
                pause_ms = min(_LONGEST_PAUSE_MS, _POSTED_AGAIN_MS << tries)
                self.scheduler.after(pause_ms, lambda: self._post(number, tries + 1))

        self.ingestion.invoke(event, answered)

    def _have_committed(self, order: _Order) -> None:
        def committed(actor: Actor) -> None:
            if actor.error is not None:
                self.scheduler.after(_COMMITTED_AGAIN_MS, lambda: self._have_committed(order))

        self.writer.invoke(order, committed)

    def _commit(self, order: _Order, context: Context) -> None:
        """Commit ranges as DataProcessor does: by the code that orders its writes, without its queue."""
        from market_analytics.data_processor_ranges import Stores, commit, read_range  # noqa: PLC0415
        from services.deadlines import Deadline  # noqa: PLC0415
        from services.dynamo_table import DynamoTable  # noqa: PLC0415
        from services.events import EventBus  # noqa: PLC0415
        from tickstream.errors import ServiceIncomplete  # noqa: PLC0415
        from tickstream.ingests import Activity, Manifest  # noqa: PLC0415
        from tickstream.items import activity_item, manifest_item  # noqa: PLC0415
        from tickstream.messages import (  # noqa: PLC0415
            EVENT_DETAIL_TYPE,
            EVENT_SOURCE,
            InlineTicks,
            event_details,
        )

        deadline = Deadline.of(context)
        table = DynamoTable(TABLE, deadline)
        stores = Stores(table, _no_object, _no_object, lambda: self.scheduler.now_ms)
        ranges, items = [], []
        for number in order.numbers:
            ingest_id = ingest_of_range(number)
            message = InlineTicks(ingest_id, order.received_ms, ticks_of_range(number))
            ranges.append(read_range(message, stores))
            items.append(manifest_item(Manifest(ingest_id, order.received_ms, ranges=1, accepted=len(message.ticks))))
            items.append(activity_item(Activity(ingest_id, order.received_ms, ranges=1)))
        table.batch_write(items)
        commit(ranges, table)
        bus = EventBus("default", EVENT_SOURCE, EVENT_DETAIL_TYPE, deadline)
        if order.is_told and bus.put(event_details(one.processed for one in ranges)):
            raise ServiceIncomplete("the event was not put")

    def fire(self) -> None:
        """Fire the schedule."""
        self._fires += 1
        event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
        self.aggregator.invoke_later(event, f"schedule {self._fires}", may_be_lost=False)

    def read(self, symbol: str) -> None:
        """Have somebody read all bars of a symbol."""
        begun = self.scheduler.step

        def answered(actor: Actor) -> None:
            found = self._answer(actor)
            if found is None:
                return
            status, fields = found
            if status == 200 and "nextToken" in fields:
                return  # a page ends when it has taken long, and is no answer yet
            try:
                ticks = counted(fields.get("bars", ()), symbol, self.history.known)
            except TicksError as error:
                self.violations.append(Violation("bar of no set of ticks", str(error)))
            else:
                self.history.read(symbol, begun, ticks)

        self.query.invoke(bars_request(symbol), answered)

    def _ask(self, number: int) -> None:
        if ingests := self.history.ingests:
            self.ask(ingests[number % len(ingests)])

    def ask(self, ingest_id: str) -> None:
        """Have somebody ask for the state of an ingest."""
        request = {"httpMethod": "GET", "resource": "/ingest/{ingestId}", "pathParameters": {"ingestId": ingest_id}}

        def answered(actor: Actor) -> None:
            found = self._answer(actor)
            if found is not None and found[1].get("state") == "complete":
                self.history.complete(ingest_id, found[1]["ticks"])

        self.query.invoke(request, answered)

    def _answer(self, actor: Actor) -> tuple[int, dict[str, Any]] | None:
        """Return the status and the fields of an answer; None where there is none to judge."""
        if actor.error is not None or actor.result["statusCode"] >= 500:
            return None
        return actor.result["statusCode"], json.loads(actor.result["body"])


#: What functions log as errors where a fault was injected.
_EXPLAINED: Final = frozenset({"event not sent"})


def bars_request(symbol: str) -> dict[str, Any]:
    """Return the API's event for all bars of a symbol."""
    first_ns, last_ns = FIRST_MINUTE * 60 * 10**9, (FIRST_MINUTE + 240) * 60 * 10**9
    asked = {"from": [str(first_ns)], "to": [str(last_ns)], "limit": ["5000"]}
    return {
        "httpMethod": "GET",
        "resource": "/bars/{symbol+}",
        "pathParameters": {"symbol": symbol},
        "multiValueQueryStringParameters": asked,
    }


def ingest_of_range(number: int) -> str:
    """Return the id of the ingest that a range of the stock is."""
    return f"{(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC834 % (1 << 128):032x}"


@remembered
def ticks_of_range(number: int) -> tuple[tuple[int, Any], ...]:
    """Return the ticks of a range of the stock as DataIngestion passes them on."""
    from tickstream.ticks import Tick, parse_symbol  # noqa: PLC0415

    return tuple(
        (position, Tick(parse_symbol(tick.symbol), tick.timestamp_ns, tick.price * 10**9, (1 << tick.bit) * 10**9))
        for position, tick in enumerate(RANGES[number].ticks)
    )


def _no_object(_: object) -> Any:
    raise AssertionError("a range of inline ticks has no object")
