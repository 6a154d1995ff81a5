"""Objects that are put cut off first: which, and how they are cut."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

import pytest

from bench.ledger.api_client import Answer
from bench.ledger.truth import ObjectFile
from bench.market_analytics.replacements import Replacements, cut_off
from tickstream.keys import object_ingest_id

if TYPE_CHECKING:
    from pathlib import Path

    from bench.ledger.api_client import ApiClient

HEADING = b"symbol,timestamp,price,size\n"


def piece(folder: Path, ordinal: int, body: bytes, **more: Any) -> ObjectFile:
    """Make an object."""
    path = folder / f"{ordinal}.csv"
    path.write_bytes(body)
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return ObjectFile(ordinal, f"day/{path.name}", path, 9, len(body), etag, more.pop("text_path", path), **more)


def test_m25_an_object_is_cut_off_behind_a_row(tmp_path: Path) -> None:
    """What is put first are whole rows, a part of what is put after it, and another ingest."""
    body = HEADING + b"".join(b"A,%d,1,1\n" % row for row in range(100))
    (one,) = cut_off([piece(tmp_path, 0, body)], 0.1, 1, "bucket", spared=())
    assert body.startswith(one.body)
    assert one.body.endswith(b"\n")
    assert len(HEADING) < one.end <= len(body) // 2
    etag = hashlib.md5(one.body, usedforsecurity=False).hexdigest()
    assert one.ingest_id == object_ingest_id("bucket", one.key, etag, one.end)


def test_m25_only_what_can_be_cut_is_chosen(tmp_path: Path) -> None:
    """Not what is packed, put twice, refused, read by a feed, too short, spared, or has no share."""
    body = HEADING + b"A,1,1,1\n" * 50
    pieces = [
        piece(tmp_path, 0, body, text_path=None),
        piece(tmp_path, 1, body),
        piece(tmp_path, 1, body, repeat=1),
        piece(tmp_path, 2, body, refusal="no ticks: none"),
        piece(tmp_path, 3, body, feed="vendor"),
        piece(tmp_path, 4, HEADING + b"A,1,1,1\n"),
        piece(tmp_path, 5, b"other,heading\n" * 50),
        piece(tmp_path, 6, body),
    ]
    assert cut_off(pieces, 1.0, 1, "bucket", spared={6}) == ()
    assert [one.ordinal for one in cut_off(pieces, 0.01, 1, "bucket", spared=())] == [6]
    assert cut_off(pieces, 0.0, 1, "bucket", spared=()) == ()


@pytest.mark.parametrize(("state", "passed"), [("replaced", True), ("complete", False), ("retracting", False)])
def test_m25_one_that_is_not_replaced_at_the_end_is_seen(tmp_path: Path, state: str, *, passed: bool) -> None:
    """By what the API says of the first one's ingest."""

    class Api:
        def get(self, _: str) -> Answer:
            return Answer(200, {"state": state, "ticks": 7, "retraction": {"cause": "replaced"}})

    first = cut_off([piece(tmp_path, 0, HEADING + b"A,1,1,1\n" * 50)], 1.0, 1, "bucket", spared=())
    (check,) = Replacements(cast("Any", None), first, is_replacing=True).judge(cast("ApiClient", Api()))
    assert check.passed is passed
