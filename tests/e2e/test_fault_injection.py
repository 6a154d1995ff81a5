"""Each fault does what it says, to a function that knows nothing of it: seen by its caller, its queues and tables."""

import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from bench.faults import Action, FaultRule
from bench.faults.rules import INVOCATION
from bench.targets.embedded import EmbeddedTarget
from tests.e2e.fault_world import NAME, World
from tests.e2e.test_embedded_functions import wait_for_log
from tests.patience import wait_until


@pytest.fixture(scope="module")
def shared_world(target: EmbeddedTarget) -> Iterator[World]:
    """One function, table and queue for the tests of this module."""
    world = World(target)
    yield world
    world.close()


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The same, without rules, before and after."""
    shared_world.faults.clear()
    yield shared_world
    shared_world.faults.clear()


def test_refused_request_never_reaches_its_service(world: World) -> None:
    """The function is answered the rule's code; nothing is stored; the next request gets through."""
    name = world.fault("dynamodb", "PutItem", Action.REFUSE, code="ThrottlingException", status=400, times=1)
    before_ms = time.time_ns() // 1_000_000

    assert world.ask(*world.put("refused")) == "ThrottlingException"
    assert world.stored("refused") is None
    assert world.ask(*world.put("refused")) == {}
    assert world.stored("refused") is not None
    assert world.faults.hits() == {name: 1}
    assert [(mark, at_ms >= before_ms) for mark, at_ms in world.faults.marks()] == [(name, True)]


