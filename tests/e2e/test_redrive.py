"""Dead letters of every kind, put back to work by `python -m bench redrive` once their cause is cured.

All die at once, in one fixture: what takes time is that a message has to fail three times.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bench.__main__ import main
from bench.faults import Action, FaultInjector, FaultRule
from bench.faults.retries import retry_as_deployed, retry_soon
from bench.faults.rules import INVOCATION
from bench.faults.untold import untold
from tests.e2e.market import csv, expected_bars, trades
from tests.e2e.test_market_packed import trades_of
from tests.patience import wait_until
from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.files import FileStack
    from tests.e2e.market import MarketStack, Trade

_ROWS = 40
_QUEUES = {
    "processing": "processingDeadLetterQueueUrl",
    "large-ranges": "largeRangeDeadLetterQueueUrl",
    "index": "indexDeadLetterQueueUrl",
    "ingestion": "ingestionDeadLetterQueueUrl",
    "aggregator": "aggregatorDeadLetterQueueUrl",
    "revision": "revisionDeadLetterQueueUrl",
    "rule": "ruleDeadLetterQueueUrl",
}
_WORKING = ("queueUrl", "largeRangeQueueUrl", "indexQueueUrl")
#: Of an object that is cut into two ranges.
_LARGE_ROWS = 2_000
#: How many messages of each kind die; of a kind that is not named, one.
_DEAD = {"processing": 2, "large-ranges": 2}
_EMPTY = dict.fromkeys(_QUEUES, 0)


@dataclass(frozen=True, slots=True)
class Dead:
    """Ingests by the queue in which a message of each died, the bodies there, and a message of nobody's."""

    ingests: dict[str, str]
    bodies: dict[str, str]
    foreign: str


def _symbol(queue: str) -> str:
    return f"E2E.DEAD.{queue.upper()}"


def _key(queue: str) -> str:
    return f"dead/{queue}.csv"


def _redrive(market: MarketStack, *options: str) -> int:
    """Run the command against the session's stack, as a target that is not its own."""
    url = market.target.endpoint_url or ""
    return main(["redrive", "--env", "e2e", "--target", "endpoint", "--endpoint-url", url, *options])


def _bodies(market: MarketStack, queue: str) -> list[str]:
    """Read what a dead-letter queue has in sight, and leave it there."""
    url = market.outputs[_QUEUES[queue]]
    messages = market.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60).get(
        "Messages", []
    )
    for message in messages:
        market.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    return [message["Body"] for message in messages]


def _body(market: MarketStack, queue: str, ingest_id: str) -> str:
    """Wait until a message about an ingest's object, or its event, is dead."""
    names = (ingest_id, _key(queue), _entry(ingest_id))

    def look() -> str | None:
        found = [body for body in _bodies(market, queue) if any(name in body for name in names)]
        return found[0] if found else None

    return wait_until(f"a dead letter in {queue}", look)


def _entry(ingest_id: str) -> str:
    """What an event calls an ingest by that is taken back: the end of the sort key under which it is listed."""
    return f"{keys.range_id(ingest_id, 0):020}"


def _trades(queue: str) -> list[Trade]:
    """What is to be indexed is larger."""
    if queue == "index":
        return trades_of(_symbol(queue))
    return trades(_symbol(queue), _LARGE_ROWS if queue == "large-ranges" else _ROWS)


def _content(queue: str) -> bytes:
    return gzip.compress(csv(_trades(queue))) if queue == "index" else csv(_trades(queue))


def _rule(market: MarketStack, queue: str) -> FaultRule:
    """What kills the messages of each queue."""
    name, outputs, key = f"redrive {queue}", market.outputs, _key(queue)
    match queue:
        case "processing" | "large-ranges":
            return FaultRule(name, "s3", "GetObject", outputs["processorFunctionName"], key)
        case "index":
            return FaultRule(name, "s3", "GetObject", outputs["indexerFunctionName"], key)
        case "ingestion":
            return FaultRule(name, "s3", "GetObject", outputs["ingestionFunctionName"], key)
    content = _content(queue)
    # Known before it is put, so that no event comes before its rule.
    etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    ingest_id = keys.object_ingest_id(outputs["bucketName"], key, etag, len(content))
    if queue == "revision":
        # The call by which it is asked for has the ingest's id and not this: it is answered.
        return FaultRule(name, *INVOCATION, outputs["revisionFunctionName"], _entry(ingest_id))
    return FaultRule(name, *INVOCATION, outputs["aggregatorFunctionName"], ingest_id)


