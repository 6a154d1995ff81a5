"""The aggregator's handler: which event does what, what is published, and what its constants rest on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from market_analytics import data_aggregator, data_aggregator_settling
from services.metrics import Metric, put_metrics
from tests.unit.market_analytics.aggregator_world import RECEIVED_MS, World, ingest_id_of
from tickstream.errors import ConfigurationError, MalformedItem
from tickstream.messages import EVENT_DETAIL_TYPE, ProcessedEvent, event_detail

TEMPLATE = Path(__file__).parents[3] / "templates" / "market-analytics-dev.json"


class Context:
    """As much of Lambda's context as the handler reads."""

    aws_request_id = "request-1"
    function_name = memory_limit_in_mb = invoked_function_arn = "test"

    def get_remaining_time_in_millis(self) -> int:
        """The whole of the function's timeout."""
        return 50_000


class Published:
    """CloudWatch, as far as it is used."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, list[dict[str, Any]]]] = []

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> object:  # noqa: N803 - AWS's
        """Keep it."""
        self.requests.append((Namespace, MetricData))
        return {}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A market in memory behind the handler, and the environment that the stack sets."""
    world = World()
    for name, value in {
        "TABLE_NAME": "table",
        "METRICS_NAMESPACE": "MarketAnalytics/dev",
        "COMPACTION_THRESHOLD": "4",
        "OVERDUE_SECONDS": "900",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(data_aggregator, "DynamoTable", lambda *_: world.table)
    return world


def invoke(event: dict[str, Any]) -> None:
    """Deliver an event."""
    data_aggregator.handler(event, Context())  # type: ignore[arg-type]  # a part of the context is enough


def test_m09_a_processed_event_rolls_up(world: World) -> None:
    """The event as EventBridge delivers it."""
    world.process("file", 0, ["A"])
    detail = json.loads(event_detail(ProcessedEvent(ingest_id_of("file"), 0, 1, 0, RECEIVED_MS, RECEIVED_MS)))
    invoke({"detail-type": EVENT_DETAIL_TYPE, "source": "market.analytics.processor", "detail": detail})
    world.check_settled()


def test_m10_the_schedule_rolls_up_and_publishes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request with the five metrics, in the namespace that the role allows."""
    published = Published()
    monkeypatch.setattr("services.clients.cloudwatch", lambda: published)
    world.process("file", 0, ["A"])
    world.open("file", 1)
    invoke({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}})
    world.check_settled()
    ((namespace, metrics),) = published.requests
    assert namespace == "MarketAnalytics/dev"
    assert {metric["MetricName"] for metric in metrics} == {
        "TicksProcessed",
        "RowsRejected",
        "RollupLagSeconds",
        "OpenIngests",
        "OverdueIngests",
    }


def test_too_many_metrics_for_one_request_are_refused() -> None:
    """The service would refuse all of them."""
    with pytest.raises(ValueError, match="1001"):
        put_metrics("n", [Metric("M", 1, "Count")] * 1_001, Published())


def test_an_unknown_event_and_a_missing_setting_fail_aloud(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's retries and then the dead-letter queue have the event; nothing is swallowed."""
    with pytest.raises(MalformedItem, match="Something Else"):
        invoke({"detail-type": "Something Else"})
    monkeypatch.delenv("METRICS_NAMESPACE")
    with pytest.raises(ConfigurationError, match="METRICS_NAMESPACE"):
        invoke({"detail-type": "Scheduled Event"})


def test_settling_waits_for_two_of_the_timeouts_that_the_stack_sets() -> None:
    """That one look is enough rests on the function's real timeout."""
    function = json.loads(TEMPLATE.read_text())["Resources"]["DataAggregator"]["Properties"]
    assert function["Timeout"] * 1000 == data_aggregator_settling.FUNCTION_TIMEOUT_MS
