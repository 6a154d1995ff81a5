"""The validator's look at the first rows of a file."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time

import pytest

from tickstream.errors import ObjectRejected
from tickstream.ingests import Source
from tickstream.layouts import sniff
from tickstream.row_samples import Sample, sample_rows

HEADER = b"symbol,timestamp,price,size\n"
GOOD = b"AAPL,1767623400000000000,10.5,2\n"
BAD = b"AAPL,1767623400000000000,+1,2\n"


def sample(content: bytes, sample_bytes: int = 1 << 20, max_bad: int = 10) -> Sample:
    """Sniff and sample a file."""
    source = Source("bucket", "key", "v", "e", len(content))

    def read(start: int, end: int) -> bytes:
        return content[start:end]

    return sample_rows(source, sniff(source, read), read, max_bad, sample_bytes)


def test_rows_and_ticks_are_counted_and_the_first_bad_rows_named() -> None:
    """Bad rows come with their offset; beyond the bound they are counted only; blank lines are no rows."""
    content = HEADER + GOOD + b"\r\n" + BAD * 3 + GOOD[:-1]
    found = sample(content, max_bad=2)
    assert (found.rows, found.ticks, len(found.bad)) == (5, 2, 2)
    for row in found.bad:
        assert content[row.offset :].startswith(BAD)
        assert row.reason == "bad_price"


def test_a_row_that_is_cut_by_the_end_of_the_sample_is_not_judged() -> None:
    """Half a row would look bad: it is left to the processor."""
    content = HEADER + GOOD * 3
    for sample_bytes in range(1, len(content)):
        found = sample(content, sample_bytes)
        assert found.bad == ()
        assert found.rows == found.ticks == min(sample_bytes, 3 * len(GOOD)) // len(GOOD)


def test_rows_of_json_behind_each_other_are_rows() -> None:
    """`{...}{...}` on one line are two rows with offsets of their own, and the last may be cut by the sample's end."""
    good = b'{"symbol":"A","timestamp":1767623400000000000,"price":1,"size":2}'
    bad = good.replace(b'"A"', b'"a b"')
    found = sample(good + bad + good + b"\n" + good)
    assert (found.rows, found.ticks, [row.offset for row in found.bad]) == (4, 3, [len(good)])
    cut = sample(good + bad + good, sample_bytes=2 * len(good) + 12)
    assert (cut.rows, cut.ticks) == (2, 1)
    assert sample(gzip.compress(good + bad + good)).ticks == 2


def test_gzipped_rows_are_looked_at_over_all_members() -> None:
    """A file of many small members is more than its first one, and no member is unpacked beyond the sample."""
    packed = gzip.compress(HEADER + BAD) + gzip.compress(GOOD * 2_000) + gzip.compress(GOOD * 10**5)
    found = sample(packed, sample_bytes=len(BAD) + 3_000 * len(GOOD) + 5)
    assert (found.rows, found.ticks) == (3_001, 3_000)
    whole = sample(gzip.compress(HEADER + GOOD[:-1]))
    assert (whole.rows, whole.ticks) == (1, 1)


def test_tiny_members_without_number_are_looked_at_in_bearable_time() -> None:
    """40,000 members of one row each: all of what fits is looked at, and the copies stay small."""
    packed = gzip.compress(HEADER) + gzip.compress(GOOD) * 40_000
    started_s = time.process_time()
    found = sample(packed)
    assert found.rows == found.ticks > 10_000
    assert time.process_time() - started_s < 10


def test_a_later_member_that_is_damaged_is_found() -> None:
    """What cannot be unpacked is refused as a whole."""
    packed = gzip.compress(HEADER + GOOD) + b"\x1f\x8b\x08" + b"\xff" * 40
    with pytest.raises(ObjectRejected, match="corrupt_gzip"):
        sample(packed)


def test_json_lines_are_looked_at_too() -> None:
    """The same strict parser as for all of the file."""
    found = sample(b'{"symbol":"A","timestamp":1767623400000000000,"price":1.10,"size":1}\n{"symbol":"A"}\n')
    assert (found.rows, found.ticks, found.bad[0].reason) == (2, 1, "missing_field")


def test_the_validator_starts_without_the_decoding_library() -> None:
    """Its bundle has no polars: importing it must not need any of it."""
    code = (
        "import sys; sys.path.insert(0, 'functions'); sys.modules['polars'] = None; "
        "import file_processing.file_validator, file_processing.result_aggregator, file_processing.status_query, "
        "operations.dead_letter_recorder"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
