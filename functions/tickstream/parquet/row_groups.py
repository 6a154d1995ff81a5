"""The row groups of a Parquet object: how many rows they have, and where the wanted columns' bytes stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tickstream.parquet.thrift import INTEGER_32, INTEGER_64, CompactReader, Field, Kind, Unreadable

if TYPE_CHECKING:
    from tickstream.parquet.schema import Column, Schema

MAGIC: Final = b"PAR1"
#: A column of one value takes no bytes, however many rows it has: row numbers must have room to be added.
MAX_ROWS: Final = 2**48


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """The bytes [start, end) of one column in one row group, and how many they are unpacked.

    data_start: of the first data page; before it may be a dictionary. codec, encodings: by Parquet's numbers.
    """

    name: str
    start: int
    end: int
    unpacked_bytes: int
    data_start: int
    codec: int
    encodings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group.

    packed_bytes: of all its columns. chunks: those of the columns that ticks have. start, end: where it stands in the
    footer, as offsets in the object.
    """

    rows: int
    packed_bytes: int
    chunks: tuple[ColumnChunk, ...]
    start: int
    end: int

    @property
    def memory_bytes(self) -> int:
        """What its ticks' columns take, packed or unpacked: packing makes some things larger, and sizes may lie."""
        return sum(max(chunk.unpacked_bytes, chunk.end - chunk.start) for chunk in self.chunks)


class GroupReader:
    """Reads row groups. base: the offset in the object where the reader's bytes begin; footer_start: of the footer."""

    def __init__(self, reader: CompactReader, schema: Schema, base: int, footer_start: int) -> None:
        self._reader = reader
        self._leaves = schema.leaves
        self._wanted = schema.wanted
        self._base = base
        self._footer_start = footer_start
        self._chunk = {3: Field(Kind.STRUCT, lambda reader: reader.struct(_CHUNK))}
        self._wanted_chunk = {3: Field(Kind.STRUCT, lambda reader: reader.struct(_WANTED_CHUNK))}
        self._group = {1: Field(Kind.LIST, self._chunks), 3: INTEGER_64}

    def read(self) -> RowGroup:
        """Read one."""
        start = self._base + self._reader.at
        fields = self._reader.struct(self._group)
        if 1 not in fields or not 0 <= fields.get(3, -1) <= MAX_ROWS:
            raise Unreadable(f"a row group of {fields.get(3)} rows")
        rows = fields[3]
        packed_bytes, values, chunks = fields[1]
        if values - {rows}:
            raise Unreadable(f"columns of {sorted(values)} values in a row group of {rows} rows")
        return RowGroup(rows, packed_bytes, chunks, start, self._base + self._reader.at)

    def _chunks(self, reader: CompactReader) -> tuple[int, set[int], tuple[ColumnChunk, ...]]:
        size = reader.items(Kind.STRUCT)
        if size != self._leaves:
            raise Unreadable(f"a row group of {size} columns, where the schema has {self._leaves}")
        packed_bytes, values, chunks = 0, set(), []
        for leaf in range(size):
            column = self._wanted.get(leaf)
            fields = reader.struct(self._chunk if column is None else self._wanted_chunk).get(3)
            if fields is None or min(fields.get(7, -1), fields.get(6, -1)) < 0:
                raise Unreadable("a column of a size that is not said, or below 0")
            packed_bytes += fields[7]
            if column is not None:
                values.add(fields.get(5))
                chunks.append(self._wanted_one(column, fields))
        return packed_bytes, values, tuple(chunks)

    def _wanted_one(self, column: Column, fields: dict[int, Any]) -> ColumnChunk:
        if not {1, 2, 3, 4, 9} <= fields.keys():
            raise Unreadable("a column whose place or codec is not said")
        if fields[3] != [column.name.encode()] or fields[1] != column.physical_type:
            raise Unreadable("a row group whose columns are not those of the schema")
        # The dictionary page, where there is one, stands before the data pages. Some writers say 0 for "none".
        data_start = fields[9]
        start = min(offset for offset in (fields.get(11), data_start) if offset or offset == data_start)
        end = start + fields[7]
        if not len(MAGIC) <= start <= data_start <= end <= self._footer_start:
            raise Unreadable(f"a column stands in [{start}, {end}), its data from {data_start}")
        return ColumnChunk(column.name, start, end, fields[6], data_start, fields[4], tuple(fields[2]))


def _integers(reader: CompactReader) -> list[int]:
    return [reader.integer() for _ in range(reader.items(Kind.I32))]


def _texts(reader: CompactReader) -> list[bytes]:
    return [reader.binary() for _ in range(reader.items(Kind.BINARY))]


_CHUNK: Final = {6: INTEGER_64, 7: INTEGER_64}
_WANTED_CHUNK: Final = {
    1: INTEGER_32,
    2: Field(Kind.LIST, _integers),
    3: Field(Kind.LIST, _texts),
    4: INTEGER_32,
    5: INTEGER_64,
    6: INTEGER_64,
    7: INTEGER_64,
    9: INTEGER_64,
    11: INTEGER_64,
}
