"""Who sends, DataIngestion, and DataIndexer before it where an object is packed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.capacity.books import Ranges

if TYPE_CHECKING:
    from random import Random

    from bench.capacity.books import Books
    from bench.capacity.designs import Design
    from bench.capacity.processing import ProcessingQueue
    from bench.capacity.scenarios import Scenario, Shape
    from bench.capacity.settling import Settling
    from bench.capacity.world import Steps, World

#: The manifest and the open ingest.
_UNITS: Final = 2.0
_TIMEOUT_S: Final = 29.0
#: Lambda tries an event again twice, after these.
_AGAIN_S: Final = (60.0, 120.0)
_MESSAGES_A_REQUEST: Final = 10
#: An object above this size is known by its checksum, and its bytes are claimed.
_CLAIMED_BYTES: Final = 64 * 1024
#: Of objects that come at once, so many are one event of the model.
_OBJECTS_TOGETHER: Final = 60


@dataclass(slots=True, eq=False)
class DataIngestion:
    """Takes objects and POSTs, writes their manifests, and queues their ranges."""

    world: World
    books: Books
    queue_of: dict[bool, ProcessingQueue]
    settling: Settling
    random: Random
    _tokens: float = 0.0
    _tokens_s: float = 0.0

    def send(self, scenario: Scenario) -> Steps[None]:
        """Send all of a scenario, when it is due."""
        env = self.world.env
        self._tokens = float(self.world.quotas["api_burst"])
        a_second = self.world.quotas["s3_puts"]
        together = min(_OBJECTS_TOGETHER if self.world.machine is None else 1, self.world.functions.most)
        for first in range(0, scenario.at_once, together):
            # Uploads of one moment: a prefix takes so many a second.
            if first and first // a_second > (first - together) // a_second:
                self.world.limits.note("s3_puts", env.now)
                yield env.timeout(1.0)
            self._arrive(scenario, min(together, scenario.at_once - first))
        if scenario.objects_a_second:
            every_s = scenario.alike / scenario.objects_a_second
            while env.now < scenario.load_s:
                self._arrive(scenario, scenario.alike)
                # Many senders that know nothing of each other.
                yield env.timeout(self.random.expovariate(1.0) * every_s)
        for at_s in scenario.at_s:
            if at_s > env.now:
                yield env.timeout(at_s - env.now)
            self._arrive(scenario, 1)

    def _arrive(self, scenario: Scenario, number: int) -> None:
        shape, env = scenario.shape, self.world.env
        self.books.sent += shape.ranges * number
        if shape.is_posted:
            env.process(self._posted(scenario, number))
        else:
            self.world.used["s3_uploads"] += number
            env.process(self._announced(scenario, number))

    # --- POST /ingest ----------------------------------------------------------------------------------------------

    def _posted(self, scenario: Scenario, number: int) -> Steps[None]:
        world, env = self.world, self.world.env
        let_in = self._through_the_gateway(number)
        started = world.functions.take("DataIngestion", let_in)
        world.used["api_calls"] += number
        self.books.refused += number - started
        if not started:
            return
        began_s = env.now
        units = _UNITS + world.design.lists_of_post
        yield from world.warm("DataIngestion")
        yield world.work(
            world.figures["ingestion_cpu_s"],
            2 * world.figures["dynamodb_s"] + world.figures["sqs_s"],
            _asked_for_post(world.design),
            alike=started,
        )
        # What its client asks for until its time is up.
        wrote = yield world.write(units, alike=started, until=began_s + _TIMEOUT_S)
        self._count(started, wrote)
        world.functions.leave("DataIngestion", started)
        world.bill(env.now - began_s, started)
        if wrote < units:
            # A 503: its sender knows, and sends it again under its key.
            self.books.refused += started
            return
        self._queue(scenario, started, began_s)

    def _through_the_gateway(self, number: int) -> int:
        world, now_s = self.world, self.world.env.now
        rate, burst = world.quotas["api_rate"], world.quotas["api_burst"]
        self._tokens = min(float(burst), self._tokens + (now_s - self._tokens_s) * rate)
        self._tokens_s = now_s
        let_in = min(number, math.floor(self._tokens + 1e-6))
        self._tokens -= let_in
        if let_in < number:
            world.limits.note("api_rate", now_s)
        return let_in

    # --- objects ----------------------------------------------------------------------------------------------------

    def _announced(self, scenario: Scenario, number: int) -> Steps[None]:
        world, env, figures = self.world, self.world.env, self.world.figures
        sent_s = env.now
        units = _UNITS + world.design.lists_of_object
        if world.machine is not None:
            yield world.machine.upload(scenario.shape.read_bytes * scenario.shape.ranges * number)
        yield env.timeout(figures["s3_event_s"])
        wrote = 0.0
        for again_s in (*_AGAIN_S, None):
            waited_s = yield from world.enter("DataIngestion", number)
            if waited_s > world.quotas["lambda_event_age_s"]:
                world.limits.note("lambda_event_age_s", env.now)
                world.functions.leave("DataIngestion", number)
                break
            began_s = env.now
            yield world.work(
                figures["ingestion_cpu_s"],
                figures["s3_s"] + 2 * figures["dynamodb_s"] + figures["sqs_s"],
                _asked_for(scenario.shape, world.design),
                alike=number,
            )
            wrote = yield world.write(units, alike=number, until=began_s + _TIMEOUT_S)
            world.functions.leave("DataIngestion", number)
            world.bill(env.now - began_s, number)
            world.used["s3_reads"] += number
            self._count(number, wrote)
            if wrote >= units or again_s is None:
                break
            yield env.timeout(again_s)
        if wrote < units:
            self.books.dead += scenario.shape.ranges * number
            return
        if scenario.shape.packed_bytes:
            yield from self._index(scenario)
        self._queue(scenario, number, sent_s)

    def _index(self, scenario: Scenario) -> Steps[None]:
        """Find the places where the object's text can be read; nothing of it is queued before the end."""
        world, shape = self.world, scenario.shape
        yield from world.enter("DataIndexer")
        seconds = shape.text_bytes / world.figures["indexed_bytes_a_second"]
        yield world.env.timeout(seconds)
        world.functions.leave("DataIndexer")
        world.bill(seconds)
        world.used["s3_reads"] += shape.packed_bytes / 2**20
        world.used["s3_writes"] += shape.ranges / 64

    def _count(self, number: int, units: float) -> None:
        self.world.used["dynamodb_write_units"] += units * number

    def _queue(self, scenario: Scenario, number: int, sent_s: float) -> None:
        shape = scenario.shape
        requests = number * math.ceil(shape.ranges / _MESSAGES_A_REQUEST)
        self.world.used["sqs_requests"] += requests
        self.settling.opened(number)
        self.queue_of[shape.is_large].put(Ranges(shape, shape.ranges * number, sent_s))


def _asked_for(shape: Shape, design: Design) -> dict[str, tuple[float, float]]:
    """Return what DataIngestion asks for an object. With lists, the open ingest goes with them in one request."""
    is_claimed = shape.read_bytes * shape.ranges > _CLAIMED_BYTES
    messages = math.ceil(shape.ranges / _MESSAGES_A_REQUEST)
    puts = 1.0 + is_claimed + (not design.lists_of_object)
    asked = {"GetObject": (1.0, 1.0), "PutItem": (puts, puts)}
    if design.lists_of_object:
        asked["BatchWriteItem"] = (1.0, 1.0 + design.lists_of_object)
    asked["SendMessageBatch"] = (float(messages), float(shape.ranges))
    return asked | ({"HeadObject": (1.0, 1.0)} if is_claimed else {})


def _asked_for_post(design: Design) -> dict[str, tuple[float, float]]:
    """Return what DataIngestion asks for a POST. With lists, the manifest comes after them, in a request of its own."""
    puts, listed = (2.0, 1.0 + design.lists_of_post) if design.lists_of_post else (1.0, 2.0)
    return {"PutItem": (puts, puts), "BatchWriteItem": (1.0, listed), "SendMessageBatch": (1.0, 1.0)}
