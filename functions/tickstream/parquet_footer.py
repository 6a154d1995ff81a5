"""The part of a Parquet footer that planning and decoding need: columns, row groups, where their bytes stand.

DataIngestion plans ranges without polars in its bundle, hence a reader of our own. It reads a footer once and checks it
as a whole: kinds and signs of what is used, the sums against the object, and how much there is of anything. What
passes is true as far as it goes: no row group claims bytes that the object does not have.

A range needs only the schema and its own row groups, so where those stand travels with it (`FooterPart`): a large
object's footer, of tens of megabytes, is not read again for each of its ranges.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.ingests import FooterPart
from tickstream.thrift_compact import (
    BINARY,
    INTEGER_32,
    INTEGER_64,
    CompactReader,
    Field,
    Kind,
    OverBudget,
    Unreadable,
)
from tickstream.ticks import REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream.ingests import Read

MAGIC: Final = b"PAR1"
TRAILER_BYTES: Final = 8
#: 10,000 row groups of 20 columns are some 35 MB.
MAX_FOOTER_BYTES: Final = 64 << 20
#: The bound on time: some 35 values for a column of a row group, 3 million a second on one core.
MAX_FOOTER_VALUES: Final = 8_000_000
#: Of the schema's tree, with what is nested.
MAX_COLUMNS: Final = 1_024
MAX_DEPTH: Final = 32
#: A column of one value takes no bytes, however many rows it has: row numbers must have room to be added.
_MAX_ROWS: Final = 2**48
#: Bytes between schema and row groups that are cheaper to read than another request.
_NEAR_BYTES: Final = 1 << 18
#: Who writes integers of 128 bits as bytes of no said meaning, the least first.
_POLARS: Final = b"Polars"


class PhysicalType(IntEnum):
    """How Parquet stores values, by its numbers."""

    BOOLEAN = 0
    INT32 = 1
    INT64 = 2
    INT96 = 3
    FLOAT = 4
    DOUBLE = 5
    BYTE_ARRAY = 6
    FIXED_LEN_BYTE_ARRAY = 7


class _Repetition(IntEnum):
    REQUIRED = 0
    OPTIONAL = 1
    REPEATED = 2


class DecimalType(NamedTuple):
    """What a column of decimals says of itself."""

    precision: int
    scale: int


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the top level.

    physical_type: None where it has columns of its own, or many values in a row. leaf: its number among the columns
    that hold values, as row groups count them. decimal: where it is one. wide_integer: its values are integers of 128
    bits as polars writes them. optional: a value may be missing. value_bytes: where all values are as long. element:
    its bytes in the schema.
    """

    name: str
    physical_type: PhysicalType | None
    leaf: int
    decimal: DecimalType | None
    wide_integer: bool
    optional: bool
    value_bytes: int | None
    element: bytes


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


@dataclass(frozen=True, slots=True)
class Footer:
    """What the footer says. `start`: the offset where it begins; the schema stands in [schema_start, schema_end)."""

    start: int
    schema_start: int
    schema_end: int
    columns: tuple[Column, ...]
    row_groups: tuple[RowGroup, ...]


def read_footer(size_bytes: int, read: Read) -> Footer:
    """Read and check the footer of an object of this size. Raises ObjectRejected (corrupt_parquet, too_large)."""
    trailer = read(max(0, size_bytes - TRAILER_BYTES), size_bytes)
    footer_bytes = int.from_bytes(trailer[:4], "little")
    start = size_bytes - TRAILER_BYTES - footer_bytes
    if len(trailer) != TRAILER_BYTES or not trailer.endswith(MAGIC) or start < len(MAGIC):
        raise ObjectRejected(Reason.CORRUPT_PARQUET, "it begins as Parquet but does not end so: cut off?")
    if footer_bytes > MAX_FOOTER_BYTES:
        raise ObjectRejected(Reason.TOO_LARGE, f"a Parquet footer of {footer_bytes} bytes")
    data = _read_exactly(read, start, size_bytes - TRAILER_BYTES)
    return _checked(lambda: _whole(data, start))


