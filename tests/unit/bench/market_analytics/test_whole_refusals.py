"""What was refused as a whole is named, and is not called lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.ledger.api_client import Answer
from bench.ledger.sent import Outcome, Sent
from bench.ledger.truth import ObjectFile
from bench.market_analytics.checks import _account, _receipts, _statuses
from bench.market_analytics.table_reader import TableState
from bench.market_analytics.whole_refusals import judge_feeds, judge_refused, of_ingests_but, refused_in
from tickstream.errors import Reason
from tickstream.ingests import Format, Layout, Manifest, Receipt, Refusal
from tickstream.revisions import Cause, Retraction, Step

if TYPE_CHECKING:
    from collections.abc import Mapping


def sent(ordinal: int = 0) -> Sent:
    """An object that was acknowledged."""
    return Sent(ordinal, f"a{ordinal}.csv", "e", "", f"i{ordinal}", 9, 99, 0.0, 0.0, 0.0, Outcome.ACKNOWLEDGED)


def piece(refusal: str = "", feed: str = "") -> ObjectFile:
    """The object as it was made."""
    return ObjectFile(0, "a0.csv", Path("a0.csv"), 9, 99, "e", None, feed=feed, refusal=refusal)


def state(manifest: Manifest, receipts: Mapping[tuple[str, int], Receipt] | None = None) -> TableState:
    """A table that holds one ingest."""
    return TableState({}, {manifest.ingest_id: manifest}, receipts or {}, 0, 0, 0, 0, 0, 0)


REFUSED = Manifest("i0", 0, 0, rejected=Reason.MISSING_COLUMN, rejected_detail="no column size")


def test_m25_an_object_that_must_not_be_refused_is_named_with_its_reason() -> None:
    """One line says which, why, and that it must not be."""
    refused = refused_in(state(REFUSED), [sent()])
    (check,) = judge_refused([sent()], refused, [piece()])
    assert refused == {0: ("missing_column", "no column size")}
    assert not check.passed
    assert check.detail == "a0.csv: refused: missing_column: no column size, and must not be"


@pytest.mark.parametrize(
    ("refusal", "passed"),
    [("missing_column: no size", True), ("unknown_format: what is it?", False)],
)
def test_m25_a_refusal_that_must_be_is_right_for_its_reason_only(refusal: str, *, passed: bool) -> None:
    """The truth says refused too, and why."""
    (check,) = judge_refused([sent()], refused_in(state(REFUSED), [sent()]), [piece(refusal)])
    assert check.passed is passed


def test_m25_an_object_that_must_be_refused_and_was_taken_fails() -> None:
    """It is said what it must be refused for."""
    (check,) = judge_refused([sent()], {}, [piece("missing_column: no size")])
    assert not check.passed
    assert "not refused, and must be refused: missing_column" in check.detail


def test_m25_only_an_object_of_which_every_range_was_refused_is_refused_as_a_whole() -> None:
    """What a range lacks whose neighbours were taken is lost."""
    taken = Receipt("i0", 0, 5, 0, 0, {})
    bad = Receipt("i0", 1, 0, 1, 0, {}, Refusal(Reason.CORRUPT_GZIP, "cut off"))
    two, one = Manifest("i0", 0, 2), Manifest("i0", 0, 1)
    assert refused_in(state(two, {("i0", 0): taken, ("i0", 1): bad}), [sent()]) == {}
    assert refused_in(state(one, {("i0", 0): bad}), [sent()]) == {0: ("corrupt_gzip", "cut off")}


@pytest.mark.parametrize(
    ("step", "cause", "refused"),
    [
        (Step.DONE, Cause.REFUSED, True),
        (Step.GOING, Cause.REFUSED, False),
        (Step.REFUSED, Cause.REFUSED, False),
        (Step.DONE, Cause.ASKED, False),
    ],
)
def test_m25_an_object_whose_other_ranges_are_taken_back_is_refused_as_a_whole(
    step: Step, cause: Cause, *, refused: bool
) -> None:
    """It counts as a whole or not at all: not before that is done, and not because somebody asked for it."""
    taken = Receipt("i0", 0, 5, 0, 0, {})
    bad = Receipt("i0", 1, 0, 1, 0, {}, Refusal(Reason.CORRUPT_GZIP, "cut off"))
    table = state(Manifest("i0", 0, 2), {("i0", 0): taken, ("i0", 1): bad})
    table = replace(table, retractions={"i0": Retraction(step, cause, 1)})
    assert refused_in(table, [sent()]) == ({0: ("corrupt_gzip", "cut off")} if refused else {})


def test_m25_nothing_is_said_where_nothing_is_refused() -> None:
    """A run without such objects has no such check."""
    assert judge_refused([sent()], {}, [piece()]) == ()


def test_m25_the_frozen_feed_is_compared_with_the_one_that_was_meant() -> None:
    """An object that another feed has read fails, whatever came out."""
    frozen = Manifest("i0", 0, 1, layout=Layout(Format.CSV, feed='{"name":"other"}'))
    (right,) = judge_feeds(state(frozen), [sent()], [piece(feed="other")])
    (wrong,) = judge_feeds(state(frozen), [sent()], [piece(feed="native")])
    assert right.passed
    assert not wrong.passed
    assert "a0.csv by other instead of native" in wrong.detail


def test_m25_what_is_refused_is_left_out_of_the_other_checks() -> None:
    """Its manifest and receipts are nobody's."""
    table = of_ingests_but(state(REFUSED, {("i0", 0): Receipt("i0", 0, 0, 1, 0, {})}), frozenset({"i0"}))
    assert (table.manifests, table.receipts) == ({}, {})


