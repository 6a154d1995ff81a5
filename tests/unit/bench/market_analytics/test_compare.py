from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ledger.sent import Outcome, Sent
from bench.ledger.verdict import Check, Verdict, judge_acknowledged, sent_counts
from bench.market_analytics.compare import (
    AnsweredBar,
    compare_bars,
    compare_rejects,
    judge_announced,
    judge_dead_letters,
)
from bench.market_analytics.oracle import ExpectedBar, PlantedReject
from bench.market_analytics.table_reader import RAW_LIMIT_BYTES, DeadLetter, RecordedReject, TableState
from bench.measure.journal import Journal, RangeTimes
from tickstream import keys
from tickstream.ingests import Receipt

EXPECTED = {
    "A": {10: ExpectedBar(100, 120, 90, 110, 3, 4, 331), 11: ExpectedBar(110, 110, 110, 110, 1, 1, 110)},
    "B": {10: ExpectedBar(5, 5, 5, 5, 2, 2, 10)},
}
PRICELESS = ExpectedBar(None, None, None, None, volume_e9=0, ticks=2, notional_e18=0)


def answered(bar: ExpectedBar) -> AnsweredBar:
    """Return the bar as the API would answer it."""
    vwap = round(bar.notional_e18 / bar.volume_e9) if bar.volume_e9 else None
    return AnsweredBar(
        bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9, bar.volume_e9, bar.ticks, bar.notional_e18, vwap
    )


def got() -> dict[str, dict[int, AnsweredBar]]:
    """Return an answer without a fault, to be doctored."""
    return {symbol: {minute: answered(bar) for minute, bar in bars.items()} for symbol, bars in EXPECTED.items()}


def test_equal_bars_pass() -> None:
    """All ticks are ok where nothing differs."""
    found = compare_bars(EXPECTED, got())
    assert found.passed
    assert (found.ok, found.bars, found.examples) == (7, 3, ())


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**6))
def test_a_vwap_is_rounded_half_to_even(notional_e18: int, volume_e9: int) -> None:
    """Any other rounding is a wrong bar."""
    want = ExpectedBar(1, 1, 1, 1, volume_e9, 1, notional_e18)
    # round() of a Fraction is exact and half to even.
    exact = round(Fraction(notional_e18, volume_e9))
    for vwap_e9, passed in ((exact - 1, False), (exact, True), (exact + 1, False)):
        have = AnsweredBar(1, 1, 1, 1, volume_e9, 1, notional_e18, vwap_e9)
        assert compare_bars({"A": {1: want}}, {"A": {1: have}}).passed is passed


@pytest.mark.parametrize("notional_e18", [-5, -3, -1, 1, 3, 5])
def test_a_vwap_in_the_middle_is_even(notional_e18: int) -> None:
    """Of two that are equally near the even one is right, below zero too."""
    want = ExpectedBar(1, 1, 1, 1, 2, 1, notional_e18)
    have = AnsweredBar(1, 1, 1, 1, 2, 1, notional_e18, round(Fraction(notional_e18, 2)))
    assert compare_bars({"A": {1: want}}, {"A": {1: have}}).passed


@pytest.mark.parametrize(
    "field",
    ["open_e9", "high_e9", "low_e9", "close_e9", "volume_e9", "ticks", "notional_e18", "vwap_e9"],
)
def test_one_digit_in_any_field_fails(field: str) -> None:
    """A difference in the last digit of any field is a wrong bar, shown with symbol, minute and both values."""
    bars = got()
    bars["A"][10] = replace(bars["A"][10], **{field: getattr(bars["A"][10], field) + 1})
    found = compare_bars(EXPECTED, bars)
    assert not found.passed
    assert found.wrong_bars == 1
    assert (found.examples[0].symbol, found.examples[0].minute, found.examples[0].field) == ("A", 10, field)


def test_m26_a_bar_without_prices_is_equal_to_one_without_them() -> None:
    """A minute whose prints may set nothing has ticks, and neither prices nor a VWAP."""
    found = compare_bars({"A": {10: PRICELESS}}, {"A": {10: answered(PRICELESS)}})
    assert found.passed
    assert found.ok == 2


@pytest.mark.parametrize("field", ["open_e9", "high_e9", "low_e9", "close_e9", "volume_e9", "vwap_e9"])
def test_m26_a_price_where_none_may_be_set_fails(field: str) -> None:
    """A print that may not set a price and did is a wrong bar."""
    changed: Any = {field: 100}
    found = compare_bars({"A": {10: PRICELESS}}, {"A": {10: replace(answered(PRICELESS), **changed)}})
    assert not found.passed
    assert [(one.field, one.got) for one in found.examples] == [(field, "100")]


