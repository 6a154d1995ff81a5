"""What every service's caller relies on: the sizes of requests, the end of waiting, the names of what is missing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from hypothesis import given
from hypothesis import strategies as st

from services import deadlines, settings
from services.batching import batches
from services.deadlines import Deadline, attempts
from services.failures import explained
from services.queue import MAX_MESSAGE_BYTES, message_batches
from tickstream.errors import ConfigurationError, ServiceIncomplete, ServiceRefused


@given(st.lists(st.integers(0, 40)), st.integers(1, 5), st.integers(1, 60))
def test_i7_batches_keep_order_and_limits(sizes: list[int], max_entries: int, max_bytes: int) -> None:
    """Every entry is in one batch, in order, and no batch of several entries is over either limit."""
    entries = list(enumerate(sizes))
    found = list(batches(((entry, entry[1]) for entry in entries), max_entries=max_entries, max_bytes=max_bytes))
    assert [entry for batch in found for entry in batch] == entries
    for batch in found:
        assert 1 <= len(batch) <= max_entries
        assert len(batch) == 1 or sum(size for _, size in batch) <= max_bytes


def test_i7_messages_are_measured_in_bytes() -> None:
    """A message that has few characters and too many bytes is refused before SQS does."""
    with pytest.raises(ServiceRefused, match="beyond SQS's"):
        list(message_batches(["\u00e9" * (MAX_MESSAGE_BYTES // 2 + 1)]))


def test_large_messages_travel_alone() -> None:
    """Messages that together pass the limit of a batch are sent one by one."""
    assert [len(batch) for batch in message_batches(["x" * 200_000, "x" * 200_000, "x", "x"])] == [1, 3]


def test_attempts_end_with_what_was_left_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again ends at the deadline, not later, with a sentence that says what was tried."""
    now_s = [100.0]

    def pass_by(seconds: float) -> None:
        now_s[0] += seconds

    monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=lambda: now_s[0], sleep=pass_by))
    with pytest.raises(ServiceIncomplete, match="the work: still undone after"):
        for _ in attempts(Deadline.after(0.3), "the work"):
            pass
    assert now_s[0] <= 100.3


def test_an_attempt_is_made_even_when_time_is_up() -> None:
    """A passed deadline stops the second attempt, not the first."""
    made = attempts(Deadline.after(-1), "the work")
    assert next(made) == 0
    with pytest.raises(ServiceIncomplete):
        next(made)


@pytest.mark.parametrize(
    ("error", "expected", "says"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "Query"), ServiceIncomplete, "Query"),
        (
            ClientError({"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "Query"),  # type: ignore[typeddict-item]  # a short answer
            ServiceIncomplete,
            "Query",
        ),
        (EndpointConnectionError(endpoint_url="http://nowhere"), ServiceIncomplete, "nowhere"),
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "Query"), ServiceRefused, "role"),
        (ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "Query"), ServiceRefused, "does not exist"),
        (ParamValidationError(report="bad"), ServiceRefused, "bad"),
    ],
)
def test_what_a_service_says_is_explained(error: Exception, expected: type[Exception], says: str) -> None:
    """What may pass is to be tried again; what will not names the call, the resource and what to look at."""
    with pytest.raises(expected, match=says) as explanation, explained("Query on table"):
        raise error
    assert str(explanation.value).startswith("Query on table: ")


def test_a_missing_variable_is_named() -> None:
    """A function that was deployed wrongly says which variable it lacks or cannot read."""
    with pytest.raises(ConfigurationError, match="TABLE_NAME is missing"):
        settings.text("TABLE_NAME", {"TABLE_NAME": ""})
    for wrong in ("-1", "1.5", "many", "0"):
        with pytest.raises(ConfigurationError, match="RANGE_BYTES must be a whole number from 1"):
            settings.whole_number("RANGE_BYTES", {"RANGE_BYTES": wrong}, minimum=1)
    assert settings.whole_number("RANGE_BYTES", {"RANGE_BYTES": "8388608"}, minimum=1) == 8_388_608
