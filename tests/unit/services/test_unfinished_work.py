"""Work that does not fit one invocation: puts in order, and messages that go back half done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from services import dynamo_table
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.queue import MAX_UNFINISHED, History, Queue, url_of_source
from tests.unit.services.test_services import SOON, item, received, scripted
from tickstream.errors import WritesUnfinished

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Until(Deadline):
    """One that passes when something has happened, however slow the machine is."""

    happened: Callable[[], bool]

    def remaining_s(self) -> float:
        """See Deadline."""
        return 0.0 if self.happened() else 600.0


class OneByOne:
    """BatchWriteItem that is asked by one thread at a time, and throttles from some request on.

    deadline: of the work; that it is throttled for the first time is one by default.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, throttled_from: int, deadline: Deadline | None = None) -> None:
        self.written: list[int] = []
        self.throttled = 0
        client, _ = scripted("dynamodb")
        monkeypatch.setattr(dynamo_table, "_threads", lambda: ThreadPoolExecutor(1))

        def answer(**request: Any) -> dict[str, Any]:
            if len(self.written) >= 25 * throttled_from:
                self.throttled += 1
                raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "BatchWriteItem")
            puts = [one["PutRequest"]["Item"] for one in request["RequestItems"]["table"]]
            self.written += [int(put["value"]["N"]) for put in puts]
            return {}

        monkeypatch.setattr(client, "batch_write_item", answer)
        self.table = DynamoTable("table", deadline or Until(0.0, lambda: self.throttled > 0), client)


@pytest.mark.parametrize("throttled_from", [0, 1, 3])
def test_i7_of_puts_in_order_it_is_known_how_many_are_written(
    monkeypatch: pytest.MonkeyPatch, throttled_from: int
) -> None:
    """When time runs out the caller is told, to go on there in another invocation."""
    service = OneByOne(monkeypatch, throttled_from)
    with pytest.raises(WritesUnfinished, match="BatchWriteItem on table") as raised:
        service.table.put_in_order([item(number) for number in range(130)])
    assert raised.value.written == 25 * throttled_from
    assert service.written == list(range(25 * throttled_from))


def test_puts_in_order_end_with_the_time_even_if_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request is made in any case, so that whoever comes late each time gets on nevertheless; all of few items."""
    late = OneByOne(monkeypatch, 100, Deadline.after(-1))
    with pytest.raises(WritesUnfinished, match="no time is left") as raised:
        late.table.put_in_order([item(number) for number in range(130)])
    assert raised.value.written == len(late.written) == 25
    late.table.put_in_order([item(number) for number in range(25)])


def test_i7_of_what_lies_behind_a_write_that_is_held_up_little_is_written_in_vain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A partition that is too hot holds up one request: no more than a turn of others goes on."""
    monkeypatch.setattr(dynamo_table, "_REQUESTS_A_TURN", 4)
    client, _ = scripted("dynamodb")
    written: list[int] = []

    def answer(**request: Any) -> dict[str, Any]:
        values = [int(one["PutRequest"]["Item"]["value"]["N"]) for one in request["RequestItems"]["table"]]
        if 30 in values:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "BatchWriteItem")
        written.extend(values)
        return {}

    monkeypatch.setattr(client, "batch_write_item", answer)
    with pytest.raises(WritesUnfinished) as raised:
        DynamoTable("table", Deadline.after(0.2), client).put_in_order([item(number) for number in range(250)])
    assert raised.value.written == 25
    assert max(written) < 100


def test_what_is_half_done_is_sent_again_with_what_is_done() -> None:
    """The copy keeps what was known of its message, says how often it was left unfinished, and what is done."""
    client, script = scripted("sqs")
    before = {name: {"stringValue": value} for name, value in History(100, 3, 7, "4-ab").attributes().items()}
    after = {
        name: {"DataType": "String", "StringValue": value}
        for name, value in History(100, 3, 8, "9-cd").attributes().items()
    }
    copy = {"Id": "0", "MessageBody": "body 0", "DelaySeconds": 3, "MessageAttributes": after}
    sent = {"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}
    script.add_response(
        "send_message_batch", {"Successful": [sent], "Failed": []}, {"QueueUrl": "url", "Entries": [copy]}
    )
    script.add_response("delete_message_batch", {"Successful": [{"Id": "0"}], "Failed": []})
    half = received(0, messageAttributes=before)
    assert Queue("url", Deadline.after(SOON), client).put_back([half], 3, done="9-cd") == {}
    script.assert_no_pending_responses()


def test_what_is_half_done_and_put_back_before_it_is_begun_keeps_what_it_says() -> None:
    """Its neighbours took all the time: it goes on later from where it stands."""
    history = History(4, 1, 7, "9-cd")
    said = {name: {"stringValue": value} for name, value in history.put_back().attributes().items()}
    assert History.of({"messageAttributes": said}) == History(5, 1, 7, "9-cd")


def test_i6_what_was_left_unfinished_too_often_counts() -> None:
    """A backlog of days may throttle it a thousand times, and not for ever."""
    client, _ = scripted("sqs")
    said = {"unfinished": {"stringValue": str(MAX_UNFINISHED)}, "done": {"stringValue": "9-cd"}}
    worn = received(0, messageAttributes=said)
    assert list(Queue("url", Deadline.after(SOON), client).put_back([worn], done="9-cd")) == ["m0"]


def test_a_batch_goes_back_to_the_queue_that_it_came_from() -> None:
    """By the name in the ARN; where that is none of those that are known, or of several, it is nobody's."""
    urls = ("https://sqs.us-east-1.amazonaws.com/1/Small-dev", "https://sqs.us-east-1.amazonaws.com/1/Large-dev")
    small, large, other = ({"eventSourceARN": f"arn:aws:sqs:us-east-1:1:{one}-dev"} for one in ("Small", "Large", "L"))
    assert url_of_source([large, large], urls) == urls[1]
    assert url_of_source([small], urls) == urls[0]
    assert url_of_source([other], urls) is url_of_source([small, large], urls) is url_of_source([{}], urls) is None
