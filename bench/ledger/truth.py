"""The truth table: every row that was sent, as its maker knows it, in Parquet files that no part of the pipeline sees.

One file a source (an object or a POST), named by the source's ordinal. Corrupt rows carry their expected reason and
no values; good rows carry values and no reason. Rows that are skipped or cancelled are not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tickstream.errors import Reason

SCHEMA: Final = {
    "source": pl.Int32(),  # ordinal of the object or request
    "offset": pl.Int64(),  # bytes (unpacked where gzipped), row number in Parquet, position in a POST
    "length": pl.Int64(),  # bytes of the row without its line end; 0 where rows are no text
    "symbol": pl.String(),
    "timestamp_ns": pl.Int64(),
    "sequence": pl.Int64(),  # before source and offset in the order of ticks
    "price_e9": pl.Int64(),
    "size_e9": pl.Decimal(38, 0),  # wider than 64 bits, and what DuckDB reads of 128
    "updates": pl.UInt8(),  # bits of what a tick updates
    "reason": pl.String(),
}
_VALUES: Final = ("symbol", "timestamp_ns", "price_e9", "size_e9")
#: Bits of `updates`: open and close, high and low, volume and notional.
OPEN_CLOSE, HIGH_LOW, VOLUME = 1, 2, 4
EVERYTHING: Final = OPEN_CLOSE | HIGH_LOW | VOLUME


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """One object, ready to upload.

    rows: the corrupt ones too; etag: MD5 in hex; text_path: the unpacked text, none for Parquet. intended_s: when it is
    to be sent, in seconds from the start of the schedule. repeat: 1 for a second upload of an object that is uploaded
    anyway (same ordinal, key and bytes), whose rows are then 0: it brings none. skipped: those of its rows that a feed
    says are no trades. cancelled: trades that are taken back, and rows that do so. feed: the name of the feed that must
    read it, empty where that is no matter. refusal: why it must be refused as a whole (`REASON: DETAIL`), empty where
    it must not. round: it goes when everything of the rounds before it is committed.
    """

    ordinal: int
    key: str
    path: Path
    rows: int
    size_bytes: int
    etag: str
    text_path: Path | None
    intended_s: float = 0.0
    repeat: int = 0
    skipped: int = 0
    cancelled: int = 0
    feed: str = ""
    refusal: str = ""
    round: int = 0


@dataclass(frozen=True, slots=True)
class PostBody:
    """One request for `POST /ingest`. `rows` counts the corrupt ones too; `intended_s` as of an object."""

    ordinal: int
    body: bytes
    rows: int
    intended_s: float = 0.0

    @property
    def size_bytes(self) -> int:
        """Bytes of the body."""
        return len(self.body)


def part_path(folder: Path, ordinal: int) -> Path:
    """Where the truth of the source of an ordinal lies."""
    return folder / f"truth-{ordinal:07d}.parquet"


def write_part(folder: Path, ordinal: int, rows: pl.DataFrame) -> Path:
    """Store the truth of one source (or of several, under the ordinal of the first).

    `sequence` may be left out where ticks have none, and `updates` where all update everything.
    """
    path = part_path(folder, ordinal)
    if "sequence" not in rows.columns:
        rows = rows.with_columns(sequence=pl.lit(0, pl.Int64))
    if "updates" not in rows.columns:
        rows = rows.with_columns(updates=pl.lit(EVERYTHING, pl.UInt8))
    rows.select([pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()]).write_parquet(path, compression="lz4")
    return path


def truth_rows(ordinal: int, frame: pl.DataFrame, reasons: Mapping[int, Reason]) -> pl.DataFrame:
    """Return the truth of a source's rows, as they would be good, and of the corrupt ones why (by their number)."""
    reason = pl.Series("reason", [None] * frame.height, dtype=pl.String)
    if reasons:
        reason = reason.scatter(list(reasons), [str(code) for code in reasons.values()])
    spoiled = pl.col("reason").is_not_null()
    return frame.with_columns(reason, source=pl.lit(ordinal)).with_columns(
        # A corrupt row has no values: whatever it says must reach no bar.
        [pl.when(spoiled).then(None).otherwise(pl.col(name)).alias(name) for name in _VALUES]
    )
