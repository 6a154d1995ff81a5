"""What a text object costs follows from its bytes: what is plain takes the fast path, and the rest is bounded."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from bench.fuzz.text_inputs import TextInput
from bench.fuzz.text_paths import disagreement
from tests.unit.tickstream.test_bad_objects import decode, reason_of
from tickstream.decoding import LIMITS, Budget, decode_pieces, decode_span
from tickstream.decoding.outcome import Sink
from tickstream.decoding.text import rows_of_stream, unpacked_blocks
from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.layouts import sniff
from tickstream.ranges import plan_spans

if TYPE_CHECKING:
    from tickstream.ingests import Read

HEADER = b"symbol,timestamp,price,size\n"
NS = 1_767_625_800 * 10**9
ROWS = 1_200


def lines(*forms: str, end: str = "\n") -> bytes:
    """Rows in these forms by turns; `%d` is a timestamp of nanoseconds."""
    rows = (forms[row % len(forms)] for row in range(ROWS))
    return "".join((row % (NS + number) if "%d" in row else row) + end for number, row in enumerate(rows)).encode()


ISO = "2026-01-05T15:10:00.123456789+01:00"
PLAIN = {
    "quoted csv": HEADER + lines('"A","%d","1.50","2"'),
    "quoted csv in parts": HEADER + lines('"A",%d,1.50,"2"'),
    "csv with carriage returns": HEADER + lines("A,%d,1.50,2", end="\r\n"),
    "csv with both line ends": HEADER + lines("A,%d,1,2", "A,%d,1,2\r"),
    "csv with times of both forms": HEADER + lines("A,%d,1,2", f"A,{ISO},1,2"),
    "csv with quotes in a field that is ignored": b"c," + HEADER + lines('"a ""b"", c",A,%d,1,2'),
    "csv with one byte that is no text": b"c," + HEADER + b"\xff,A,1,1,1\n" + lines("é,A,%d,1,2"),
    "json": lines('{"symbol":"A","timestamp":%d,"price":1.50,"size":2}'),
    "json with blanks": lines(' { "symbol": "A", "timestamp":\t%d, "price": 1.50, "size": 2 } ', end="\r\n"),
    "json in another order": lines('{"price":"1.50","x":null,"volume":"2","timestamp":"%d","symbol":"A"}'),
    "json with iso times": lines(f'{{"symbol":"A","timestamp":"{ISO}","price":1,"size":2}}'),
    "json with texts that are ignored": lines(
        r'{"c":"}{\"price\":,\u0041é","symbol":"A","timestamp":%d,"d":["price",1e3,"]"],"price":1,"size":2,"e":"{"}'
    ),
    "json of several shapes": lines(
        '{"symbol":"A","timestamp":%d,"price":1.50,"size":2}', '{"symbol":"A","timestamp":"%d","size":2,"price":1}'
    ),
    "json without line ends": lines('{"symbol":"A","timestamp":%d,"price":1.50,"size":2}', end=""),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_rows_take_the_fast_path(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than a thousand plain rows in any of these forms none is decided by itself, and all are right."""
    assert disagreement(TextInput(PLAIN[name])) is None
    one_by_one: list[bytes] = []
    monkeypatch.setattr(Sink, "add_text_row", lambda _, raw, *__: one_by_one.append(raw))
    [decoded] = decode(PLAIN[name])
    assert decoded.ticks == ROWS
    assert len(one_by_one) == name.count("no text")


@pytest.mark.parametrize(
    "columns", ["symbol,timestamp,price,size", "size,price,timestamp,symbol", "price,symbol,size,timestamp"]
)
def test_one_odd_line_end_costs_its_row_alone(columns: str) -> None:
    """A row that ends in CR CR LF is refused, whichever column is the last, and its 2,000 neighbours count."""
    values = {"symbol": "A", "timestamp": str(NS), "price": "1", "size": "100"}
    row = ",".join(values[column] for column in columns.split(",")).encode()
    data = columns.encode() + b"\r\n" + (row + b"\r\n") * 1000 + row + b"\r\r\n" + (row + b"\r\n") * 1000
    assert disagreement(TextInput(data)) is None
    [decoded] = decode(data)
    assert decoded.ticks == 2000
    assert [refused.raw for refused in decoded.rejects] == [row + b"\r"]


