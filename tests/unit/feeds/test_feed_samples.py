"""The pipeline makes of each vendor's sample exactly the ticks that another program made of it."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest

from tests.vendor_samples import OWN_FEEDS, SAMPLES, UPDATES
from tickstream.errors import ObjectRejected, Reason
from tickstream.feeds.catalogue import Catalogue, catalogue_of
from tickstream_client.feeds.trial import Trial, try_file

if TYPE_CHECKING:
    from tests.vendor_samples import Sample


@pytest.fixture(scope="module")
def everything() -> Catalogue:
    """The built-in feeds, and those of a user's own."""
    return catalogue_of(OWN_FEEDS)


@pytest.fixture(scope="module")
def built_in() -> Catalogue:
    """The built-in feeds alone."""
    return catalogue_of(None)


def tried(sample: Sample, catalogue: Catalogue) -> tuple[Trial, list[dict[str, str]]]:
    """What the pipeline makes of a sample under the vendor's own name, and its ticks."""
    out = io.StringIO()
    trial = try_file(sample.path, sample.key, catalogue, out)
    return trial, list(csv.DictReader(out.getvalue().splitlines()))


def in_order(ticks: list[dict[str, str]]) -> list[tuple[object, ...]]:
    """Ticks, and what each updates, by symbol, time, sequence and their order in the file."""
    numbered = [
        (row["symbol"], int(row["timestamp_ns"]), int(row["sequence"] or 0), at, row) for at, row in enumerate(ticks)
    ]
    return [
        (symbol, timestamp_ns, Decimal(row["price"]), Decimal(row["size"]), *(row[name] for name in UPDATES))
        for symbol, timestamp_ns, _, _, row in sorted(numbered, key=lambda one: one[:4])
    ]


@pytest.mark.parametrize("sample", SAMPLES, ids=[one.sample for one in SAMPLES])
def test_m23_a_sample_gives_exactly_its_ticks(sample: Sample, everything: Catalogue) -> None:
    """Each tick comes out with its symbol, time, price, size, order and effects, and each row is accounted for."""
    trial, ticks = tried(sample, everything)
    assert trial.feed == (sample.read_by or "native")
    assert in_order(ticks) == in_order(sample.ticks())
    assert trial.counts == sample.counts()


UNTOLD: Final = [one for one in SAMPLES if one.own_feed and one.feed]


@pytest.mark.parametrize("sample", UNTOLD, ids=[one.sample for one in UNTOLD])
def test_m23_what_a_file_does_not_say_is_asked_for(sample: Sample, built_in: Catalogue) -> None:
    """A file that lacks a zone, a scale or a known form is refused as a whole, naming what is wanted."""
    with pytest.raises(ObjectRejected) as refused:
        tried(sample, built_in)
    assert refused.value.reason is Reason.INCOMPLETE_FEED
    assert "say tick." in refused.value.detail
