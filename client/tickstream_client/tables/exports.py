"""Frames of bars into files and into other libraries' tables.

A file is written beside its place and moved there when it is whole: what fails in the middle leaves nothing, or what
was there before.
"""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from polars.io.plugins import register_io_source

from tickstream_client.errors import ExportError
from tickstream_client.tables.decoding import WIRE, schema, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: About 10 MB of a group's columns: what a reader takes into memory at once.
ROW_GROUP_BARS: Final = 122_880


def to_polars(frames: Iterable[pl.DataFrame], *, floats: bool = False) -> pl.DataFrame:
    """Put all frames together, typed. Raises ExportError."""
    found = [typed(frame, floats=floats) for frame in frames]
    return pl.concat([pl.DataFrame(schema=schema(floats=floats)), *found], rechunk=True)


def to_arrow(frames: Iterable[pl.DataFrame], *, floats: bool = False) -> Any:
    """As a pyarrow Table; decimals are decimal128. Raises ExportError where pyarrow is not there."""
    _require("pyarrow", "to_arrow")
    return to_polars(frames, floats=floats).to_arrow()


def to_pandas(frames: Iterable[pl.DataFrame], *, floats: bool = False) -> Any:
    """As a pandas DataFrame; decimals are objects of `decimal.Decimal`, floats float64.

    Raises ExportError where pandas or pyarrow is not there.
    """
    _require("pandas", "to_pandas")
    _require("pyarrow", "to_pandas")
    return to_polars(frames, floats=floats).to_pandas()


def to_parquet(frames: Iterable[pl.DataFrame], path: str | Path, *, floats: bool = False) -> int:
    """Write a Parquet file, a row group at a time, and return the number of bars. Raises ExportError."""
    counted = _Counted(typed(frame, floats=floats) for frame in frames)

    def read(columns: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
        for frame in counted:
            yield frame if columns is None else frame.select(columns)

    def write(part: Path) -> None:
        lazy = register_io_source(read, schema=schema(floats=floats))
        try:
            # Opened here: polars would do so in a thread of its own, which may come to it when all is over.
            with part.open("wb") as out:
                lazy.sink_parquet(out, row_group_size=ROW_GROUP_BARS)
        except BaseException:
            # polars says what failed in words of its own; whoever asked gets the error itself.
            if counted.error is not None:
                raise counted.error from None
            raise

    _written(Path(path), write)
    return counted.bars


def to_csv(frames: Iterable[pl.DataFrame], path: str | Path) -> int:
    """Write a CSV file with a header, decimals as the API writes them, and return the number of bars."""
    counted = _Counted(frames)

    def write(part: Path) -> None:
        with part.open("wb") as out:
            pl.DataFrame(schema=WIRE).write_csv(out)
            for frame in counted:
                frame.write_csv(out, include_header=False)

    _written(Path(path), write)
    return counted.bars


def to_jsonl(frames: Iterable[pl.DataFrame], path: str | Path) -> int:
    """Write a bar a line, decimals as text, and return the number of bars."""
    counted = _Counted(frames)

    def write(part: Path) -> None:
        with part.open("wb") as out:
            for frame in counted:
                frame.write_ndjson(out)

    _written(Path(path), write)
    return counted.bars


class _Counted:
    """Frames that are counted as they go, and the error that ended them."""

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self._frames = frames
        self.bars = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[pl.DataFrame]:
        try:
            for frame in self._frames:
                self.bars += len(frame)
                yield frame
        except BaseException as error:
            self.error = error
            raise


def _written(path: Path, write: Callable[[Path], None]) -> None:
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        write(part)
        part.replace(path)
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _require(library: str, by: str) -> None:
    try:
        __import__(library)
    except ImportError as error:
        raise ExportError(f"{by} needs {library}: pip install {library}") from error