def _send(market: MarketStack, queue: str, body: str) -> None:
    """Send a message to a dead-letter queue; EventBridge's notes beside it, where it would be one of EventBridge's."""
    noted = {}
    if queue == "rule":
        function = market.lambda_.get_function(FunctionName=market.outputs["aggregatorFunctionName"])
        noted = {"ERROR_CODE": "NO_PERMISSIONS", "TARGET_ARN": function["Configuration"]["FunctionArn"]}
    attributes: dict[str, Any] = {name: {"DataType": "String", "StringValue": text} for name, text in noted.items()}
    market.sqs.send_message(QueueUrl=market.outputs[_QUEUES[queue]], MessageBody=body, MessageAttributes=attributes)


@pytest.fixture(scope="module")
def without_schedule(market: MarketStack) -> Iterator[None]:
    """Keep DataRevision's schedule from taking back what an event is dead for."""
    with untold(market.target, ["RevisionSchedule-e2e"]):
        yield


@pytest.fixture(scope="module")
def dead(market: MarketStack, without_schedule: None) -> Iterator[Dead]:
    """Have messages of every kind die, put a foreign one among them, and cure the causes."""
    sqs, faults = market.sqs, FaultInjector(market.target)
    working = [market.outputs[queue] for queue in _WORKING]
    retry_soon(sqs, working)
    failing = ("processing", "large-ranges", "index", "ingestion", "aggregator", "revision")
    faults.add([_rule(market, queue) for queue in failing])
    ingests = {queue: market.put(_key(queue), _content(queue)) for queue in failing}
    market.wait_for_state(ingests["revision"])
    assert market.take_back(ingests["revision"]).status == 200
    bodies = {queue: _body(market, queue, ingest_id) for queue, ingest_id in ingests.items()}
    large = _QUEUES["large-ranges"]
    wait_until("both ranges to be dead", lambda: market.waiting(large) == _DEAD["large-ranges"] or None)
    # EventBridge's own dead letters are not emulated: the event stands there as EventBridge would have left it.
    bodies["rule"], ingests["rule"] = bodies["aggregator"], ingests["aggregator"]
    _send(market, "rule", bodies["rule"])
    foreign = f"nobody's {uuid.uuid4().hex}"
    _send(market, "processing", foreign)
    for queue in failing:
        faults.remove(f"redrive {queue}")
    yield Dead(ingests, bodies, foreign)
    retry_as_deployed(sqs, working)
    # Whatever failed, the session's other tests find the queues as they were.
    for queue in _QUEUES.values():
        url = market.outputs[queue]
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def _waiting(market: MarketStack) -> dict[str, int]:
    return {queue: market.waiting(output) for queue, output in _QUEUES.items()}


def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    market: MarketStack, dead: Dead, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each queue's messages, what is known of their deaths, what would stay; all of it in sight as before."""
    assert _redrive(market) == 0
    said = capsys.readouterr().out
    assert dead.ingests["processing"] in said
    assert dead.ingests["ingestion"] in said
    assert "NO_PERMISSIONS" in said
    assert "ingests that are taken back: 1" in said
    assert dead.foreign in said
    assert "at most 20 a second" in said
    assert _waiting(market) == dict.fromkeys(_QUEUES, 1) | _DEAD
    assert {queue: dead.bodies[queue] in _bodies(market, queue) for queue in _QUEUES} == dict.fromkeys(_QUEUES, True)
    assert market.ingest(dead.ingests["processing"]).body["state"] != "complete"
    assert market.ingest(dead.ingests["index"]).body["state"] == "indexing"
    assert market.ingest(dead.ingests["ingestion"]).status == 404
    assert market.ingest(dead.ingests["revision"]).body["state"] == "retracting"
    assert market.bars(_symbol("revision")) == expected_bars(_trades("revision"))


def test_a_redrive_completes_what_had_died_and_leaves_the_foreign_message(
    market: MarketStack, dead: Dead, capsys: pytest.CaptureFixture[str]
) -> None:
    """A range from its queue, an event of S3 that no queue had; every tick counts once, and none of what is taken back.

    What is foreign is named.
    """
    assert _redrive(market, "--go") == 1
    said = capsys.readouterr().out
    assert dead.foreign in said
    for queue in ("processing", "large-ranges", "index", "ingestion"):
        status = market.wait_for_state(dead.ingests[queue])
        assert (status["ticks"], status["rejected"]) == (len(_trades(queue)), 0)
    for queue in ("processing", "large-ranges", "index", "ingestion", "aggregator"):
        assert market.bars(_symbol(queue)) == expected_bars(_trades(queue))
    market.wait_for_state(dead.ingests["revision"], "retracted")
    assert market.bars(_symbol("revision")) == []
    assert _bodies(market, "processing") == [dead.foreign]
    assert _waiting(market) == {**_EMPTY, "processing": 1}


