"""`GET /status/{fileId+}`: which file a path names, and what a caller gets for it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_processing import status_query
from file_processing.status_query import Settings, file_id_from, respond
from tickstream.errors import BadRequest

KEY = "feeds/2026/nyse trades%201.csv"
BUCKET = "file-processing-test"
NOW_S = 1_767_623_400


def query(world: Any, sent: str | None, now_s: int = NOW_S) -> dict[str, Any]:
    """Ask for what stands in the path, as it stands there."""
    event = {"pathParameters": None if sent is None else {"fileId": sent}}
    return respond(event, world.statuses, Settings("table", BUCKET), now_s * 1000)


def test_f05_a_known_file_is_shown(world: Any, csv_file: Any) -> None:
    """A key with slashes, spaces and percent signs is found by its percent-encoded path."""
    world.run(world.upload(KEY, csv_file(("AAPL", 0, "10.5", "2"))))
    answer = query(world, f"{BUCKET}/feeds/2026/nyse%20trades%25201.csv")
    assert answer["status"] == "completed"
    assert (answer["bucketName"], answer["objectKey"]) == (BUCKET, KEY)
    assert answer["lastUpdated"] == "2026-01-05T14:30:00.123Z"
    assert answer["totals"]["volume"] == "2"


@given(st.text(min_size=1).filter(lambda key: len(key.encode(errors="surrogatepass")) <= 1024))
def test_any_key_is_decoded_exactly_once(key: str) -> None:
    """What a client encodes once is the key again, with or without its slashes encoded."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    for safe in ("/", ""):
        assert file_id_from({"fileId": quote(f"bucket/{key}", safe=safe)}) == f"bucket/{key}"


def test_a_plus_sign_is_a_plus_sign() -> None:
    """Paths are no forms."""
    assert file_id_from({"fileId": "bucket/a+b%2Bc"}) == "bucket/a+b+c"


@pytest.mark.parametrize("sent", [None, ""])
def test_f05_without_an_id_it_is_400(world: Any, sent: str | None) -> None:
    """`GET /status` and an empty id are the caller's mistake."""
    with pytest.raises(BadRequest) as caught:
        query(world, sent)
    assert (caught.value.status, caught.value.code) == (400, "missing_file_id")


@pytest.mark.parametrize(
    "sent", ["bucket", "bucket/", "/key", "bucket/%FF", "bucket/%ED%A0%80", "bucket/\ud800", "bucket/" + "k" * 1100]
)
def test_an_id_that_names_no_file_is_400(world: Any, sent: str) -> None:
    """No bucket, no key, no UTF-8 or too long: a 400, and no read."""
    with pytest.raises(BadRequest) as caught:
        query(world, sent)
    assert (caught.value.status, caught.value.code) == (400, "bad_file_id")


def test_f05_an_unknown_file_is_404(world: Any) -> None:
    """A file that was never uploaded."""
    with pytest.raises(BadRequest) as caught:
        query(world, "bucket/none")
    assert caught.value.status == 404


def test_an_expired_status_is_404_even_before_it_is_deleted(world: Any, csv_file: Any) -> None:
    """The TTL may lag by days; what a caller sees does not."""
    world.validate(world.upload(KEY, csv_file(("AAPL", 0, "10.5", "2"))))
    sent = quote(f"{BUCKET}/{KEY}")
    assert query(world, sent, NOW_S + 30 * 86_400 - 1)["status"] == "validated"
    with pytest.raises(BadRequest) as caught:
        query(world, sent, NOW_S + 30 * 86_400)
    assert caught.value.status == 404


class Context:
    """What is used of Lambda's."""

    aws_request_id = "request-1"
    function_name = memory_limit_in_mb = invoked_function_arn = "test"


def test_the_handler_never_tells_internals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect is a 500 with nothing but the request's id."""
    monkeypatch.delenv("TABLE_NAME", raising=False)
    answer = status_query.handler({"pathParameters": {"fileId": "b/k"}}, Context())  # type: ignore[arg-type] # a part of it
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"]) == {
        "error": {"code": "internal_error", "message": "unexpected failure (request request-1)"}
    }
