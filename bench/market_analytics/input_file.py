"""A tick file of the user's own (`--input`): its truth, by a reader that the pipeline does not share.

Lines are split here, fields are judged in SQL by regular expressions, Parquet is read by DuckDB's own reader. The file
is uploaded as it is, as one object.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
import zlib
from itertools import batched
from typing import TYPE_CHECKING, Final

import duckdb
import polars as pl

from bench.errors import InputError
from bench.ledger.truth import ObjectFile, part_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINES_AT_A_TIME: Final = 200_000
_LONGEST_ROW_BYTES: Final = 1_048_576
_NAMES: Final = ("symbol", "timestamp", "price", "size")

_FIELDS: Final = {
    "offset": pl.Int64,
    "length": pl.Int64,
    "fault": pl.String,  # found while the line was taken apart
    **dict.fromkeys(_NAMES, pl.String),
}

type Fields = tuple[str | None, str | None, str | None, str | None, str | None]


def take_in(path: Path, folder: Path, truth: Path) -> ObjectFile:
    """Read the user's file and write its truth. Raises InputError, in one sentence.

    folder: for an unpacked copy of a gzipped file.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        content_hash, size_bytes = _hash(path)
        if magic == b"PAR1":
            return _object(path, content_hash, size_bytes, _parquet(path, truth), None)
        plain = path
        if magic[:2] == b"\x1f\x8b":
            plain = folder / "input.txt"
            with gzip.open(path) as packed, plain.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
        return _object(path, content_hash, size_bytes, _text(plain, folder, truth), plain)
    except (OSError, EOFError, zlib.error, duckdb.Error) as error:
        raise InputError(f"{path} cannot be read as a tick file: {error}") from error


def _object(path: Path, etag: str, size_bytes: int, rows: int, text_path: Path | None) -> ObjectFile:
    return ObjectFile(0, f"ticks/input/{path.name}", path, rows, size_bytes, etag, text_path)


