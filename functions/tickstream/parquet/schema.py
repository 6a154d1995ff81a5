"""The schema of a Parquet object: its columns, of whatever type, as far as planning and decoding need to know them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tickstream.errors import ObjectRejected, Reason
from tickstream.parquet.thrift import BINARY, INTEGER_32, Field, Kind, Unreadable

if TYPE_CHECKING:
    from tickstream.parquet.thrift import CompactReader

#: Of the schema's tree, with what is nested.
MAX_COLUMNS: Final = 1_024
MAX_DEPTH: Final = 32


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
class Schema:
    """All columns.

    leaves: how many hold values, nested ones too. start, end: where it stands in the object. wanted_names: of columns
    whose places are wanted.
    """

    columns: tuple[Column, ...]
    leaves: int
    start: int
    end: int
    wanted_names: frozenset[str] = frozenset()

    @property
    def wanted(self) -> dict[int, Column]:
        """By leaf."""
        return {
            column.leaf: column
            for column in self.columns
            if column.name in self.wanted_names and column.physical_type is not None
        }


def read_schema(reader: CompactReader, base: int) -> Schema:
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
    return Schema(tuple(columns), leaves, base + start, base + reader.at)


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