@pytest.mark.parametrize(("skipped", "passed"), [(2, True), (0, False)])
def test_m25_rows_that_are_no_trades_are_accounted_for(skipped: int, *, passed: bool) -> None:
    """Receipts must have skipped as many as the truth has: they are neither ticks nor rejects."""
    receipts = {("i0", 0): Receipt("i0", 0, 9 - skipped, 0, 0, {}, skipped=skipped)}
    made = replace(piece(), skipped=2)
    check = _receipts([sent()], state(Manifest("i0", 0, 1), receipts), [], [made])
    assert check.passed is passed


@pytest.mark.parametrize(("cancelled", "skipped", "passed"), [(3, 1, True), (2, 1, False), (1, 3, False)])
def test_m26_rows_that_are_cancelled_are_accounted_for(cancelled: int, skipped: int, *, passed: bool) -> None:
    """Receipts must have cancelled as many as the truth has: a cancelled trade is no tick, and no skipped row."""
    receipts = {("i0", 0): Receipt("i0", 0, 9 - cancelled - skipped, 0, 0, {}, skipped=skipped, cancelled=cancelled)}
    made = replace(piece(), skipped=1, cancelled=3)
    check = _receipts([sent()], state(Manifest("i0", 0, 1), receipts), [], [made])
    assert check.passed is passed


class OneStatus:
    """An API that knows one ingest."""

    def __init__(self, **counts: int) -> None:
        self._counts = counts

    def get(self, _path: str) -> Answer:
        """Answer for it."""
        return Answer(200, {"state": "complete", **self._counts})


@pytest.mark.parametrize(
    ("counts", "passed"),
    [
        ({"ticks": 5, "skipped": 1, "cancelled": 3}, True),
        ({"ticks": 6, "skipped": 1, "cancelled": 2}, False),
        ({"ticks": 5, "skipped": 1}, False),
    ],
)
def test_m26_the_api_says_how_many_rows_were_cancelled(counts: dict[str, int], *, passed: bool) -> None:
    """An answer whose counts do not add up to the rows, or that counts a cancelled trade as a tick, fails."""
    made = replace(piece(), skipped=1, cancelled=3)
    check = _statuses(OneStatus(**counts), [sent()], [made])  # type: ignore[arg-type] # in place of the client
    assert check.passed is passed


def test_m26_cancelled_rows_have_a_place() -> None:
    """Acknowledged rows that nobody finds anywhere are missed, and cancelled ones are found."""
    counts = dict.fromkeys(("lost", "rejected", "skipped", "refused", "retracted", "dead-lettered"), 0)
    assert _account({**counts, "ok": 3, "cancelled": 2, "acknowledged": 5}).passed
    assert not _account({**counts, "ok": 3, "cancelled": 0, "acknowledged": 5}).passed


@pytest.mark.parametrize(("refused", "passed"), [(4, True), (0, False)])
def test_m25_refused_and_skipped_rows_have_a_place(refused: int, *, passed: bool) -> None:
    """Rows of what was refused are not lost, and a row without any place is missed."""
    counts = {
        "ok": 3,
        "lost": 0,
        "rejected": 1,
        "skipped": 1,
        "cancelled": 0,
        "refused": refused,
        "retracted": 0,
        "dead-lettered": 0,
        "acknowledged": 9,
    }
    assert _account(counts).passed is passed
