"""What indexing and reading by an index costs, and how far a row may go on."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING

import pytest

from tests.unit.market_analytics.indexing_world import (
    HALF,
    TEXT,
    Bench,
    zipped,
)
from tests.unit.market_analytics.processor_world import NOW_MS
from tickstream.indexed_text import StreamFile

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("pack", [gzip.compress, zipped])
def test_m22_what_is_unpacked_for_an_index_and_for_a_range_is_bounded(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it twice, and a little: unpacked again for each piece that is read, a day would take hours."""
    unpacked, read = [0], StreamFile.read

    def counted(self: StreamFile, size: int = -1) -> bytes:
        data = read(self, size)
        unpacked[0] += len(data)
        return data

    monkeypatch.setattr(StreamFile, "read", counted)
    for module in ("indexed_text", "index_making"):
        monkeypatch.setattr(f"tickstream.{module}.READ_BYTES", 65_536)
    # Larger than any buffer on the way.
    bench = Bench("day", pack(TEXT + TEXT[HALF:] * 20))
    bench.arrive()
    bench.index()
    assert unpacked[0] < 4 * len(bench.body)
    unpacked[0] = 0
    bench.process()
    # A range is far smaller, but its last row may be long, so that megabytes of text behind it are unpacked too.
    assert unpacked[0] < len(bench.body) / 4


def test_m22_a_row_that_goes_on_far_beyond_its_range_is_read_to_its_end() -> None:
    """Rows of up to a mebibyte, each of which ends ranges behind the one in which it begins: every tick once."""
    chance = random.Random(3)  # noqa: S311
    rows = 9
    lines = [
        b"S,%d,1.5,%d,%s\n" % (NOW_MS * 10**6 + at, at + 1, chance.randbytes(150_000 + at * 40_000).hex().encode())
        for at in range(rows)
    ]
    text = b"symbol,timestamp,price,size,note\n" + b"".join(lines)
    bench = Bench("notes.csv.gz", gzip.compress(text, 1))
    ingest_id = bench.arrive()
    bench.index()
    assert len(bench.ranges) > rows
    while bench.ranges:
        bench.process()
    answer = bench.state(ingest_id)
    assert (answer["state"], answer["ticks"], answer["rejected"]) == ("complete", rows, 0)
    assert sum(bar.volume_e9 for bar in bench.world.bars("S")) == sum(range(1, rows + 1)) * 10**9
