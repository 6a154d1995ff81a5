"""The part of a Parquet footer that planning and pruning need: columns, row groups, where their bytes stand.

DataIngestion plans ranges without polars in its bundle, hence this reader of Thrift's compact protocol: structs become
dicts by field number, and only the fields named below are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from tickstream.errors import ObjectRejected, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tickstream.ingests import Read

_MAGIC: Final = b"PAR1"
_TRAILER_BYTES: Final = 8
#: 10,000 row groups of 20 columns are about 20 MB.
MAX_FOOTER_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """The bytes [start, end) of one column in one row group, and how many they are unpacked."""

    name: str
    start: int
    end: int
    unpacked_bytes: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group; `packed_bytes` counts all its columns."""

    rows: int
    packed_bytes: int
    chunks: tuple[ColumnChunk, ...]


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


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the top level; `physical_type` is None where it has columns of its own."""

    name: str
    physical_type: PhysicalType | None


@dataclass(frozen=True, slots=True)
class Footer:
    """What the footer says. `start`: the offset where it begins; it goes on to the end of the object."""

    start: int
    columns: tuple[Column, ...]
    row_groups: tuple[RowGroup, ...]


def read_footer(size_bytes: int, read: Read) -> Footer:
    """Read the footer of an object of this size. Raises ObjectRejected (corrupt_parquet)."""
    trailer = read(max(0, size_bytes - _TRAILER_BYTES), size_bytes)
    footer_bytes = int.from_bytes(trailer[:4], "little")
    start = size_bytes - _TRAILER_BYTES - footer_bytes
    if len(trailer) != _TRAILER_BYTES or not trailer.endswith(_MAGIC) or start < len(_MAGIC):
        raise ObjectRejected(Reason.CORRUPT_PARQUET, "it begins as Parquet but does not end so: cut off?")
    if footer_bytes > MAX_FOOTER_BYTES:
        raise ObjectRejected(Reason.TOO_LARGE, f"a Parquet footer of {footer_bytes} bytes")
    try:
        metadata = _Compact(read(start, size_bytes - _TRAILER_BYTES)).struct()
        groups = tuple(_row_group(fields) for fields in metadata.get(4, []))
        return Footer(start, tuple(_columns(metadata[2])), groups)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ObjectRejected(Reason.CORRUPT_PARQUET, f"its footer cannot be read: {error!r}") from error


def _columns(elements: list[dict[int, Any]]) -> Iterator[Column]:
    # The tree of columns, each followed by its own; elements[0] is the root.
    at = 1
    while at < len(elements):
        element = elements[at]
        yield Column(element[4].decode(), PhysicalType(element[1]) if 1 in element else None)
        at = _after(elements, at)


def _after(elements: list[dict[int, Any]], at: int) -> int:
    children = elements[at].get(5, 0)
    at += 1
    for _ in range(children):
        at = _after(elements, at)
    return at


def _row_group(fields: dict[int, Any]) -> RowGroup:
    chunks = tuple(_column_chunk(column[3]) for column in fields[1])
    rows = int(fields[3])
    if rows < 0:
        raise ValueError(f"a row group of {rows} rows")
    return RowGroup(rows, sum(chunk.end - chunk.start for chunk in chunks), chunks)


def _column_chunk(metadata: dict[int, Any]) -> ColumnChunk:
    # The dictionary page, where there is one, stands before the data pages. Some writers say 0 for "none".
    start = min(offset for offset in (metadata.get(11), metadata[9]) if offset)
    path = ".".join(part.decode() for part in metadata[3])
    if start < 0 or metadata[7] < 0:
        raise ValueError(f"column {path} stands nowhere")
    return ColumnChunk(path, start, start + metadata[7], metadata[6])


class _Compact:
    """A reader of Thrift's compact protocol over one bytes object."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        field = 0
        while header := self._byte():
            kind, delta = header & 15, header >> 4
            field = field + delta if delta else self._zigzag()
            # A boolean field has its value in its type.
            fields[field] = kind == 1 if kind in {1, 2} else self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:
        reader = _READERS.get(kind)
        if reader is None:
            raise ValueError(f"no such Thrift type: {kind}")
        return reader(self)

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("an integer of more than 64 bits")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _binary(self) -> bytes:
        size = self._varint()
        value = self._data[self._at : self._at + size]
        if len(value) != size:
            raise IndexError("a string beyond the footer's end")
        self._at += size
        return value

    def _double(self) -> bytes:
        self._at += 8
        return self._data[self._at - 8 : self._at]

    def _list(self) -> list[Any]:
        header = self._byte()
        kind, size = header & 15, header >> 4
        if size == 15:
            size = self._varint()
        if size > len(self._data):
            raise IndexError("a list beyond the footer's end")
        if kind in {1, 2}:
            return [self._byte() == 1 for _ in range(size)]
        return [self._value(kind) for _ in range(size)]


_READERS: Final[dict[int, Callable[[_Compact], Any]]] = {
    3: _Compact._byte,  # noqa: SLF001 - the table belongs to the class
    4: _Compact._zigzag,  # noqa: SLF001
    5: _Compact._zigzag,  # noqa: SLF001
    6: _Compact._zigzag,  # noqa: SLF001
    7: _Compact._double,  # noqa: SLF001
    8: _Compact._binary,  # noqa: SLF001
    9: _Compact._list,  # noqa: SLF001
    10: _Compact._list,  # noqa: SLF001
    12: _Compact.struct,
}
