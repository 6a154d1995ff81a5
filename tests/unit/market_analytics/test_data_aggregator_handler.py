"""The aggregator's handler: which event does what, what is published, and what its constants rest on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.emulator.observed.embedded_metrics import embedded
from market_analytics import data_aggregator, data_aggregator_confirmation
from tests.unit.market_analytics.aggregator_world import RECEIVED_MS, World, ingest_id_of
from tickstream.errors import ConfigurationError, MalformedItem
from tickstream.messages import EVENT_DETAIL_TYPE, ProcessedRange, event_details

TEMPLATE = Path(__file__).parents[3] / "templates" / "market-analytics-dev.json"


class Context:
    """As much of Lambda's context as the handler reads."""

    aws_request_id = "request-1"
    function_name = memory_limit_in_mb = invoked_function_arn = "test"

    def get_remaining_time_in_millis(self) -> int:
        """The whole of the function's timeout."""
        return 50_000


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A market in memory behind the handler, and the environment that the stack sets."""
    world = World()
    for name, value in {
        "TABLE_NAME": "table",
        "EVENT_BUS_NAME": "default",
        "POWERTOOLS_METRICS_NAMESPACE": "MarketAnalytics/dev",
        "POWERTOOLS_SERVICE_NAME": "DataAggregator",
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
    (detail,) = event_details(
        [ProcessedRange(ingest_id_of("file"), 0, 1, 0, RECEIVED_MS, RECEIVED_MS, world.lanes("file", 0))]
    )
    invoke({"detail-type": EVENT_DETAIL_TYPE, "source": "market.analytics.processor", "detail": json.loads(detail)})
    world.check_confirmed()


def published(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the lines with metrics, which go to the log by themselves."""
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line) for line in lines if '"_aws"' in line]


def test_m10_the_schedule_rolls_up_and_publishes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the five metrics, in the stack's namespace, that names the request."""
    world.process("file", 0, ["A"])
    world.open("file", 1)
    invoke({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}})
    world.check_confirmed()
    (line,) = published(capsys)
    ((namespace, metrics),) = embedded([json.dumps(line)]).items()
    assert namespace == "MarketAnalytics/dev"
    assert {metric["MetricName"] for metric in metrics} == {
        "TicksProcessed",
        "RowsRejected",
        "RollupLagSeconds",
        "OpenIngests",
        "OverdueIngests",
    }
    assert all(metric["Dimensions"] == [{"Name": "service", "Value": "DataAggregator"}] for metric in metrics)
    assert line["function_request_id"] == "request-1"


def test_m22_a_market_at_rest_publishes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A metric costs money for each hour in which it has a value, a zero too."""
    invoke({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}})
    assert published(capsys) == []


def test_an_unknown_event_and_a_missing_setting_fail_aloud(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's retries and then the dead-letter queue have the event; nothing is swallowed."""
    with pytest.raises(MalformedItem, match="Something Else"):
        invoke({"detail-type": "Something Else"})
    monkeypatch.delenv("TABLE_NAME")
    with pytest.raises(ConfigurationError, match="TABLE_NAME"):
        invoke({"detail-type": "Scheduled Event"})


def test_confirmation_waits_for_two_of_the_timeouts_that_the_stack_sets() -> None:
    """That one look is enough rests on the function's real timeout."""
    function = json.loads(TEMPLATE.read_text())["Resources"]["DataAggregator"]["Properties"]
    assert function["Timeout"] * 1000 == data_aggregator_confirmation.FUNCTION_TIMEOUT_MS
