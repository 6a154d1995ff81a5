"""Vendors' files as they are, through the deployed file-processing stack: the totals of each are those of its ticks."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bench.stack import deployment
from tests.e2e.files import FileStack
from tests.e2e.market import MINUTE_NS
from tests.vendor_samples import OWN_FEEDS, SAMPLES
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.targets.embedded import EmbeddedTarget
    from tests.vendor_samples import Sample


@pytest.fixture(scope="module")
def vendors(target: EmbeddedTarget) -> Iterator[FileStack]:
    """A stack of its own, because the user's feeds are part of its functions."""
    environment, pipeline = "vendors", deployment.FILE_PROCESSING
    build = deployment.assemble(environment, pipeline=pipeline, feeds=OWN_FEEDS)
    deployment.create(target, environment, build)
    yield FileStack(target, environment)
    deployment.destroy(target, environment, pipeline)


def _totals(sample: Sample) -> dict[str, Any]:
    """Add up what the other program made of a sample, in the form of the API."""
    ticks = sample.ticks()
    counted = [tick for tick in ticks if tick["updates_volume"] == "true"]
    moments = [int(tick["timestamp_ns"]) for tick in ticks]
    return {
        "ticks": len(ticks),
        "rejected": sum(sample.counts()["rejected"].values()),
        "symbols": len({tick["symbol"] for tick in ticks}),
        "bars": len({(tick["symbol"], at_ns // MINUTE_NS) for tick, at_ns in zip(ticks, moments, strict=True)}),
        "volume": sum(Decimal(tick["size"]) for tick in counted),
        "notional": sum(Decimal(tick["price"]) * Decimal(tick["size"]) for tick in counted),
        "firstTick": iso_8601(min(moments)),
        "lastTick": iso_8601(max(moments)),
    }


def test_m23_vendors_files_have_the_totals_of_their_ticks(vendors: FileStack) -> None:
    """Each sample is completed, and counts, sums and the first and the last moment are those of its ticks."""
    file_ids = {sample: vendors.put(sample.key, sample.path.read_bytes()) for sample in SAMPLES}
    answered = {}
    for sample, file_id in file_ids.items():
        totals = vendors.at(file_id, "completed")["totals"]
        exact = {name: Decimal(totals[name]) for name in ("volume", "notional")}
        answered[sample.sample] = {**totals, **exact}
    assert answered == {sample.sample: _totals(sample) for sample in SAMPLES}


def test_m23_a_page_of_html_fails_with_what_to_do(vendors: FileStack) -> None:
    """What is no file of ticks fails at once, and its uploader reads what it is."""
    page = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n"
    body = vendors.at(vendors.put("refused/ticks.csv", page), "failed")
    assert body["reason"] == {
        "code": "unknown_format",
        "message": "it is an HTML page: was the download link expired, or a login wanted?",
    }
