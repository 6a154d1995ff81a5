"""Damaged Parquet files against both pipelines' decoding: whatever is in one, it costs that file only.

Every file is planned in this process and decoded in a child, as the functions do, with the memory that each function
has. After a file that ended the child, a good one is read and its bars are compared.
"""

from __future__ import annotations

import os
import random
import resource
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.fuzz.parquet_files import bars_of_files, write_files
from bench.fuzz.parquet_mutations import mutate
from file_processing import data_processor_files
from services.deadlines import Deadline
from services.decoder_child import Job
from services.decoder_process import DecoderProcess, memory_bytes_of_child
from tickstream.bars import merge_bars
from tickstream.decoding import LIMITS, Budget
from tickstream.errors import ObjectRejected
from tickstream.ingests import Format, Source
from tickstream.layouts import sniff_with_footer
from tickstream.ranges import plan_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.fuzz.parquet_files import Bars, ParquetFile
    from tickstream.bars import Bar
    from tickstream.decoding import Limits

#: Of one call, in this process and in the child together.
MOST_CPU_S: Final = 20.0
MOST_MEMORY_MB: Final = 3_072
#: For a call that waits for something that never comes: no call works for so long.
_PATIENCE_S: Final = 600.0
_KEY, _ETAG = "object", "etag"


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that did more than it may. number: None for a file as it was written."""

    number: int | None
    file: str
    data: bytes
    what: str


@dataclass(slots=True)
class Decoding:
    """What became of the inputs. reasons: how many were refused for what. ended: how many ended the child."""

    inputs: int = 0
    read: int = 0
    ended: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    most_cpu_s: float = 0.0
    most_memory_mb: int = 0
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file was read as; bars: None where it was refused."""

    bars: Bars | None
    reason: str
    rows_missing: int
    cpu_s: float


class _Side:
    """One pipeline's decoding."""

    def __init__(self, name: str, memory_mb: int, limits: Limits, range_bytes: int, *, whole: bool) -> None:
        self.name = name
        self._limits = limits
        self._range_bytes = range_bytes
        self._whole = whole
        self.decoder = DecoderProcess(memory_bytes_of_child(memory_mb))

    def read(self, data: bytes) -> _Read:
        """Plan and decode a file. Raises what the functions would not take for the file's fault."""
        began_s = self._cpu_s()
        source = Source("bucket", _KEY, "1", _ETAG, len(data))
        get = partial(_slice_of, data)
        bars: dict[tuple[str, int], tuple[Bar, ...]] = {}
        rows = planned = 0
        reason = ""
        try:
            layout, footer = sniff_with_footer(source, get)
            if layout.format is not Format.PARQUET:
                return _Read(None, "no Parquet any more", 0, self._cpu_s() - began_s)
            limits = self._limits
            spans = plan_spans(
                source, layout, self._range_bytes, get, footer=footer, max_unpacked_bytes=limits.unpacked_bytes
            )
            budget = Budget(limits)
            for span in spans:
                planned += span.end - span.start
                job = Job(source, layout, span, budget.left, self._whole)
                for piece in self.decoder.decode(job, get, Deadline.after(_PATIENCE_S), budget):
                    rows += piece.ticks + len(piece.rejects)
                    for hour, of_hour in piece.bars.items():
                        bars[hour] = merge_bars(bars.get(hour, ()), of_hour)
        except ObjectRejected as refusal:
            reason = refusal.reason.value
        return _Read(None if reason else bars, reason, 0 if reason else planned - rows, self._cpu_s() - began_s)

    def _cpu_s(self) -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + ended.ru_utime + ended.ru_stime + _cpu_s_of(self.decoder.pid)


def fuzz_decoding(inputs: int, seed: int, only: int | None = None) -> Decoding:
    """Read every file as it was written, then so many damaged ones; stop at the first finding.

    only: the number of the one damaged file to read.
    """
    files = write_files()
    sides = (
        _Side("DataProcessor", 3_072, LIMITS, 1, whole=True),
        _Side("data-processor", 512, data_processor_files.LIMITS, data_processor_files.SPAN_BYTES, whole=False),
    )
    seen = Decoding()
    try:
        for side in sides:
            for one in files:
                _look_at_good(one, side, seen)
        numbers = range(inputs) if only is None else (only,)
        for number in numbers:
            if seen.finding is not None:
                break
            # A generator for each: an input can be made again by its number.
            chance = random.Random(f"{seed} {number}")  # noqa: S311 - no secret depends on it
            _look_at_damaged(number, chance, files, sides, seen)
    finally:
        for side in sides:
            side.decoder.end()
    return seen


def _look_at_good(one: ParquetFile, side: _Side, seen: Decoding) -> None:
    if seen.finding is not None:
        return
    read = _judged(None, one, side, seen)
    if read is not None and read.bars != bars_of_files(_KEY, _ETAG):
        what = f"{side.name}: read wrong, {read.reason or read.bars!r:.300}"
        seen.finding = Finding(None, one.name, one.data, what)


def _look_at_damaged(
    number: int, chance: random.Random, files: Sequence[ParquetFile], sides: Sequence[_Side], seen: Decoding
) -> None:
    good = chance.choice(files)
    damaged = mutate(good.data, [other.data for other in files], chance)
    side = sides[number % len(sides)]
    pid = side.decoder.pid
    read = _judged(number, type(good)(good.name, damaged), side, seen)
    if read is None:
        return
    seen.inputs += 1
    seen.read += read.bars is not None
    if read.reason:
        seen.reasons[read.reason] = seen.reasons.get(read.reason, 0) + 1
    if pid is not None and side.decoder.pid != pid:
        seen.ended += 1
        _look_at_good(good, side, seen)


def _judged(number: int | None, one: ParquetFile, side: _Side, seen: Decoding) -> _Read | None:
    """Read a file and look at what it took; None where there is a finding."""
    try:
        read = side.read(one.data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it would fail neighbours or come again for ever
        seen.finding = Finding(number, one.name, one.data, f"{side.name}: {error!r:.600}")
        return None
    memory_mb = max(_peak_mb_of(side.decoder.pid), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
    seen.most_memory_mb = max(seen.most_memory_mb, memory_mb)
    seen.most_cpu_s = max(seen.most_cpu_s, read.cpu_s)
    for objection, is_so in (
        (f"took {read.cpu_s:.1f} s of CPU", read.cpu_s > MOST_CPU_S),
        (f"took {memory_mb} MB", memory_mb > MOST_MEMORY_MB),
        (f"{read.rows_missing} planned rows are neither ticks nor rejects", read.rows_missing != 0),
    ):
        if is_so:
            seen.finding = Finding(number, one.name, one.data, f"{side.name}: {objection}")
            return None
    return read


def _slice_of(data: bytes, start: int, end: int) -> bytes:
    return data[start:end]


def _cpu_s_of(pid: int | None) -> float:
    """Seconds of CPU that a process has used; 0 where there is none any more."""
    user, system = _told_of(pid, "stat").rpartition(")")[2].split()[11:13] or (0, 0)
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _peak_mb_of(pid: int | None) -> int:
    _, _, peak = _told_of(pid, "status").partition("VmHWM:")
    return int(peak.split()[0]) >> 10 if peak else 0


def _told_of(pid: int | None, name: str) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return "" if pid is None else Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace")
    return ""
