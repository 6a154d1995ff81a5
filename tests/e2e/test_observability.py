"""What an operator sees of deployed stacks: metrics where alarms look for them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.e2e.market import wait_until
from tickstream import keys
from tickstream.ingests import Activity
from tickstream.items import activity_item, primary_key

if TYPE_CHECKING:
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
