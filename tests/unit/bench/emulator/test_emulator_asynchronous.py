"""Asynchronous invocations in the emulator: sent once however long they take, buried also without an answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench.emulator.functions import asynchronous
from bench.engine import Poller, event_manager


@pytest.fixture
def poller(monkeypatch: pytest.MonkeyPatch) -> Any:
    """LocalStack's own poller of one function's events, with the repairs, which are taken back afterwards."""
    for name in ("__init__", "process_dead_letter_queue"):
        monkeypatch.setattr(Poller, name, getattr(Poller, name))
    asynchronous.install()
    names = SimpleNamespace(account="000000000000", region="us-east-1", function_name="f", qualifier="$LATEST")
    version = SimpleNamespace(id=names, config=SimpleNamespace(dead_letter_arn="queue", role="role"))
    return Poller(SimpleNamespace(function_version=version, function_arn="function"), "http://queue")


def test_an_event_is_sent_once_however_long_its_function_takes(poller: Any) -> None:
    """A client that hangs up and sends again would have the function run twice."""
    config = poller.lambda_client.meta.config
    assert config.read_timeout is None
    assert config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "the event was not processed"),
        ({}, "the event was not processed"),
        ({"errorMessage": ""}, "the event was not processed"),
        ({"errorMessage": "bad event"}, "bad event"),
        ({"errorMessage": "\u00e9" * 1000}, "\u00e9" * 512),
        ({"errorMessage": "x" + "\u00e9" * 1000}, "x" + "\u00e9" * 511),
    ],
    ids=["none", "without", "empty", "usual", "long", "cut within a letter"],
)
def test_an_event_is_buried_whatever_its_function_said(
    poller: Any, monkeypatch: pytest.MonkeyPatch, answer: Any, said: str
) -> None:
    """Also where it said nothing, because it was never called; what it said is cut as AWS does."""
    letters: list[dict[str, Any]] = []
    monkeypatch.setattr(event_manager.dead_letter_queue, "send_to_dead_letter_queue", lambda **one: letters.append(one))
    poller.process_dead_letter_queue(SimpleNamespace(invocation=SimpleNamespace(payload=b"{}")), answer)
    assert [(one["dlq_arn"], one["error_message"]) for one in letters] == [("queue", said)]
