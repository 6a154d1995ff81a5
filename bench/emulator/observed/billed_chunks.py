"""Begun chunks of 64 KB: what SQS bills of a request's messages, and EventBridge of each event.

From their pricing pages, and "Calculating PutEvents event entry size" in EventBridge's guide. A request to SQS is one
chunk at least, whatever it asks; of EventBridge only the events that it took are billed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.emulator.observed.served import Served

CHUNK_BYTES: Final = 64 << 10
#: What an event's own time adds to it.
_TIME_BYTES: Final = 14


def chunks_of(served: Served) -> int:
    """Return the chunks of one request; 0 of other services."""
    if served.service == "sqs":
        return _begun(_message_bytes(served))
    if (served.service, served.operation) == ("events", "PutEvents") and served.answer is not None:
        taken = zip(served.request["Entries"], served.answer.get("Entries", ()), strict=False)
        return sum(_begun(_event_bytes(entry)) for entry, result in taken if not result.get("ErrorCode"))
    return 0


def _begun(size_bytes: int) -> int:
    return max(1, -(-size_bytes // CHUNK_BYTES))


def _message_bytes(served: Served) -> int:
    match served.operation:
        case "SendMessage":
            return _text_bytes(served.request.get("MessageBody"))
        case "SendMessageBatch":
            return sum(_text_bytes(entry.get("MessageBody")) for entry in served.request.get("Entries", ()))
        case "ReceiveMessage":
            return sum(_text_bytes(one.get("Body")) for one in (served.answer or {}).get("Messages") or ())
    return 0


def _event_bytes(entry: Mapping[str, Any]) -> int:
    texts = (entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *(entry.get("Resources") or ()))
    return sum(map(_text_bytes, texts)) + (_TIME_BYTES if entry.get("Time") else 0)


def _text_bytes(text: str | None) -> int:
    return len(text.encode()) if text else 0
