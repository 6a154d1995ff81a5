from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.client.scripted import Server, failed, in_turn, ok
from tickstream_client import RefusedError, Tick, UsageError
from tickstream_client.protocol.posts import MAX_BODY_BYTES, MAX_REASONS, MAX_TICKS, encoded_tick

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT = 1_767_623_400 * 10**9


def accepting() -> Server:
    """A server that takes everything, and a key's first body only once."""
    ids: dict[str, str] = {}

    def respond(request: httpx.Request) -> httpx.Response:
        ticks = json.loads(request.content)["ticks"]
        key = request.headers["Idempotency-Key"]
        ingest = ids.setdefault(key, f"{len(ids):032x}")
        return ok({"ingestId": ingest, "accepted": len(ticks), "rejected": 0, "reasons": [], "reasonsOmitted": 0})

    return Server(respond)


def bodies(server: Server) -> list[list[dict[str, Any]]]:
    """The ticks of each request."""
    return [json.loads(request.content)["ticks"] for request in server.requests]


@pytest.mark.parametrize(
    ("tick", "written"),
    [
        (Tick("S", Decimal("1.50"), 2, _AT), {"symbol": "S", "timestamp": str(_AT), "price": "1.50", "size": "2"}),
        (Tick("S", "1e-9", "0.1"), {"symbol": "S", "price": "1e-9", "size": "0.1"}),
        (Tick("S", Decimal("1E+3"), Decimal("1E-9")), {"symbol": "S", "price": "1000", "size": "0.000000001"}),
        (
            Tick("S", -1, 1, datetime(2026, 1, 5, 14, 30, 0, 5, tzinfo=UTC)),
            {"symbol": "S", "timestamp": "2026-01-05T14:30:00.000005Z", "price": "-1", "size": "1"},
        ),
        ({"symbol": "S", "price": "1", "volume": 3, "exchange": 4}, {"symbol": "S", "price": "1", "volume": "3"}),
        ({"price": None}, {}),
    ],
)
def test_c01_a_tick_is_written_exactly(tick: Any, written: dict[str, str]) -> None:
    """Decimals are texts, what is not given is not sent, and the API judges what is missing."""
    assert json.loads(encoded_tick(tick, 0)) == written


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**10), max_value=10**10))
def test_c01_a_decimal_stays_exact(price: Decimal) -> None:
    """Without an exponent, to the last digit."""
    written = json.loads(encoded_tick(Tick("S", price, 1), 0))["price"]
    assert Decimal(written) == price
    assert "E" not in written


@pytest.mark.parametrize(
    ("tick", "said"),
    [
        (Tick("S", 1.1, 1), r'tick 7: price 1.1 is a float.*Decimal\("1.1"\)'),  # type: ignore[arg-type]
        (Tick("S", Decimal("NaN"), 1), "tick 7: price"),
        (Tick("S", [], 1), "tick 7: price"),  # type: ignore[arg-type]
        ({"symbol": "S", "price": True}, "tick 7: price"),
        (Tick("S", 1, 1, datetime(2026, 1, 5)), "tick 7: .* has no zone"),  # noqa: DTZ001
        (Tick("S", 1, 1, 1.5), "tick 7: timestamp"),  # type: ignore[arg-type]
        (("S", 1, 1), "tick 7 is a tuple"),
    ],
)
def test_c01_what_cannot_be_exact_is_refused(tick: Any, said: str) -> None:
    """With its place, and what to give instead."""
    with pytest.raises(UsageError, match=said):
        encoded_tick(tick, 7)


def test_c01_ticks_are_cut_by_number_and_by_size() -> None:
    """No request has more than the API takes; all ticks are sent, in order, under keys that all differ."""
    server = accepting()
    short = [Tick("S", "1", "1", _AT + number) for number in range(25_000)]
    posted = server.client(at_once=3).ingest(short)
    assert sorted(map(len, bodies(server))) == [5_000, MAX_TICKS, MAX_TICKS]
    assert (posted.accepted, len(posted.ingest_ids)) == (25_000, 3)
    server = accepting()
    long = [Tick("S" * 64, "1." + "0" * 100, "1", _AT + number) for number in range(9_000)]
    server.client().ingest(iter(long))
    assert max(len(request.content) for request in server.requests) <= MAX_BODY_BYTES
    assert sorted(int(tick["timestamp"]) for some in bodies(server) for tick in some) == [one.timestamp for one in long]
    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == len(server.requests) == 3


