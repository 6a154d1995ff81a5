"""Parquet files written field by field, to say in them what no writer would."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tickstream.parquet.extract import write_extract
from tickstream.parquet.footer import read_footer
from tickstream.parquet.thrift import (
    Kind,
    packed_binary,
    packed_integer,
    packed_list,
    packed_struct,
    packed_varint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TEXT, INTEGER = 6, 2
REQUIRED = {"symbol": TEXT, "timestamp": INTEGER, "price": TEXT, "size": INTEGER}


def element(name: bytes, physical_type: int | None, children: int | None = None) -> bytes:
    """A column of the schema."""
    fields = [] if physical_type is None else [(1, Kind.I32, packed_integer(physical_type))]
    fields += [(3, Kind.I32, packed_integer(0)), (4, Kind.BINARY, packed_binary(name))]
    if children is not None:
        fields.append((5, Kind.I32, packed_integer(children)))
    if physical_type == TEXT:
        fields.append((6, Kind.I32, packed_integer(0)))
    return packed_struct(fields)


def chunk(name: str, physical_type: int, rows: int, packed_bytes: int, **said: Any) -> bytes:
    """A column of a row group. said: fields of other values, by name, or as (kind, bytes)."""
    fields: dict[int, tuple[Kind, bytes]] = {
        1: (Kind.I32, packed_integer(physical_type)),
        2: (Kind.LIST, packed_list(Kind.I32, [packed_integer(0)])),
        3: (Kind.LIST, packed_list(Kind.BINARY, [packed_binary(name.encode())])),
        4: (Kind.I32, packed_integer(said.get("codec", 0))),
        5: (Kind.I64, packed_integer(rows)),
        6: (Kind.I64, packed_integer(said.get("unpacked_bytes", packed_bytes))),
        7: said.get("packed", (Kind.I64, packed_integer(packed_bytes))),
        9: (Kind.I64, packed_integer(said.get("start", 4))),
    }
    metadata = packed_struct((number, *value) for number, value in fields.items())
    return packed_struct([(2, Kind.I64, packed_integer(4)), (3, Kind.STRUCT, metadata)])


def row_group(rows: int, chunks: Sequence[bytes]) -> bytes:
    """A row group of columns that are written already."""
    return packed_struct(
        [
            (1, Kind.LIST, packed_list(Kind.STRUCT, chunks)),
            (2, Kind.I64, packed_integer(0)),
            (3, Kind.I64, packed_integer(rows)),
        ]
    )


def parquet_file(footer: bytes, body: bytes = bytes(100)) -> bytes:
    """A file with this footer, whatever is in it."""
    return b"PAR1" + body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def footer_of(groups: Sequence[bytes], rows: int, elements: Sequence[bytes] | None = None) -> bytes:
    """A footer of row groups that are written already; the schema is that of ticks, if no other is given."""
    if elements is None:
        columns = [element(name.encode(), kind) for name, kind in REQUIRED.items()]
        elements = [element(b"root", None, len(columns)), *columns]
    return packed_struct(
        [
            (1, Kind.I32, packed_integer(2)),
            (2, Kind.LIST, packed_list(Kind.STRUCT, elements)),
            (3, Kind.I64, packed_integer(rows)),
            (4, Kind.LIST, packed_list(Kind.STRUCT, groups)),
        ]
    )


def of_groups(groups: int, rows: int = 10, packed_bytes: int = 1, **said: Any) -> bytes:
    """A file of so many equal row groups, whose columns have nothing in them."""
    one = row_group(rows, [chunk(name, kind, rows, packed_bytes, **said) for name, kind in REQUIRED.items()])
    return parquet_file(footer_of([one] * groups, groups * rows), bytes(max(100, 4 * groups * packed_bytes)))


def with_chunk(data: bytes, name: str, edit: Callable[[bytes], bytes], **said: Any) -> bytes:
    """A file of one row group whose column is edited. said: what else its footer says of that column."""
    footer = read_footer(len(data), lambda start, end: data[start:end])
    [group] = footer.row_groups
    [old] = [one for one in group.chunks if one.name == name]
    edited = edit(data[old.start : old.end])
    moved = len(data) - old.start
    end = len(data) + len(edited)
    new = replace(old, start=len(data), data_start=old.data_start + moved, end=end, **said)
    chunks = tuple(new if one is old else one for one in group.chunks)
    stored, file = data + edited, io.BytesIO()
    write_extract(footer.columns, [replace(group, chunks=chunks)], lambda start, end: stored[start:end], file)
    return file.getvalue()


def claiming_page(page_bytes: int) -> Callable[[bytes], bytes]:
    """Edit a column so that its first page claims to have so many bytes unpacked."""

    def edit(column: bytes) -> bytes:
        # The page's header: its kind, a byte; then this number.
        assert column[0] == column[2] == 0x15
        end = 3
        while column[end] & 128:
            end += 1
        return column[:3] + packed_integer(page_bytes) + column[end + 1 :]

    return edit


def empty_structs(count: int) -> bytes:
    """A list of structs that have no fields: one byte each."""
    return bytes([15 << 4 | Kind.STRUCT]) + packed_varint(count) + bytes(count)
