"""What a POST may say: bodies, numbers and keys, good and bad."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_analytics.data_ingestion_requests import check_ticks, read_request
from tickstream.errors import BadRequest, Reason
from tickstream.promises import MAX_INGEST_BYTES, MAX_TICKS
from tickstream.rows import judge_line, parse_json_row
from tickstream.ticks import RejectedRow, Tick

RECEIVED_NS = 1_767_623_400_123_456_789
GOOD = '{"symbol":"AAPL","timestamp":1767623400000000000,"price":187.50,"size":100}'


def post(body: str | None, **event: Any) -> dict[str, Any]:
    """A proxy event with that body."""
    return {"requestContext": {"accountId": "123456789012"}, "headers": {}, "body": body, **event}


def ticks_of(body: str) -> list[Tick]:
    """The ticks that a body's request holds."""
    return [tick for _, tick in check_ticks(read_request(post(body)).entries, RECEIVED_NS).accepted]


@pytest.mark.parametrize("body", [GOOD, f'{{"ticks":[{GOOD}]}}', GOOD.replace("size", "volume")])
def test_one_tick_and_a_list_and_the_alias_are_the_same_tick(body: str) -> None:
    """A tick counts alone, in a list, and with its size called volume."""
    assert ticks_of(body) == [Tick("AAPL", 1767623400000000000, 187_500_000_000, 100_000_000_000)]


def test_i3_a_number_with_nine_digits_stays_exact() -> None:
    """No float stands between the JSON's digits and the tick."""
    assert ticks_of(GOOD.replace("187.50", "999999999.123456789"))[0].price_e9 == 999_999_999_123_456_789


def test_a_missing_timestamp_is_the_time_of_receipt() -> None:
    """Ticks without a timestamp get one and the same: that of the receipt; the others keep theirs."""
    bare = '{"symbol":"AAPL","price":1,"size":1}'
    times = [tick.timestamp_ns for tick in ticks_of(f'{{"ticks":[{bare},{GOOD},{bare}]}}')]
    assert times == [RECEIVED_NS, 1767623400000000000, RECEIVED_NS]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('{"symbol":"AAPL","timestamp":null,"price":1,"size":1}', Reason.MISSING_FIELD),
        ('{"symbol":"AAPL","timestamp":1767623400,"price":1,"size":1}', Reason.TIMESTAMP_OUT_OF_RANGE),
        ('{"symbol":"AAPL","price":1e10,"size":1}', Reason.BAD_PRICE),
        ('{"symbol":"AAPL","price":true,"size":1}', Reason.BAD_PRICE),
        ('{"symbol":"AAPL","price":1e-10,"size":1}', Reason.BAD_PRICE),
        ('{"symbol":"AAPL","price":1,"size":-1}', Reason.BAD_SIZE),
        ('{"symbol":"AAPL","price":1,"size":{"a":1}}', Reason.BAD_SIZE),
        ('{"symbol":"a b","price":1,"size":1}', Reason.BAD_SYMBOL),
        ('{"symbol":7,"price":1,"size":1}', Reason.BAD_SYMBOL),
        ('{"symbol":"ingest#1","price":1,"size":1}', Reason.BAD_SYMBOL),
        ('{"symbol":"AAPL","price":1}', Reason.MISSING_FIELD),
        ('{"symbol":"AAPL","price":1,"price":2,"size":1}', Reason.MALFORMED_ROW),
        ('"AAPL"', Reason.MALFORMED_ROW),
        ("[]", Reason.MALFORMED_ROW),
        ("7", Reason.MALFORMED_ROW),
    ],
)
def test_i5_a_bad_tick_is_refused_alone(entry: str, reason: Reason) -> None:
    """One bad tick has its reason and position; the ticks around it are taken."""
    checked = check_ticks(read_request(post(f'{{"ticks":[{GOOD},{entry},{GOOD}]}}')).entries, RECEIVED_NS)
    assert [position for position, _ in checked.accepted] == [0, 2]
    assert [(tick.position, tick.reason) for tick in checked.refused] == [(1, reason)]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (None, 400, "empty_body"),
        ("", 400, "empty_body"),
        ("not JSON", 400, "not_json"),
        ('{"ticks":[', 400, "not_json"),
        ('{"symbol":"AAPL","price":NaN,"size":1}', 400, "not_json"),
        ("[" * 200_000, 400, "not_json"),
        ("[1]", 400, "not_ticks"),
        ('"AAPL"', 400, "not_ticks"),
        ("null", 400, "not_ticks"),
        ('{"ticks":{}}', 400, "not_ticks"),
        ('{"ticks":[1],"symbol":"A"}', 400, "not_ticks"),
        ('{"ticks":[]}', 400, "no_ticks"),
        ("\ud800", 400, "not_utf8"),
        (json.dumps({"ticks": [1] * (MAX_TICKS + 1)}), 413, "too_many_ticks"),
        (" " * (MAX_INGEST_BYTES + 1), 413, "body_too_large"),
        ("\u00e9" * (MAX_INGEST_BYTES // 2 + 1), 413, "body_too_large"),
    ],
)
def test_a_bad_body_has_a_clear_answer(body: str | None, status: int, code: str) -> None:
    """What is no list of ticks, or too much of one, is refused with a stable code and never with a crash."""
    with pytest.raises(BadRequest) as refused:
        read_request(post(body))
    assert (refused.value.status, refused.value.code) == (status, code)


