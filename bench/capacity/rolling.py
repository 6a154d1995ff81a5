"""What rolling up costs: reading the lists, merging a group of slices into rollups, and hours that have a segment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.capacity.lists import KB_A_READ_UNIT

if TYPE_CHECKING:
    from collections.abc import Collection

    from simpy.events import Event

    from bench.capacity.lists import Group, Lists
    from bench.capacity.world import Steps, World

#: Before lanes: the list was read 5,000 entries of 16 shards at a time, and an hour of 120 segments cost so many units.
_SHARDS: Final = 16
_SLICES_IN_MEMORY: Final = 80_000
_UNITS_OF_A_WHOLE_HOUR: Final = 300
_KEYS_A_REQUEST: Final = 100
_ITEMS_A_REQUEST: Final = 25
#: Receipts are read for so many ranges at a time.
_RECEIPTS_A_READ: Final = 100


@dataclass(slots=True, eq=False)
class Rolling:
    """Rolls up, for whoever has claimed the lanes."""

    world: World
    lists: Lists

    def read_lists(self, lanes: Collection[int], *, is_alone: bool) -> Event:
        """Read what lanes list, unless it is an event's own ranges alone, whose entries were read; then the receipts.

        What is read later, because a list is longer than a page, is not counted.
        """
        world = self.world
        ranges = self.lists.ranges_in(lanes, most=_RECEIPTS_A_READ)
        asked = {"BatchGetItem": (1.0, float(ranges))}
        if not is_alone:
            parts = float(len(lanes))
            if world.design.lanes == 1:
                parts = _SHARDS * (1.0 - (1.0 - 1.0 / _SHARDS) ** ranges)
            asked["Query"] = (parts, float(ranges))
            world.used["dynamodb_read_units"] += parts
        return world.work(world.figures["pass_cpu_s"], 3 * world.figures["dynamodb_s"], asked)

    def group(self, lanes: Collection[int], until_s: float) -> Steps[None]:
        """Roll up some slices together, as many as are a group, or as there is time for."""
        world, figures = self.world, self.world.figures
        if self.lists.segments:
            yield from self._whole(lanes)
            return
        speed = figures["aggregator_slices_a_second"]
        most = min(world.design.slices_a_group, max(1.0, until_s - world.env.now) * speed)
        group = self.lists.take(lanes, most)
        slices = sum(entry.all_slices for _, entry in group)
        rollups, entries = self.lists.rollups_of(group), float(sum(entry.ranges.number for _, entry in group))
        read = slices + rollups + self._receipt_units(group)
        yield self._used(
            slices / speed, read, rollups * self._rollup_units() + entries,
            {
                "BatchGetItem": (float(sum(math.ceil(part / _KEYS_A_REQUEST) for part in (slices, rollups))),
                                 slices + rollups),
                "BatchWriteItem": (float(sum(math.ceil(part / _ITEMS_A_REQUEST) for part in (rollups, entries))),
                                   rollups + entries),
            },
        )  # fmt: skip
        self.lists.done(group)

    def _whole(self, lanes: Collection[int]) -> Steps[None]:
        """Refresh hours that have a segment: each is read whole, with the slices since its last compaction.

        They are side by side, but the client computes one thing at a time.
        """
        world, figures, threshold = self.world, self.world.figures, self.world.design.compaction_threshold
        group = self.lists.take(lanes, world.design.slices_a_group)
        slices, hours = sum(entry.all_slices for _, entry in group), self.lists.rollups_of(group)
        entries = float(sum(entry.ranges.number for _, entry in group))
        # Each group compacts what is full: half of a threshold is loose, on average, beside what is new.
        loose = threshold / 2 + slices / max(1.0, hours)
        segments = self.lists.segments
        cpu_s = hours * (
            1.0 / figures["aggregator_slices_a_second"]
            + loose * figures["loose_slice_cpu_s"]
            + segments * figures["segment_cpu_s"]
        ) + slices * figures["merged_slice_cpu_s"]  # fmt: skip
        read = hours * (loose * figures["loose_slice_kb"] + segments * self._segment_kb()) / KB_A_READ_UNIT
        write = hours * self._rollup_units() + entries + self._compacting_units(slices)
        yield self._used(cpu_s, read + self._receipt_units(group), write, {"Query": (hours, hours * loose)})
        self.lists.done(group)

    def again(self, lanes: Collection[int], until_s: float) -> Steps[bool]:
        """Read hours whole, one after the other; say whether all were. A range is done if all of its hours are.

        Each pass begins again with the oldest: where there is no time for all hours of a range, none is ever done.
        """
        world, env, shape = self.world, self.world.env, self.lists.shape
        time_s = max(0.0, until_s - env.now)
        is_hopeless = shape.slices * world.figures["hour_read_s"] > time_s
        group = [] if is_hopeless else self.lists.take(lanes, _SLICES_IN_MEMORY)
        hours = float(shape.slices) if is_hopeless else self.lists.rollups_of(group)
        need_s = hours * world.figures["hour_read_s"]
        share = min(1.0, time_s / need_s)
        yield env.timeout(min(time_s, need_s))
        done = group[: int(len(group) * share)]
        world.used["dynamodb_read_units"] += hours * share * _UNITS_OF_A_WHOLE_HOUR
        world.used["dynamodb_write_units"] += hours * share * shape.rollup_units
        world.used["dynamodb_write_units"] += self._compacting_units(sum(entry.all_slices for _, entry in done))
        self.lists.done(done)
        self.lists.put_back(group[len(done) :])
        return not is_hopeless and len(done) == len(group)

    def _used(self, cpu_s: float, read: float, write: float, asked: dict[str, tuple[float, float]]) -> Event:
        world = self.world
        world.used["dynamodb_read_units"] += read
        world.used["dynamodb_write_units"] += write
        return world.work(cpu_s, 0.0, asked) & world.write(write) & world.read(read)

    def _rollup_units(self) -> float:
        """Return the write units of a rollup: its bars, and the ids of the ranges since the last segment."""
        threshold = self.world.design.compaction_threshold
        names = threshold / 2 if self.lists.segments else self.lists.ranges_of_an_hour
        return self.lists.shape.rollup_units + names * self.world.figures["range_id_kb"]

    def _segment_kb(self) -> float:
        ids_kb = self.world.design.compaction_threshold * self.world.figures["range_id_kb"]
        return self.lists.shape.rollup_units + ids_kb

    def _compacting_units(self, slices: float) -> float:
        """Return the write units of compacting slices: each is deleted, and there is a segment for so many."""
        return slices * (1.0 + self._segment_kb() / self.world.design.compaction_threshold)

    def _receipt_units(self, group: Group) -> float:
        """Return the read units of the receipts of a group, which are read once for all of its lanes."""
        receipt_kb = self.world.figures["receipt_units"]
        seen = {id(entry.ranges): entry.ranges for _, entry in group}.values()
        return sum(
            ranges.number * math.ceil(max(1.0, ranges.shape.slices * receipt_kb / KB_A_READ_UNIT)) for ranges in seen
        )
