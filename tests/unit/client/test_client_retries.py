from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.client.scripted import failed, in_turn, ok
from tickstream_client import (
    AnswerError,
    ApiError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    Retries,
    ServerError,
    ThrottledError,
    UnansweredError,
)
from tickstream_client.protocol.retries import answered, pause_before
from tickstream_client.protocol.steps import Answer, Lost, Pause, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

_GET = Request("GET", "/ingests")
_EMPTY: dict[str, Any] = {"ingests": []}


def answer(status: int, **headers: str) -> Answer:
    """An answer without a body."""
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


@pytest.mark.parametrize("reply", [answer(429), answer(500), answer(502), answer(503), answer(504), Lost("reset")])
def test_c01_what_may_pass_is_tried_again(reply: Answer | Lost) -> None:
    """Throttling, failures of the service and lost answers."""
    assert pause_before(1, 0.0, reply, Retries(), lambda: 0.5) == 0.25


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413])
def test_c01_what_was_understood_and_refused_is_not(status: int) -> None:
    """Asked again it would be refused again."""
    assert pause_before(1, 0.0, answer(status), Retries(), lambda: 0.5) is None


@given(st.integers(1, 40), st.floats(0, 1, exclude_max=True), st.floats(0, 300))
def test_c01_pauses_are_bounded(attempt: int, drawn: float, elapsed: float) -> None:
    """No pause is longer than the longest one, and no try begins behind the end."""
    retries = Retries(attempts=30)
    pause = pause_before(attempt, elapsed, Lost("reset"), retries, lambda: drawn)
    if pause is None:
        assert attempt >= 30 or elapsed + retries.longest_pause_seconds > retries.total_seconds
    else:
        assert 0 <= pause <= retries.longest_pause_seconds
        assert elapsed + pause <= retries.total_seconds


def test_c01_retry_after_is_honoured_in_seconds_and_as_a_date() -> None:
    """The pause is at least what the server asks for; where that is too long there is no other try."""
    assert pause_before(1, 0.0, answer(429, retry_after="7"), Retries(), lambda: 0.0) == 7.0
    assert pause_before(1, 115.0, answer(429, retry_after="7"), Retries(), lambda: 0.0) is None
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    pause = pause_before(1, 0.0, answer(503, retry_after=soon), Retries(), lambda: 0.0)
    assert pause is not None
    assert 50 < pause <= 60
    assert pause_before(1, 0.0, answer(503, retry_after="soon"), Retries(), lambda: 0.0) == 0.0


def test_c01_an_address_where_nobody_is_is_given_up_sooner() -> None:
    """Where no connection is made four tries are enough."""
    unreached = Lost("refused", was_reached=False)
    assert pause_before(3, 0.0, unreached, Retries(), lambda: 0.0) == 0.0
    assert pause_before(4, 0.0, unreached, Retries(), lambda: 0.0) is None
    assert pause_before(4, 0.0, Lost("reset"), Retries(), lambda: 0.0) == 0.0


def test_c01_the_total_time_counts_from_the_first_try() -> None:
    """The clock is asked after each try, and pauses grow."""
    times = iter([0.0, 1.0, 50.0, 119.9])
    call = answered(_GET, Retries(attempts=99), clock=lambda: next(times), draw=lambda: 0.9)
    steps: list[object] = [next(call)]
    steps.append(call.send(answer(503)))
    steps.append(call.send(None))
    steps.append(call.send(answer(503)))
    steps.append(call.send(None))
    with pytest.raises(ServerError, match="after 3 tries"):
        call.send(answer(503))
    assert [one.seconds for one in steps if isinstance(one, Pause)] == [0.45, 0.9]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([failed(400)], RefusedError),
        ([failed(409)], RefusedError),
        ([failed(403)], NotAllowedError),
        ([failed(404)], NotFoundError),
        ([failed(429)] * 8, ThrottledError),
        ([failed(503)] * 8, ServerError),
    ],
)
def test_c01_errors_have_the_servers_code(answers: Sequence[httpx.Response], kind: type[ApiError]) -> None:
    """Status, code, sentence and request id are those of the last answer."""
    server = in_turn(*answers)
    with pytest.raises(kind) as caught:
        server.client().ingest_status("0" * 32)
    assert (caught.value.code, caught.value.request_id) == ("some_code", "r-1")
    assert caught.value.message.startswith("what happened")
    assert len(server.requests) == len(answers)


def test_c01_a_lost_answer_is_asked_for_again_and_then_given_up() -> None:
    """Eight tries; httpx's error is no part of what is raised but its words."""
    server = in_turn(httpx.ReadError("reset by peer"), httpx.ReadTimeout("silent"), ok(_EMPTY))
    assert list(server.client().ingests()) == []
    assert len(server.requests) == 3
    with pytest.raises(UnansweredError, match="reset by peer"):
        list(in_turn(*[httpx.ReadError("reset by peer")] * 8).client().ingests())


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"ingests": 1}', b'{"other": []}', b'{"ingests": [{}]}'])
def test_c01_an_answer_of_something_else_is_told(body: bytes) -> None:
    """A proxy's page is neither an empty list nor a traceback."""
    with pytest.raises(AnswerError):
        list(in_turn(httpx.Response(200, content=body)).client().ingests())


def test_c01_an_error_of_something_else_is_shown_cut() -> None:
    """What is not written as the API writes it."""
    with pytest.raises(RefusedError) as caught:
        list(in_turn(httpx.Response(418, content=b"x" * 10_000)).client().ingests())
    assert caught.value.code == "no_json"
    assert len(str(caught.value)) < 300


def test_c01_every_try_is_signed_anew() -> None:
    """Signature Version 4 of execute-api, with the date of that try."""
    server = in_turn(failed(503), ok(_EMPTY))
    list(server.client().ingests(key="a b/ü+%.csv"))
    for request in server.requests:
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=test/")
        assert "/us-east-1/execute-api/aws4_request" in request.headers["authorization"]
        assert request.url.raw_path.decode().startswith("/dev/ingests?key=a%20b%2F%C3%BC%2B%25.csv&limit=200")
