"""Footers as an attack: read once, within a budget, checked as a whole, and never kept at their own length."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tests.unit.tickstream.parquet_bytes import (
    INTEGER,
    REQUIRED,
    TEXT,
    chunk,
    element,
    empty_structs,
    footer_of,
    of_groups,
    parquet_file,
    row_group,
)
from tickstream.errors import MAX_OBJECT_DETAIL, MalformedItem, ObjectRejected, Reason
from tickstream.ingests import FooterPart, Format, Layout, Manifest, Source, Span
from tickstream.items import manifest_from, manifest_item
from tickstream.layouts import sniff, sniff_with_footer
from tickstream.messages import span_fields, span_from
from tickstream.parquet.footer import MAX_FOOTER_BYTES, MAX_FOOTER_VALUES, MAX_ROW_GROUPS, read_footer, read_part
from tickstream.parquet.schema import MAX_COLUMNS
from tickstream.parquet.thrift import CompactReader, Kind, OverBudget, Unreadable, packed_integer, packed_struct
from tickstream.ranges import MAX_RANGE_ROWS, MAX_RANGES, plan_spans

if TYPE_CHECKING:
    from tickstream.ingests import Read

LAYOUT = Layout(Format.PARQUET)


def source_of(data: bytes) -> Source:
    """An object of these bytes."""
    return Source("bucket", "key", "v1", "etag", len(data))


def reading(data: bytes, reads: list[tuple[int, int]] | None = None) -> Read:
    """Read an object, and note what is read; nothing may be asked for that it does not have."""

    def read(start: int, end: int) -> bytes:
        assert 0 <= start <= end <= len(data)
        if reads is not None:
            reads.append((start, end))
        return data[start:end]

    return read


def planned(data: bytes, range_bytes: int = 1) -> tuple[Span, ...]:
    """The object's ranges. Raises ObjectRejected."""
    source = source_of(data)
    layout, footer = sniff_with_footer(source, reading(data))
    return plan_spans(source, layout, range_bytes, reading(data), footer=footer)


def refusal_of(data: bytes) -> ObjectRejected:
    """Why the object is refused."""
    with pytest.raises(ObjectRejected) as refusal:
        planned(data)
    return refusal.value


def test_what_a_footer_names_is_cut_before_it_is_kept() -> None:
    """A column's name of 600,000 characters makes no manifest that DynamoDB refuses."""
    name = b"n" * 600_000
    elements = [element(b"root", None, 3), element(name, TEXT), element(name, TEXT), element(b"size", INTEGER)]
    error = refusal_of(parquet_file(footer_of([], 0, elements)))
    assert error.reason is Reason.MISSING_COLUMN
    assert len(error.detail) <= MAX_OBJECT_DETAIL
    columns = [
        *(element(one.encode(), kind) for one, kind in REQUIRED.items()),
        element(name, TEXT),
        element(name, TEXT),
    ]
    error = refusal_of(parquet_file(footer_of([], 0, [element(b"root", None, len(columns)), *columns])))
    assert error.reason is Reason.DUPLICATE_COLUMN
    assert len(error.detail) <= MAX_OBJECT_DETAIL
    data = b"PAR1"
    manifest = Manifest("0" * 32, 0, 0, source=source_of(data), rejected=error.reason, rejected_detail=error.detail)
    assert sum(len(str(value)) for value in manifest_item(manifest).values()) < 10_000


@pytest.mark.parametrize(
    "packed",
    [
        (Kind.BINARY, b"\x01x"),
        (Kind.DOUBLE, bytes(8)),
        (Kind.STRUCT, b"\0"),
        (Kind.LIST, b"\x05"),
        (Kind.TRUE, b""),
        (Kind.I64, packed_integer(-1)),
        (Kind.I64, packed_integer(20 << 30)),
        (Kind.I64, packed_integer(2**63 - 1)),
        (Kind.I64, b"\xff" * 10),
    ],
)
def test_a_size_of_another_kind_or_a_lie_is_a_reason(packed: tuple[Kind, bytes]) -> None:
    """What is no size, is below 0 or beyond the object ends in corrupt_parquet, and nothing is read for it."""
    group = row_group(10, [chunk(name, kind, 10, 1, packed=packed) for name, kind in REQUIRED.items()])
    assert refusal_of(parquet_file(footer_of([group], 10))).reason is Reason.CORRUPT_PARQUET