def _hash(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest(), path.stat().st_size


def _text(path: Path, folder: Path, truth: Path) -> int:
    rows = 0
    # One file and one part of the truth a batch: a large file is never in memory as a whole.
    taken = folder / "taken.parquet"
    for batch in batched(_rows(path), _LINES_AT_A_TIME, strict=False):
        pl.DataFrame(list(batch), schema=_FIELDS, orient="row").write_parquet(taken)
        with duckdb.connect() as connection:
            connection.read_parquet(str(taken)).create_view("taken")
            connection.execute(_MACROS)
            connection.sql(_JUDGE).write_parquet(str(part_path(truth, rows)))
        rows += len(batch)
    return rows


def _rows(path: Path) -> Iterator[tuple[int, int, *Fields]]:
    with path.open("rb") as file:
        first = file.readline()
        columns: list[str] | None = None
        offset = 0
        if first.lstrip()[:1] != b"{":
            columns = first.decode(errors="replace").removeprefix("\ufeff").rstrip("\r\n").split(",")
            if missing := [name for name in _NAMES if name not in columns]:
                raise InputError(f"{path} has no column {', '.join(missing)} in its first line")
            offset = len(first)
        file.seek(offset)
        for line in file:
            row = line.removesuffix(b"\n").removesuffix(b"\r")
            if row:
                yield (offset, len(row), *_taken_apart(row, columns))
            offset += len(line)


def _taken_apart(row: bytes, columns: list[str] | None) -> Fields:
    """A fault or none, then the four fields as texts."""
    nothing = (None, None, None, None)
    if len(row) > _LONGEST_ROW_BYTES:
        return ("row_too_long", *nothing)
    try:
        text = row.decode()
    except UnicodeDecodeError:
        return ("not_utf8", *nothing)
    if columns is None:
        return _json_fields(text)
    try:
        fields = next(csv.reader([text], strict=True)) if '"' in text else text.split(",")
    except csv.Error:
        return ("malformed_row", *nothing)
    if len(fields) != len(columns):
        return ("malformed_row", *nothing)
    named = dict(zip(columns, fields, strict=True))
    return (None, named["symbol"], named["timestamp"], named["price"], named["size"])


def _json_fields(text: str) -> Fields:
    try:
        # Numbers stay the text that they are in the file.
        fields = json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return ("malformed_row", None, None, None, None)
    fields.setdefault("size", fields.get("volume"))
    symbol, timestamp, price, size = (None if fields.get(name) is None else str(fields[name]) for name in _NAMES)
    return (None, symbol, timestamp, price, size)


def _parquet(path: Path, truth: Path) -> int:
    with duckdb.connect() as connection:
        connection.read_parquet(str(path), file_row_number=True).create_view("file")
        types = {name: str(kind).upper() for name, kind, *_ in connection.execute("DESCRIBE file").fetchall()}
        if missing := [name for name in _NAMES if name not in types]:
            raise InputError(f"{path} has no column {', '.join(missing)}")
        if inexact := [name for name in ("price", "size") if types[name] in {"FLOAT", "DOUBLE"}]:
            raise InputError(f"{path}: {', '.join(inexact)} is of floats, which cannot be exact")
        moments = types["timestamp"].startswith("TIMESTAMP")
        if moments and "TIME ZONE" not in types["timestamp"]:
            raise InputError(f"{path}: column timestamp has no time zone")
        connection.execute(_TAKE_MOMENTS if moments else _TAKE)
        connection.execute(_MACROS)
        connection.sql(_JUDGE).write_parquet(str(part_path(truth, 0)))
        return len(connection.sql('SELECT "offset" FROM taken'))


_TAKE: Final = """
CREATE VIEW taken AS SELECT file_row_number AS "offset", 0 AS length, NULL::VARCHAR AS fault,
    symbol::VARCHAR AS symbol, timestamp::VARCHAR AS timestamp, price::VARCHAR AS price, size::VARCHAR AS size FROM file
"""
_TAKE_MOMENTS: Final = _TAKE.replace("timestamp::VARCHAR", "epoch_ns(timestamp)::VARCHAR")

# Digits behind the ninth of a fraction, and what an exponent does, are decided on the text: it is cut, or zeros are put
# behind it. Text is at most 64 characters long here, and a number of more than 30 digits beyond every bound.
_MACROS: Final = r"""
CREATE MACRO digits_of(number) AS
    ltrim(regexp_extract(number, '^-?(\d+)', 1) || regexp_extract(number, '\.(\d+)', 1), '0');
CREATE MACRO shift_of(number) AS 9 - length(regexp_extract(number, '\.(\d+)', 1))
    + CASE WHEN number SIMILAR TO '.*[eE].*'
        THEN coalesce(TRY_CAST(regexp_extract(number, '[eE]\+?(-?\d+)$', 1) AS INTEGER),
            CASE WHEN number SIMILAR TO '.*[eE]-.*' THEN -100000 ELSE 100000 END)
        ELSE 0 END;
CREATE MACRO shifted(digits, shift) AS CASE
    WHEN digits = '' THEN '0'
    WHEN length(digits) + shift > 30 THEN NULL
    WHEN shift >= 0 THEN digits || repeat('0', shift::BIGINT)
    WHEN length(digits) <= -shift THEN NULL
    WHEN ltrim(right(digits, -shift::BIGINT), '0') = '' THEN left(digits, length(digits) + shift::BIGINT)
    END;
CREATE MACRO scaled(number) AS CASE
    WHEN length(number) <= 64 AND regexp_full_match(number, '-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?')
        THEN CASE WHEN number LIKE '-%' THEN -1 ELSE 1 END * shifted(digits_of(number), shift_of(number))::HUGEINT
    END;
"""

# Faults in the order in which the pipeline promises to look for them. Numbers are built from their digits: a cast of
# 1.10 to a float would be the very fault that this is to find.
_JUDGE: Final = r"""
WITH matched AS (
    SELECT *,
        regexp_full_match(symbol, '[!-~]{1,64}') AND NOT regexp_matches(symbol, '[#,"\\]') AS symbol_good,
        regexp_full_match(timestamp, '[0-9]{1,19}') AS in_ns,
        regexp_extract(timestamp,
            '^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:(Z| UTC)|([+-]\d\d)(?::?(\d\d))?)$',
            ['day', 'time', 'fraction', 'utc', 'hours', 'minutes']) AS parts,
        scaled(price) AS price_scaled,
        scaled(size) AS size_scaled
    FROM taken
), numbers AS (
    SELECT *,
        CASE WHEN in_ns THEN TRY_CAST(timestamp AS HUGEINT)
            WHEN parts.day != '' THEN epoch_us(TRY_CAST(parts.day || ' ' || parts.time
                || CASE WHEN parts.utc != '' THEN '+00:00' ELSE parts.hours || ':' || rpad(parts.minutes, 2, '0') END
                AS TIMESTAMPTZ))::HUGEINT * 1000 + rpad(parts.fraction, 9, '0')::HUGEINT
        END AS at_ns
    FROM matched
), judged AS (
    SELECT *, CASE
        WHEN fault IS NOT NULL THEN fault
        WHEN coalesce(symbol, '') = '' OR coalesce(timestamp, '') = '' OR coalesce(price, '') = ''
            OR coalesce(size, '') = '' THEN 'missing_field'
        WHEN NOT symbol_good THEN 'bad_symbol'
        WHEN at_ns IS NULL THEN 'bad_timestamp'
        WHEN at_ns < 631152000000000000 OR at_ns >= 4102444800000000000 THEN 'timestamp_out_of_range'
        WHEN price_scaled IS NULL OR abs(price_scaled) >= 9000000000000000000 THEN 'bad_price'
        WHEN size_scaled IS NULL OR size_scaled < 0 OR size_scaled >= 1000000000000000000000000 THEN 'bad_size'
        END AS reason
    FROM numbers
)
SELECT 0::INTEGER AS source, "offset"::BIGINT AS "offset", length::BIGINT AS length, reason::VARCHAR AS reason,
    CASE WHEN reason IS NULL THEN symbol END AS symbol,
    CASE WHEN reason IS NULL THEN at_ns::BIGINT END AS timestamp_ns,
    0::BIGINT AS sequence,
    CASE WHEN reason IS NULL THEN price_scaled::BIGINT END AS price_e9,
    CASE WHEN reason IS NULL THEN size_scaled::DECIMAL(38, 0) END AS size_e9
FROM judged ORDER BY "offset"
"""
