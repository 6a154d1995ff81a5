"""A Parquet object as small as a range needs it: four columns, some row groups, and a footer that says no more.

The bytes of the wanted columns are copied as they are, one after the other, and a new footer says where they stand. So
whoever reads the extract sees nothing of an object but what was checked: no other columns, statistics, indexes, nor the
types of Arrow that writers add to Parquet's own (by which a column of texts in a dictionary would be another type).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.parquet.row_groups import MAGIC
from tickstream.parquet.schema import PhysicalType
from tickstream.parquet.thrift import (
    Kind,
    packed_binary,
    packed_integer,
    packed_list,
    packed_struct,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import IO

    from tickstream.ingests import Read
    from tickstream.parquet.row_groups import ColumnChunk, RowGroup
    from tickstream.parquet.schema import Column

#: Wanted bytes closer than this are read with one request: a request costs more than the bytes between.
_GAP_BYTES: Final = 1 << 20
#: What is held of them at a time.
_READ_BYTES: Final = 8 << 20
#: The widest decimal that polars reads, in bytes and digits.
_DECIMAL_BYTES: Final = 16
_DECIMAL_DIGITS: Final = 38
_DECIMAL_STORED: Final = {PhysicalType.INT32, PhysicalType.INT64, PhysicalType.FIXED_LEN_BYTE_ARRAY}
#: Parquet's numbers of codecs, and what polars reads.
_CODECS: Final = {
    0: "none",
    1: "Snappy",
    2: "gzip",
    3: "LZO",
    4: "Brotli",
    5: "LZ4 of Hadoop",
    6: "Zstandard",
    7: "LZ4",
}
_UNREAD_CODECS: Final = {3}
_VERSION: Final = 2


def is_read_as_bytes(column: Column) -> bool:
    """Say whether polars gives a column's bytes alone: decimals that are wide or of any width, and wide integers."""
    if column.wide_integer:
        return True
    decimal = column.decimal
    if decimal is None or column.physical_type not in {PhysicalType.BYTE_ARRAY, PhysicalType.FIXED_LEN_BYTE_ARRAY}:
        return False
    return (
        column.physical_type is PhysicalType.BYTE_ARRAY
        or (column.value_bytes or 0) > _DECIMAL_BYTES
        or decimal.precision > _DECIMAL_DIGITS
    )


def write_extract(columns: Sequence[Column], groups: Sequence[RowGroup], read: Read, file: IO[bytes]) -> None:
    """Write a Parquet file of these row groups' wanted columns. Raises ObjectRejected, ServiceIncomplete.

    columns: the wanted ones of the object's schema. read: the object's bytes.
    """
    wanted = sorted(columns, key=lambda column: column.leaf)
    for chunk in (chunk for group in groups for chunk in group.chunks):
        _check_codec(chunk)
    file.write(MAGIC)
    moved_by: dict[int, int] = {}
    for start, end, chunks in _extents(chunk for group in groups for chunk in group.chunks):
        for chunk in chunks:
            moved_by[chunk.start] = file.tell() - start
        for at in range(start, end, _READ_BYTES):
            until = min(at + _READ_BYTES, end)
            data = read(at, until)
            if len(data) != until - at:
                raise ServiceIncomplete(f"{len(data)} bytes came for [{at}, {until})")
            file.write(data)
    footer = packed_struct(
        [
            (1, Kind.I32, packed_integer(_VERSION)),
            (2, Kind.LIST, packed_list(Kind.STRUCT, [_root(len(wanted)), *map(_element, wanted)])),
            (3, Kind.I64, packed_integer(sum(group.rows for group in groups))),
            (4, Kind.LIST, packed_list(Kind.STRUCT, [_row_group(group, wanted, moved_by) for group in groups])),
        ]
    )
    file.write(footer + len(footer).to_bytes(4, "little") + MAGIC)


def _check_codec(chunk: ColumnChunk) -> None:
    if chunk.codec not in _CODECS:
        raise ObjectRejected(Reason.CORRUPT_PARQUET, f"column {chunk.name} is packed by no known codec: {chunk.codec}")
    if chunk.codec in _UNREAD_CODECS:
        codec = _CODECS[chunk.codec]
        raise ObjectRejected(Reason.UNSUITABLE_COLUMN, f"column {chunk.name} is packed with {codec}, which is not read")


def _extents(chunks: Iterable[ColumnChunk]) -> list[tuple[int, int, list[ColumnChunk]]]:
    extents: list[tuple[int, int, list[ColumnChunk]]] = []
    for chunk in sorted(chunks, key=lambda chunk: chunk.start):
        if extents and chunk.start - extents[-1][1] <= _GAP_BYTES:
            start, end, together = extents[-1]
            together.append(chunk)
            extents[-1] = (start, max(end, chunk.end), together)
        else:
            extents.append((chunk.start, chunk.end, [chunk]))
    return extents


def _root(columns: int) -> bytes:
    return packed_struct([(4, Kind.BINARY, packed_binary(b"ticks")), (5, Kind.I32, packed_integer(columns))])


def _element(column: Column) -> bytes:
    if not is_read_as_bytes(column) or column.physical_type is None:
        return column.element
    fields = [(1, Kind.I32, packed_integer(column.physical_type))]
    if column.value_bytes is not None:
        fields.append((2, Kind.I32, packed_integer(column.value_bytes)))
    fields.append((3, Kind.I32, packed_integer(int(column.optional))))
    fields.append((4, Kind.BINARY, packed_binary(column.name.encode())))
    return packed_struct(fields)


def _row_group(group: RowGroup, wanted: Sequence[Column], moved_by: dict[int, int]) -> bytes:
    chunks = [
        _column_chunk(chunk, column, group.rows, moved_by[chunk.start])
        for chunk, column in zip(group.chunks, wanted, strict=True)
    ]
    return packed_struct(
        [
            (1, Kind.LIST, packed_list(Kind.STRUCT, chunks)),
            (2, Kind.I64, packed_integer(sum(chunk.unpacked_bytes for chunk in group.chunks))),
            (3, Kind.I64, packed_integer(group.rows)),
        ]
    )


def _column_chunk(chunk: ColumnChunk, column: Column, rows: int, moved_by: int) -> bytes:
    fields = [
        (1, Kind.I32, packed_integer(column.physical_type or 0)),
        (2, Kind.LIST, packed_list(Kind.I32, [packed_integer(encoding) for encoding in chunk.encodings])),
        (3, Kind.LIST, packed_list(Kind.BINARY, [packed_binary(chunk.name.encode())])),
        (4, Kind.I32, packed_integer(chunk.codec)),
        (5, Kind.I64, packed_integer(rows)),
        (6, Kind.I64, packed_integer(chunk.unpacked_bytes)),
        (7, Kind.I64, packed_integer(chunk.end - chunk.start)),
        (9, Kind.I64, packed_integer(chunk.data_start + moved_by)),
    ]
    if chunk.data_start > chunk.start:
        fields.append((11, Kind.I64, packed_integer(chunk.start + moved_by)))
    start = (2, Kind.I64, packed_integer(chunk.start + moved_by))
    return packed_struct([start, (3, Kind.STRUCT, packed_struct(fields))])