@pytest.mark.parametrize(("action", "stored"), [(Action.KILL_BEFORE, False), (Action.KILL_AFTER, True)])
def test_killed_sender_is_a_crash(world: World, action: Action, *, stored: bool) -> None:
    """The process dies before its request or after it, is reported as Lambda does, and the next event has a new one."""
    _, before, _ = world.function.call()
    world.fault("dynamodb", "PutItem", action, times=1)
    error, answer, log = world.function.call(requests=[world.put(action), world.put(f"{action} later")])
    healthy, after, _ = world.function.call()

    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert answer["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert "Error Type: Runtime.ExitError" in log
    assert (world.stored(action) is not None, world.stored(f"{action} later")) == (stored, None)
    assert healthy is None
    assert before["pid"] != after["pid"]


def test_kill_hits_the_very_environment_that_sent_the_request(world: World) -> None:
    """Of three environments of one function, in events of one trace, only the one dies whose request was hit."""
    world.fault("dynamodb", "PutItem", Action.KILL_AFTER, contains="the victim")
    calls = {}
    with ThreadPoolExecutor(3) as pool, _one_trace(world):
        # One after the other, so that the victim is neither the first nor the last that runs.
        for number, name in enumerate(("one", "the victim", "another"), 1):
            calls[name] = pool.submit(world.function.call, requests=[world.put(name)], meet="all three", number=3)
            wait_until(f"{name} to run", partial(_are_present, world, "all three", number), 30)
        ended = {name: call.result() for name, call in calls.items()}

    assert {name: error for name, (error, _, _) in ended.items()} == {
        "one": None,
        "the victim": "Unhandled",
        "another": None,
    }
    assert ended["one"][1]["pid"] != ended["another"][1]["pid"]
    assert all(world.stored(name) for name in ended)


def _are_present(world: World, meeting: str, count: int) -> bool | None:
    """Say True when so many environments wait for each other, None until then."""
    item = world.stored(meeting)
    return True if item is not None and len(item["pids"]["SS"]) >= count else None


@contextlib.contextmanager
def _one_trace(world: World) -> Iterator[None]:
    """Have all invocations belong to one trace, as those that one event brings about do."""

    def add_header(params: dict[str, Any], **_: Any) -> None:
        params["headers"]["X-Amzn-Trace-Id"] = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8"

    events = world.target.client("lambda").meta.events
    events.register("before-call.lambda.Invoke", add_header)
    yield
    events.unregister("before-call.lambda.Invoke", add_header)


def test_kill_leaves_other_senders_alone(world: World) -> None:
    """A request of nobody's invocation has no process to kill: it is carried out and is no hit."""
    world.faults.add([FaultRule("anybody", "dynamodb", "PutItem", action=Action.KILL_BEFORE)])
    world.dynamodb.put_item(TableName=NAME, Item={"id": {"S": "ours"}})

    assert world.stored("ours") is not None
    assert world.faults.hits() == {"anybody": 0}


def test_dropped_conditional_write_looks_done(world: World) -> None:
    """The condition does not hold, nothing is written, and the function is told success."""
    world.dynamodb.put_item(TableName=NAME, Item={"id": {"S": "lease"}, "holder": {"S": "somebody"}})
    world.fault("dynamodb", "PutItem", Action.DROP, contains="lease")
    absent = "attribute_not_exists(id)"

    assert world.ask(*world.put("lease", ConditionExpression=absent)) == {}
    assert world.stored("lease") == {"id": {"S": "lease"}, "holder": {"S": "somebody"}}


@pytest.mark.parametrize(("wanted", "before"), [("UPDATED_NEW", "7"), ("ALL_NEW", "7"), ("NONE", "7"), ("NONE", "")])
def test_dropped_update_answers_the_values_it_would_have_written(world: World, wanted: str, before: str) -> None:
    """A counter's caller reads the sum that is not stored."""
    item_id = f"counter {wanted} {before}"
    if before:
        world.dynamodb.put_item(TableName=NAME, Item={"id": {"S": item_id}, "count": {"N": before}})
    world.fault("dynamodb", "UpdateItem", Action.DROP)
    answer = world.ask(
        "dynamodb",
        "update_item",
        TableName=NAME,
        Key={"id": {"S": item_id}},
        UpdateExpression="ADD #count :one",
        ExpressionAttributeNames={"#count": "count"},
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues=wanted,
    )

    count = {"count": {"N": "8"}}
    expected = {"UPDATED_NEW": {"Attributes": count}, "ALL_NEW": {"Attributes": {"id": {"S": item_id}, **count}}}
    assert answer == expected.get(wanted, {})
    assert (world.stored(item_id) or {}).get("count") == ({"N": before} if before else None)


def test_dropped_events_have_ids_and_reach_nobody(world: World, target: EmbeddedTarget) -> None:
    """PutEvents answers an id for each entry; the rule's target never hears of them, but of the next one."""
    bus = target.client("events")
    pattern = json.dumps({"source": [NAME]})
    bus.put_rule(Name=NAME, EventPattern=pattern)
    queue_arn = world.sqs.get_queue_attributes(QueueUrl=world.queue_url, AttributeNames=["QueueArn"])
    bus.put_targets(Rule=NAME, Targets=[{"Id": "queue", "Arn": queue_arn["Attributes"]["QueueArn"]}])
    world.fault("events", "PutEvents", Action.DROP, times=1)
    dropped = world.ask("events", "put_events", Entries=[_event("dropped 1"), _event("dropped 2")])
    world.ask("events", "put_events", Entries=[_event("heard")])
    heard = _wait_for_messages(world, 1)
    bus.remove_targets(Rule=NAME, Ids=["queue"])
    bus.delete_rule(Name=NAME)

    assert dropped["FailedEntryCount"] == 0
    assert len({entry["EventId"] for entry in dropped["Entries"]}) == 2
    assert [json.loads(body)["detail-type"] for body in heard] == ["heard"]


def _event(name: str) -> dict[str, str]:
    return {"Source": NAME, "DetailType": name, "Detail": "{}"}


def _wait_for_messages(world: World, count: int) -> list[str]:
    bodies: list[str] = []

    def look() -> list[str] | None:
        bodies.extend(world.received())
        return bodies if len(bodies) >= count else None

    return wait_until(f"{count} messages", look, 30)


def test_events_put_in_part_name_the_failed_ones_in_their_place(world: World) -> None:
    """Every other entry fails, in its position, and is counted."""
    world.fault("events", "PutEvents", Action.PARTIAL)
    answer = world.ask("events", "put_events", Entries=[_event(str(number)) for number in range(4)])

    assert answer["FailedEntryCount"] == 2
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [None, "ThrottlingException"] * 2
    assert ["EventId" in entry for entry in answer["Entries"]] == [True, False] * 2


def test_batch_written_in_part_gives_the_rest_back(world: World) -> None:
    """What comes back as unprocessed is what is not stored, fit to be sent again as it is."""
    world.fault("dynamodb", "BatchWriteItem", Action.PARTIAL, times=1)
    ids = [f"part {number}" for number in range(5)]
    writes = {NAME: [{"PutRequest": {"Item": {"id": {"S": item_id}}}} for item_id in ids]}
    answer = world.ask("dynamodb", "batch_write_item", RequestItems=writes)

    assert answer["UnprocessedItems"] == {NAME: [writes[NAME][1], writes[NAME][3]]}
    assert [item_id for item_id in ids if world.stored(item_id)] == ["part 0", "part 2", "part 4"]
    assert world.ask("dynamodb", "batch_write_item", RequestItems=answer["UnprocessedItems"])["UnprocessedItems"] == {}
    assert all(world.stored(item_id) for item_id in ids)


def test_batch_read_in_part_gives_the_other_keys_back(world: World) -> None:
    """What comes back as unprocessed keys was not read, with what else was asked of the table."""
    for number in range(3):
        world.dynamodb.put_item(TableName=NAME, Item={"id": {"S": f"read {number}"}})
    world.fault("dynamodb", "BatchGetItem", Action.PARTIAL)
    keys = [{"id": {"S": f"read {number}"}} for number in range(3)]
    answer = world.ask("dynamodb", "batch_get_item", RequestItems={NAME: {"Keys": keys, "ConsistentRead": True}})

    assert sorted(item["id"]["S"] for item in answer["Responses"][NAME]) == ["read 0", "read 2"]
    assert answer["UnprocessedKeys"] == {NAME: {"Keys": [keys[1]], "ConsistentRead": True}}


def test_messages_sent_in_part_are_named_by_their_ids(world: World) -> None:
    """The failed entries are the service's fault, and their messages are not in the queue."""
    world.fault("sqs", "SendMessageBatch", Action.PARTIAL)
    entries = [{"Id": str(number), "MessageBody": f"message {number}"} for number in range(3)]
    answer = world.ask("sqs", "send_message_batch", QueueUrl=world.queue_url, Entries=entries)

    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "2"]
    assert [(entry["Id"], entry["SenderFault"]) for entry in answer["Failed"]] == [("1", False)]
    assert sorted(world.received()) == ["message 0", "message 2"]