@pytest.mark.parametrize(
    "footer",
    [
        footer_of([row_group(10, [chunk(name, kind, 9, 1) for name, kind in REQUIRED.items()])], 10),
        footer_of([row_group(10, [chunk(name, kind, 10, 1) for name, kind in REQUIRED.items()])], 11),
        footer_of([row_group(-1, [chunk(name, kind, -1, 1) for name, kind in REQUIRED.items()])], -1),
        footer_of([row_group(10, [chunk(name, kind, 10, 1) for name, kind in [*REQUIRED.items()][:3]])], 10),
        footer_of([row_group(10, [chunk(name, INTEGER, 10, 1) for name in REQUIRED])], 10),
        footer_of([row_group(10, [chunk("size", kind, 10, 1) for kind in REQUIRED.values()])], 10),
        footer_of([row_group(10, [chunk(name, kind, 10, 1, start=0) for name, kind in REQUIRED.items()])], 10),
        footer_of([row_group(10, [chunk(name, kind, 10, 50) for name, kind in REQUIRED.items()])] * 1, 10),
        footer_of([], 0, [element(b"root", None, 5), *(element(one.encode(), TEXT) for one in REQUIRED)]),
        footer_of([], 0, [element(b"root", None, 3), *(element(one.encode(), TEXT) for one in REQUIRED)]),
        footer_of([], 0, []),
        packed_struct([]),
        b"",
    ],
)
def test_a_footer_that_contradicts_itself_is_corrupt(footer: bytes) -> None:
    """Values and rows, columns and schema, and the sums against the object agree, or the object is refused."""
    assert refusal_of(parquet_file(footer)).reason is Reason.CORRUPT_PARQUET


def test_row_groups_are_as_few_as_ranges() -> None:
    """As many row groups are read as an object may have ranges; one more, or 60,000 that claim 16 MiB, are refused."""
    spans = planned(of_groups(MAX_ROW_GROUPS, packed_bytes=200))
    assert MAX_RANGES // 2 <= len(spans) <= MAX_RANGES
    assert [span.start for span in spans] == [0, *(span.end for span in spans[:-1])]
    assert spans[-1].end == 10 * MAX_ROW_GROUPS
    assert refusal_of(of_groups(MAX_ROW_GROUPS + 1)).reason is Reason.TOO_LARGE
    group = row_group(10, [chunk(name, kind, 10, 4 << 20) for name, kind in REQUIRED.items()])
    assert refusal_of(parquet_file(footer_of([group] * 60_000, 600_000))).reason is Reason.TOO_LARGE
    assert refusal_of(parquet_file(footer_of([group] * 60, 600))).reason is Reason.CORRUPT_PARQUET


def test_the_largest_manifest_fits_into_its_item() -> None:
    """10,000 ranges, each with where its metadata stand, are within 400 KB, and come back as they went."""
    end = 9 << 38
    spans = tuple(
        Span(
            index,
            index * 997_003,
            (index + 1) * 997_003,
            FooterPart(
                end, end + 13, end + 999, end + 999 + index * 2_003, end + 3_002 + index * 2_003, index * 997_003
            ),
        )
        for index in range(MAX_RANGES)
    )
    manifest = Manifest(
        "0" * 32, 0, MAX_RANGES, spans, Source("b" * 60, "k" * 1000, "v" * 32, "e" * 32, 9 << 40), LAYOUT
    )
    item = manifest_item(manifest)
    assert len(item["details"]["B"]) < 390_000
    assert manifest_from(item) == manifest