def read_part(part: FooterPart, read: Read) -> Footer:
    """Read the schema and the row groups of one range, and nothing else of the footer. Raises as `read_footer` does.

    part: made by whoever read the whole footer of these very bytes, and checked it.
    """
    first, last = part.schema_start, part.groups_end
    if 0 <= part.groups_start - part.schema_end <= _NEAR_BYTES:
        data = _read_exactly(read, first, last)
        schema, groups = data[: part.schema_end - first], data[part.groups_start - first :]
    else:
        schema = _read_exactly(read, first, part.schema_end)
        groups = _read_exactly(read, part.groups_start, last)
    return _checked(lambda: _of_part(part, schema, groups))


def part_of(footer: Footer, first: int, last: int, first_row: int) -> FooterPart:
    """Return where the schema and the row groups [first, last) stand; `first_row`: the number of their first row."""
    groups = footer.row_groups[first:last]
    return FooterPart(footer.start, footer.schema_start, footer.schema_end, groups[0].start, groups[-1].end, first_row)


def _read_exactly(read: Read, start: int, end: int) -> bytes:
    data = read(start, end)
    if len(data) != end - start:
        raise ServiceIncomplete(f"{len(data)} bytes came for [{start}, {end})")
    return data


def _checked(parse: Callable[[], Footer]) -> Footer:
    try:
        return parse()
    except OverBudget as error:
        raise ObjectRejected(
            Reason.TOO_LARGE, f"its footer has more than {MAX_FOOTER_VALUES} values: fewer row groups or columns"
        ) from error
    # ValueError: a text that is no UTF-8, a number that no type has.
    except (Unreadable, ValueError) as error:
        raise ObjectRejected(Reason.CORRUPT_PARQUET, f"its footer cannot be read: {error}") from error


def _whole(data: bytes, start: int) -> Footer:
    schema: list[_Schema] = []

    def read_schema(reader: CompactReader) -> None:
        schema.append(_read_schema(reader, start))

    def read_groups(reader: CompactReader) -> tuple[RowGroup, ...]:
        if not schema:
            raise Unreadable("row groups before the schema")
        groups = _GroupReader(reader, schema[0], start, start)
        return tuple(groups.read() for _ in range(reader.items(Kind.STRUCT)))

    reader = CompactReader(data, MAX_FOOTER_VALUES)
    found = reader.struct(
        {
            2: Field(Kind.LIST, read_schema),
            3: INTEGER_64,
            4: Field(Kind.LIST, read_groups),
            6: BINARY,
        }
    )
    if not schema:
        raise Unreadable("it has no schema")
    groups: tuple[RowGroup, ...] = found.get(4, ())
    rows = sum(group.rows for group in groups)
    if rows != found.get(3, rows) or rows > _MAX_ROWS:
        raise Unreadable(f"row groups of {rows} rows, where the object has {found.get(3)}")
    packed_bytes = sum(group.packed_bytes for group in groups)
    if packed_bytes > start - len(MAGIC):
        raise Unreadable(f"columns of {packed_bytes} bytes, where {start} stand before the footer")
    columns = schema[0].columns
    if not found.get(6, b"").startswith(_POLARS):
        columns = tuple(replace(column, wide_integer=False) for column in columns)
    return Footer(start, schema[0].start, schema[0].end, columns, groups)


def _of_part(part: FooterPart, schema: bytes, groups: bytes) -> Footer:
    found = _read_schema(CompactReader(schema, MAX_FOOTER_VALUES), part.schema_start)
    reader = CompactReader(groups, MAX_FOOTER_VALUES)
    group_reader = _GroupReader(reader, found, part.groups_start, part.start)
    row_groups = []
    while reader.at < len(groups):
        row_groups.append(group_reader.read())
    return Footer(part.start, part.schema_start, part.schema_end, found.columns, tuple(row_groups))


