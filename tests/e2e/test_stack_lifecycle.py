"""A stack that is updated or deleted while people use it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from bench.faults import Action, FaultRule
from bench.faults.injector import FaultInjector
from bench.stack import deployment
from bench.stack.leftovers import inventory
from tests.e2e.market import OPEN_NS, Answer, MarketStack, csv, expected_bars, trades
from tests.patience import wait_until, wait_until_true

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.targets.embedded import EmbeddedTarget

HOUR_NS = 3_600 * 10**9


class Uploader:
    """Puts one small object after another until it is told to stop, and remembers which were acknowledged."""

    def __init__(self, stack: MarketStack, symbol: str) -> None:
        self.rows = trades(symbol, 60_000, step_ns=10_000_000)
        self.sent = 0
        self.ingest_ids: list[str] = []
        self.refused: Exception | None = None
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._put_all)

    def __enter__(self) -> Uploader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the uploader hangs"

    def _put_all(self) -> None:
        # A few a second: a load, not a siege of the two cores that everything shares.
        while not self._stop.wait(0.25):
            some = self.rows[self.sent : self.sent + 30]
            try:
                self.ingest_ids.append(self._stack.put(f"flow/{self.sent:06}.csv", csv(some)))
            except (ClientError, BotoCoreError) as error:
                self.refused = error
                return
            self.sent += 30


@pytest.fixture
def own_stack(target: EmbeddedTarget) -> Iterator[MarketStack]:
    """Deploy a stack for one test alone, which may delete it."""
    environment = "lifecycle"
    deployment.deploy(target, environment, {"RangeBytes": "65536"})
    yield MarketStack(target, deployment.flat_outputs(target, environment), environment)
    deployment.destroy(target, environment)


def test_a6_what_comes_beyond_the_ceiling_waits_or_is_told_to_come_again(own_stack: MarketStack) -> None:
    """While DataIngestion is at its ceiling an object's event waits and a POST is refused; neither is lost."""
    function = own_stack.outputs["ingestionFunctionName"]
    # By hand: of a template LocalStack sets no such thing.
    own_stack.lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    faults = FaultInjector(own_stack.target)
    # Held until the POST was refused, however long that takes; the function's client asks again and is held again.
    faults.add([FaultRule("busy", "dynamodb", "PutItem", function, action=Action.DELAY, delay_s=60.0)])
    wanted, headers = trades("E2E.FLOOD", 6), {"Idempotency-Key": "flood-1"}
    try:
        first = own_stack.put("flood/1.csv", csv(wanted[:2]))
        wait_until_true("the ceiling to be reached", lambda: faults.hits()["busy"])
        second = own_stack.put("flood/2.csv", csv(wanted[2:4]))
        ticks = {
            "ticks": [
                {"symbol": one.symbol, "timestamp": one.timestamp_ns, "price": one.price, "size": one.size}
                for one in wanted[4:]
            ]
        }
        refused = own_stack.post(ticks, headers)
        assert refused.status == 429 or refused.status >= 500, "LocalStack says 504"
        faults.remove("busy")
        third = wait_until("the POST to be taken", lambda: taken(own_stack.post(ticks, headers)))
        for ingest_id in (first, second, third):
            own_stack.wait_for_state(ingest_id)
    finally:
        faults.remove("busy")
    assert own_stack.bars("E2E.FLOOD") == expected_bars(wanted)


def taken(answer: Answer) -> str | None:
    """Return the ingest of a POST that was taken."""
    return str(answer.body["ingestId"]) if answer.status == 200 else None


def test_an_update_while_ticks_flow_loses_and_doubles_nothing(own_stack: MarketStack) -> None:
    """New code and another range size arrive while objects are put: every acknowledged tick is in its bar, once."""
    with Uploader(own_stack, "E2E.UPDATE") as uploader:
        deployment.update(own_stack.target, "lifecycle", {"RangeBytes": "1024", "FunctionMemoryMb": "2048"})
        function = own_stack.lambda_.get_function_configuration(FunctionName=own_stack.outputs["ingestionFunctionName"])
        after_update = uploader.sent
    assert function["Environment"]["Variables"]["RANGE_BYTES"] == "1024"
    assert uploader.refused is None
    assert after_update > 0, "nothing was put during the update"
    for ingest_id in uploader.ingest_ids:
        own_stack.wait_for_state(ingest_id)
    # The new range size is in force: an object of several kilobytes has several ranges now.
    status = own_stack.wait_for_state(own_stack.put("flow/last.csv", csv(trades("E2E.UPDATED", 200))))
    assert status["ranges"]["total"] > 3
    assert own_stack.bars("E2E.UPDATE") == expected_bars(uploader.rows[: uploader.sent])