def test_the_same_again_changes_nothing(market: MarketStack, dead: Dead) -> None:
    """Messages that were put back, but not deleted before somebody died, are put back once more: each bar as before."""
    faults = FaultInjector(market.target)
    for queue in _QUEUES:
        _send(market, queue, dead.bodies[queue])
    # What each function does near its end, so that its end can be waited for; it is done and answered at once.
    seen = [
        _passing("processing", "s3", "GetObject", market.outputs["processorFunctionName"], _key("processing")),
        _passing("index", "dynamodb", "BatchGetItem", market.outputs["indexerFunctionName"], _partition(dead, "index")),
        _passing(
            "ingestion",
            "dynamodb",
            "BatchGetItem",
            market.outputs["ingestionFunctionName"],
            _partition(dead, "ingestion"),
        ),
    ]
    faults.add(seen)
    assert _redrive(market, "--go") == 1
    wait_until("all three functions to be seen", lambda: True if all(faults.hits()[one.name] for one in seen) else None)
    for rule in seen:
        faults.remove(rule.name)
    wait_until("the queues to be empty", lambda: None if any(map(market.waiting, _WORKING)) else True)
    market.aggregate()
    for queue in ("processing", "large-ranges", "index", "ingestion", "aggregator"):
        assert market.wait_for_state(dead.ingests[queue])["ticks"] == len(_trades(queue))
        assert market.bars(_symbol(queue)) == expected_bars(_trades(queue))
    assert market.ingest(dead.ingests["revision"]).body["state"] == "retracted"
    assert market.bars(_symbol("revision")) == []
    assert _waiting(market) == {**_EMPTY, "processing": 1}


def _passing(queue: str, service: str, operation: str, function: str, contains: str) -> FaultRule:
    return FaultRule(f"passing {queue}", service, operation, function, contains, action=Action.DELAY)


def _partition(dead: Dead, queue: str) -> str:
    return keys.ingest_partition(dead.ingests[queue])


def test_messages_for_a_function_that_is_gone_stay(
    market: MarketStack, dead: Dead, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are named with what Lambda answers, and stand in sight as before."""
    url = market.outputs[_QUEUES["ingestion"]]
    market.sqs.send_message(QueueUrl=url, MessageBody=dead.bodies["ingestion"])
    faults = FaultInjector(market.target)
    function, code = market.outputs["ingestionFunctionName"], "ResourceNotFoundException"
    faults.add([FaultRule("gone", "lambda", "Invoke", contains=function, code=code, status=404)])
    try:
        assert _redrive(market, "--queue", "ingestion", "--go") == 1
    finally:
        faults.remove("gone")
    assert code in capsys.readouterr().out
    assert _bodies(market, "ingestion") == [dead.bodies["ingestion"]]
    assert _redrive(market, "--queue", "ingestion", "--go") == 0
    assert _waiting(market)["ingestion"] == 0


def test_a_queue_or_stack_that_is_not_there_is_one_line(
    market: MarketStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user's mistake: status 2, and what there is."""
    assert _redrive(market, "--queue", "parked") == 2
    assert "there are processing, large-ranges, index, ingestion, aggregator, revision, rule" in capsys.readouterr().err
    assert _redrive(market, "--env", "none") == 2
    assert "there is no stack market-analytics-none" in capsys.readouterr().err


def test_a_parked_message_of_nobodys_would_stay(
    market: MarketStack, files: FileStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it says about where it came from: no function is invoked that is not a stage of this stack."""
    noted = {"stage": "validator", "origin": market.outputs["ingestionFunctionName"]}
    body = json.dumps({"Records": [], "from": uuid.uuid4().hex})
    attributes: dict[str, Any] = {name: {"DataType": "String", "StringValue": value} for name, value in noted.items()}
    url = files.outputs.parked_queue_url
    files.sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
    there = files.waiting(url)
    try:
        assert _redrive(market, "--pipeline", "file-processing", "--queue", "parked") == 0
        assert "parked by nobody of this stack" in capsys.readouterr().out
        assert files.waiting(url) == there
    finally:
        for message in files.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
            if message["Body"] == body:
                files.sqs.delete_message(**handle)
            else:
                files.sqs.change_message_visibility(**handle, VisibilityTimeout=0)
