from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from bench.errors import ApiUnansweredError
from bench.ledger.api_client import Answer
from bench.ledger.sent import Ledger, Outcome, Sent
from bench.market_analytics.recording.visibility import LATE_SHARE, STEP_S, WATCHED, Visibility

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


class Clock:
    """Seconds of a run, moved by hand."""

    now_s = 1.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


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


@pytest.mark.parametrize("took_s", [0.03, 0.4, 30.0])
def test_the_moment_is_found_closely_however_long_it_takes(took_s: float) -> None:
    """A fiftieth of a second or an eighth of it late at most, and who comes after it is found for a dozen requests."""
    ledger, clock, asked = Ledger(), Clock(), list[float]()

    class Api:
        def get(self, path: str) -> Answer:
            asked.append(clock.now_s)
            return COMPLETE if clock.now_s >= began[path.removeprefix("/ingest/")] + took_s else PROCESSING

    api: Any = Api()
    visibility = Visibility(api, ledger, elapsed_s=clock)
    began: dict[str, float] = {}
    requests: list[int] = []
    for number, ingest_id in enumerate(("first", "second")):
        began[ingest_id] = clock.now_s
        ledger.record(replace(SENT, ordinal=number, ingest_id=ingest_id, acknowledged_s=clock.now_s))
        visibility.take_youngest()
        asked.clear()
        while ingest_id not in visibility.visible_s:
            clock.now_s = visibility.next_look_s
            visibility.look(ingest_id)
        late_s = visibility.visible_s[ingest_id] - began[ingest_id] - took_s
        assert 0 <= late_s <= max(STEP_S, LATE_SHARE * took_s) + 1e-6
        requests.append(len(asked))
    assert requests[0] <= 60
    assert requests[1] <= 12


def test_what_is_done_at_the_first_look_has_no_moment() -> None:
    """It was done before, nobody knows when; the next one is looked at from the beginning."""
    ledger, clock = Ledger(), Clock()
    api: Any = Api([PROCESSING, COMPLETE, COMPLETE, COMPLETE])
    visibility = Visibility(api, ledger, elapsed_s=clock)
    for number, looks_after_s in enumerate(((0.0, 10.0), (5.0,), (0.0,))):
        ledger.record(replace(SENT, ordinal=number, ingest_id=str(number), acknowledged_s=clock.now_s))
        visibility.take_youngest()
        assert visibility.next_look_s == clock.now_s + looks_after_s[0]
        since_s = clock.now_s
        for after_s in looks_after_s:
            clock.now_s = since_s + after_s
            visibility.look(str(number))
    assert list(visibility.visible_s) == ["0", "2"]


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


@pytest.mark.parametrize(("error", "asked"), [(KeyboardInterrupt, []), (None, ["/ingest/first"])])
def test_leaving_asks_once_more_unless_after_an_error(error: type[BaseException] | None, asked: list[str]) -> None:
    """An interrupt ends the run now."""
    ledger = Ledger()
    ledger.record(SENT)
    api: Any = Api([PROCESSING])
    visibility = Visibility(api, ledger, elapsed_s=lambda: SENT.acknowledged_s - 0.1)  # no look is due
    visibility.take_youngest()
    with suppress(KeyboardInterrupt), visibility:
        if error is not None:
            raise error
    assert api.asked == asked


@pytest.mark.parametrize("state", ["retracting", "retracted", "replaced"])
def test_what_is_taken_back_is_never_seen_and_not_asked_for_for_ever(state: str) -> None:
    """It has no moment at which it was visible, and leaves its place to another."""
    visibility, api = _visibility([Answer(200, {"state": state})], SENT)
    visibility.take_youngest()
    visibility.look("first")
    with visibility:
        pass
    assert (visibility.visible_s, len(api.asked)) == ({}, 1)