# --- the schema ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Schema:
    columns: tuple[Column, ...]
    leaves: int
    start: int
    end: int

    @property
    def wanted(self) -> dict[int, Column]:
        """By leaf."""
        return {
            column.leaf: column
            for column in self.columns
            if column.name in REQUIRED_COLUMNS and column.physical_type is not None
        }


def _read_schema(reader: CompactReader, base: int) -> _Schema:
    """Read the list of the schema's elements: the tree of columns, each followed by its own, the root first."""
    start = reader.at
    size = reader.items(Kind.STRUCT)
    if size - 1 > MAX_COLUMNS:
        raise ObjectRejected(Reason.TOO_LARGE, f"a Parquet object has at most {MAX_COLUMNS} columns, here {size - 1}")
    columns: list[Column] = []
    leaves = 0
    # How many elements are still to come of each that is open, from the root inwards.
    open_ones: list[int] = []
    for index in range(size):
        begins = reader.at
        fields = reader.struct(_ELEMENT)
        children = fields.get(5, 0)
        if index and not open_ones:
            raise Unreadable("elements that belong to no column")
        if not 0 <= children <= size or len(open_ones) > MAX_DEPTH:
            raise Unreadable(f"a column of {children} columns, {len(open_ones)} deep")
        if len(open_ones) == 1:
            columns.append(_column(fields, leaves, reader.since(begins)))
        leaves += bool(index) and not children
        if open_ones:
            open_ones[-1] -= 1
        open_ones.append(children)
        while open_ones and not open_ones[-1]:
            open_ones.pop()
    if open_ones or not size:
        raise Unreadable("columns are missing")
    return _Schema(tuple(columns), leaves, base + start, base + reader.at)


def _column(fields: dict[int, Any], leaf: int, element: bytes) -> Column:
    name = fields[4].decode() if 4 in fields else ""
    repetition = _Repetition(fields.get(3, _Repetition.REQUIRED))
    nested = fields.get(5, 0) or repetition is _Repetition.REPEATED
    if not nested and 1 not in fields:
        raise Unreadable("a column of no type")
    logical = fields.get(10, {})
    decimal = None
    if fields.get(6) == _CONVERTED_DECIMAL or _LOGICAL_DECIMAL in logical:
        of_logical = logical.get(_LOGICAL_DECIMAL, {})
        decimal = DecimalType(of_logical.get(2, fields.get(8, 0)), of_logical.get(1, fields.get(7, 0)))
    physical_type = None if nested else PhysicalType(fields[1])
    annotated = 6 in fields or 10 in fields
    wide = physical_type is PhysicalType.FIXED_LEN_BYTE_ARRAY and fields.get(2) == _WIDE_BYTES and not annotated
    return Column(name, physical_type, leaf, decimal, wide, repetition is _Repetition.OPTIONAL, fields.get(2), element)


_CONVERTED_DECIMAL: Final = 5
_LOGICAL_DECIMAL: Final = 5
_WIDE_BYTES: Final = 16
_DECIMAL: Final = {1: INTEGER_32, 2: INTEGER_32}
_LOGICAL: Final = {_LOGICAL_DECIMAL: Field(Kind.STRUCT, lambda reader: reader.struct(_DECIMAL))}
_ELEMENT: Final = {
    1: INTEGER_32,
    2: INTEGER_32,
    3: INTEGER_32,
    4: BINARY,
    5: INTEGER_32,
    6: INTEGER_32,
    7: INTEGER_32,
    8: INTEGER_32,
    10: Field(Kind.STRUCT, lambda reader: reader.struct(_LOGICAL)),
}


# --- row groups ----------------------------------------------------------------------------------------------------


class _GroupReader:
    """Reads row groups. base: the offset in the object where the reader's bytes begin; footer_start: of the footer."""

    def __init__(self, reader: CompactReader, schema: _Schema, base: int, footer_start: int) -> None:
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
        if 1 not in fields or not 0 <= fields.get(3, -1) <= _MAX_ROWS:
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
