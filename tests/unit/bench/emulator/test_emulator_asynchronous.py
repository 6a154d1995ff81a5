"""Asynchronous invocations in the emulator: sent once however long they take, buried also without an answer."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from bench.emulator.functions import asynchronous
from bench.engine import Poller, event_manager


@pytest.fixture
def poller(monkeypatch: pytest.MonkeyPatch) -> Any:
    """LocalStack's own poller of one function's events, with the repairs, which are taken back afterwards."""
    for name in ("__init__", "run", "process_dead_letter_queue"):
        monkeypatch.setattr(Poller, name, getattr(Poller, name))
    monkeypatch.setattr(event_manager, "get_sqs_client", event_manager.get_sqs_client)
    asynchronous.install()
    names = SimpleNamespace(account="000000000000", region="us-east-1", function_name="f", qualifier="$LATEST")
    config = SimpleNamespace(dead_letter_arn="queue", role="role", timeout=10)
    version = SimpleNamespace(id=names, qualified_arn="function", config=config)
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


@pytest.mark.parametrize("stopped", ["while it asks", "before it begins"])
def test_events_that_a_version_has_not_begun_are_the_next_ones(
    poller: Any, monkeypatch: pytest.MonkeyPatch, stopped: str
) -> None:
    """An update stops the poller: what it has received and not begun is given back, not hidden for a minute."""
    client = event_manager.get_sqs_client(None)
    poller.event_queue_url = client.create_queue(QueueName=f"events-{stopped.replace(' ', '-')}")["QueueUrl"]
    for body in ("1", "2"):
        client.send_message(QueueUrl=poller.event_queue_url, MessageBody=body)
    receive, begun, busy, done = type(client).receive_message, list[str](), threading.Event(), threading.Event()

    def handle(message: dict[str, str]) -> None:
        begun.append(message["Body"])
        busy.set()
        done.wait(60)

    def received(self: Any, **asked: Any) -> Any:
        answer = receive(self, **asked)
        if stopped == "while it asks":
            poller.stop()
        return answer

    monkeypatch.setattr(type(client), "receive_message", received)
    monkeypatch.setattr(poller, "handle_message", handle)
    poller.invoker_pool._max_workers = 1
    polling = threading.Thread(target=poller.run, daemon=True)
    polling.start()
    if stopped == "before it begins":
        assert busy.wait(60)
        poller.stop()
    polling.join(60)
    done.set()
    monkeypatch.undo()
    left = client.receive_message(QueueUrl=poller.event_queue_url, MaxNumberOfMessages=10)["Messages"] or []
    assert sorted([*begun, *(message["Body"] for message in left)]) == ["1", "2"]
    assert len(begun) == (stopped == "before it begins")
