"""Bad input of every kind, each with its reason, and good neighbours that count all the same."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from dataclasses import replace

import pytest

from tickstream.decoding import LIMITS, Decoded, Limits, decode_span
from tickstream.errors import ObjectRejected, Reason, RowRejected
from tickstream.ingests import Source
from tickstream.layouts import sniff
from tickstream.ranges import plan_spans
from tickstream.rows import load_json, tick_from_json
from tickstream.ticks import Tick, format_scaled

HEADER = b"symbol,timestamp,price,size,conditions\n"
GOOD = b"AAPL,1767625800000000000,187.50,100,\n"
NS = "1767625800000000000"


def decode(data: bytes, range_bytes: int = 8 << 20, limits: Limits = LIMITS) -> list[Decoded]:
    """What each range of the object decodes to."""
    source = Source("bucket", "key", "v1", "etag", len(data))

    def read(start: int, end: int) -> bytes:
        return data[start:end]

    layout = sniff(source, read)
    return [decode_span(source, layout, span, read, limits) for span in plan_spans(source, layout, range_bytes, read)]


def reason_of(data: bytes, limits: Limits = LIMITS) -> Reason:
    """Why the object is refused as a whole."""
    with pytest.raises(ObjectRejected) as refusal:
        decode(data, limits=limits)
    return refusal.value.reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"AAPL,1767625800000000000,1.8e10,100,", Reason.BAD_PRICE),
        (b"AAPL,1767625800000000000,9000000000,100,", Reason.BAD_PRICE),
        (b"AAPL,1767625800000000000,-9000000000,100,", Reason.BAD_PRICE),
        (b"AAPL,1767625800000000000,1.0000000001,100,", Reason.BAD_PRICE),
        (b"AAPL,1767625800000000000,1,1000000000000000,", Reason.BAD_SIZE),
        (b"AAPL,1767625800000000000,187.50,-100,", Reason.BAD_SIZE),
        (b"AAPL,1767625800,187.50,100,", Reason.TIMESTAMP_OUT_OF_RANGE),
        (b"AAPL,yesterday,187.50,100,", Reason.BAD_TIMESTAMP),
        (b"a b,1767625800000000000,187.50,100,", Reason.BAD_SYMBOL),
        (b"AAPL,1767625800000000000,,100,", Reason.MISSING_FIELD),
        (b"AAPL,1767625800000000000,187.50,100", Reason.MALFORMED_ROW),
        (b"AAPL,1767625800000000000,187.50,100,,", Reason.MALFORMED_ROW),
        (b'AAPL,1767625800000000000,187.50,100,"open', Reason.MALFORMED_ROW),
        (b'"AAPL"x,1767625800000000000,187.50,100,', Reason.MALFORMED_ROW),
        (b"AAPL,1767625800000000000,187.50,100,\xff\xfe", Reason.NOT_UTF8),
        (b"AAPL,1767625800000000000,187.50,100," + b"x" * 10_000_000, Reason.ROW_TOO_LONG),
    ],
)
@pytest.mark.parametrize("range_bytes", [8 << 20, 1 << 20])
def test_one_bad_row_hurts_only_itself(row: bytes, reason: Reason, range_bytes: int) -> None:
    """The row is rejected with its reason, offset and text; the rows before and after it count."""
    pieces = decode(HEADER + GOOD + row + b"\n" + GOOD * 3, range_bytes)
    assert sum(piece.ticks for piece in pieces) == 4
    [rejected] = [rejected for piece in pieces for rejected in piece.rejects]
    assert (rejected.offset, rejected.reason) == (len(HEADER + GOOD), reason)
    assert rejected.raw == row[: LIMITS.raw_bytes]
    assert rejected.detail


def test_as_many_columns_as_there_may_be_are_read() -> None:
    """A header of 256 columns, required ones among them, has ticks like any other."""
    names = [f"x{number}".encode() for number in range(252)]
    header = b",".join([*names[:100], b"price", b"symbol", *names[100:], b"size", b"timestamp"])
    row = b",".join([b"?"] * 100 + [b"187.50", b"AAPL"] + [b""] * 152 + [b"100", NS.encode()])
    [decoded] = decode(header + b"\n" + row + b"\n" + row[1:] + b"\n" + row + b",\n")
    assert decoded.ticks == 2
    assert [reject.reason for reject in decoded.rejects] == [Reason.MALFORMED_ROW]


def test_two_stray_quotes_swallow_no_lines_between_them() -> None:
    """A forgiving reader makes one row of all lines between two stray quotes; here each line is a row."""
    stray = GOOD.replace(b"AAPL", b'"AAPL')
    [decoded] = decode(HEADER + GOOD * 50 + stray + GOOD * 900 + stray + GOOD * 50)
    assert decoded.ticks == 1000
    assert [row.reason for row in decoded.rejects] == [Reason.MALFORMED_ROW] * 2


def test_numbers_beyond_128_bits_are_exact() -> None:
    """A minute whose notional does not fit 128 bits, let alone 64, is still exact to the last digit."""
    for sign in (1, -1):
        price = b"-8999999999.999999999" if sign < 0 else b"8999999999.999999999"
        row = b"BIG,1767625800000000000,%s,999999999999999.999999999000,\n" % price
        [decoded] = decode(HEADER + row * 1000)
        [[bar]] = decoded.bars.values()
        assert bar.notional_e18 == sign * (9 * 10**18 - 1) * (10**24 - 1) * 1000
        assert bar.volume_e9 == (10**24 - 1) * 1000
        assert bar.high_e9 == bar.low_e9 == sign * (9 * 10**18 - 1)


def test_random_ticks_are_summed_exactly() -> None:
    """A block of random prices and sizes, on the fast path, has the sums that Python's integers have."""
    chance = random.Random(7)  # noqa: S311 - test data
    rows = [(chance.randrange(1 - 9 * 10**18, 9 * 10**18), chance.randrange(10**14)) for _ in range(5_000)]
    text = "".join(f"A,{NS},{format_scaled(price)},{format_scaled(size)},\n" for price, size in rows)
    [decoded] = decode(HEADER + text.encode())
    [[bar]] = decoded.bars.values()
    assert bar.notional_e18 == sum(price * size for price, size in rows)
    assert (bar.high_e9, bar.low_e9) == (max(rows)[0], min(rows)[0])
    assert (bar.open_e9, bar.close_e9) == (rows[0][0], rows[-1][0])


