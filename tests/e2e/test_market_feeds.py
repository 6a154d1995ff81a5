"""Vendors' files as they are, through a deployed stack that has feeds of its user's own beside the built-in ones."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bench.stack import deployment
from tests.e2e.market import FIELDS, MINUTE_NS, MarketStack, csv, trades
from tests.vendor_samples import OWN_FEEDS, SAMPLES, UPDATES
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.targets.embedded import EmbeddedTarget

#: All that a tick's time may be.
ALL_TIMES = ("1990-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
#: Of a member of a zip in its two headers: where the flags stand behind the signature, and the one that says encrypted.
_LOCAL, _CENTRAL, _ENCRYPTED = (b"PK\x03\x04", 6), (b"PK\x01\x02", 8), 1


@pytest.fixture(scope="module")
def vendors(target: EmbeddedTarget) -> Iterator[MarketStack]:
    """A stack of its own, because the user's feeds are part of its functions."""
    environment = "vendors"
    deployment.deploy(target, environment, build=deployment.assemble(environment, feeds=OWN_FEEDS))
    yield MarketStack(target, deployment.flat_outputs(target, environment), environment)
    deployment.destroy(target, environment)


def _bars_of_samples() -> dict[str, list[dict[str, Any]]]:
    """Make bars of the samples' ticks as the other program wrote them: put in order, and added up with Decimal.

    The order is that of the pipeline's promise: time, sequence, key, ETag and place in the file.
    """
    minutes: dict[tuple[str, int], list[tuple[Any, ...]]] = defaultdict(list)
    for sample in SAMPLES:
        etag = hashlib.md5(sample.path.read_bytes(), usedforsecurity=False).hexdigest()
        for place, tick in enumerate(sample.ticks()):
            at_ns = int(tick["timestamp_ns"])
            order = (at_ns, int(tick["sequence"] or 0), sample.key, etag, place)
            values = (Decimal(tick["price"]), Decimal(tick["size"]), *(tick[name] == "true" for name in UPDATES))
            minutes[tick["symbol"], at_ns // MINUTE_NS].append((order, *values))
    bars: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (symbol, minute), ticks in sorted(minutes.items()):
        ordered = sorted(ticks)
        ends = [price for _, price, _, sets_ends, _, _ in ordered if sets_ends] or [None]
        extremes = [price for _, price, _, _, sets_extremes, _ in ordered if sets_extremes]
        counted = [(price, size) for _, price, size, _, _, counts in ordered if counts]
        bars[symbol].append(
            {
                "start": iso_8601(minute * MINUTE_NS),
                "open": ends[0],
                "high": max(extremes, default=None),
                "low": min(extremes, default=None),
                "close": ends[-1],
                "volume": sum((size for _, size in counted), Decimal(0)),
                "ticks": len(ordered),
                "notional": sum((price * size for price, size in counted), Decimal(0)),
            }
        )
    return bars


def test_m23_vendors_files_come_in_as_they_are(vendors: MarketStack) -> None:
    """Each sample is complete, by its feed and with its counts, and all bars are those of all their ticks."""
    ingests = {sample: vendors.put(sample.key, sample.path.read_bytes()) for sample in SAMPLES}
    wrong = []
    for sample, ingest_id in ingests.items():
        status, counts = vendors.wait_for_state(ingest_id), sample.counts()
        got = (status.get("feed", ""), *(status[name] for name in ("ticks", "skipped", "cancelled", "rejected")))
        want = (sample.read_by, *(counts[name] for name in ("ticks", "skipped", "cancelled")))
        want += (sum(counts["rejected"].values()),)
        wrong += [(sample.sample, got, want)] if got != want else []
    assert wrong == []
    expected = _bars_of_samples()
    fields = ("start", *FIELDS)
    answered = {symbol: vendors.bars(symbol, window=ALL_TIMES, fields=fields) for symbol in expected}
    assert answered == expected


def _encrypted(content: bytes) -> bytes:
    """Zip a file and say that it is encrypted, as its reader would find it said."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ticks.csv", content)
    packed = bytearray(buffer.getvalue())
    for signature, flags in (_LOCAL, _CENTRAL):
        packed[packed.index(signature) + flags] |= _ENCRYPTED
    return bytes(packed)


@pytest.mark.parametrize(
    ("key", "content", "code", "says"),
    [
        (
            "refused/ticks.zip",
            _encrypted(csv(trades("E2E.SECRET", 3))),
            "encrypted",
            "ticks.csv is encrypted: put it without a password",
        ),
        (
            "refused/ticks.csv",
            b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n",
            "unknown_format",
            "it is an HTML page: was the download link expired, or a login wanted?",
        ),
        (
            "refused/feed=no-such-feed/ticks.csv",
            csv(trades("E2E.NOSUCHFEED", 3)),
            "unknown_feed",
            "the key says feed=no-such-feed, and there is no such feed",
        ),
    ],
    ids=["an encrypted zip", "a page of HTML", "a feed that is not there"],
)
def test_m23_what_is_no_file_of_ticks_is_refused_with_what_to_do(
    vendors: MarketStack, key: str, content: bytes, code: str, says: str
) -> None:
    """The whole object is rejected, counts nothing, and its uploader reads what it is and what to do."""
    status = vendors.wait_for_state(vendors.put(key, content), "rejected")
    assert status["reason"] == {"code": code, "message": says}
    assert (status["ticks"], status["rejected"], status["skipped"]) == (0, 0, 0)
