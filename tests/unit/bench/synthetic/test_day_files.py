"""A workload's day as one file: the rows that many objects would have, packed in each way, and the truth of them."""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest
from backports import zstd

from bench.errors import WorkloadError
from bench.ledger.truth import ObjectFile
from bench.synthetic.factory import Factory
from bench.workloads import DayFile, load, market_day

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.workloads import Workload

DAY = market_day(ticks=6_000, symbols=20, seed=5, corrupt_fraction=0.02, range_bytes=32_768)


def unzipped(packed: bytes, folder: Path) -> bytes:
    """The one file of a zip."""
    path = folder / "day.zip"
    path.write_bytes(packed)
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        return archive.read(name)


UNPACKED: dict[DayFile, Callable[[bytes, Path], bytes]] = {
    DayFile.CSV: lambda packed, _: packed,
    DayFile.GZIP: lambda packed, _: gzip.decompress(packed),
    DayFile.ZIP: unzipped,
    DayFile.ZSTD: lambda packed, _: zstd.decompress(packed),
}


def made(folder: Path, workload: Workload) -> tuple[list[ObjectFile], pl.DataFrame]:
    """A workload's objects, and the truth of all of it."""
    objects, truth = folder / "objects", folder / "truth"
    objects.mkdir()
    truth.mkdir()
    pieces = [piece for piece in Factory(workload, objects, truth).make() if isinstance(piece, ObjectFile)]
    return pieces, pl.read_parquet(truth / "truth-*.parquet")


@pytest.mark.parametrize("kind", UNPACKED)
def test_a_day_file_has_every_row_where_its_truth_says(kind: DayFile, tmp_path: Path) -> None:
    """One object in place of all CSV ones; each of its rows stands at its offset, and what it holds is exact."""
    pieces, truth = made(tmp_path, replace(DAY, day_file=kind))
    (day,) = [piece for piece in pieces if piece.text_path and piece.text_path.name.endswith(".day.csv")]
    assert day.key.endswith(".day.csv" if kind is DayFile.CSV else f".{kind}")
    assert not [piece for piece in pieces if piece is not day and piece.path.suffix == ".csv"]
    rows = truth.filter(source=day.ordinal)
    assert (rows.height, day.size_bytes) == (day.rows, day.path.stat().st_size)
    assert day.rows > 3_000
    text = UNPACKED[kind](day.path.read_bytes(), tmp_path)
    assert day.text_path is not None
    assert text == day.text_path.read_bytes()
    names = text.split(b"\n", 1)[0].decode().split(",")
    assert text.count(b"symbol,timestamp") == 1
    good = 0
    for row in rows.iter_rows(named=True):
        line = text[row["offset"] : row["offset"] + row["length"]]
        assert text[row["offset"] + row["length"] :][:1] == b"\n"
        if row["reason"] is None:
            fields = dict(zip(names, line.decode().split(","), strict=False))
            assert (fields["symbol"], fields["timestamp"]) == (row["symbol"], str(row["timestamp_ns"]))
            assert Decimal(fields["price"]) * 10**9 == row["price_e9"]
            good += 1
    assert 0 < rows.height - good < 200


def test_a_day_file_and_many_objects_are_the_same_ticks(tmp_path: Path) -> None:
    """What is measured of a day file is measured of the same ticks as in objects."""
    for name in ("one", "many"):
        (tmp_path / name).mkdir()
    _, one = made(tmp_path / "one", replace(DAY, day_file=DayFile.GZIP))
    _, many = made(tmp_path / "many", DAY)
    columns = ("symbol", "timestamp_ns", "price_e9", "size_e9")
    assert one.select(columns).sort(columns).equals(many.select(columns).sort(columns))


def test_equal_day_files_are_equal_bytes(tmp_path: Path) -> None:
    """A run can be repeated, whatever the time of day."""
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pieces, _ = made(tmp_path / name, replace(DAY, day_file=DayFile.ZIP))
        contents.append([piece.path.read_bytes() for piece in pieces])
    assert contents[0] == contents[1]


def test_streams_are_no_day_file() -> None:
    """Many objects and one at the same time are the user's mistake, in one line."""
    with pytest.raises(WorkloadError, match="streams are many objects, a day file is one"):
        load("streams", day_file="csv")
    with pytest.raises(WorkloadError, match="day_file"):
        load("smoke", day_file="rar")
