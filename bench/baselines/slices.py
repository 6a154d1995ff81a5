"""The first ticks of what is sent to our own pipeline, as one object for the peer, and what its keys make of them."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from bench.errors import InputError, WorkloadError
from bench.ledger.truth import ObjectFile
from bench.own_file.taking import take_in
from bench.synthetic.factory import Factory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.workloads import Workload

_COLUMNS: Final = ("symbol", "timestamp", "price", "size")


@dataclass(frozen=True, slots=True)
class Slice:
    """An object of ticks for the peer. colliding: how many share symbol and timestamp with an earlier one."""

    path: Path
    about: str
    ticks: int
    colliding: int


def of_workload(workload: Workload, ticks: int, folder: Path) -> Slice:
    """Return the first ticks of a workload's first CSV object; the same bytes as a run of it sends.

    Raises WorkloadError where the workload has no such object, or a smaller one.
    """
    objects, truth = folder / "objects", folder / "truth"
    for made in (objects, truth):
        made.mkdir(parents=True)
    pieces = Factory(workload, objects, truth).make()
    # A vendor's file has other columns.
    objects_sent = (piece for piece in pieces if isinstance(piece, ObjectFile) and not piece.feed)
    first = next((piece.path for piece in objects_sent if piece.path.suffix == ".csv"), None)
    if first is None:
        raise WorkloadError(f"the workload {workload.name} sends no CSV object, which is what the naive design reads")
    found = of_file(first, ticks, folder, about=f"workload {workload.name}, {workload.symbols:,} symbols")
    if found.ticks < ticks:
        raise WorkloadError(f"the first CSV object of the workload {workload.name} has only {found.ticks:,} ticks")
    return found


def of_input(path: Path, ticks: int, folder: Path, *, symbol: str | None = None) -> Slice:
    """Return the first ticks of a file of the user's own, of one symbol or of all. Raises InputError."""
    truth = folder / "truth"
    truth.mkdir(parents=True)
    taken = take_in(path, folder, truth)
    text_path = taken.text_path
    if taken.refusal:
        raise InputError(f"{path} is refused: {taken.refusal}")
    if text_path is None:
        raise InputError(f"{path} is Parquet, and the naive design reads CSV")
    return of_file(text_path, ticks, folder, symbol=symbol, about=f"{path.name}, {symbol or 'all symbols'}")


def of_file(path: Path, ticks: int, folder: Path, *, about: str, symbol: str | None = None) -> Slice:
    """Write the first ticks of a CSV file into one of their own. Raises InputError where it has none."""
    cut = folder / "naive.csv"
    seen: Counter[tuple[str, str]] = Counter()
    with cut.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for row in islice(_rows(path, symbol), ticks):
            writer.writerow(row)
            seen[row["symbol"], row["timestamp"]] += 1
    if not seen:
        raise InputError(f"{path.name} has no ticks of {symbol}" if symbol else f"{path.name} has no ticks")
    return Slice(cut, about, ticks=seen.total(), colliding=seen.total() - len(seen))


def colliding_in(path: Path, folder: Path, symbol: str | None) -> tuple[int, int]:
    """Return how many ticks a file has, and how many of them the peer would lose: counted, not sent."""
    whole = of_input(path, 10**12, folder, symbol=symbol)
    return whole.ticks, whole.colliding


def _rows(path: Path, symbol: str | None) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
            raise InputError(
                f"{path.name} has no column {', '.join(missing)} in a header, which the naive design needs"
            )
        yield from (row for row in reader if symbol is None or row["symbol"] == symbol)
