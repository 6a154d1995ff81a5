"""ProcessingQueue, its mapping, and DataProcessor."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bench.capacity.lists import lanes_with

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from bench.capacity.aggregation import DataAggregator
    from bench.capacity.books import Books, Ranges
    from bench.capacity.designs import QueueDesign
    from bench.capacity.world import Steps, World

_FUNCTION: Final = "DataProcessor"
_ITEMS_A_REQUEST: Final = 25
_RAMP_S: Final = 1.0
#: Where objects come together, what ends within so many seconds ends together.
_TOGETHER_S: Final = 0.1
#: What the mapping asks for a batch, in the pipeline's name.
_MAPPING: Final = {"ReceiveMessage": (1.0, 0.0), "DeleteMessageBatch": (1.0, 0.0)}


@dataclass(slots=True, eq=False)
class ProcessingQueue:
    """A standard queue with its event source mapping, which has more batches at a time the longer there is work."""

    world: World
    design: QueueDesign
    name: str
    ceiling_limit: str
    processor: DataProcessor
    alike: int = 1
    running: int = 0
    visible: int = 0
    in_flight: int = 0
    _allowed: float = 0.0
    _is_ramping: bool = False
    _is_turning: bool = False
    _messages: deque[Ranges] = field(default_factory=deque)

    def put(self, ranges: Ranges, delay_s: float = 0.0) -> None:
        """Add messages, which are seen after a delay."""
        if delay_s:
            self.world.env.process(self._put_late(ranges, delay_s))
            return
        self.visible += ranges.number
        self._messages.append(ranges)
        self.dispatch()

    def _put_late(self, ranges: Ranges, delay_s: float) -> Steps[None]:
        yield self.world.env.timeout(delay_s)
        self.put(ranges)

    @property
    def ceiling(self) -> int:
        """The most batches at a time."""
        return min(self.design.ceiling, self.world.quotas["mapping_most"])

    def dispatch(self) -> None:
        """Start as many batches as are allowed by now."""
        self._allowed = max(self._allowed, float(min(self.ceiling, self.world.quotas["mapping_first"])))
        while self._messages and (free := int(self._allowed) - self.running) > 0:
            if self.in_flight >= self.world.quotas["sqs_in_flight"]:
                self.world.limits.note("sqs_in_flight", self.world.env.now)
                return
            alike = max(
                1, min(free, self.alike, self.world.functions.most, self._messages[0].number // self.design.batch)
            )
            batch = self._take(alike)
            self.running += alike
            self.world.env.process(self._run(batch, alike))
        if self._messages and not self._is_ramping:
            self._is_ramping = True
            self.world.env.process(self._ramp())

    def _take(self, alike: int) -> list[Ranges]:
        """Take a batch for each of some alike invocations; what each gets is a part of the same ranges."""
        batch: list[Ranges] = []
        left = self.design.batch * alike
        while left and self._messages:
            first = self._messages[0]
            if alike > 1 and batch:
                break
            number = min(left, first.number)
            batch.append(first.parted(number))
            if not first.number:
                self._messages.popleft()
            left -= number
            self.visible -= number
            self.in_flight += number
        return batch

    def _run(self, batch: list[Ranges], alike: int) -> Steps[None]:
        number = sum(ranges.number for ranges in batch)
        # Received and deleted, for each invocation.
        self.world.used["sqs_requests"] += 2 * alike
        yield self.world.work(0.0, 0.0, _MAPPING, alike=alike)
        yield from self.processor.process(batch, alike, self)
        self.in_flight -= number
        self.running -= alike
        if self.alike == 1:
            self.dispatch()
        elif not self._is_turning:
            # Batches that end within a moment are followed by as many that are alike, in one event of the model.
            self._is_turning = True
            self.world.env.process(self._turn())

    def _turn(self) -> Steps[None]:
        yield self.world.env.timeout(_TOGETHER_S)
        self._is_turning = False
        self.dispatch()

    def _ramp(self) -> Steps[None]:
        while self._messages:
            yield self.world.env.timeout(_RAMP_S)
            # More than the batches that run will take next: it waits for others, and not for a moment. Where the table
            # is used up, it waits for that, whoever is let in.
            is_waiting = self.running >= int(self._allowed) and self.visible > self.running * self.design.batch
            if is_waiting and "writes" not in self.world.table.full:
                at_ceiling = self._allowed >= self.ceiling
                self.world.limits.note(
                    self.ceiling_limit if at_ceiling else "mapping_ramp_per_minute", self.world.env.now
                )
            more = self.world.quotas["mapping_ramp_per_minute"] / 60 * _RAMP_S
            self._allowed = min(float(self.ceiling), self._allowed + more)
            self.dispatch()
        # Nothing waits: it goes back to where it began.
        self._allowed = 0.0
        self._is_ramping = False


@dataclass(slots=True, eq=False)
class DataProcessor:
    """Makes slices of ranges, commits them by their receipts, and tells DataAggregator.

    What happens to a range whose time is up is the design's: it spends a receive and writes all again, or goes back
    with a delay and keeps what it wrote.
    """

    world: World
    books: Books
    aggregator: DataAggregator
    random: Random
    _decoders: int = 0

    def units_of(self, ranges: Ranges) -> float:
        """Return what each of them writes: slices, entries in the work list, the receipt."""
        figures, shape = self.world.figures, ranges.shape
        receipt = max(1.0, shape.slices * figures["receipt_units"])
        return shape.slices * shape.slice_units + self._entries(ranges) + receipt

    def _entries(self, ranges: Ranges) -> int:
        """Return in how many lists each of them is."""
        return lanes_with(ranges.shape.symbols_a_range, self.world.design.lanes) if ranges.shape.slices else 0

    def process(self, batch: list[Ranges], alike: int, queue: ProcessingQueue) -> Steps[None]:
        """Process a batch, in each of some invocations that are alike."""
        world, env = self.world, self.world.env
        yield from world.enter(_FUNCTION, alike)
        began_s = env.now
        deadline_s = began_s + world.design.processor_timeout_s - world.design.writes_end_s
        yield from self._decoder(batch)
        done: list[Ranges] = []
        if batch[0].shape.is_large:
            yield from self._one_by_one(batch, alike, queue, deadline_s, done)
        else:
            yield from self._together(batch, alike, queue, deadline_s, done)
        world.functions.leave(_FUNCTION, alike)
        world.bill(env.now - began_s, alike)
        if done:
            self._commit(done, alike)

    def _decoder(self, batch: Sequence[Ranges]) -> Steps[None]:
        """Start a process that decodes Parquet, which each environment keeps."""
        environments = self.world.functions.environments[_FUNCTION]
        if self._decoders < environments and any(ranges.shape.is_parquet for ranges in batch):
            self._decoders += 1
            yield self.world.work(self.world.figures["decoder_cold_s"], 0.0, {})

    def _together(
        self, batch: list[Ranges], alike: int, queue: ProcessingQueue, deadline_s: float, done: list[Ranges]
    ) -> Steps[None]:
        world, figures = self.world, self.world.figures
        ticks = sum(ranges.number * ranges.shape.ticks for ranges in batch) / alike
        number = sum(ranges.number for ranges in batch) / alike
        is_object = any(not ranges.shape.is_posted for ranges in batch)
        items = sum(ranges.number * (ranges.shape.slices + self._entries(ranges) + 1) for ranges in batch) / alike
        yield world.work(
            number * figures["range_cpu_s"] + ticks / figures["ticks_a_second"] + self._writing_s(items),
            figures["s3_s"] * is_object + 2 * figures["dynamodb_s"],
            self._asked(batch, alike, items),
            alike=alike,
        )
        world.used["s3_reads"] += number * alike * is_object
        need = sum(ranges.number * (self.units_of(ranges) - ranges.kept_units) for ranges in batch) / alike
        wrote = yield world.write(need, alike=alike, until=deadline_s)
        world.used["dynamodb_write_units"] += wrote * alike
        if wrote >= need:
            done += batch
            return
        for ranges in batch:
            self._failed(ranges, queue, wrote / number)

    def _one_by_one(
        self, batch: list[Ranges], alike: int, queue: ProcessingQueue, deadline_s: float, done: list[Ranges]
    ) -> Steps[None]:
        world, figures, env = self.world, self.world.figures, self.world.env
        each = [one for ranges in batch for one in self._singly(ranges, alike)]
        for position, one in enumerate(each):
            if position and deadline_s - env.now < world.design.seconds_a_range:
                self._put_off(one, queue)
                continue
            read_s = one.shape.read_bytes / figures["s3_bytes_a_second"]
            yield world.work(
                one.shape.ticks / figures["ticks_a_second"] + self._writing_s(one.shape.slices),
                figures["s3_s"] + read_s,
                self._asked([one], one.number, one.shape.slices + self._entries(one) + 1.0),
                alike=one.number,
            )
            world.used["s3_reads"] += one.number
            need = self.units_of(one) - one.kept_units
            wrote = yield world.write(need, alike=one.number, until=deadline_s)
            world.used["dynamodb_write_units"] += wrote * one.number
            if wrote >= need:
                done.append(one)
            else:
                self._failed(one, queue, wrote)

    @staticmethod
    def _singly(ranges: Ranges, alike: int) -> list[Ranges]:
        """Part a batch into one range of each invocation at a time."""
        parts = []
        while ranges.number:
            parts.append(ranges.parted(min(alike, ranges.number)))
        return parts

    def _writing_s(self, items: float) -> float:
        """Return the client's CPU for writing items; on AWS it is within the time that the table takes."""
        return 0.0 if self.world.machine is None else items / self.world.figures["client_items_a_second"]

    @staticmethod
    def _asked(batch: Sequence[Ranges], alike: int, items: float) -> dict[str, tuple[float, float]]:
        """Return what each of some invocations asks for a batch: slices and entries first, then their receipts."""
        ranges = sum(one.number for one in batch) / alike
        objects = [one for one in batch if not one.shape.is_posted]
        asked = {"BatchWriteItem": (math.ceil((items - ranges) / _ITEMS_A_REQUEST) + 1.0, items)}
        if objects:
            asked["GetObject"] = (
                sum(one.number for one in objects) / alike,
                sum(one.number * one.shape.read_bytes for one in objects) / alike,
            )
        if rejecting := sum(one.number * one.shape.rejecting for one in batch) / alike:
            asked["PutObject"] = (rejecting, rejecting)
        return asked

    def _put_off(self, ranges: Ranges, queue: ProcessingQueue) -> None:
        """Not begun for lack of time."""
        if self.world.design.put_off_counts:
            self._received_in_vain(ranges, queue)
        else:
            ranges.backs += 1
            queue.put(ranges)

    def _failed(self, ranges: Ranges, queue: ProcessingQueue, wrote_units: float) -> None:
        """Time was up while it was written."""
        design = self.world.design
        if design.spends_receives:
            self.books.wasted_units += wrote_units * ranges.number
            self._received_in_vain(ranges, queue)
            return
        # Sent again with a delay, then deleted: two requests. What it has written it knows.
        self.world.used["sqs_requests"] += 2
        ranges.kept_units += wrote_units
        longest_s = min(design.longest_back_s, design.back_s * 2.0 ** min(ranges.backs, 10))
        delay_s = longest_s * self.random.uniform(0.5, 1.0)
        ranges.backs += 1
        queue.put(ranges, delay_s)

    def _received_in_vain(self, ranges: Ranges, queue: ProcessingQueue) -> None:
        ranges.tries += 1
        if ranges.tries >= self.world.design.max_receives:
            self.books.dead += ranges.number
            return
        # It comes when its visibility timeout is over, which began with the batch: about as long after its end.
        queue.put(ranges, self.world.design.visibility_s - self.world.design.processor_timeout_s)

    def _commit(self, done: list[Ranges], alike: int) -> None:
        world = self.world
        for ranges in done:
            ranges.committed_s = world.env.now
            self.books.committed += ranges.number
            self.books.visible.add(world.env.now - ranges.sent_s, ranges.number)
        world.used["eventbridge_events"] += alike
        world.asked("PutEvents", alike)
        self.aggregator.committed(done, alike)