def test_a_missing_bar_loses_its_ticks() -> None:
    """A bar that is not there is as many lost ticks as it should hold."""
    bars = got()
    del bars["A"][10]
    found = compare_bars(EXPECTED, bars)
    assert (found.lost, found.ok, found.wrong_bars, found.passed) == (4, 3, 1, False)


def test_a_missing_symbol_loses_its_ticks() -> None:
    """A symbol that is not there is lost with all its bars."""
    bars = got()
    del bars["A"]
    assert compare_bars(EXPECTED, bars).lost == 5


def test_too_few_ticks_in_a_bar_are_lost() -> None:
    """Ticks that a bar misses are counted one by one."""
    bars = got()
    bars["A"][10] = replace(bars["A"][10], ticks=1)
    found = compare_bars(EXPECTED, bars)
    assert (found.lost, found.duplicated, found.passed) == (3, 0, False)


def test_too_many_ticks_in_a_bar_are_duplicated() -> None:
    """A range counted twice shows as duplicated ticks."""
    bars = got()
    bars["B"][10] = replace(bars["B"][10], ticks=4, volume_e9=4, notional_e18=20)
    found = compare_bars(EXPECTED, bars)
    assert (found.duplicated, found.lost, found.passed) == (2, 0, False)


def test_a_bar_that_nobody_sent_is_unexpected() -> None:
    """Ticks of a minute or a symbol without any are unexpected."""
    bars = got()
    bars["C"] = {99: answered(ExpectedBar(1, 1, 1, 1, 1, 6, 1))}
    found = compare_bars(EXPECTED, bars)
    assert (found.unexpected, found.passed) == (6, False)


PLANTED = [
    PlantedReject(0, 40, 5, "bad_price"),
    PlantedReject(0, 90, 5, "not_utf8"),
    PlantedReject(1, 7, 0, "bad_size"),
]
TEXTS = {(0, 40): b"a,b,c", (0, 90): b"a,\xff,c", (1, 7): None}
ORDINALS = {"first": 0, "second": 1}
RECORDED = [
    RecordedReject("first", 0, 40, "bad_price", b"a,b,c", 5),
    RecordedReject("first", 1, 90, "not_utf8", b"a,\xff,c", 5),
    RecordedReject("second", 0, 7, "bad_size", None, 0),
]


def judged(recorded: list[RecordedReject]) -> tuple[bool, int, int, int, int, int, int]:
    """Compare and return the result's numbers: passed, matched, missing, reason, text, repeated, unexpected."""
    found = compare_rejects(PLANTED, recorded, ORDINALS.get, lambda row: TEXTS[row.ordinal, row.offset])
    return (
        found.passed,
        found.matched,
        found.missing,
        found.wrong_reason,
        found.wrong_text,
        found.repeated,
        found.unexpected,
    )


def test_rejects_as_planted_pass() -> None:
    """Every planted row recorded once, with its reason and its text."""
    assert judged(RECORDED) == (True, 3, 0, 0, 0, 0, 0)


def test_a_row_that_was_not_rejected_fails() -> None:
    """Dropping a bad row silently is found."""
    assert judged(RECORDED[1:]) == (False, 2, 1, 0, 0, 0, 0)


def test_another_reason_fails() -> None:
    """The right row for the wrong reason is found."""
    assert judged([replace(RECORDED[0], reason="bad_size"), *RECORDED[1:]]) == (False, 2, 0, 1, 0, 0, 0)


@pytest.mark.parametrize("raw", [b"a,b,d", b"a,b", b"a,b,c\n", None])
def test_another_text_fails(raw: bytes | None) -> None:
    """A row recorded with other bytes, or with fewer, than were sent is found."""
    assert judged([replace(RECORDED[0], raw=raw), *RECORDED[1:]]) == (False, 2, 0, 0, 1, 0, 0)


def test_a_row_recorded_twice_fails() -> None:
    """Two ranges that both claim a row are found."""
    assert judged([*RECORDED, replace(RECORDED[0], index=1)]) == (False, 3, 0, 0, 0, 1, 0)


