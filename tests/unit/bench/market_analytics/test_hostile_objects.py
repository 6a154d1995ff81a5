"""Objects that no honest feed sends: what the functions' own code makes of each, and how a run judges it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench.market_analytics.hostile_objects import SYMBOL, HostileObject, HostileObjects, hostile_objects, without
from bench.market_analytics.table_reader import TableState
from services.deadlines import Deadline
from services.decoder_process import decode_apart
from tickstream.bars import Bar
from tickstream.decoding import LIMITS, Budget
from tickstream.errors import ObjectRejected, Reason
from tickstream.ingests import Manifest, Receipt, Refusal, Source
from tickstream.layouts import sniff
from tickstream.ranges import plan_spans
from tickstream.revisions import Cause, Retraction, Step

if TYPE_CHECKING:
    from tickstream.decoding import Decoded

OBJECTS = hostile_objects()
EMPTY = TableState({}, {}, {}, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one.name)
def test_i5_each_has_the_fate_that_the_run_expects(one: HostileObject) -> None:
    """Read as DataIngestion and DataProcessor read it; its ticks are all of the symbol that is left out."""
    source = Source("bucket", one.key, "v1", "e" * 32, len(one.body))

    def read(start: int, end: int) -> bytes:
        return one.body[start:end]

    def decode() -> list[Decoded]:
        layout = sniff(source, read)
        return [
            decode_apart(source, layout, span, read, Budget(LIMITS), deadline=Deadline.after(600))
            for span in plan_spans(source, layout, 16 << 20, read)
        ]

    if one.reason is not None:
        with pytest.raises(ObjectRejected) as refused:
            decode()
        assert (refused.value.reason, 0, 0) == (one.reason, one.ticks, one.rejected)
        return
    decoded = decode()
    ticks, rejected = sum(each.ticks for each in decoded), sum(len(each.rejects) for each in decoded)
    assert (ticks, rejected) == (one.ticks, one.rejected)
    assert {symbol for each in decoded for symbol, _ in each.bars} == {SYMBOL}


def a_bar(ticks: int) -> Bar:
    """A bar of so many ticks."""
    return Bar(0, 1, 1, 1, 1, volume_e9=1, notional_e18=1, ticks=ticks, first=None, last=None, begin_ns=0, end_ns=0)


def judged(table: TableState) -> tuple[bool, str]:
    """What is said of one object that must have two ticks and one that must be refused."""
    objects = (HostileObject("good", b"g", 2), HostileObject("bad", b"b", reason=Reason.CORRUPT_GZIP))
    outputs: Any = type("Outputs", (), {"bucket_name": "bucket"})
    check = HostileObjects(outputs, outputs, lambda: objects).judge(table)
    return check.passed, check.detail


def test_a_fate_that_is_another_is_named() -> None:
    """Not known, not processed, other counts, another reason: each is told by the object's name."""
    good, bad = HostileObject("good", b"g").ingest_id("bucket"), HostileObject("bad", b"b").ingest_id("bucket")
    manifests = {good: Manifest(good, 1, 1), bad: Manifest(bad, 1, 1)}
    receipts = {
        (good, 0): Receipt(good, 0, 2, 0, 1, {}),
        (bad, 0): Receipt(bad, 0, 0, 1, 1, {}, Refusal(Reason.CORRUPT_GZIP, "cut")),
    }
    whole = replace(EMPTY, manifests=manifests, receipts=receipts, bars={SYMBOL: {0: a_bar(2)}})
    assert judged(whole) == (True, "2 planted, 0 with another fate than theirs")
    assert "good: not known" in judged(EMPTY)[1]
    assert "0 of 1 ranges" in judged(replace(whole, receipts={}))[1]
    counted = receipts | {(good, 0): Receipt(good, 0, 1, 1, 1, {})}
    assert not judged(replace(whole, receipts=counted))[0]
    refused = receipts | {(bad, 0): Receipt(bad, 0, 0, 1, 1, {}, Refusal(Reason.TOO_LARGE, "no"))}
    assert "bad: " in judged(replace(whole, receipts=refused))[1]


def test_an_object_of_which_a_part_is_refused_counts_not_at_all() -> None:
    """Its other parts are committed, and must be taken back: by what the manifest says, and in bars."""
    bad = HostileObject("bad", b"b").ingest_id("bucket")
    good = HostileObject("good", b"g").ingest_id("bucket")
    receipts = {
        (good, 0): Receipt(good, 0, 2, 0, 1, {}),
        (bad, 0): Receipt(bad, 0, 7, 0, 1, {}),
        (bad, 1): Receipt(bad, 1, 0, 1, 1, {}, Refusal(Reason.CORRUPT_GZIP, "cut")),
    }
    manifests = {good: Manifest(good, 1, 1), bad: Manifest(bad, 1, 2)}
    kept = replace(EMPTY, manifests=manifests, receipts=receipts, bars={SYMBOL: {0: a_bar(9)}})
    assert "bad: refused in part, and the rest is not taken back" in judged(kept)[1]
    done = replace(kept, retractions={bad: Retraction(Step.DONE, Cause.REFUSED, 1)})
    assert f"bars of {SYMBOL} have 9 ticks instead of 2" in judged(done)[1]
    assert judged(replace(done, bars={SYMBOL: {0: a_bar(2)}})) == (True, "2 planted, 0 with another fate than theirs")


def test_one_of_the_files_is_whole_but_for_one_of_its_parts() -> None:
    """Where ranges are small it is cut into several, of which the others could be read."""
    (one,) = (each for each in OBJECTS if "parts" in each.name)
    source = Source("bucket", one.key, "v1", "e" * 32, len(one.body))

    def read(start: int, end: int) -> bytes:
        return one.body[start:end]

    layout = sniff(source, read)
    spans = plan_spans(source, layout, 8 << 10, read)
    refused = []
    for span in spans:
        try:
            decode_apart(source, layout, span, read, Budget(LIMITS), deadline=Deadline.after(600))
        except ObjectRejected:
            refused.append(span.index)
    assert (len(spans), refused) == (3, [1])


def test_what_is_left_out_is_theirs_alone() -> None:
    """Their ingests and their symbol; without any nothing is left out."""
    table = replace(
        EMPTY,
        bars={SYMBOL: {}, "A": {}},
        manifests={"h": Manifest("h", 1, 1), "i": Manifest("i", 1, 1)},
        receipts={("h", 0): Receipt("h", 0, 1, 0, 1, {}), ("i", 0): Receipt("i", 0, 1, 0, 1, {})},
    )
    left = without(table, frozenset({"h"}))
    assert (set(left.bars), set(left.manifests), set(left.receipts)) == ({"A"}, {"i"}, {("i", 0)})
    assert without(table, frozenset()) is table
