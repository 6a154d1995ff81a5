"""Vendors' files as they are, each with the ticks that another program made of it (tests/feeds/samples)."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from tickstream_client.trial import Trial, try_file

from tickstream.errors import ObjectRejected, Reason
from tickstream.feeds.catalogue import Catalogue, catalogue_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FEEDS: Final = Path(__file__).parents[2] / "feeds"


class Sample(NamedTuple):
    """A file, the built-in feed that is its own, and the user's feed that it needs if any."""

    sample: str
    feed: str
    file: str
    own_feed: str


SAMPLES: Final = [
    Sample(**row) for row in csv.DictReader((FEEDS / "samples" / "INDEX.csv").read_text(encoding="utf-8").splitlines())
]


@pytest.fixture(scope="module")
def everything() -> Catalogue:
    """The built-in feeds, and those of a user's own."""
    return catalogue_of(FEEDS / "own")


@pytest.fixture(scope="module")
def built_in() -> Catalogue:
    """The built-in feeds alone."""
    return catalogue_of(None)


def tried(sample: Sample, catalogue: Catalogue) -> tuple[Trial, list[dict[str, str]]]:
    """What the pipeline makes of a sample under the vendor's own name, and its ticks."""
    out = io.StringIO()
    path = f"{sample.sample}/{sample.file}"
    trial = try_file(FEEDS / "samples" / path, path, catalogue, out)
    return trial, list(csv.DictReader(out.getvalue().splitlines()))


def in_order(ticks: list[dict[str, str]]) -> list[tuple[str, int, Decimal, Decimal]]:
    """Ticks by symbol, time, sequence and their order in the file."""
    numbered = [
        (row["symbol"], int(row["timestamp_ns"]), int(row["sequence"] or 0), at, row) for at, row in enumerate(ticks)
    ]
    return [
        (symbol, timestamp_ns, Decimal(row["price"]), Decimal(row["size"]))
        for symbol, timestamp_ns, _, _, row in sorted(numbered, key=lambda one: one[:4])
    ]


def truth_of(sample: Sample) -> tuple[list[dict[str, str]], Mapping[str, object]]:
    """The ticks and the counts that must come out."""
    folder = FEEDS / "samples" / sample.sample
    ticks = list(csv.DictReader((folder / "ticks.csv").read_text(encoding="utf-8").splitlines()))
    return ticks, json.loads((folder / "counts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("sample", SAMPLES, ids=[one.sample for one in SAMPLES])
def test_m23_a_sample_gives_exactly_its_ticks(sample: Sample, everything: Catalogue) -> None:
    """Each tick comes out with its symbol, nanosecond, price, size and order, and each row is accounted for."""
    trial, ticks = tried(sample, everything)
    wanted, counts = truth_of(sample)
    assert trial.feed == (sample.own_feed or sample.feed or "native")
    assert in_order(ticks) == in_order(wanted)
    assert trial.counts == counts


UNTOLD: Final = [one for one in SAMPLES if one.own_feed and one.feed]


@pytest.mark.parametrize("sample", UNTOLD, ids=[one.sample for one in UNTOLD])
def test_m23_what_a_file_does_not_say_is_asked_for(sample: Sample, built_in: Catalogue) -> None:
    """A file that lacks a zone, a scale or a known form is refused as a whole, naming what is wanted."""
    with pytest.raises(ObjectRejected) as refused:
        tried(sample, built_in)
    assert refused.value.reason is Reason.INCOMPLETE_FEED
    assert "say tick." in refused.value.detail