PACKED = gzip.compress(HEADER + GOOD * 3000, mtime=0)
# Longer than what is looked at before the ranges are planned, so that only decoding can find the damage.
LARGE = gzip.compress(HEADER + GOOD * 3000, compresslevel=0, mtime=0)


@pytest.mark.parametrize(
    "data",
    [
        PACKED[:-1],
        PACKED[:-9],
        PACKED[: len(PACKED) // 2],
        PACKED + b"garbage",
        PACKED + PACKED[:5],
        PACKED[:-6] + b"\x00\x00" + PACKED[-4:],
        LARGE[:-1],
        LARGE[:-9],
        LARGE[:90_000],
        LARGE + b"garbage",
        LARGE + LARGE[:5],
        LARGE[:-6] + b"\x00\x00" + LARGE[-4:],
    ],
)
def test_a_damaged_gzip_object_is_refused_as_a_whole(data: bytes) -> None:
    """Cut off, followed by garbage or with a wrong checksum: no tick of it counts, so it can be sent again."""
    assert reason_of(data) is Reason.CORRUPT_GZIP


def test_a_gzip_bomb_is_refused() -> None:
    """What unpacks to more than the bound is refused, and what unpacks to the bound is not."""
    data = HEADER + GOOD * 100
    assert reason_of(gzip.compress(data), replace(LIMITS, unpacked_bytes=len(data) - 1)) is Reason.TOO_LARGE
    [decoded] = decode(gzip.compress(data), limits=replace(LIMITS, unpacked_bytes=len(data)))
    assert decoded.ticks == 100


def test_a_gzip_bomb_is_unpacked_in_blocks() -> None:
    """A megabyte that unpacks to a gigabyte ends at the bound of 256 MiB without ever being in memory."""
    packer = zlib.compressobj(9, wbits=31)
    packed = packer.compress(HEADER)
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    assert len(packed) < 1 << 20
    assert reason_of(packed) is Reason.TOO_LARGE


def test_too_many_rejects_or_bars_are_refused() -> None:
    """An object that would fill the memory with rejected rows or with bars is refused and hurts only itself."""
    assert reason_of(HEADER + b"x\n" * 11, replace(LIMITS, rejects=10)) is Reason.TOO_LARGE
    # Not four million lines of rejects for an 8 MiB range of nothing.
    assert LIMITS.rejects <= 1_000_000
    symbols = b"".join(b"S%d,1767625800000000000,1,1,\n" % i for i in range(11))
    assert reason_of(HEADER + symbols, replace(LIMITS, bars=10)) is Reason.TOO_LARGE
    assert reason_of(HEADER + symbols, replace(LIMITS, hours=10)) is Reason.TOO_LARGE
    [decoded] = decode(HEADER + symbols * 2, limits=replace(LIMITS, hours=11, bars=11))
    assert len(decoded.bars) == 11


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"symbol": "A", "timestamp": NS, "price": true, "size": 1}', Reason.BAD_PRICE),
        ('{"symbol": "A", "timestamp": NS, "price": 1, "size": [1]}', Reason.BAD_SIZE),
        ('{"symbol": "A", "timestamp": NS, "price": 1, "size": null}', Reason.MISSING_FIELD),
        ('{"symbol": "A", "timestamp": NS, "price": 1}', Reason.MISSING_FIELD),
        ('{"symbol": 7, "timestamp": NS, "price": 1, "size": 1}', Reason.BAD_SYMBOL),
        ('{"symbol": "A", "timestamp": {}, "price": 1, "size": 1}', Reason.BAD_TIMESTAMP),
        ('{"symbol": "A", "timestamp": NS, "price": 1e10, "size": 1}', Reason.BAD_PRICE),
        ('{"symbol": "A", "timestamp": NS, "price": 1, "size": -1}', Reason.BAD_SIZE),
        ('{"symbol": "A", "timestamp": NS, "price": NaN, "size": 1}', Reason.MALFORMED_ROW),
        ('{"symbol": "A", "timestamp": NS, "price": 1, "size": Infinity}', Reason.MALFORMED_ROW),
        ('{"symbol": "A", "timestamp": NS, "price": 1, "size": 1, "size": 2}', Reason.MALFORMED_ROW),
        ('{"symbol": "A", "timestamp": NS, "price": 1, "size": 1, "volume": 1}', Reason.MALFORMED_ROW),
        ('{"symbol": "A", "timestamp": NS, "price": 1, "size": 1', Reason.MALFORMED_ROW),
        ('["A", NS, 1, 1]', Reason.MALFORMED_ROW),
        ("[" * 500_000, Reason.MALFORMED_ROW),
        ("null", Reason.MALFORMED_ROW),
    ],
)
def test_a_bad_json_row_hurts_only_itself(body: str, reason: Reason) -> None:
    """JSON of the wrong shape or with values of the wrong type has the reason of what is wrong."""
    good = json.dumps({"symbol": "A", "timestamp": NS, "price": "1.10", "volume": 3})
    [decoded] = decode("\n".join([good, body.replace("NS", NS), good]).encode())
    assert decoded.ticks == 2
    assert [(row.offset, row.reason) for row in decoded.rejects] == [(len(good) + 1, reason)]


def test_json_numbers_stay_as_written() -> None:
    """A number that a float cannot hold is exact, and the same as a string."""
    exact = Tick("A", 1767625800000000001, 123456789_123456789, 1_100000000)
    for quote in ("", '"'):
        text = (
            f'{{"symbol":"A","timestamp":{quote}1767625800000000001{quote},"price":{quote}123456789.123456789{quote},'
        )
        assert tick_from_json(load_json(text + f'"volume":{quote}1.10{quote}}}')) == exact


def test_a_posted_tick_needs_an_object() -> None:
    """What a POST holds in place of a tick is refused like a row."""
    with pytest.raises(RowRejected, match="JSON object"):
        tick_from_json(load_json("7"))