def test_a_binary_body_is_decoded_and_must_be_utf8() -> None:
    """API Gateway may hand the body over in Base64: it counts all the same, unless it is not UTF-8 or not Base64."""
    encoded = base64.b64encode(GOOD.encode()).decode()
    assert len(read_request(post(encoded, isBase64Encoded=True)).entries) == 1
    for bad in (base64.b64encode(b'{"symbol":"\xff"}').decode(), "%%%", "\u00e9"):
        with pytest.raises(BadRequest) as refused:
            read_request(post(bad, isBase64Encoded=True))
        assert refused.value.code == "not_utf8"


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "tab\there", "line\nbreak"])
def test_a_bad_idempotency_key_is_refused(key: str) -> None:
    """A key is 1 to 255 printable ASCII characters."""
    with pytest.raises(BadRequest) as refused:
        read_request(post(GOOD, headers={"idempotency-key": key}))
    assert refused.value.code == "bad_idempotency_key"


def test_two_idempotency_keys_are_refused() -> None:
    """Which of two keys is meant, nobody knows."""
    with pytest.raises(BadRequest) as refused:
        read_request(post(GOOD, multiValueHeaders={"Idempotency-Key": ["a", "b"]}))
    assert refused.value.code == "bad_idempotency_key"


def test_a_new_session_of_a_role_is_the_same_caller() -> None:
    """Credentials that were renewed between a request and its retry do not make it another caller's."""

    def caller(arn: str) -> str:
        return read_request(post(GOOD, requestContext={"identity": {"userArn": arn}})).caller

    role = "arn:aws:sts::123456789012:assumed-role/Feed"
    assert caller(f"{role}/session-1") == caller(f"{role}/session-2")
    assert caller(f"{role}/s") != caller("arn:aws:sts::123456789012:assumed-role/Other/s")
    assert caller("arn:aws:iam::123456789012:user/a/one") != caller("arn:aws:iam::123456789012:user/a/two")


@given(st.text(max_size=200))
def test_no_body_crashes_the_reader(body: str) -> None:
    """Whatever text is sent, it is a request or a clear refusal."""
    try:
        check_ticks(read_request(post(body)).entries, RECEIVED_NS)
    except BadRequest as refused:
        assert refused.status in {400, 413}  # noqa: PT017 - the other outcome is no exception at all


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ('"venue":{"id":1,"id":2}', True),
        ('"legs":[{"id":1,"id":1},[[{"a":{},"a":{}}]]]', True),
        ('"venue":{"price":1,"price":2}', True),
        ('"venue":1,"venue":1', False),
        ('"price":187.50', False),
        ('"volume":100', False),
    ],
)
def test_a_key_that_stands_twice_is_judged_alike_in_a_post_and_in_json_lines(more: str, good: bool) -> None:  # noqa: FBT001
    """In an object that nobody reads it harms no tick; in the tick itself nobody knows which one is meant."""
    body = f"{GOOD[:-1]},{more}}}"
    posted = check_ticks(read_request(post(body)).entries, RECEIVED_NS)
    judged = judge_line(body.encode(), 0, parse_json_row)
    assert bool(posted.accepted) is isinstance(judged, Tick) is good
    if good:
        assert posted.accepted[0][1] == judged
    else:
        assert isinstance(judged, RejectedRow)
        assert (posted.refused[0].reason, posted.refused[0].detail) == (judged.reason, judged.detail)
        assert judged.reason is Reason.MALFORMED_ROW
    # A neighbour in the same body goes on, whatever it is.
    assert (
        len(check_ticks(read_request(post(f'{{"ticks":[{body},{GOOD}]}}')).entries, RECEIVED_NS).accepted) == 1 + good
    )