def test_a_list_of_nothing_takes_no_memory() -> None:
    """8 MB of empty structs, where nobody looks or where row groups should be, take no memory of their own."""
    for number in (4, 5):
        footer = footer_of([], 0)[:-1]
        if number == 4:
            footer = packed_struct([(2, Kind.LIST, b"\x1c" + element(b"root", None, 0))])[:-1] + bytes(
                [2 << 4 | Kind.LIST]
            )
        else:
            footer += bytes([1 << 4 | Kind.LIST])
        data = parquet_file(footer + empty_structs(8_000_000) + b"\0")
        tracemalloc.start()
        try:
            with pytest.raises(ObjectRejected):
                planned(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 3 * len(data)


def test_a_footer_costs_what_its_budget_says() -> None:
    """Values are counted wherever they stand, and nobody looks at more of them."""
    reader = CompactReader(bytes([0x11]) * 1_000 + b"\0", 100)
    with pytest.raises(OverBudget):
        reader.struct({})
    reader = CompactReader(bytes([0x1C]) + bytes([0x11]) * 1_000 + b"\0\0", 100)
    with pytest.raises(OverBudget):
        reader.struct({})
    for items in (empty_structs(1_000), b"\xf5" + b"\xe8\x07" + bytes(1_000), b"\xfa" + b"\xe8\x07" + bytes(1_000)):
        reader = CompactReader(bytes([0x19]) + items + b"\0", 100)
        with pytest.raises(OverBudget):
            reader.struct({})
    with pytest.raises(Unreadable, match="deep"):
        CompactReader(b"\x1c" * 1_000, 10_000).struct({})
    with pytest.raises(Unreadable, match="deep"):
        CompactReader(b"\x19" + b"\x19" * 1_000, 10_000).struct({})
    assert MAX_FOOTER_VALUES < 10**7
    trailer = (MAX_FOOTER_BYTES + 1).to_bytes(4, "little") + b"PAR1"
    with pytest.raises(ObjectRejected) as refusal:
        read_footer(MAX_FOOTER_BYTES * 2, lambda start, end: trailer[: end - start])
    assert refusal.value.reason is Reason.TOO_LARGE


def test_columns_are_bounded() -> None:
    """20,000 columns are refused, as many as are allowed are not."""
    for columns, is_refused in ((20_000, True), (MAX_COLUMNS + 1, True), (MAX_COLUMNS, False)):
        others = [element(b"c%d" % number, TEXT) for number in range(columns - len(REQUIRED))]
        own = [element(name.encode(), kind) for name, kind in REQUIRED.items()]
        data = parquet_file(footer_of([], 0, [element(b"root", None, columns), *own, *others]))
        if is_refused:
            assert refusal_of(data).reason is Reason.TOO_LARGE
        else:
            assert planned(data) == ()


def test_a_large_footer_is_read_once_and_a_range_reads_its_own_part() -> None:
    """Of 9,000 row groups of 20 columns a range reads some kilobytes, and planning reads each byte of them once."""
    others = [f"c{number}" for number in range(16)]
    elements = [element(b"root", None, 20)]
    elements += [element(name.encode(), kind) for name, kind in REQUIRED.items()]
    elements += [element(name.encode(), INTEGER) for name in others]
    chunks = [chunk(name, kind, 10, 200) for name, kind in [*REQUIRED.items(), *((name, INTEGER) for name in others)]]
    data = parquet_file(footer_of([row_group(10, chunks)] * 9_000, 90_000, elements), bytes(4_000 * 9_000))
    reads: list[tuple[int, int]] = []
    source = source_of(data)
    layout, footer = sniff_with_footer(source, reading(data, reads))
    spans = plan_spans(source, layout, 1, reading(data, reads), footer=footer)
    assert len(spans) == 4_500
    assert footer is not None
    assert sum(min(end, len(data)) - max(start, footer.start) for start, end in reads if end > footer.start) <= (
        len(data) - footer.start
    )
    for number in (0, 17, 4_499):
        reads.clear()
        part = spans[number].footer
        assert part is not None
        own = read_part(part, reading(data, reads))
        assert own.row_groups == footer.row_groups[2 * number : 2 * number + 2]
        assert own.columns == footer.columns
        assert sum(end - start for start, end in reads) < 300_000
        assert len(reads) <= 2


def test_rows_that_take_no_bytes_are_cut_into_ranges() -> None:
    """60 million equal rows in a row group of a few bytes are ranges of 4 million rows."""
    spans = planned(of_groups(1, 60_000_000))
    assert [span.end - span.start for span in spans] == [MAX_RANGE_ROWS] * 15
    assert {span.footer for span in spans} == {spans[0].footer}
    assert refusal_of(of_groups(1, MAX_RANGES * MAX_RANGE_ROWS + 1)).reason is Reason.TOO_LARGE
    assert refusal_of(of_groups(1, 2**62)).reason is Reason.CORRUPT_PARQUET


@pytest.mark.parametrize("codec", [3, 8, -1])
def test_a_codec_is_named_that_is_not_read(codec: int) -> None:
    """An old codec is named, an unknown one is damage; both when the range is decoded."""
    from tickstream.decoding import decode_span  # noqa: PLC0415

    data = of_groups(1, codec=codec)
    [span] = planned(data)
    with pytest.raises(ObjectRejected) as refusal:
        decode_span(source_of(data), LAYOUT, span, reading(data))
    assert refusal.value.reason is (Reason.UNSUITABLE_COLUMN if codec == 3 else Reason.CORRUPT_PARQUET)


def test_where_a_range_s_metadata_stand_travels_with_it() -> None:
    """A span says it in a message and in the manifest, and what no planner wrote is refused."""
    [span] = planned(of_groups(1))
    assert span.footer is not None
    assert span_from(span_fields(span)) == span
    data = of_groups(3)
    manifest = Manifest("0" * 32, 0, 3, planned(data), source_of(data), sniff(source_of(data), reading(data)))
    assert manifest_from(manifest_item(manifest)) == manifest
    good = span_fields(span)
    for bad in (good[:-1], [*good, 0], [*good[:4], -1, *good[5:]], [*good[:3], *reversed(good[3:8]), good[8]]):
        with pytest.raises(MalformedItem):
            span_from(bad)
    part = span.footer._replace(groups_end=span.footer.start + MAX_FOOTER_BYTES + 1)
    with pytest.raises(ObjectRejected) as refusal:
        read_part(part, lambda start, end: bytes(end - start))
    assert refusal.value.reason is Reason.TOO_LARGE