def test_c01_a_lost_answer_is_repeated_under_its_key() -> None:
    """The same key and the same bytes."""
    answer = {"ingestId": "0" * 32, "accepted": 1, "rejected": 0, "reasons": [], "reasonsOmitted": 0}
    server = in_turn(httpx.ReadError("reset"), failed(503), ok(answer))
    posted = server.client().ingest([Tick("S", 1, 1)])
    assert posted.ingest_ids == ("0" * 32,)
    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
    assert len({request.content for request in server.requests}) == 1


def test_c01_what_is_too_long_as_a_message_is_cut_in_two() -> None:
    """The API knows that before it takes anything; halves have keys of their own, the same each time."""

    def respond(request: httpx.Request) -> httpx.Response:
        ticks = json.loads(request.content)["ticks"]
        if len(ticks) > 300:
            return failed(413, "body_too_large")
        return ok(
            {
                "ingestId": request.headers["Idempotency-Key"],
                "accepted": len(ticks) - 1,
                "rejected": 1,
                "reasons": [{"position": 0, "reason": "bad_price", "detail": "no"}],
                "reasonsOmitted": 0,
            }
        )

    posted = Server(respond).client().ingest([Tick("S", 1, 1)] * 1_000, key="k")
    assert posted.ingest_ids == ("k-0.0.0", "k-0.0.1", "k-0.1.0", "k-0.1.1")
    assert (posted.accepted, posted.rejected) == (996, 4)
    assert [one.position for one in posted.reasons] == [0, 250, 500, 750]
    with pytest.raises(RefusedError):
        in_turn(failed(413, "body_too_large")).client().ingest([Tick("S", 1, 1)])


def test_c01_ticks_that_are_all_refused_are_no_error() -> None:
    """They are counted, and of all reasons the first hundred are told."""
    reasons = [{"position": place, "reason": "bad_price", "detail": "no"} for place in range(100)]
    error = {"code": "all_ticks_rejected", "message": "none", "reasons": reasons, "reasonsOmitted": 9_900}
    refused = httpx.Response(400, json={"error": error})
    server = Server(lambda _: refused)
    posted = server.client().ingest([Tick("S", "x", 1)] * 20_000)
    assert (posted.accepted, posted.rejected, posted.ingest_ids) == (0, 20_000, ())
    assert (len(posted.reasons), posted.reasons_omitted) == (MAX_REASONS, 19_900)


def test_c01_ticks_without_end_are_taken_as_they_are_sent() -> None:
    """What is read of an iterable is bounded, and what became of each request is told as it goes."""
    taken = count()

    def ticks() -> Iterator[Tick]:
        for number in taken:
            yield Tick("S", 1, 1, _AT + number)

    batches = accepting().client(at_once=2).ingest_batches(ticks())
    assert [one.accepted for one in islice(batches, 3)] == [MAX_TICKS] * 3
    assert next(taken) < 7 * MAX_TICKS


def test_c01_a_bad_tick_ends_an_iterable_where_it_stands() -> None:
    """What stands before it in full requests may have been sent; nothing hangs."""
    with pytest.raises(UsageError, match="tick 10001"):
        accepting().client().ingest([Tick("S", 1, 1)] * 10_001 + [Tick("S", 1.5, 1)])  # type: ignore[arg-type]


def test_c01_a_key_that_no_header_may_have_is_refused() -> None:
    """Before anything is sent."""
    for key in ("", "ü", "a\nb", "x" * 201):
        with pytest.raises(UsageError, match="idempotency key"):
            accepting().client().ingest([], key=key)


def test_c01_no_ticks_are_no_request() -> None:
    """The sum of nothing."""
    server = accepting()
    assert server.client().ingest([]).accepted == 0
    assert server.requests == []