def test_what_polars_refuses_was_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where polars fails on proven rows, or makes another number of them, they are decided one by one."""
    data = HEADER + b"A,%d,1,2\n" % NS * 3 + b"a b,%d,1,2\n" % NS
    [expected] = decode(data)
    read_csv = pl.read_csv

    def failing(*_: object, **__: object) -> pl.DataFrame:
        raise pl.exceptions.ComputeError("could not parse")

    for broken in (failing, lambda *given, **named: read_csv(*given, **named).head(2)):
        monkeypatch.setattr(pl, "read_csv", broken)
        [decoded] = decode(data)
        assert (dict(decoded.bars), decoded.ticks, decoded.rejects) == (dict(expected.bars), 3, expected.rejects)


def packed_read(data: bytes) -> tuple[Source, Layout, Read]:
    """A gzipped object, and how to read it."""
    source = Source("bucket", "key", "v1", "etag", len(data))

    def read(start: int, end: int) -> bytes:
        return data[start:end]

    return source, sniff(source, read), read


def test_members_make_no_blocks() -> None:
    """A gzip with a member for each row is decoded in one block, not in thousands."""
    data = gzip.compress(HEADER) + gzip.compress(b"A,%d,1,2\n" % NS) * 30_000
    source, layout, read = packed_read(data)
    blocks = unpacked_blocks(source, layout.container, read, Budget(LIMITS))
    assert len(list(rows_of_stream(blocks, layout.data_start, layout.format, LIMITS))) == 1
    [decoded] = decode(data)
    assert decoded.ticks == 30_000


def test_the_largest_row_changes_no_other() -> None:
    """Among ordinary rows one of the largest price and size is summed exactly, over blocks of any number."""
    row = b"A,%d,999999999.999999999,999999999.999999999\n" % NS
    data = HEADER + row + b"A,%d,1.5,2\n" % NS * 500 + row * 500
    for limits in (LIMITS, replace(LIMITS, block_bytes=512)):
        [decoded] = decode(gzip.compress(data), limits=limits)
        [bar] = next(iter(decoded.bars.values()))
        assert bar.notional_e18 == 501 * (10**18 - 1) ** 2 + 500 * 3 * 10**18
        assert bar.volume_e9 == 501 * (10**18 - 1) + 500 * 2 * 10**9


ODD = b"c," + HEADER + b'a"b,A,%d,1,2\n' % NS * 20_000
WORK = {
    "rows": (ODD, replace(LIMITS, strict_work=1 << 20)),
    "members": (gzip.compress(HEADER) + gzip.compress(b"A,%d,1,2\n" % NS) * 30, replace(LIMITS, gzip_members=20)),
    "empty members": (
        gzip.compress(HEADER + b"A,%d,1,2\n" % NS) + gzip.compress(b"") * 300,
        replace(LIMITS, idle_bytes=1000),
    ),
    "padding": (gzip.compress(HEADER + b"A,%d,1,2\n" % NS) + b"\0" * (2 << 20), replace(LIMITS, idle_bytes=1 << 20)),
    "CPU": (HEADER + b"A,%d,1,2\n" % NS, replace(LIMITS, cpu_s=-1.0)),
}


@pytest.mark.parametrize("name", WORK)
def test_too_much_work_has_a_name(name: str) -> None:
    """An object that is small enough and costs too much all the same is refused as that."""
    data, limits = WORK[name]
    assert reason_of(data, limits) is Reason.TOO_MUCH_WORK
    if name != "CPU":
        decode(data)  # within the usual bounds


def test_the_budget_is_that_of_all_pieces() -> None:
    """A gzipped object that is decoded piece by piece costs no more than one that is decoded at once."""
    limits = replace(LIMITS, strict_work=1 << 20, block_bytes=64 << 10)
    source, layout, read = packed_read(gzip.compress(ODD))
    with pytest.raises(ObjectRejected, match="too_much_work"):
        list(decode_pieces(source, layout, Span(0, 0, source.size_bytes), read, limits))


@pytest.mark.parametrize("data", [PLAIN["quoted csv"], PLAIN["json"], gzip.compress(PLAIN["json"]), ODD[:-1]])
def test_decoding_ends_with_the_invocation(data: bytes) -> None:
    """When the time is over decoding stops, whatever it reads, as something that may be tried again."""
    source, layout, read = packed_read(data)
    [span] = plan_spans(source, layout, 8 << 20, read)
    with pytest.raises(ServiceIncomplete, match="no time left"):
        decode_span(source, layout, span, read, budget=Budget(LIMITS, lambda: False))


def test_odd_rows_look_at_the_clock() -> None:
    """Also within a block of rows that are decided one by one."""
    looks = iter([True, True, False])
    source, layout, read = packed_read(ODD)
    [span] = plan_spans(source, layout, 8 << 20, read)
    with pytest.raises(ServiceIncomplete, match="no time left"):
        decode_span(source, layout, span, read, budget=Budget(LIMITS, lambda: next(looks)))


ONE = gzip.compress(HEADER + b"A,%d,1,2\n" % NS)


@pytest.mark.parametrize("zeros", [1, 7, 63, 64, 65, 511, 100_000])
def test_zeros_after_a_member_are_padding(zeros: int) -> None:
    """What tapes and block devices leave behind a gzip is ignored, between members too."""
    padding = b"\0" * zeros
    for data, ticks in ((ONE + padding, 1), (ONE + padding + gzip.compress(b"B,%d,1,2\n" % NS) + padding, 2)):
        assert sum(decoded.ticks for decoded in decode(data)) == ticks
    source, layout, read = packed_read(gzip.compress(HEADER) + padding)
    assert layout.format is Format.CSV
    assert all(decoded.ticks == 0 for decoded in decode(gzip.compress(HEADER) + padding))
    assert zeros > 60_000 or plan_spans(source, layout, 1, read) == ()


@pytest.mark.parametrize("tail", [b"x", b"\0x", b"\x1f", b"\x1f\x8b\x08", b"\r\n"])
def test_anything_else_after_a_member_is_damage(tail: bytes) -> None:
    """Trailing bytes that are neither zeros nor another member may be a member that was damaged."""
    assert reason_of(ONE + tail) is Reason.CORRUPT_GZIP


def test_rows_behind_each_other_have_their_own_offsets() -> None:
    """`{...}{...}` on one line, as Firehose puts objects, are rows with the offsets of their first bytes."""
    good = b'{"symbol":"A","timestamp":%d,"price":1,"size":2}' % NS
    bad = b'{"symbol":"a b","timestamp":%d,"price":1,"size":2}' % NS
    text = b'{"symbol":"A","c":"}{","timestamp":%d,"price":1,"size":2}' % NS
    data = good + bad + text + b"\n" + bad + good + b"\r\n" + good + bad
    for packed in (data, gzip.compress(data)):
        [decoded] = decode(packed)
        assert decoded.ticks == 4
        assert [(refused.offset, refused.raw) for refused in decoded.rejects] == [
            (found, bad) for found in range(len(data)) if data.startswith(bad, found)
        ]


def test_rows_behind_each_other_may_be_longer_than_a_row_together() -> None:
    """A line of very many objects is no row that is too long, wherever ranges and blocks are cut."""
    chance = random.Random(1)  # noqa: S311 - no secret depends on it
    data = b"".join(b'{"symbol":"A","timestamp":%d,"price":1,"size":2}' % (NS + row) for row in range(60))
    limits = replace(LIMITS, row_bytes=100, overlap_bytes=4, block_bytes=70)
    for range_bytes in (chance.randrange(1, 200) for _ in range(20)):
        assert sum(one.ticks for one in decode(data, range_bytes, limits)) == 60
    [decoded] = decode(gzip.compress(data), limits=limits)
    assert decoded.ticks == 60
    assert not decoded.rejects