def test_message_sent_twice_is_in_the_queue_twice(world: World) -> None:
    """The function sent it once and was answered once."""
    world.fault("sqs", "SendMessage", Action.TWICE)
    answer = world.ask("sqs", "send_message", QueueUrl=world.queue_url, MessageBody="again")

    assert answer["MessageId"]
    assert world.received() == ["again", "again"]


def test_conditional_write_carried_out_twice_meets_itself(world: World) -> None:
    """As after a lost answer and a retry: it is written, and the writer is told that the condition does not hold."""
    world.fault("dynamodb", "PutItem", Action.TWICE)
    request = world.put("twice", ConditionExpression="attribute_not_exists(id)")

    assert world.ask(*request) == "ConditionalCheckFailedException"
    assert world.stored("twice") is not None


def test_delayed_answer_comes_after_the_request_was_carried_out(world: World) -> None:
    """What was asked is done at once, long before the function hears of it."""
    world.fault("dynamodb", "PutItem", Action.DELAY, delay_s=3.0, times=1)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(world.ask, *world.put("delayed"))
        wait_until("the request to be carried out", lambda: world.stored("delayed"), 20)
        answered_meanwhile = call.done()
        assert call.result() == {}

    assert not answered_meanwhile
    assert time.monotonic() - began >= 3.0


