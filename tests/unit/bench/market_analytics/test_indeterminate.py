from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl
import pytest

from bench.ledger.sent import Outcome, Sent
from bench.ledger.truth import PostBody, write_part
from bench.market_analytics.indeterminate import resolved
from bench.market_analytics.oracle import Oracle
from bench.market_analytics.table_reader import TableState
from tickstream.ingests import Manifest, Receipt, Source

if TYPE_CHECKING:
    from pathlib import Path

HOUR_NS = 3_600 * 10**9
START_NS = 491_006 * HOUR_NS
OBJECT = Sent(
    ordinal=0,
    key="objects/0.csv",
    etag="e",
    version_id="",
    ingest_id="an object's",
    rows=3,
    size_bytes=90,
    intended_s=0.0,
    sent_s=0.0,
    acknowledged_s=1.0,
    outcome=Outcome.INDETERMINATE,
    fault="no answer",
)
POST = replace(OBJECT, ordinal=1, key="", etag="", ingest_id="")
BODY = b'{"ticks": []}'
PIECES = (PostBody(ordinal=1, body=BODY, rows=3, intended_s=0.0),)


@pytest.fixture
def oracle(tmp_path: Path) -> Oracle:
    """Know three rows of each piece, the last one corrupt; the POST's are of two hours."""
    for ordinal, hours in ((0, (0, 0)), (1, (0, 1))):
        rows = [
            {"source": ordinal, "offset": place, "length": 1, "symbol": "A", "timestamp_ns": START_NS + hour * HOUR_NS}
            for place, hour in enumerate(hours)
        ]
        values = [{**row, "price_e9": 1, "size_e9": 1, "reason": None} for row in rows]
        corrupt = {"source": ordinal, "offset": 2, "length": 1, "reason": "bad_price"}
        write_part(tmp_path, ordinal, pl.DataFrame([*values, corrupt], infer_schema_length=None))
    return Oracle(tmp_path, ())


def table(
    *, manifests: tuple[Manifest, ...] = (), receipts: tuple[Receipt, ...] = (), posted: tuple[str, ...] = ()
) -> TableState:
    """Return a table with these. posted: ingests that the POST's body began, by the records of their keys."""
    return TableState(
        bars={},
        manifests={one.ingest_id: one for one in manifests},
        receipts={(one.ingest_id, one.index): one for one in receipts},
        pending=0,
        rollups=0,
        slices=0,
        segments=0,
        loose_slices=0,
        items=0,
        posted={sha256(BODY).digest(): posted} if posted else {},
    )


def left_by(ingest_id: str, hours: tuple[int, ...] = (491_006, 491_007)) -> tuple[Manifest, Receipt]:
    """Return what a POST of two good ticks and a refused one leaves."""
    return (
        Manifest(ingest_id, received_ms=0, ranges=1, accepted=2, refused=1),
        Receipt(ingest_id, 0, ticks=2, rejected=0, committed_ms=0, hours={"A": hours}),
    )


def test_an_object_in_doubt_that_is_there_was_recovered(oracle: Oracle) -> None:
    """Its manifest tells: its ticks are expected, each once."""
    there = Manifest(OBJECT.ingest_id, 0, ranges=1, source=Source("bucket", OBJECT.key, "1", "e", 90))
    (found,) = resolved([OBJECT], table(manifests=(there,)), oracle, PIECES)
    assert found.acknowledged
    assert found.recovered


def test_an_object_in_doubt_that_is_not_there_is_expected_nowhere(oracle: Oracle) -> None:
    """Nobody promised to keep it."""
    assert resolved([OBJECT], table(), oracle, PIECES) == (OBJECT,)


def test_a_post_in_doubt_is_found_by_what_it_held(oracle: Oracle) -> None:
    """The ingest that nobody was told of, of a request with the same bytes, is this POST's."""
    other, ours = left_by("of another body"), left_by("ours")
    state = table(manifests=(other[0], ours[0]), receipts=(other[1], ours[1]), posted=("ours",))
    (found,) = resolved([POST], state, oracle, PIECES)
    assert found.acknowledged
    assert found.recovered
    assert found.ingest_id == "ours"
    assert found.refused == {2: "bad_price"}


def test_an_ingest_that_was_answered_is_not_given_away(oracle: Oracle) -> None:
    """Of two equal POSTs one was answered: what it brought is not taken for the other's."""
    manifest, receipt = left_by("answered")
    answered = replace(POST, ordinal=2, ingest_id="answered", outcome=Outcome.ACKNOWLEDGED)
    state = table(manifests=(manifest,), receipts=(receipt,), posted=("answered",))
    assert resolved([POST, answered], state, oracle, PIECES) == (POST, answered)


def test_a_post_in_doubt_whose_message_was_not_sent_is_expected_nowhere(oracle: Oracle) -> None:
    """A manifest alone brings no ticks, and nobody was promised any."""
    assert resolved([POST], table(manifests=left_by("begun")[:1], posted=("begun",)), oracle, PIECES) == (POST,)


def test_two_posts_in_doubt_are_not_one_ingest(oracle: Oracle) -> None:
    """One ingest answers for one POST."""
    manifest, receipt = left_by("one")
    found = resolved([POST, POST], table(manifests=(manifest,), receipts=(receipt,), posted=("one",)), oracle, PIECES)
    assert [one.acknowledged for one in found] == [True, False]
