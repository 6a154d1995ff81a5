"""All that the API is asked for in a verdict, some requests at a time, with DataQuery behind it."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest

from bench.errors import ApiError
from bench.ledger.api_client import Answer
from bench.market_analytics import api_checks, checks
from bench.market_analytics.api_checks import read_api
from tests.unit.bench.market_analytics.test_analysts_checks import LATER, MINUTES, Api, Spoil
from tests.unit.market_analytics.query_world import post

if TYPE_CHECKING:
    from collections.abc import Mapping

MANY = {**MINUTES, **{f"M{number:03}": [number, number + 70] for number in range(250)}}


class SharedApi(Api):
    """As `Api`, for several who ask at once; the table behind it is asked by one at a time."""

    def __init__(self, minutes: Mapping[str, list[int]], spoil: Spoil = lambda _: None) -> None:
        super().__init__(minutes, spoil)
        self.lock = Lock()

    def get(self, path: str, query: dict[str, str]) -> Answer:
        """Answer as the deployed API does."""
        with self.lock:
            return super().get(path, query)

    def post_json(self, _path: str, fields: Mapping[str, Any]) -> Answer:
        """Answer `POST /bars`."""
        with self.lock:
            body = post(self.table, fields)
            # Nothing is rolled up in this table, so all are open.
            for one in (bar for bars in body["bars"].values() for bar in bars):
                one["closed"] = True
            self.spoil(body)
            return Answer(200, body)


def of(api: SharedApi) -> Any:
    """As much of the client as the checks need."""
    return api


def failed(api: SharedApi) -> set[str]:
    """Return the names of the checks that fail."""
    return {check.name for check in read_api(of(api), api.expected, (), LATER).checks() if not check.passed}


def test_more_symbols_than_one_request_may_name_pass() -> None:
    """Each way of reading has all bars of all its symbols, and says of how many."""
    api = SharedApi(MANY)
    found = read_api(of(api), api.expected, (), LATER)
    assert [check.detail for check in found.checks() if not check.passed] == []
    assert [check.name for check in found.checks()] == [
        "bars through POST /bars",
        "bars through GET /bars (10 symbols)",
        "bars of longer intervals",
        "bars of sessions",
        "bars are closed",
        "minutes without a trade",
        "GET /symbols",
    ]
    assert found.by_post.bars == sum(len(bars) for bars in api.expected.values())
    assert found.symbols == 10
    assert found.differences() == []
    assert all(one.bars for one in found.by_interval.values())


def test_nothing_sent_has_nothing_to_read() -> None:
    """A run of which nothing was acknowledged ends with checks, not with a traceback."""
    assert failed(SharedApi({})) == set()


@pytest.mark.parametrize(
    ("asked", "red"),
    [
        (lambda body: isinstance(body["bars"], dict), {"bars through POST /bars"}),
        (
            lambda body: isinstance(body["bars"], list) and body["interval"] == "1m" and "fill" not in body,
            {"bars through GET /bars (10 symbols)"},
        ),
        (lambda body: body["interval"] == "15m", {"bars of longer intervals"}),
        (lambda body: "fill" in body and body["interval"] == "1h", {"minutes without a trade"}),
        (lambda body: body.get("session") == "America/New_York", {"bars of sessions"}),
    ],
)
def test_one_wrong_volume_is_seen_where_it_was_answered(asked: Any, red: set[str]) -> None:
    """The way that was answered wrong fails, and no other."""

    def spoil(body: dict[str, Any]) -> None:
        if "bars" in body and asked(body):
            bars = body["bars"]
            for one in [bar for of_one in bars.values() for bar in of_one] if isinstance(bars, dict) else bars:
                one["volume"] = f"{one['volume']}1"

    assert failed(SharedApi(MANY, spoil)) == red


def test_an_answer_that_cannot_be_read_is_raised_whoever_reads_it() -> None:
    """It ends all reading, with what was answered."""

    def spoil(body: dict[str, Any]) -> None:
        if body.get("session") == "XNYS":
            body["bars"] = [{"start": "yesterday"}]

    with pytest.raises(ApiError, match="cannot be read"):
        failed(SharedApi(MANY, spoil))


def test_after_an_error_nothing_more_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an API that is gone each question takes its whole time limit: what waits for its turn is given up."""
    given_up: list[bool] = []

    class Threads(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is
            given_up.append(cancel_futures)
            super().shutdown(wait, cancel_futures=cancel_futures)

    def refuse(_body: dict[str, Any]) -> None:
        raise ApiError("gone")

    monkeypatch.setattr(api_checks, "ThreadPoolExecutor", Threads)
    with pytest.raises(ApiError, match="gone"):
        failed(SharedApi(MANY, refuse))
    assert given_up == [True]


def test_garbage_is_looked_for_as_before_when_a_verdict_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rarely while it is judged, and as ever after it, also where nothing could be read."""
    during: list[tuple[int, int, int]] = []

    def judge(*_: object) -> None:
        during.append(gc.get_threshold())
        raise RuntimeError

    monkeypatch.setattr(checks, "judge", judge)
    before = gc.get_threshold()
    nothing: Any = None
    with pytest.raises(RuntimeError):
        checks.verdict_of(nothing, nothing)
    assert gc.get_threshold() == before
    assert during[0][0] > before[0]