def test_m18_one_deletion_under_upload_load_leaves_nothing(target: EmbeddedTarget) -> None:
    """Deleting the stack while objects still come succeeds, refuses what comes late, and leaves nothing behind."""
    before = inventory(target)
    environment = "deleted"
    bounds = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    created = target.client("iam").create_policy(PolicyName="bounds-of-deleted", PolicyDocument=json.dumps(bounds))
    everything = {
        "PermissionsBoundaryArn": created["Policy"]["Arn"],
        "Alarms": "ENABLED",
        "AlarmEmail": "oncall@example.com",
        "ApiLoggingLevel": "INFO",
        "ApiLoggingRole": "CREATE",
        "Dashboard": "ENABLED",
        "KmsKeyArn": target.client("kms").create_key()["KeyMetadata"]["Arn"],
        "PreviousKmsKeyArns": ",".join(target.client("kms").create_key()["KeyMetadata"]["Arn"] for _ in range(2)),
    }
    deployment.deploy(target, environment, {"RangeBytes": "65536", **everything})
    assert {"alarm ProcessingQueueLateAlarm-deleted", "dashboard MarketAnalytics-deleted"} <= inventory(target) - before
    stack = MarketStack(target, deployment.flat_outputs(target, environment), environment)
    stack.wait_for_state(stack.put("first.csv", csv(trades("E2E.DELETED", 10))))
    # Of a key of one's own; LocalStack puts no bucket under one that CloudFormation names.
    queue = stack.sqs.get_queue_attributes(QueueUrl=stack.outputs["queueUrl"], AttributeNames=["KmsMasterKeyId"])
    assert queue["Attributes"]["KmsMasterKeyId"] == everything["KmsKeyArn"]
    for role in ("DataQuery", "BucketEmptier", "MarketDataAPILoggingRole"):
        made = target.client("iam").get_role(RoleName=f"{role}-{target.region}-deleted")["Role"]
        assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == everything["PermissionsBoundaryArn"]
    query = {"RoleName": f"DataQuery-{target.region}-deleted", "PolicyName": "DataQuery-deleted-previous-keys"}
    (old,) = target.client("iam").get_role_policy(**query)["PolicyDocument"]["Statement"]
    assert old["Resource"] == everything["PreviousKmsKeyArns"].split(",")
    # Two versions, a delete marker and an upload that nobody finishes: all of it is in the way of a deletion.
    bucket = stack.outputs["bucketName"]
    stack.put("first.csv", csv(trades("E2E.DELETED", 11)))
    stack.s3.delete_object(Bucket=bucket, Key="first.csv")
    stack.s3.create_multipart_upload(Bucket=bucket, Key="unfinished.csv")
    with Uploader(stack, "E2E.FLOW") as uploader:
        deployment.destroy(target, environment)
    assert uploader.sent > 0
    assert uploader.refused is not None, "uploads were still accepted after the stack was gone"
    assert sorted(inventory(target) - before) == []


def test_m19_outputs_are_there_under_the_promised_keys(market: MarketStack) -> None:
    """A deployment's outputs carry the keys that the requirements name."""
    assert {"apiUrl", "bucketName", "tableArn"} <= market.outputs.keys()
    assert market.outputs["tableArn"].endswith(":table/MarketDataState-e2e")


def test_ticks_of_two_years_do_not_disturb_each_other(market: MarketStack) -> None:
    """Late ticks of another year land in their own hours."""
    old = trades("E2E.YEARS", 5, start_ns=OPEN_NS - 400 * 24 * HOUR_NS)
    new = trades("E2E.YEARS", 5)
    status = market.wait_for_state(market.put("years.csv", csv([*new, *old])))
    assert status["ticks"] == 10
    assert market.bars("E2E.YEARS") == expected_bars(new)
