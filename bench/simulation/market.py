"""The world of market analytics: its functions as they are deployed, and what is around them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.functions import BusClient, EventSource, Function
from bench.simulation.market_history import MarketHistory
from bench.simulation.market_inputs import MAX_COMPACTED, MOST_LANES, Do, Input
from bench.simulation.market_requests import SYMBOLS_REQUEST, answer_of, bars_request, ingest_request
from bench.simulation.market_stock import KEYS, MOST_REJECTS, OBJECTS, POSTS, RANGES, STOCK, SYMBOLS, VERSIONS
from bench.simulation.market_writer import Order, commit_as_processor, ingest_of_range
from bench.simulation.objects import Bucket, ObjectClient
from bench.simulation.queues import Queue, QueueClient
from bench.simulation.remembered import Remembered, remembered, remembered_of_one, remembered_of_parts
from bench.simulation.scheduler import EPOCH_MS, Actor, Scheduler
from bench.simulation.services import Calls
from bench.simulation.table import Table, TableClient
from bench.simulation.ticks import TicksError, counted
from bench.simulation.verdicts import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.simulation.decisions import Choices
    from bench.simulation.market_inputs import Scenario
    from bench.simulation.market_stock import Parcel

TABLE: Final = "state"
FUNCTION_MS: Final = 29_000
CONSUMER_MS: Final = 50_000
#: It has a quarter of an hour, which no schedule has: here it has 40 s, and what it keeps for what it began.
REVISION_MS: Final = 100_000
SCHEDULE_MS: Final = 300_000
OVERDUE_S: Final = 900
#: What was not answered is asked again until it is, after 5 s, 10 s, ... and each minute. (A post that is given up may
#: leave an ingest that is listed until it expires, and nothing else.)
_ASKED_AGAIN_MS: Final = 5_000
_LONGEST_PAUSE_MS: Final = 60_000
#: What a writer did not do comes again.
_COMMITTED_AGAIN_MS: Final = 60_000

HANDLERS: Final = (
    "market_analytics.data_ingestion",
    "market_analytics.data_processor",
    "market_analytics.data_aggregator",
    "market_analytics.data_query",
    "market_analytics.data_revision",
)


def seams() -> dict[str, dict[str, object]]:
    """Return what is set in the functions' modules: pure work that is remembered, and limits made small.

    Limits are small so that a few ranges reach them.
    """
    from services.decoder_process import decode_apart  # noqa: PLC0415 - a planted fault must be in place before
    from tickstream import items, keys  # noqa: PLC0415
    from tickstream.bar_codec import decode_bars, merge_packed  # noqa: PLC0415
    from tickstream.decoding import LIMITS, fold_ticks, packed_hours  # noqa: PLC0415
    from tickstream.layouts import sniff_with_footer  # noqa: PLC0415
    from tickstream.row_samples import refuse_rows_that_fail_alike  # noqa: PLC0415

    merged = remembered_of_parts(merge_packed)
    return {
        "market_analytics.data_ingestion_objects": {
            "sniff_with_footer": Remembered(sniff_with_footer, read_at=1),
            "refuse_rows_that_fail_alike": Remembered(refuse_rows_that_fail_alike, read_at=2),
        },
        "market_analytics.data_processor": {"decode_apart": Remembered(decode_apart, read_at=3)},
        "market_analytics.data_processor_ranges": {
            "fold_ticks": remembered(fold_ticks),
            "packed_hours": remembered_of_one(packed_hours),
            "LIMITS": replace(LIMITS, rejects=MOST_REJECTS),
        },
        "market_analytics.data_revision_visits": {"RANGES_AT_A_TIME": 2},
        "market_analytics.data_revision_places": {"INGESTS_AT_ONCE": 2},
        "market_analytics.data_revision_publishing": {"RANGES_AT_A_TIME": 2, "RANGES_AT_ONCE": 2, "HEADS_A_LOOK": 2},
        "market_analytics.data_aggregator": {"publish": _unpublished},
        "market_analytics.data_aggregator_hours": {"merge_packed": merged},
        "tickstream.hours": {"merge_packed": merged, "decode_bars": remembered(decode_bars)},
        "market_analytics.data_aggregator_lists": {"RECEIPTS_A_READ": 2, "SLICES_A_GROUP": 3},
        "market_analytics.data_aggregator_rollups": {"SLICES_A_CHUNK": 2},
        "market_analytics.data_aggregator_check": {"RANGES_A_CHECK": 2},
        "market_analytics.data_aggregator_confirmation": {"RANGES_A_TURN": 2, "RANGES_A_GROUP": 3},
        "services.dynamo_table": {"PUTS_A_REQUEST": 2},
        "tickstream.items": {"_unpack_json": remembered(items._unpack_json)},  # noqa: SLF001 - nobody changes what it gives
        "tickstream.keys": {
            "_digest": remembered(keys._digest),  # noqa: SLF001 - of all that is pure there only these take time
            "range_id": remembered(keys.range_id),
            "LANES": MOST_LANES,
            "ACTIVITY_SHARDS": 2,
            "REVISING_SHARDS": 1,
            "ARRIVED_SHARDS": 2,
            "DAY_SHARDS": 2,
        },
    }


def _unpublished(*_: object, **__: object) -> None:
    """Metrics go nowhere."""


class MarketWorld:
    """One schedule of market analytics.

    The functions must be on its stage (`seams.on_stage`) while it runs.
    """

    def __init__(self, scenario: Scenario, choices: Choices) -> None:
        from market_analytics import (  # noqa: PLC0415
            data_aggregator,
            data_ingestion,
            data_processor,
            data_query,
            data_revision,
        )
        from tickstream.messages import CALL_SOURCE, EVENT_SOURCE  # noqa: PLC0415
        from tickstream.revisions import ORDER_SOURCE  # noqa: PLC0415

        self.scheduler = Scheduler()
        self.scenario = scenario
        self.calls = Calls(self.scheduler, choices)
        self.history = MarketHistory(self.scheduler, is_limited=scenario.max_compacted < MAX_COMPACTED)
        self.table = Table("symbol", "timestamp", self.history.wrote)
        self.bucket = Bucket()
        self.violations: list[Violation] = []
        names = ("ranges", "large-ranges", "objects", "replacing-objects", "rollups", "revisions")
        self.dead_letters = [Queue(f"{name}-dead-letters", self.calls) for name in names]
        dead_ranges, dead_large, dead_objects, dead_replacing, dead_events, dead_revisions = self.dead_letters
        self.queue = Queue("ranges", self.calls, dead_letters=dead_ranges)
        self.large_queue = Queue("large-ranges", self.calls, dead_letters=dead_large)
        orders = Queue("orders", self.calls)
        environment = {
            "TABLE_NAME": TABLE,
            "QUEUE_URL": self.queue.url,
            "LARGE_RANGE_QUEUE_URL": self.large_queue.url,
            "INDEX_QUEUE_URL": orders.url,
            "RANGE_BYTES": str(scenario.range_bytes),
            "SAME_KEY": "add",
            "REJECTED_BUCKET": "rejected",
            "EVENT_BUS_NAME": "default",
            "COMPACTION_THRESHOLD": str(scenario.threshold),
            "OVERDUE_SECONDS": str(OVERDUE_S),
            "DATA_BUCKET": "objects",
        }

        def function(
            name: str, module: Any, timeout_ms: int, dead_letters: Queue | None = None, **more: str
        ) -> Function:
            return Function(
                name, module.handler, timeout_ms, self.scheduler, choices, environment | more, dead_letters
            )  # fmt: skip

        self.ingestion = function("DataIngestion", data_ingestion, FUNCTION_MS, dead_objects)
        # As it is deployed where the stack's parameter, or a feed, says so.
        self.replacing = function(
            "DataIngestion, replacing", data_ingestion, FUNCTION_MS, dead_replacing, SAME_KEY="replace"
        )
        self.processor = function("DataProcessor", data_processor, CONSUMER_MS)
        self.aggregator = function("DataAggregator", data_aggregator, CONSUMER_MS, dead_events)
        self.revision = function("DataRevision", data_revision, REVISION_MS, dead_revisions)
        self.query = function("DataQuery", data_query, FUNCTION_MS)
        commit = partial(commit_as_processor, table_name=TABLE)
        self.writer = Function("Writer", commit, CONSUMER_MS, self.scheduler, choices, environment)
        EventSource(self.queue, self.processor, batch_size=scenario.batch_size)
        EventSource(self.large_queue, self.processor, batch_size=1, at_a_time=2)
        self.clients: Mapping[str, Any] = {
            "dynamodb": TableClient({TABLE: self.table}, self.calls),
            "sqs": QueueClient({queue.url: queue for queue in (self.queue, self.large_queue, orders)}, self.calls),
            "s3": ObjectClient(self.bucket, self.calls),
            "events": BusClient(
                {EVENT_SOURCE: self.aggregator, CALL_SOURCE: self.aggregator, ORDER_SOURCE: self.revision}, self.calls
            ),
        }
        #: The bars of a symbol, and the symbols, as somebody was told last.
        self.bars: dict[str, list[dict[str, Any]]] = {}
        self.symbols: list[dict[str, str]] = []
        self._received_ms: dict[int, int] = {}
        self._announcements: list[Callable[[], None]] = []
        self._announced = 0
        self._fires = 0
        #: Whether something is half taken back, and stays so.
        self.is_stuck = False
        for one in scenario.inputs:
            self.scheduler.at(EPOCH_MS + one.at_ms, partial(self._do, one))

    def logged(self, level: str, message: str, error: BaseException | None) -> None:
        """Hear of what a function logs: an error that nothing explains is a violation, a service's failure is not."""
        from tickstream.errors import ServiceIncomplete  # noqa: PLC0415

        if message == _HALF_DONE and self.history.is_limited:
            self.is_stuck = True
        elif level == "error" and message not in _EXPLAINED:
            self.violations.append(Violation("error logged", message))
        elif error is not None and not isinstance(error, ServiceIncomplete):
            self.violations.append(Violation(f"unexpected {type(error).__name__}", f"{message}: {error!r}"))

    @property
    def queues(self) -> tuple[Queue, ...]:
        """Where messages may be."""
        return (self.queue, self.large_queue, *self.dead_letters)

    def _now(self) -> str:
        return datetime.fromtimestamp(self.scheduler.now_ms / 1000, UTC).isoformat(timespec="milliseconds")

    # --- what the world outside does -----------------------------------------------------------------------------

    def _do(self, one: Input) -> None:
        match one.do:
            case Do.UPLOAD:
                self._upload(one.number % len(OBJECTS))
            case Do.PUT | Do.PUT_ADDING:
                self._put_version(one.number % len(VERSIONS), is_added=one.do is Do.PUT_ADDING)
            case Do.POST:
                self._post(one.number % STOCK, 0)
            case Do.COMMIT | Do.COMMIT_UNTOLD:
                self._commit(one)
            case Do.FIRE:
                self.fire()
            case Do.READ:
                self.read(SYMBOLS[one.number % 2])
            case Do.REDELIVER | Do.ANNOUNCE_AGAIN:
                self._redeliver(one)
            case Do.ASK:
                if ingest_id := self._known(one.number):
                    self.ask(ingest_id)
            case _:
                if ingest_id := self._taken_back(one):
                    self._retract(ingest_id, 0)

    def _commit(self, one: Input) -> None:
        numbers = tuple(number % STOCK for number in range(one.number, one.number + one.count))
        for number in numbers:
            self.history.sent(RANGES[number].ticks)
            self.history.taken(ingest_of_range(number), RANGES[number].ticks)
            self._received_ms.setdefault(number, self.scheduler.now_ms)
        self._have_committed(Order(numbers, self._received_ms, is_told=one.do is Do.COMMIT))

    def _upload(self, number: int) -> None:
        parcel = OBJECTS[number]
        self.history.put(parcel.name)
        self._put(parcel, self.ingestion)

    def _put_version(self, number: int, *, is_added: bool) -> None:
        parcel = VERSIONS[number]
        version = self._put(parcel, self.ingestion if is_added else self.replacing)
        self.history.put_version(parcel, version, is_added=is_added)

    def _put(self, parcel: Parcel, ingestion: Function) -> str:
        """Put an object and have it announced; return its version."""
        version = self.bucket.put(parcel.name, parcel.text().encode())
        about = {"key": parcel.name, "versionId": version.id, "eTag": version.etag, "size": len(version.body)}
        event = {"Records": [{"eventTime": self._now(), "s3": {"bucket": {"name": "data"}, "object": about}}]}
        self.history.sent(parcel.ticks)

        def announce() -> None:
            self._announced += 1
            ingestion.invoke_later(event, f"announcement {self._announced}", may_be_lost=False)

        self._announcements.append(announce)
        announce()
        return version.id

    def _post(self, number: int, tries: int) -> None:
        parcel = POSTS[number]
        event = {
            "requestContext": {"accountId": "000000000000"},
            "headers": {"Idempotency-Key": parcel.name},
            "body": json.dumps({"ticks": [tick.entry() for tick in parcel.ticks]}),
        }
        self.history.sent(parcel.ticks)

        def answered(actor: Actor) -> None:
            if actor.error is None and actor.result["statusCode"] == 200:
                self.history.taken(json.loads(actor.result["body"])["ingestId"], parcel.ticks)
            else:
                self._again(tries, lambda: self._post(number, tries + 1))

        self.ingestion.invoke(event, answered)

    def _again(self, tries: int, ask: Callable[[], None]) -> None:
        """Have somebody ask again who was not answered."""
        self.scheduler.after(min(_LONGEST_PAUSE_MS, _ASKED_AGAIN_MS << tries), ask)

    def _retract(self, ingest_id: str, tries: int) -> None:
        begun = self.scheduler.step
        request = {
            "requestContext": {"accountId": "000000000000"},
            "httpMethod": "DELETE",
            "resource": "/ingest/{ingestId}",
            "pathParameters": {"ingestId": ingest_id},
        }
        self.history.retracting(ingest_id)

        def answered(actor: Actor) -> None:
            found = answer_of(actor)
            if found is None:
                self._again(tries, lambda: self._retract(ingest_id, tries + 1))
            elif found[0] == 200:
                self.history.ordered(ingest_id, begun, found[1]["state"])

        self.revision.invoke(request, answered)

    def _redeliver(self, one: Input) -> None:
        """Have what is long done be delivered once more."""
        number = one.number
        if one.do is Do.ANNOUNCE_AGAIN:
            if self._announcements:
                self._announcements[number % len(self._announcements)]()
        elif number in self._received_ms:
            self._have_committed(Order((number,), self._received_ms, is_told=True))
        elif bodies := list(self.queue.bodies):
            self.queue.send(bodies[number % len(bodies)])

    def _have_committed(self, order: Order) -> None:
        def committed(actor: Actor) -> None:
            if actor.error is not None:
                self.scheduler.after(_COMMITTED_AGAIN_MS, lambda: self._have_committed(order))

        self.writer.invoke(order, committed)

    def fire(self) -> None:
        """Fire the schedules; where nothing is ever taken back, the one of DataRevision finds nothing."""
        self._fires += 1
        event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
        self.aggregator.invoke_later(event, f"schedule {self._fires}", may_be_lost=False)
        if self.scenario.takes_back:
            self.revision.invoke_later(event, f"schedule of revisions {self._fires}", may_be_lost=False)

    def read(self, symbol: str) -> None:
        """Have somebody read all bars of a symbol."""
        begun = self.scheduler.step

        def answered(actor: Actor) -> None:
            found = answer_of(actor)
            if found is None:
                return
            status, fields = found
            if status == 200 and "nextToken" in fields:
                return  # a page ends when it has taken long, and is no answer yet
            self.bars[symbol] = fields.get("bars", [])
            try:
                ticks = counted(fields.get("bars", ()), symbol, self.history.known, self.history.several(symbol))
            except TicksError as error:
                self.violations.append(Violation("bar of no set of ticks", str(error)))
            else:
                self.history.read(symbol, begun, ticks)

        self.query.invoke(bars_request(symbol), answered)

    def list_symbols(self) -> None:
        """Have somebody ask which symbols there are."""

        def answered(actor: Actor) -> None:
            found = answer_of(actor)
            self.symbols = found[1].get("symbols", []) if found is not None else []

        self.query.invoke(SYMBOLS_REQUEST, answered)

    def _known(self, number: int) -> str | None:
        """Return an ingest that somebody may know of."""
        begun = self.history.begun()
        if number in self._received_ms:
            return ingest_of_range(number)
        return begun[number % len(begun)] if begun else None

    def _taken_back(self, one: Input) -> str | None:
        """Return the ingest that an input takes back: of an object the one that it began last."""
        if one.do is Do.RETRACT:
            return self._known(one.number)
        named = {Do.RETRACT_OBJECT: [parcel.name for parcel in OBJECTS], Do.RETRACT_KEY: KEYS}[one.do]
        return next(reversed(self.history.ingests_of(named[one.number % len(named)])), None)

    def ask(self, ingest_id: str) -> None:
        """Have somebody ask for the state of an ingest."""
        begun = self.scheduler.step

        def answered(actor: Actor) -> None:
            found = answer_of(actor)
            if found is not None and found[0] == 200:
                state, ticks, retraction = found[1]["state"], found[1]["ticks"], found[1].get("retraction", {})
                self.history.told(
                    ingest_id, begun, state, ticks=ticks,
                    refused="refused" in retraction, is_kept_out="why" in retraction,
                )  # fmt: skip

        self.query.invoke(ingest_request(ingest_id), answered)


#: What functions log as errors where a fault was injected.
_EXPLAINED: Final = frozenset({"event not sent"})
#: Known: a range that is committed after it was decided that its ingest can be taken back, into an hour that cannot do
#: without it any more.
_HALF_DONE: Final = "a range cannot be taken back"
