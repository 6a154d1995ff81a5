"""A packed object among the edge objects that is large enough to be indexed and cut into ranges."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING, Final

from bench.own_file.taking import take_in

if TYPE_CHECKING:
    from pathlib import Path

    from bench.ledger.truth import ObjectFile

KEY: Final = "edges/packed.csv.gz"

_START_NS: Final = 1_767_625_200 * 10**9
_ROWS: Final = 15_000


def make_packed_file(folder: Path, truth: Path, ordinal: int) -> ObjectFile:
    """Write the file into a folder, and its truth: numbers that hardly repeat, so that few bytes are much text."""
    chance = random.Random(ordinal)  # noqa: S311
    rows = (
        f"PACK.{at % 3},{_START_NS + at * 10**8},{chance.randrange(1, 999)}.{at % 100:02},{chance.random():.9f}\n"
        for at in range(_ROWS)
    )
    path = folder / f"edge-{ordinal}"
    text = "symbol,timestamp,price,size\n" + "".join(rows)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return take_in(path, folder, truth, key=KEY, ordinal=ordinal)
