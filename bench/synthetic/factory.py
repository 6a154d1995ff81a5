"""The objects and requests of a workload: files in a folder, each with its truth beside it.

One object at a time is made, written and forgotten, and the ticks of the next are drawn meanwhile. Equal workloads make
equal bytes, whatever machine they are made on: every random stream is seeded by the workload's seed and the ordinal of
the part. So several machines can each make some of the pieces: what goes on from part to part (prices, whose turn it is
among the faults) goes on with the others.
"""

from __future__ import annotations

import gzip
import json
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from heapq import merge
from itertools import accumulate, cycle, islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from bench.ledger.truth import ObjectFile, PostBody, truth_rows, write_part
from bench.synthetic import faults, render
from bench.synthetic.day_file import DayText, md5_of, packed
from bench.synthetic.market import MarketDay
from bench.synthetic.plan import Kind, plan
from bench.synthetic.prints import Fate
from bench.synthetic.vendors import VENDORS, VendorDay
from bench.workloads import DayFile
from tickstream.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from bench.synthetic.market import Ticks
    from bench.synthetic.plan import Part
    from bench.workloads import Workload

_ROW_GROUPS: Final = 4


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The ticks of the part of a number, and which of its rows to spoil."""

    number: int
    ticks: Ticks
    spoiled_rows: list[int]


@dataclass(frozen=True, slots=True)
class _Day:
    """The one file of a day: the ordinal of its first part is its own."""

    ordinal: int
    text: DayText


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """An object that somebody else makes: that it comes decides which objects are uploaded twice."""

    intended_s: float


def _everything(_ordinal: int) -> bool:
    return True


class Factory:
    """Makes the files of a workload under a folder; the truth goes into a second folder, None keeps none.

    owns: says of an ordinal whether its piece is made here; without it all are.
    """

    def __init__(
        self,
        workload: Workload,
        folder: Path,
        truth_folder: Path | None,
        *,
        owns: Callable[[int], bool] = _everything,
    ) -> None:
        self._workload = workload
        self._folder = folder
        self._truth = truth_folder
        self._owns = owns
        self._market = MarketDay(workload)
        self._csv_faults = cycle(faults.CSV_FAULTS)
        self._json_faults = cycle(faults.JSON_FAULTS)
        self._value_faults = cycle(faults.VALUE_FAULTS)
        self._vendor_faults = {feed: cycle(vendor.faults) for feed, vendor in VENDORS.items()}
        self._vendors = VendorDay(workload, self._market)
        self._posted_at_once = workload.posts.ticks_a_request
        self._csv_objects = 0
        self._day: _Day | None = None
        self._long_row_planted = False

    def make(self) -> Iterator[ObjectFile | PostBody]:
        """Make one piece after the other, in the order of the schedule.

        A POST is yielded with its body; an object lies in its file. An object that is uploaded twice is two pieces.
        """
        parts = plan(self._workload)
        sources = (-(-part.rows // self._posted_at_once) if part.kind is Kind.POSTS else 1 for part in parts)
        first_ordinals = list(accumulate(sources, initial=0))
        of_parts = self._of_parts(zip(parts, first_ordinals, strict=False))
        singles = self._single_posts(first_ordinals[-1])
        rng = np.random.default_rng([self._workload.seed, 6])
        at_once = cycle((True, False))
        later: list[ObjectFile] = []
        for piece in merge(of_parts, singles, key=lambda piece: piece.intended_s):
            if not isinstance(piece, _Elsewhere):
                yield piece
            if isinstance(piece, PostBody) or rng.random() >= self._workload.objects.uploaded_twice_share:
                continue
            is_at_once = next(at_once)
            if isinstance(piece, _Elsewhere):
                continue
            again = replace(piece, rows=0, repeat=1)
            if is_at_once:
                yield again
            else:
                later.append(replace(again, intended_s=self._workload.duration_s))
        yield from later

    def _of_parts(self, parts: Iterable[tuple[Part, int]]) -> Iterator[ObjectFile | PostBody | _Elsewhere]:
        day: int | None = None
        for part, ordinal, drawn in self._drawn_ahead(parts):
            if self._is_of_day(part):
                day = ordinal if day is None else day
                if self._owns(day):
                    self._add_to_day(part, ordinal, drawn)
                else:
                    self._pass_over(part)
            elif part.kind is Kind.POSTS:
                requests = range(ordinal, ordinal - (-part.rows // self._posted_at_once))
                if any(map(self._owns, requests)):
                    yield from self._posts(part, ordinal, drawn)
                else:
                    self._pass_over(part)
            elif self._owns(ordinal):
                yield self._made(part, ordinal, drawn)
            else:
                self._pass_over(part)
                yield _Elsewhere(self._intended_s(part.turn[0]))
        if self._day:
            yield self._day_object(self._day)
        elif day is not None:
            yield _Elsewhere(self._workload.duration_s)

    def _drawn_ahead(self, parts: Iterable[tuple[Part, int]]) -> Iterator[tuple[Part, int, _Drawn]]:
        """Yield parts, their ordinals and ticks; the ticks of the next are drawn while one is written.

        In order, by one thread: prices go on from part to part, and whatever is drawn, nothing else changes them.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="ticks") as thread:
            ahead: deque[tuple[Part, int, Future[_Drawn]]] = deque()
            for number, (part, ordinal) in enumerate(parts):
                ahead.append((part, ordinal, thread.submit(self._draw, part, number)))
                if len(ahead) > 1:
                    part_now, ordinal_now, drawn = ahead.popleft()
                    yield part_now, ordinal_now, drawn.result()
            for part, ordinal, drawn in ahead:
                yield part, ordinal, drawn.result()

    def _is_of_day(self, part: Part) -> bool:
        """Whether a part is in the one file of the day."""
        return self._workload.day_file is not DayFile.NONE and part.kind is Kind.CSV and not part.feed

    def _pass_over(self, part: Part) -> None:
        """Have go on whose turn it is among the faults, as if this part had been made."""
        kinds: Iterator[object] = self._csv_faults
        faults_taken = part.corrupt
        if part.feed:
            kinds = self._vendor_faults[part.feed]
        elif part.kind in {Kind.PARQUET, Kind.POSTS}:
            kinds = self._value_faults
        elif part.kind is Kind.JSON_LINES:
            kinds = self._json_faults
        elif part.kind is Kind.CSV and part.corrupt and not self._long_row_planted:
            self._long_row_planted = True
            faults_taken -= 1
        for _ in range(faults_taken):
            next(kinds)
        self._csv_objects += part.kind is Kind.CSV and not self._is_of_day(part)

    def _keep_truth(self, ordinal: int, source: int, frame: pl.DataFrame, reasons: dict[int, Reason]) -> None:
        """Write down what a source holds, under an ordinal."""
        if self._truth is not None:
            write_part(self._truth, ordinal, truth_rows(source, frame, reasons))

    def _intended_s(self, turn: float) -> float:
        """When the schedule has a share of what is sent go: the day's own course, in the schedule's length."""
        return self._workload.duration_s * self._market.elapsed(turn)

    def make_object(self, part: Part, number: int, ordinal: int) -> ObjectFile:
        """Make one object and its truth. `number` decides its random ticks, beside the workload's seed."""
        return self._made(part, ordinal, self._draw(part, number))

    def _made(self, part: Part, ordinal: int, drawn: _Drawn) -> ObjectFile:
        if part.feed:
            made = self._vendor(part, ordinal, drawn)
        elif part.kind is Kind.PARQUET:
            made = self._parquet(ordinal, render.frame_of(self._market, drawn.ticks), drawn.spoiled_rows)
        else:
            made = self._text(part.kind, ordinal, render.frame_of(self._market, drawn.ticks), drawn.spoiled_rows)
        return replace(made, intended_s=self._intended_s(part.turn[0]), round=part.round)

    def _draw(self, part: Part, number: int) -> _Drawn:
        rng = np.random.default_rng([self._workload.seed, 3, number])
        ticks = self._market.draw(part.rows, part.window, rng, part.symbol, shares_only=bool(part.feed))
        # The first line of JSON lines tells the format, as a header does: spoilt, it may spoil the whole file.
        first = int(part.kind is Kind.JSON_LINES and part.corrupt < part.rows)
        spoiled_rows = np.sort(first + rng.choice(part.rows - first, part.corrupt, replace=False)).tolist()
        return _Drawn(number, ticks, spoiled_rows)

    def _text(self, kind: Kind, ordinal: int, frame: pl.DataFrame, spoiled_rows: list[int]) -> ObjectFile:
        header, lines, spoiled, reasons = self._lines(kind, frame, spoiled_rows)
        text = self._laid_out(kind, header, lines, spoiled)
        self._keep_truth(ordinal, ordinal, frame.hstack(text.lines), reasons)
        return self._text_object(kind, ordinal, text)

    def _lines(
        self, kind: Kind, frame: pl.DataFrame, spoiled_rows: list[int]
    ) -> tuple[bytes, pl.Series, dict[int, bytes], dict[int, Reason]]:
        """Return a header, a line a tick, and of the spoiled rows what stands there instead and why it is refused."""
        columns = render.REORDERED_COLUMNS if kind is Kind.GZIP else render.STANDARD_COLUMNS
        if kind is Kind.JSON_LINES:
            lines, header, kinds = render.json_lines(frame), b"", self._json_faults
        else:
            lines, header, kinds = render.csv_lines(frame, columns), ",".join(columns).encode(), self._csv_faults
        spoiled: dict[int, bytes] = {}
        reasons: dict[int, Reason] = {}
        texts = frame.select("symbol", "timestamp", "price", "size")
        for row in spoiled_rows:
            fields = faults.Fields(*texts.row(row))
            if kind is Kind.CSV and not self._long_row_planted:
                # Once is enough: it takes a megabyte.
                self._long_row_planted = True
                reasons[row], spoiled[row] = Reason.ROW_TOO_LONG, faults.too_long_line(fields, columns)
                continue
            reason, spoil = next(kinds)
            reasons[row], spoiled[row] = reason, spoil(fields, columns)
        return header, lines, spoiled, reasons

    def _add_to_day(self, part: Part, ordinal: int, drawn: _Drawn) -> None:
        """Write a part of the day behind the others, and its truth."""
        day = self._day = self._day or _Day(ordinal, DayText(self._folder / f"{ordinal:05d}.day.csv"))
        frame = render.frame_of(self._market, drawn.ticks)
        header, lines, spoiled, reasons = self._lines(part.kind, frame, drawn.spoiled_rows)
        content = render.text_of(b"" if day.text.rows else header, lines, spoiled, line_end=b"\n", final_end=True)
        places = content.lines.with_columns(pl.col("offset") + day.text.size_bytes)
        self._keep_truth(ordinal, day.ordinal, frame.hstack(places), reasons)
        day.text.append(content.content, part.rows)

    def _day_object(self, day: _Day) -> ObjectFile:
        """Pack the day that is over: no vendor sends it earlier."""
        path = packed(day.text.path, self._workload.day_file, self._folder / f"{day.ordinal:05d}")
        made = self._object(day.ordinal, path, day.text.rows, day.text.path)
        return replace(made, intended_s=self._workload.duration_s)

    def _vendor(self, part: Part, ordinal: int, drawn: _Drawn) -> ObjectFile:
        rows = self._vendors.rows(
            part.feed, drawn.ticks, drawn.spoiled_rows, drawn.number, opens=part.opens, closes=part.closes
        )
        reasons: dict[int, Reason] = {}
        spoiled: dict[int, bytes] = {}
        for row in drawn.spoiled_rows:
            reasons[row], spoil = next(self._vendor_faults[part.feed])
            spoiled[row] = spoil(rows.texts.row(row, named=True))
        text = self._laid_out(part.kind, ",".join(rows.texts.columns).encode(), rows.lines, spoiled)
        if self._truth is not None:
            truth = truth_rows(ordinal, rows.values.hstack(text.lines), reasons)
            write_part(self._truth, ordinal, truth.filter(rows.is_known))
        made = self._text_object(part.kind, ordinal, text)
        return replace(made, skipped=rows.count(Fate.SKIPPED), cancelled=rows.count(Fate.CANCELLED), feed=part.feed)

    def _laid_out(self, kind: Kind, header: bytes, lines: pl.Series, spoiled: dict[int, bytes]) -> render.Text:
        """Put the lines of a file together; plain CSV objects differ in how lines and the file end."""
        line_end, final_end = b"\n", True
        if kind is Kind.CSV:
            self._csv_objects += 1
            line_end = b"\n" if self._csv_objects % self._workload.objects.crlf_every else b"\r\n"
            final_end = self._csv_objects % self._workload.objects.unterminated_every != 0
        return render.text_of(header, lines, spoiled, line_end=line_end, final_end=final_end)

    def _text_object(self, kind: Kind, ordinal: int, text: render.Text) -> ObjectFile:
        plain = self._folder / f"{ordinal:05d}.{Kind.CSV if kind is Kind.GZIP else kind}"
        plain.write_bytes(text.content)
        path = plain
        if kind is Kind.GZIP:
            path = self._folder / f"{ordinal:05d}.{kind}"
            path.write_bytes(gzip.compress(text.content, compresslevel=1, mtime=0))
        return self._object(ordinal, path, text.lines.height, plain)

    def _parquet(self, ordinal: int, frame: pl.DataFrame, spoiled_rows: list[int]) -> ObjectFile:
        # Decimals of nine digits for price and size: exact, and what a careful producer writes.
        as_decimal = {name: pl.col(name).cast(pl.Decimal(38, 9)) for name in ("price", "size")}
        table = frame.select("symbol", timestamp=pl.col("timestamp_ns"), **as_decimal)
        reasons: dict[int, Reason] = {}
        rows: list[dict[str, Any]] = []
        for row in spoiled_rows:
            reason, spoil = next(self._value_faults)
            reasons[row] = reason
            values = spoil(table.row(row, named=True))
            rows.append(values | {name: _decimal_or_none(values[name]) for name in ("price", "size")})
        if rows:
            replaced = pl.DataFrame(rows, schema=table.schema)
            table = table.with_columns([table[name].scatter(spoiled_rows, replaced[name]) for name in table.columns])
        path = self._folder / f"{ordinal:05d}.parquet"
        table.write_parquet(path, row_group_size=max(1, frame.height // _ROW_GROUPS), compression="snappy")
        positions = pl.DataFrame({"offset": pl.int_range(frame.height, eager=True), "length": 0})
        positions = positions.with_columns(length=pl.lit(0))
        self._keep_truth(ordinal, ordinal, frame.hstack(positions), reasons)
        return self._object(ordinal, path, frame.height, None)

    def _posts(self, part: Part, ordinal: int, drawn: _Drawn) -> Iterator[PostBody]:
        frame, spoiled = render.frame_of(self._market, drawn.ticks), set(drawn.spoiled_rows)
        names = ("symbol", "timestamp", "price", "size")
        texts = iter(enumerate(frame.select(names).iter_rows()))
        while batch := list(islice(texts, self._posted_at_once)):
            if not self._owns(ordinal):
                for _ in spoiled.intersection(row for row, _ in batch):
                    next(self._value_faults)
                ordinal += 1
                continue
            reasons: dict[int, Reason] = {}
            ticks: list[dict[str, Any]] = []
            for row, values in batch:
                tick: dict[str, Any] = dict(zip(names, values, strict=True))
                tick["timestamp"] = int(tick["timestamp"])
                if row in spoiled:
                    reasons[row - batch[0][0]], spoil = next(self._value_faults)
                    tick = {name: value for name, value in spoil(tick).items() if value is not None}
                ticks.append(tick)
            rows = frame.slice(batch[0][0], len(batch))
            rows = rows.with_columns(offset=pl.int_range(pl.len()), length=pl.lit(0))
            self._keep_truth(ordinal, ordinal, rows, reasons)
            turn = part.turn[0] + (part.turn[1] - part.turn[0]) * batch[0][0] / part.rows
            yield PostBody(ordinal, json.dumps({"ticks": ticks}).encode(), len(ticks), self._intended_s(turn))
            ordinal += 1

    def _single_posts(self, ordinal: int) -> Iterator[PostBody]:
        """One tick a request, all of the first symbol within the day's first half hour (one hour of the clock)."""
        count = self._workload.single_posts
        if not count:
            return
        rng = np.random.default_rng([self._workload.seed, 4])
        offsets_ns = np.sort(rng.integers(0, 1_800 * 10**9, count))
        prices = np.cumsum(rng.integers(-2, 3, count)) % 10_000 + 10_000
        sizes = rng.integers(1, 500, count)
        frame = pl.DataFrame(
            {
                "source": pl.Series(np.arange(ordinal, ordinal + count), dtype=pl.Int32),
                "offset": pl.Series(np.zeros(count, dtype=np.int64)),
                "length": pl.Series(np.zeros(count, dtype=np.int64)),
                "symbol": [self._market.names[0]] * count,
                "timestamp_ns": self._market.opening_ns + offsets_ns,
                "price_e9": prices * 10**7,
                "size_e9": sizes * 10**9,
                "reason": pl.Series([None] * count, dtype=pl.String),
            }
        )
        if self._truth is not None:
            write_part(self._truth, ordinal, frame)
        columns = ("symbol", "timestamp_ns", "price_e9", "size_e9")
        for row, (symbol, timestamp_ns, price_e9, size_e9) in enumerate(frame.select(columns).iter_rows()):
            tick = {
                "symbol": symbol,
                "timestamp": timestamp_ns,
                "price": f"{price_e9 // 10**9}.{price_e9 % 10**9:09d}",
                "size": str(size_e9 // 10**9),
            }
            if self._owns(ordinal + row):
                yield PostBody(ordinal + row, json.dumps(tick).encode(), 1, self._intended_s(row / count))

    def _object(self, ordinal: int, path: Path, rows: int, text_path: Path | None) -> ObjectFile:
        day = self._workload.market.day.isoformat()
        suffix = path.name.partition(".")[2]
        return ObjectFile(
            ordinal=ordinal,
            # A space and an equals sign, because S3 events encode keys and readers forget to decode them.
            key=f"ticks/day={day}/part {ordinal:05d}.{suffix}",
            path=path,
            rows=rows,
            size_bytes=path.stat().st_size,
            etag=md5_of(path),
            text_path=text_path,
        )


def _decimal_or_none(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