@pytest.mark.parametrize("stranger", [replace(RECORDED[0], offset=41), replace(RECORDED[0], ingest_id="nobody")])
def test_a_good_row_that_was_rejected_fails(stranger: RecordedReject) -> None:
    """A reject at an offset, or of an ingest, where nothing was planted is found."""
    assert judged([*RECORDED, stranger]) == (False, 3, 0, 0, 0, 0, 1)


@pytest.mark.parametrize(("kept", "same"), [(RAW_LIMIT_BYTES, True), (RAW_LIMIT_BYTES - 1, False)])
def test_a_long_row_is_kept_up_to_the_limit(kept: int, same: bool) -> None:  # noqa: FBT001 - a test's table
    """Of a long row the first 64 KiB must be there."""
    text = b"x" * 100_000
    planted = [PlantedReject(0, 0, len(text), "row_too_long")]
    recorded = [RecordedReject("first", 0, 0, "row_too_long", text[:kept], len(text))]
    assert compare_rejects(planted, recorded, ORDINALS.get, lambda _: text).passed is same


def test_a_verdict_without_checks_did_not_pass() -> None:
    """What has checked nothing has shown nothing."""
    assert not Verdict({}, ()).passed
    assert Verdict({}, (Check("one", passed=True, detail=""),)).passed
    assert not Verdict({}, (Check("one", passed=True, detail=""), Check("two", passed=False, detail=""))).passed


def sent(outcome: Outcome, rows: int = 5, *, recovered: bool = False) -> Sent:
    """Return what became of a piece."""
    return Sent(0, "key", "e", "", "id", rows, 1, 0.0, 0.0, 0.0, outcome, "why", recovered=recovered)


def test_rows_are_counted_by_what_became_of_their_sending() -> None:
    """Recovered rows are acknowledged ones; a row without an answer is neither lost nor failed."""
    outcomes = [
        sent(Outcome.ACKNOWLEDGED, 7),
        sent(Outcome.ACKNOWLEDGED, 2, recovered=True),
        sent(Outcome.INDETERMINATE, 1),
    ]
    counts = {"attempted": 10, "acknowledged": 9, "recovered": 2, "indeterminate": 1}
    assert sent_counts(outcomes, 10) == counts
    assert judge_acknowledged(outcomes, 10).passed


@pytest.mark.parametrize(
    ("outcomes", "attempted"),
    [
        ([sent(Outcome.ACKNOWLEDGED), sent(Outcome.REFUSED)], 10),
        ([sent(Outcome.ACKNOWLEDGED)], 10),
        ([sent(Outcome.INDETERMINATE)], 5),
        ([], 0),
    ],
)
def test_sending_that_was_refused_cut_short_or_never_answered_fails(outcomes: list[Sent], attempted: int) -> None:
    """A refusal, a piece that was never sent, and a run of which nothing is known have shown nothing."""
    assert not judge_acknowledged(outcomes, attempted).passed


LETTER = DeadLetter("processing", "planted", "", 0, 0)


def test_dead_letters_are_the_planted_ones_or_none() -> None:
    """Where none was planted there is none, and each that was planted is there once."""
    assert judge_dead_letters([], []).passed
    assert judge_dead_letters([LETTER], ["planted"]).passed


@pytest.mark.parametrize(
    ("dead_letters", "said"),
    [
        ([], "1 are missing"),
        ([LETTER, LETTER], "1 too many"),
        ([LETTER, DeadLetter("rule", "other", "", 0, 0)], "1 in rule that should not be there, the first: other"),
    ],
)
def test_a_dead_letter_too_few_or_too_many_fails(dead_letters: list[DeadLetter], said: str) -> None:
    """A planted message that vanished, one that is there twice, and any other are told apart."""
    check = judge_dead_letters(dead_letters, ["planted"])
    assert not check.passed
    assert said in check.detail


@pytest.mark.parametrize(("announced_ms", "passed"), [(5, True), (None, False)])
def test_a_committed_range_without_an_event_fails(announced_ms: int | None, passed: bool) -> None:  # noqa: FBT001 - a test's table
    """Whether its event arrived is another matter: it must have been taken."""
    receipt = Receipt("an ingest", 3, ticks=1, rejected=0, committed_ms=1, hours={})
    table = TableState({}, {}, {("an ingest", 3): receipt}, 0, 0, 0, 0, 0, 0)
    journal = Journal((), (), {keys.range_id("an ingest", 3): RangeTimes(announced_ms, None)})
    check = judge_announced(table, journal)
    assert check.passed is passed
    assert ("not ingest an ingest, range 3" in check.detail) is not passed