def test_delayed_answer_is_held_no_longer_than_its_rule_applies(world: World) -> None:
    """Whoever orders a delay can end it when what it was for was seen."""
    name = world.fault("dynamodb", "PutItem", Action.DELAY, delay_s=3_600.0)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(world.ask, *world.put("released"))
        wait_until("the request to be carried out", lambda: world.stored("released"), 20)
        answered_meanwhile = call.done()
        world.faults.remove(name)
        assert call.result(20) == {}

    assert not answered_meanwhile


# Invocations ------------------------------------------------------------------------------------------------------


def test_refused_invocation_is_a_crash_that_did_nothing(world: World) -> None:
    """No request of it is seen, and the next event is served."""
    world.fault(*INVOCATION, Action.REFUSE, times=1)
    error, answer, _ = world.function.call(requests=[world.put("never")])
    healthy, _, _ = world.function.call()

    assert (error, answer["errorType"], healthy) == ("Unhandled", "Runtime.ExitError", None)
    assert world.stored("never") is None


def test_invocation_killed_after_its_end_has_done_everything(world: World) -> None:
    """Its work is there, its answer is not, and its process is gone."""
    _, before, _ = world.function.call()
    world.fault(*INVOCATION, Action.KILL_AFTER, contains="all but the answer")
    error, answer, _ = world.function.call(requests=[world.put("all but the answer")])
    _, after, _ = world.function.call()

    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert world.stored("all but the answer") is not None
    assert before["pid"] != after["pid"]


def test_delayed_invocation_times_out(world: World) -> None:
    """It does its work, is held and killed, and reported as Lambda reports a timeout."""
    _, before, _ = world.function.call()
    world.fault(*INVOCATION, Action.DELAY, delay_s=2.0, times=1)
    error, answer, log = world.function.call(requests=[world.put("out of time")])
    _, after, _ = world.function.call()

    assert (error, answer["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert answer["errorMessage"].endswith("Error: Task timed out after 2.00 seconds")
    assert "Status: timeout" in log
    assert float(log.partition("\tDuration: ")[2].split()[0]) >= 2000
    assert world.stored("out of time") is not None
    assert before["pid"] != after["pid"]


def test_invocation_twice_runs_at_the_same_time_elsewhere(world: World, target: EmbeddedTarget) -> None:
    """The first time, cold, and again: two processes meet in one event, and the caller has one answer."""
    name = world.fault(*INVOCATION, Action.TWICE, times=2)
    meetings = [world.function.call(meet=f"meeting {number}", number=2) for number in range(2)]
    pids = [set((world.stored(f"meeting {number}") or {})["pids"]["SS"]) for number in range(2)]

    assert [error for error, _, _ in meetings] == [None, None]
    assert [str(answer["pid"]) in pids[number] for number, (_, answer, _) in enumerate(meetings)] == [True, True]
    assert world.faults.hits() == {name: 2}


def test_asynchronous_event_twice_is_done_twice(world: World, target: EmbeddedTarget) -> None:
    """As a queue or a bucket that delivers again: each run sends its message."""
    world.fault(*INVOCATION, Action.TWICE, times=1)
    request = ("sqs", "send_message", {"QueueUrl": world.queue_url, "MessageBody": "ran"})
    target.client("lambda").invoke(
        FunctionName=NAME, InvocationType="Event", Payload=json.dumps({"requests": [request]})
    )

    assert _wait_for_messages(world, 2) == ["ran", "ran"]


def test_twins_share_the_request_id_and_both_are_logged(world: World, target: EmbeddedTarget) -> None:
    """Both runs of one event stand in the function's log under its request id."""
    world.fault(*INVOCATION, Action.TWICE, times=1)
    _, answer, log = world.function.call()

    assert log.count(f"START RequestId: {answer['request']}") == 2
    assert wait_for_log(target, NAME, f"START RequestId: {answer['request']}")
