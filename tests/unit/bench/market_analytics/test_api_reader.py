from __future__ import annotations

from typing import Any

import pytest

from bench.errors import ApiError
from bench.ledger.api_client import Answer
from bench.ledger.driver import accounted
from bench.market_analytics.api_reader import Window, read_by_get, read_by_post

BAR = {
    "start": "2026-01-05T14:30:00Z",
    "open": "187.5",
    "high": "187.500000001",
    "low": "0.000000001",
    "close": "999999999.999999999",
    "volume": "1000000000000000000",
    "ticks": 3,
    "notional": "123456789012345678.123456789012345678",
    "vwap": "187.5",
    "closed": True,
}
MINUTE = 29_460_390
WINDOW = Window(MINUTE, MINUTE + 2)


class Script:
    """An API that gives one answer after the other and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def post_json(self, _path: str, fields: dict[str, Any]) -> Answer:
        """Answer a POST."""
        self.asked.append(fields)
        return self.answers.pop(0)

    def get(self, _path: str, query: dict[str, str]) -> Answer:
        """Answer a GET."""
        self.asked.append(query)
        return self.answers.pop(0)


def post(*answers: Answer) -> Any:
    """Read one symbol's bars by POST from scripted answers."""
    return read_by_post(Script(*answers), ["A"], WINDOW)  # type: ignore[arg-type]  # a script in place of the client


def test_decimals_are_read_to_the_last_digit() -> None:
    """Nothing of an answer passes through a float."""
    bar = post(Answer(200, {"bars": {"A": [BAR]}, "unknown": []}))["A"][MINUTE]
    assert bar.close_e9 == 999_999_999_999_999_999
    assert bar.volume_e9 == 10**27
    assert bar.notional_e18 == 123_456_789_012_345_678_123_456_789_012_345_678


def test_m26_prices_that_no_print_may_set_are_null() -> None:
    """A bar without prices is read as one, and its ticks with it."""
    nothing = dict.fromkeys(("open", "high", "low", "close", "vwap"))
    bar = post(Answer(200, {"bars": {"A": [BAR | nothing]}, "unknown": []}))["A"][MINUTE]
    assert (bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9, bar.vwap_e9) == (None,) * 5
    assert bar.ticks == 3


def test_pages_are_followed_to_the_end() -> None:
    """The token of one page asks for the next."""
    later = BAR | {"start": "2026-01-05T14:31:00Z"}
    script = Script(
        Answer(200, {"bars": [BAR], "nextToken": "more"}),
        Answer(200, {"bars": [later]}),
    )
    bars = read_by_get(script, ["A"], WINDOW, bars_a_page=1)  # type: ignore[arg-type]  # a script
    assert sorted(bars["A"]) == [MINUTE, MINUTE + 1]
    assert [query.get("nextToken") for query in script.asked] == [None, "more"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([Answer(200, {"bars": {"A": [BAR, BAR]}})], "twice"),
        ([Answer(200, {"bars": {"A": [BAR | {"open": 187.5}]}})], "cannot be read"),
        ([Answer(200, {"bars": {"A": [BAR | {"open": "1e2000000"}]}})], "cannot be read"),
        ([Answer(200, {"bars": {"A": [BAR | {"start": "2026-01-05T14:30:01Z"}]}})], "cannot be read"),
        ([Answer(200, {"bars": {"A": [{}]}})], "cannot be read"),
        ([Answer(500, {"error": {}})], "answered 500"),
        ([Answer(200, {"bars": {}, "nextToken": "x"}), Answer(200, {"bars": {}, "nextToken": "x"})], "names itself"),
    ],
)
def test_answers_that_must_not_be_are_found(answers: list[Answer], said: str) -> None:
    """A bar twice, a float, a wrong start, an error, an endless chain of pages: none of it passes for an answer."""
    with pytest.raises(ApiError, match=said):
        post(*answers)


def test_a_post_is_accounted_for_tick_by_tick() -> None:
    """Accepted and refused ticks of a POST together are all that were sent."""
    body = {"ingestId": "ab", "accepted": 1, "rejected": 1, "reasons": [{"position": 1, "reason": "bad_size"}]}
    assert accounted(200, body, 2) == ("ab", {1: "bad_size"})
    refused = {"error": {"code": "x"}, "reasons": [{"position": 0, "reason": "bad_size"}]}
    assert accounted(400, refused, 1) == ("", {0: "bad_size"})


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"ingestId": "ab", "accepted": 1, "reasons": []}),
        (200, {"ingestId": "ab", "accepted": 3, "reasons": []}),
        (200, {"ingestId": "ab", "accepted": 1, "reasons": [{"reason": "bad_size"}]}),
        (500, {"error": {}}),
        (200, ["not an object"]),
    ],
)
def test_a_post_that_does_not_account_for_every_tick_is_not_acknowledged(status: int, body: Any) -> None:
    """An answer that forgets a tick is a fault, not an acknowledgement."""
    with pytest.raises(ApiError):
        accounted(status, body, 2)
