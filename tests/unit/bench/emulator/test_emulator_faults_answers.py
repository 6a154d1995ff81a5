"""Answers to batches that are done in part, or not at all, as boto3 reads them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from bench.emulator.faults.answers import answer_dropped, answer_in_part


class Service:
    """Carries out what it is given and answers with `answer`."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer, self.asked = answer, list[Any]()

    def __call__(self, request: Any) -> dict[str, Any]:
        """Carry out."""
        self.asked.append(request)
        return dict(self.answer)


def _puts(*names: str) -> list[dict[str, Any]]:
    return [{"PutRequest": {"Item": {"id": {"S": name}}}} for name in names]


def test_writes_of_several_tables_come_back_under_their_tables() -> None:
    """Every other write is done; the service's own leftovers and whatever else it says are kept."""
    service = Service({"UnprocessedItems": {"b": _puts("3")}, "ConsumedCapacity": []})
    answer = answer_in_part(
        "BatchWriteItem", {"RequestItems": {"a": _puts("1", "2"), "b": _puts("3", "4")}, "X": 1}, service
    )

    assert service.asked == [{"RequestItems": {"a": _puts("1"), "b": _puts("3")}, "X": 1}]
    assert answer == {"UnprocessedItems": {"a": _puts("2"), "b": _puts("4", "3")}, "ConsumedCapacity": []}


def test_keys_come_back_with_what_was_asked_of_their_table() -> None:
    """A caller sends UnprocessedKeys as it is: attributes and consistency belong to it."""
    service = Service({"Responses": {"a": [{"id": {"S": "1"}}]}, "UnprocessedKeys": {"a": {"Keys": ["3"], "X": 1}}})
    answer = answer_in_part("BatchGetItem", {"RequestItems": {"a": {"Keys": ["1", "2", "3"], "X": 1}}}, service)

    assert service.asked == [{"RequestItems": {"a": {"Keys": ["1", "3"], "X": 1}}}]
    assert answer == {
        "Responses": {"a": [{"id": {"S": "1"}}]},
        "UnprocessedKeys": {"a": {"Keys": ["2", "3"], "X": 1}},
    }


def test_failed_messages_are_the_services_fault() -> None:
    """They come after what the service itself refused, with SenderFault false."""
    own = {"Id": "c", "SenderFault": True, "Code": "InvalidMessageContents"}
    service = Service({"Successful": [{"Id": "a"}], "Failed": [own]})
    entries = [{"Id": name, "MessageBody": name} for name in "abc"]
    answer = answer_in_part("SendMessageBatch", {"QueueUrl": "q", "Entries": entries}, service)

    assert service.asked == [{"QueueUrl": "q", "Entries": [entries[0], entries[2]]}]
    assert answer["Successful"] == [{"Id": "a"}]
    assert [(failed["Id"], failed["SenderFault"]) for failed in answer["Failed"]] == [("c", True), ("b", False)]


def test_results_of_events_stand_where_their_entries_stand() -> None:
    """Position is all that tells them apart; the count includes what the service itself failed."""
    service = Service({"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": "InternalFailure"}]})
    answer = answer_in_part("PutEvents", {"Entries": ["first", "second", "third"]}, service)

    assert service.asked == [{"Entries": ["first", "third"]}]
    assert answer["FailedEntryCount"] == 2
    assert answer["Entries"][0] == {"EventId": "1"}
    assert answer["Entries"][1]["ErrorCode"] == "ThrottlingException"
    assert answer["Entries"][2] == {"ErrorCode": "InternalFailure"}


@pytest.mark.parametrize(
    ("operation", "request_", "undone"),
    [
        ("BatchWriteItem", {"RequestItems": {"a": _puts("1")}}, {"UnprocessedItems": {"a": _puts("1")}}),
        (
            "BatchGetItem",
            {"RequestItems": {"a": {"Keys": ["1"]}}},
            {"Responses": {}, "UnprocessedKeys": {"a": {"Keys": ["1"]}}},
        ),
    ],
    ids=["write", "get"],
)
def test_a_single_entry_is_left_undone(operation: str, request_: dict[str, Any], undone: dict[str, Any]) -> None:
    """The service refuses an empty batch, so it is not asked at all."""
    service = Service({})
    assert answer_in_part(operation, request_, service) == undone
    assert service.asked == []


def test_a_single_message_and_a_single_event_fail() -> None:
    """The same of the other two, which name each entry's result."""
    service = Service({})
    sent = answer_in_part("SendMessageBatch", {"Entries": [{"Id": "a", "MessageBody": ""}]}, service)
    put = answer_in_part("PutEvents", {"Entries": ["only"]}, service)
    assert (sent["Successful"], [failed["Id"] for failed in sent["Failed"]]) == ([], ["a"])
    assert (put["FailedEntryCount"], len(put["Entries"])) == (1, 1)
    assert service.asked == []


@pytest.mark.parametrize("entries", range(2, 26))
def test_leftovers_that_are_sent_again_come_to_an_end(entries: int) -> None:
    """Of two entries or more at least one is done, so what is left grows less."""
    service = Service({})
    answer = answer_in_part("BatchWriteItem", {"RequestItems": {"a": _puts(*map(str, range(entries)))}}, service)
    assert len(answer["UnprocessedItems"]["a"]) < entries


def test_dropped_messages_have_ids_and_digests() -> None:
    """Each entry of a dropped batch is a success of its own; SDKs compare the digest."""
    digest = hashlib.md5(b"hello", usedforsecurity=False).hexdigest()
    entries = [{"Id": name, "MessageBody": "hello"} for name in "ab"]
    answer = answer_dropped("SendMessageBatch", {"Entries": entries})
    assert [(sent["Id"], sent["MD5OfMessageBody"]) for sent in answer["Successful"]] == [("a", digest), ("b", digest)]
    assert len({sent["MessageId"] for sent in answer["Successful"]}) == 2
    assert answer_dropped("SendMessage", {"MessageBody": "hello"})["MD5OfMessageBody"] == digest


@pytest.mark.parametrize("operation", ["DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
def test_dropped_receipts_are_successes(operation: str) -> None:
    """The caller believes each message gone, or hidden."""
    answer = answer_dropped(operation, {"Entries": [{"Id": "a", "ReceiptHandle": "x"}]})
    assert answer == {"Successful": [{"Id": "a"}], "Failed": []}


def test_other_dropped_requests_are_answered_with_nothing() -> None:
    """A write says no more on success; a read has found nothing."""
    assert answer_dropped("PutItem", {"Item": {}}) == {}
    assert answer_dropped("GetItem", {"Key": {}}) == {}
    assert answer_dropped("Query", {})["Items"] == []
    assert answer_dropped("BatchGetItem", {"RequestItems": {"a": {"Keys": [1]}}})["Responses"] == {"a": []}
