from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from bench.errors import WorkloadError
from bench.file_processing.input_files import CORRUPTIONS, MAX_FILE_BYTES, Feed, FeedFile, FileWorkload, Nature
from bench.file_processing.oracle import expected_totals
from tickstream.errors import ObjectRejected, Reason
from tickstream.file_status import FileFault
from tickstream.ingests import Source
from tickstream.layouts import sniff
from tickstream.row_samples import sample_rows

if TYPE_CHECKING:
    from pathlib import Path

    from tickstream.ingests import Read


def _feed(folder: Path, workload: FileWorkload) -> tuple[FeedFile, ...]:
    for name in ("files", "truth"):
        (folder / name).mkdir(parents=True)
    return Feed(workload, folder / "files", folder / "truth").make()


def _reader(content: bytes) -> Read:
    return lambda start, end: content[start:end]


WORKLOAD = FileWorkload(files=40, seed=3, corrupt_share=0.3, poison_share=0.08, curable_share=0.08)


def test_equal_workloads_are_equal_bytes(tmp_path: Path) -> None:
    """The seed decides everything: keys, bytes and fates."""
    one, two = (_feed(tmp_path / name, WORKLOAD) for name in ("one", "two"))
    assert [(file.object.key, file.object.etag, file.history) for file in one] == [
        (file.object.key, file.object.etag, file.history) for file in two
    ]
    other = _feed(tmp_path / "other", FileWorkload(40, 4, 0.3, 0.08, 0.08))
    assert [file.object.etag for file in one] != [file.object.etag for file in other]


def test_the_feed_has_the_stated_proportions_and_every_corruption(tmp_path: Path) -> None:
    """As many files of each nature as were asked for; keys differ; all corruptions, formats and stages occur."""
    files = _feed(tmp_path, WORKLOAD)
    assert Counter(file.nature for file in files) == {
        Nature.GOOD: 22,
        Nature.CORRUPT: 12,
        Nature.POISON: 3,
        Nature.CURABLE: 3,
    }
    assert len({file.object.key for file in files}) == 40
    assert {file.fault for file in files if file.nature is Nature.CORRUPT} == {one.name for one in CORRUPTIONS}
    assert {file.stage for file in files if file.nature is Nature.POISON} == {"validator", "processor", "aggregator"}
    known = {reason.value for reason in Reason} | {fault.value for fault in FileFault}
    assert {file.reason for file in files if file.reason} <= known


def test_good_files_are_sound_and_corrupt_ones_are_not(tmp_path: Path) -> None:
    """What the feed calls good has ticks that can be read; what the validator must refuse has a fault to be seen."""
    for file in _feed(tmp_path, WORKLOAD):
        content = file.object.path.read_bytes()
        source = Source("b", file.object.key, "v", file.object.etag, len(content))
        assert len(content) == file.object.size_bytes
        assert (len(content) > MAX_FILE_BYTES) == (file.reason == "too_large")
        read = _reader(content)
        try:
            sample = sample_rows(source, sniff(source, read), read, 10)
            refused = not content or len(content) > MAX_FILE_BYTES or bool(sample.rows and not sample.ticks)
        except ObjectRejected:
            refused = True
        assert refused == (file.nature is Nature.CORRUPT and file.stage == "validator"), file


def test_the_oracle_counts_every_row_once(tmp_path: Path) -> None:
    """Good and bad rows of a file add up to its rows; a file that is not ticks has none."""
    files = _feed(tmp_path, WORKLOAD)
    totals = expected_totals(tmp_path / "truth")
    for file in files:
        found = totals.get(file.ordinal)
        assert (found.ticks + found.rejected if found else 0) == file.object.rows
        assert found is None or len(found.bad_rows) == min(10, found.rejected)


@pytest.mark.parametrize(
    "shares",
    [(0, 1, 0.1, 0.1, 0.1), (5, -1, 0, 0, 0), (5, 1, 0.5, 0.5, 0.1), (5, 1, -0.1, 0, 0), (200_000, 1, 0, 0, 0)],
)
def test_a_workload_beyond_the_limits_is_refused(shares: tuple[int, int, float, float, float]) -> None:
    """The limit is named before anything is made."""
    with pytest.raises(WorkloadError):
        FileWorkload(*shares)
