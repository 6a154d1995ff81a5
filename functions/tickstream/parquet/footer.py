"""The part of a Parquet footer that planning and decoding need: columns, row groups, where their bytes stand.

DataIngestion plans ranges without polars in its bundle, hence a reader of our own. It reads a footer once and checks it
as a whole: kinds and signs of what is used, the sums against the object, and how much there is of anything. What
passes is true as far as it goes: no row group claims bytes that the object does not have.

A range needs only the schema and its own row groups, so where those stand travels with it (`FooterPart`): a large
object's footer, of tens of megabytes, is not read again for each of its ranges.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.ingests import FooterPart
from tickstream.parquet.row_groups import MAGIC, MAX_ROWS, GroupReader
from tickstream.parquet.schema import read_schema
from tickstream.parquet.thrift import BINARY, INTEGER_64, CompactReader, Field, Kind, OverBudget, Unreadable
from tickstream.ticks import REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream.ingests import Read
    from tickstream.parquet.row_groups import RowGroup
    from tickstream.parquet.schema import Column, Schema

TRAILER_BYTES: Final = 8
#: 10,000 row groups of 20 columns are some 35 MB.
MAX_FOOTER_BYTES: Final = 64 << 20
#: The bound on time: some 35 values for a column of a row group, 3 million a second on one core.
MAX_FOOTER_VALUES: Final = 8_000_000
#: As many as an object may have ranges.
MAX_ROW_GROUPS: Final = 10_000
#: Bytes between schema and row groups that are cheaper to read than another request.
_NEAR_BYTES: Final = 1 << 18
#: Who writes integers of 128 bits as bytes of no said meaning, the least first.
_POLARS: Final = b"Polars"


#: Says by all columns which are wanted.
type Wanted = Callable[[tuple[Column, ...]], frozenset[str]]


def of_native(_: tuple[Column, ...]) -> frozenset[str]:
    """Want the columns of a tick, by its own names."""
    return frozenset(REQUIRED_COLUMNS)


@dataclass(frozen=True, slots=True)
class Footer:
    """What the footer says. `start`: the offset where it begins; the schema stands in [schema_start, schema_end)."""

    start: int
    schema_start: int
    schema_end: int
    columns: tuple[Column, ...]
    row_groups: tuple[RowGroup, ...]


def read_footer(size_bytes: int, read: Read, wanted: Wanted = of_native) -> Footer:
    """Read and check the footer of an object of this size. Raises ObjectRejected (corrupt_parquet, too_large).

    wanted: says by the schema which columns are wanted; of others nothing is kept.
    """
    trailer = read(max(0, size_bytes - TRAILER_BYTES), size_bytes)
    footer_bytes = int.from_bytes(trailer[:4], "little")
    start = size_bytes - TRAILER_BYTES - footer_bytes
    if len(trailer) != TRAILER_BYTES or not trailer.endswith(MAGIC) or start < len(MAGIC):
        raise ObjectRejected(Reason.CORRUPT_PARQUET, "it begins as Parquet but does not end so: cut off?")
    if footer_bytes > MAX_FOOTER_BYTES:
        raise ObjectRejected(Reason.TOO_LARGE, f"a Parquet footer of {footer_bytes} bytes")
    data = _read_exactly(read, start, size_bytes - TRAILER_BYTES)
    return _checked(lambda: _whole(data, start, wanted))


def read_part(part: FooterPart, read: Read, wanted: Wanted = of_native) -> Footer:
    """Read the schema and the row groups of one range, and nothing else of the footer. Raises as `read_footer` does.

    part: made by whoever read the whole footer of these very bytes, and checked it.
    """
    first, last = part.schema_start, part.groups_end
    if last - part.start > MAX_FOOTER_BYTES:
        raise ObjectRejected(Reason.TOO_LARGE, f"a Parquet footer of {last - part.start} bytes or more")
    if 0 <= part.groups_start - part.schema_end <= _NEAR_BYTES:
        data = _read_exactly(read, first, last)
        schema, groups = data[: part.schema_end - first], data[part.groups_start - first :]
    else:
        schema = _read_exactly(read, first, part.schema_end)
        groups = _read_exactly(read, part.groups_start, last)
    return _checked(lambda: _of_part(part, schema, groups, wanted))


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


def _whole(data: bytes, start: int, wanted: Wanted) -> Footer:
    schema: list[Schema] = []

    def keep_schema(reader: CompactReader) -> None:
        found = read_schema(reader, start)
        schema.append(replace(found, wanted_names=wanted(found.columns)))

    def read_groups(reader: CompactReader) -> tuple[RowGroup, ...]:
        if not schema:
            raise Unreadable("row groups before the schema")
        groups = GroupReader(reader, schema[0], start, start)
        size = reader.items(Kind.STRUCT)
        if size > MAX_ROW_GROUPS:
            raise ObjectRejected(
                Reason.TOO_LARGE, f"a Parquet object has at most {MAX_ROW_GROUPS} row groups, here {size}"
            )
        return tuple(groups.read() for _ in range(size))

    reader = CompactReader(data, MAX_FOOTER_VALUES)
    found = reader.struct(
        {
            2: Field(Kind.LIST, keep_schema),
            3: INTEGER_64,
            4: Field(Kind.LIST, read_groups),
            6: BINARY,
        }
    )
    if not schema:
        raise Unreadable("it has no schema")
    groups: tuple[RowGroup, ...] = found.get(4, ())
    rows = sum(group.rows for group in groups)
    if rows != found.get(3, rows) or rows > MAX_ROWS:
        raise Unreadable(f"row groups of {rows} rows, where the object has {found.get(3)}")
    packed_bytes = sum(group.packed_bytes for group in groups)
    if packed_bytes > start - len(MAGIC):
        raise Unreadable(f"columns of {packed_bytes} bytes, where {start} stand before the footer")
    columns = schema[0].columns
    if not found.get(6, b"").startswith(_POLARS):
        columns = tuple(replace(column, wide_integer=False) for column in columns)
    return Footer(start, schema[0].start, schema[0].end, columns, groups)


def _of_part(part: FooterPart, schema: bytes, groups: bytes, wanted: Wanted) -> Footer:
    found = read_schema(CompactReader(schema, MAX_FOOTER_VALUES), part.schema_start)
    found = replace(found, wanted_names=wanted(found.columns))
    reader = CompactReader(groups, MAX_FOOTER_VALUES)
    group_reader = GroupReader(reader, found, part.groups_start, part.start)
    row_groups = []
    while reader.at < len(groups):
        row_groups.append(group_reader.read())
    return Footer(part.start, part.schema_start, part.schema_end, found.columns, tuple(row_groups))
