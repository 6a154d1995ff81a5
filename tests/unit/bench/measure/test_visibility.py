from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.errors import ApiUnansweredError
from bench.ledger.api_client import Answer
from bench.ledger.sent import Ledger, Outcome, Sent
from bench.market_analytics.recording.visibility import WATCHED, Visibility

SENT = Sent(0, "a.csv", "e", "", "first", 10, 100, 0.0, 0.0, 1.0, Outcome.ACKNOWLEDGED)
PROCESSING = Answer(200, {"state": "processing"})
COMPLETE = Answer(200, {"state": "complete"})


class Api:
    """Gives the answers it was told, one after the other, and remembers what it was asked."""

    def __init__(self, answers: list[Answer | Exception]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(self, path: str) -> Answer:
        """Answer."""
        self.asked.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _visibility(answers: list[Answer | Exception], *entries: Sent) -> tuple[Visibility, Any]:
    ledger = Ledger()
    for entry in entries:
        ledger.record(entry)
    api: Any = Api(answers)
    return Visibility(api, ledger, elapsed_s=lambda: 12.5), api


def test_an_ingest_is_visible_when_the_api_first_calls_it_done() -> None:
    """Not known yet, not answered, under way: each asks again; then the time is noted and nobody asks any more."""
    unknown = Answer(404, {"error": {"code": "unknown_ingest"}})
    visibility, api = _visibility([unknown, ApiUnansweredError("late"), PROCESSING, COMPLETE], SENT)
    visibility.take_youngest()
    for _ in range(3):
        visibility.look("first")
        assert visibility.visible_s == {}
    visibility.look("first")
    visibility.take_youngest()
    assert visibility.visible_s == {"first": 12.5}
    assert api.asked == ["/ingest/first"] * 4


def test_few_ingests_are_watched_and_each_once() -> None:
    """However many are acknowledged, the load of asking stays bounded."""
    entries = [replace(SENT, ordinal=one, ingest_id=f"i{one}", acknowledged_s=float(one)) for one in range(WATCHED + 3)]
    ledger = Ledger()
    api: Any = Api([COMPLETE] * WATCHED)
    visibility = Visibility(api, ledger, elapsed_s=lambda: 12.5)
    for entry in entries:
        ledger.record(entry)
        visibility.take_youngest()
        visibility.take_youngest()
    with visibility:
        pass
    assert api.asked == [f"/ingest/i{one}" for one in range(WATCHED)]


def test_what_was_not_acknowledged_is_not_watched() -> None:
    """Nobody promised that it will ever be there."""
    visibility, api = _visibility([], replace(SENT, outcome=Outcome.INDETERMINATE))
    with visibility:
        visibility.take_youngest()
    assert api.asked == []


def test_leaving_after_an_error_asks_nothing() -> None:
    """An interrupt ends the run now."""
    visibility, api = _visibility([], SENT)
    visibility.take_youngest()
    with pytest.raises(KeyboardInterrupt), visibility:
        raise KeyboardInterrupt
    assert api.asked == []


@pytest.mark.parametrize("state", ["retracting", "retracted", "replaced"])
def test_what_is_taken_back_is_never_seen_and_not_asked_for_for_ever(state: str) -> None:
    """It has no moment at which it was visible, and leaves its place to another."""
    visibility, api = _visibility([Answer(200, {"state": state})], SENT)
    visibility.take_youngest()
    visibility.look("first")
    with visibility:
        pass
    assert (visibility.visible_s, len(api.asked)) == ({}, 1)
