"""The verdict on what was taken back: each is, by table and API, and none of its ticks is in a bar."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from bench.ledger.api_client import Answer
from bench.ledger.sent import Outcome, Sent
from bench.market_analytics.checks import _account, _statuses
from bench.market_analytics.oracle import ExpectedBar
from bench.market_analytics.retraction_moments import Moment
from bench.market_analytics.retractions import Due, Retraction, Step
from bench.market_analytics.table_reader import TableState
from bench.market_analytics.taken_back import CHECK, ingests_asked_for, judge_taken_back, retracted_ticks
from tickstream.bars import Bar
from tickstream.ingests import Receipt
from tickstream.keys import range_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.ledger.api_client import ApiClient
    from bench.ledger.verdict import Check

HOUR = 490_000
MINUTE = HOUR * 60
RETRACTED = Answer(200, {"state": "retracted", "retraction": {"cause": "asked"}, "ticks": 9})
#: Two ticks of somebody else, in the hour in which the object had ticks.
EXPECTED = {"A": {MINUTE: ExpectedBar(1, 1, 1, 1, 2, 2, 2)}}
DONE = Retraction(Due(0, "a.csv", "i0", Moment.SENDING), Step.RETRACTED)


def a_bar(ticks: int, minute: int = MINUTE) -> Bar:
    """A bar of which the ticks matter."""
    return Bar(
        minute, 1, 1, 1, 1, volume_e9=1, notional_e18=1, ticks=ticks, first=None, last=None, begin_ns=0, end_ns=0
    )


def table(stored: int = 2, *, withdrawn: bool = True) -> TableState:
    """A table that has an ingest of two ranges, each in an hour, and so many ticks in their bar."""
    receipts = {("i0", index): Receipt("i0", index, 9, 0, 0, {"A": (HOUR,)}) for index in range(2)}
    gone = frozenset(range_id("i0", index) for index in range(2)) if withdrawn else frozenset({range_id("i0", 0)})
    state = TableState({"A": {MINUTE: a_bar(stored)}}, {}, receipts, 0, 0, 0, 0, 0, 0)
    return replace(state, withdrawn={("A", HOUR): gone})


class Api:
    """An API that knows the ingest and its symbol."""

    def __init__(self, status: Answer = RETRACTED, ticks: int = 2) -> None:
        self._status = status
        self._ticks = ticks

    def get(self, _path: str) -> Answer:
        """Answer for the ingest."""
        return self._status

    def post_json(self, _path: str, _fields: Mapping[str, Any]) -> Answer:
        """Answer for the symbol."""
        bar = {"start": "2025-11-24T16:00:00Z", "ticks": self._ticks, "volume": "1", "notional": "1"}
        bar |= dict.fromkeys(("open", "high", "low", "close", "vwap"), "1") | {"closed": True}
        return Answer(200, {"bars": {"A": [bar]}})


def judged(
    state: TableState | None = None,
    api: Api | None = None,
    *retractions: Retraction,
    ingests: tuple[str, ...] = ("i0",),
) -> Check:
    """What is said."""
    client = cast("ApiClient", api or Api())
    (check,) = judge_taken_back(retractions or (DONE,), ingests, state or table(), EXPECTED, client)
    assert check.name == CHECK
    return check


def test_what_is_taken_back_as_it_must_be_passes() -> None:
    """It is said how many, when they were asked for, and how many ticks it was about."""
    check = judged()
    assert check.passed, check.detail
    assert check.detail.startswith("1 of 1 objects (1 while sending), 18 ticks; of 2 slices in 1 hours 0 are not")


def test_a_tick_that_is_left_in_a_bar_is_seen() -> None:
    """In the table as through the API."""
    assert "1 in DynamoDB, 0 through POST /bars" in judged(table(3)).detail
    assert "0 in DynamoDB, 2 through POST /bars" in judged(api=Api(ticks=4)).detail
    assert not judged(table(3)).passed
    assert not judged(api=Api(ticks=4)).passed


def test_a_range_that_nothing_withdraws_is_seen_though_no_bar_has_it() -> None:
    """Delivered once more it would count again."""
    check = judged(table(withdrawn=False))
    assert not check.passed
    assert "1 are not withdrawn; ticks too many in these hours: 0 in DynamoDB, 0 through POST /bars; " in check.detail
    assert f"not withdrawn: A, hour {HOUR}" in check.detail


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"state": "retracting", "retraction": {"cause": "asked"}}),
        Answer(200, {"state": "retracted", "retraction": {"cause": "replaced"}}),
        Answer(404, {"error": {"code": "unknown_ingest"}}),
    ],
)
def test_a_status_that_says_something_else_is_seen(answer: Answer) -> None:
    """The API must say that it is retracted, and that it was asked for."""
    check = judged(api=Api(answer))
    assert not check.passed
    assert f"ingest i0: {answer.status}" in check.detail


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step.WAITING, "b.csv: not asked for"),
        (Step.IN_DOUBT, "b.csv: asked for, and not answered"),
        (Step.ASKED, "b.csv: not done"),
        (Step.REFUSED, "b.csv: refused 409"),
    ],
)
def test_one_that_is_not_taken_back_is_named(step: Step, said: str) -> None:
    """With how far it came and what the API said against it."""
    why = "409" if step is Step.REFUSED else ""
    other = Retraction(Due(1, "b.csv", "i1", Moment.ROLLED_UP), step, why=why)
    check = judged(None, None, DONE, other)
    assert not check.passed
    assert check.detail.startswith("1 of 2 objects")
    assert said in check.detail


def test_one_that_was_never_put_is_told_and_no_fault() -> None:
    """But a run in which nothing was taken back has shown nothing."""
    never = Retraction(Due(1, "b.csv", "i1", Moment.ROLLED_UP), Step.LEFT_OUT)
    assert judged(None, None, DONE, never).passed
    assert "1 never put" in judged(None, None, DONE, never).detail
    assert not judged(None, None, never).passed


def test_a_run_that_takes_nothing_back_is_judged_by_none() -> None:
    """No such line in its verdict."""
    assert judge_taken_back((), (), table(), EXPECTED, cast("ApiClient", Api())) == ()


def sent(ordinal: int) -> Sent:
    """An object that was acknowledged."""
    return Sent(ordinal, f"{ordinal}", "e", "", f"i{ordinal}", 9, 99, 0.0, 0.0, 0.0, Outcome.ACKNOWLEDGED)


def test_what_does_not_count_is_what_was_asked_for_and_not_refused() -> None:
    """Heard of or not: one whose answer was lost is expected to be taken back, too."""
    some = [Retraction(Due(number, "", f"i{number}", Moment.SENDING), step) for number, step in enumerate(Step)]
    taken = ingests_asked_for(some, map(sent, range(len(Step))))
    assert {list(Step)[ordinal] for ordinal in taken} == {Step.IN_DOUBT, Step.ASKED, Step.RETRACTED}
    assert ingests_asked_for(some, []) == {}


def test_retracted_ticks_have_a_place_in_the_account() -> None:
    """They are counted by their receipts: a range without one is missed."""
    assert retracted_ticks(table(), ["i0"]) == 18
    assert retracted_ticks(table(), ["another"]) == 0
    places = ("lost", "rejected", "skipped", "cancelled", "refused", "dead-lettered")
    counts = dict.fromkeys(places, 0) | {"ok": 2, "acknowledged": 20}
    assert _account({**counts, "retracted": 18}).passed
    assert not _account({**counts, "retracted": 9}).passed


@pytest.mark.parametrize(
    ("taken_back", "state", "passed"),
    [((0,), "retracted", True), ((), "retracted", False), ((0,), "complete", False), ((), "complete", True)],
)
def test_the_api_says_which_are_retracted_and_no_others(
    taken_back: tuple[int, ...], state: str, *, passed: bool
) -> None:
    """With all their rows in either case."""
    api = cast("ApiClient", Api(Answer(200, {"state": state, "ticks": 9})))
    assert _statuses(api, [sent(0)], [], taken_back).passed is passed
