"""What an operator sees of deployed stacks: metrics where alarms look for them, log lines that say whose they are."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.e2e.market import OPEN_NS, csv, trades
from tests.log_lines import nameless, parsed
from tests.patience import wait_until
from tickstream import keys
from tickstream.ingests import Activity
from tickstream.items import activity_item, primary_key

if TYPE_CHECKING:
    from bench.targets import Target
    from tests.e2e.files import FileStack
    from tests.e2e.market import MarketStack


def test_m13_an_overdue_ingest_shows_where_its_alarm_looks(market: MarketStack) -> None:
    """The aggregator's log line becomes the metric, by namespace, name and dimensions, that the alarm watches."""
    client = market.target.client("cloudwatch")
    (alarm,) = client.describe_alarms(AlarmNames=["OverdueIngestsAlarm-e2e"])["MetricAlarms"]

    def overdue() -> float | None:
        now = datetime.now(UTC)
        points = client.get_metric_statistics(
            Namespace=alarm["Namespace"],
            MetricName=alarm["MetricName"],
            Dimensions=alarm["Dimensions"],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=3600,
            Statistics=[alarm["Statistic"]],
        )["Datapoints"]
        return max((float(point[alarm["Statistic"]]) for point in points), default=None)

    an_hour_ago_ms = int(time.time() * 1000) - 3_600_000
    lost = Activity(keys.posted_ingest_id("e2e", "never sent"), an_hour_ago_ms, ranges=1)
    entry = activity_item(lost)
    table = market.outputs["tableName"]
    market.dynamodb.put_item(TableName=table, Item=entry)
    try:
        market.aggregate()
        seen = wait_until("the metric", lambda: value if (value := overdue()) else None)
    finally:
        market.dynamodb.delete_item(TableName=table, Key=primary_key(entry))
    assert seen > alarm["Threshold"]


def _logs(target: Target, environment: str) -> dict[str, list[str]]:
    """Return all that the functions of an environment have logged, by log group."""
    logs = target.client("logs")
    groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/lambda/")
    names = [group["logGroupName"] for page in groups for group in page["logGroups"]]
    return {
        name: [
            event["message"]
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name)
            for event in page["events"]
        ]
        for name in names
        if name.endswith(f"-{environment}")
    }


def test_m21_every_line_names_its_request_its_function_and_what_it_is_about(
    market: MarketStack, files: FileStack
) -> None:
    """Good and bad objects, calls and files: whatever was logged of them is found by their ids."""
    good = market.put("logs/good.csv", csv(trades("E2E.LOGS", 3)))
    bad = market.put("logs/bad.csv", b"no,header\n")
    posted = market.post({"symbol": "E2E.LOGS", "timestamp": OPEN_NS, "price": "1", "size": "1"}).body["ingestId"]
    market.wait_for_state(good)
    market.wait_for_state(bad, "rejected")
    market.wait_for_state(posted)
    unknown = "0" * 32
    assert market.ingest(unknown).status == 404
    market.aggregate()
    whole = files.put("logs/good.csv", csv(trades("F.LOGS", 3)))
    broken = files.put("logs/bad.csv", b"no,header\n")
    files.at(whole, "completed")
    files.at(broken, "failed")
    expected = {good, bad, posted, unknown, whole, broken}

    def told() -> list[tuple[str, dict[str, Any]]] | None:
        found = [(group, line) for group, of_one in _logs(market.target, "e2e").items() for line in parsed(of_one)]
        named = {line.get("ingest_id") or line.get("file_id") for _, line in found}
        return found if expected <= named else None

    lines = wait_until("the logs", told)
    function = market.lambda_.get_function_configuration(FunctionName=market.outputs["processorFunctionName"])
    assert function["LoggingConfig"]["LogFormat"] == "JSON"
    for group, line in lines:
        assert line.get("function_request_id"), f"{group}: {line}"
        assert group == f"/aws/lambda/{line['service']}-e2e"
    assert not nameless(line for _, line in lines)
