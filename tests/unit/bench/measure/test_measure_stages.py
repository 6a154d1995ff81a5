from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.ledger.sent import Ledger, Outcome, Sent
from bench.market_analytics.recording.stages import Moments, Stage, percentiles_ms, read_moments, stage_facts
from bench.measure.journal import Journal, RangeTimes
from tickstream import keys
from tickstream.ingests import Manifest, Receipt, Span
from tickstream.items import manifest_item, receipt_items

INGEST = "0123456789abcdef0123456789abcdef"
BEGAN_MS = 1_700_000_000_000.0
SENT = Sent(
    ordinal=0,
    key="a.csv",
    etag="e",
    version_id="",
    ingest_id=INGEST,
    rows=10,
    size_bytes=100,
    intended_s=1.0,
    sent_s=1.25,
    acknowledged_s=1.5,
    outcome=Outcome.ACKNOWLEDGED,
)


def _stages(entries: list[Sent], moments: dict[str, Moments], visible_s: dict[str, float] | None = None) -> Any:
    ledger = Ledger()
    for entry in entries:
        ledger.record(entry)
    facts = stage_facts(ledger, moments, visible_s or {}, began_ms=BEGAN_MS)
    return facts["stages"]


def test_percentiles_of_known_durations_are_exact_to_three_digits() -> None:
    """Of 1 to 1,000 ms the median is 500 and the slowest of a thousand is seen."""
    found = percentiles_ms(one / 1000 for one in range(1, 1001))
    assert found is not None
    assert found["count"] == 1000
    expected = {"p50": 500, "p90": 900, "p99": 990, "p99_9": 999, "max": 1000}
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-3)


def test_percentiles_count_nothing_as_nothing() -> None:
    """No duration is not a duration of 0, and a clock that is a millisecond behind is none."""
    assert percentiles_ms([]) is None
    assert percentiles_ms([-0.001]) == {"count": 1, "p50": 0, "p90": 0, "p99": 0, "p99_9": 0, "max": 0}


def test_every_stage_counts_from_the_intended_time() -> None:
    """A sender that was late does not make what follows look fast."""
    at = int(BEGAN_MS)
    moments = {INGEST: Moments(at + 2_000, at + 3_000, at + 4_000, at + 5_000)}
    stages = _stages([SENT], moments, {INGEST: 7.0})
    medians = {name: one["p50"] for name, one in stages.items()}
    assert medians == pytest.approx(
        {
            "send_delay": 250,
            "acknowledged": 500,
            "ingested": 1_000,
            "processed": 2_000,
            "event": 3_000,
            "rollup": 4_000,
            "visible": 6_000,
        },
        rel=1e-3,
    )
    assert set(stages) == set(Stage)


def test_a_stage_that_nobody_measured_is_none() -> None:
    """A target without a journal has no events and no rollups, and says so instead of 0."""
    stages = _stages([SENT], {INGEST: Moments(int(BEGAN_MS) + 2_000, int(BEGAN_MS) + 3_000)})
    assert stages["processed"]["count"] == 1
    assert stages["event"] is stages["rollup"] is stages["visible"] is None


def test_what_was_not_acknowledged_has_no_latency_but_its_send_delay() -> None:
    """A refusal is quick, and must not flatter the acknowledgements."""
    stages = _stages([SENT, replace(SENT, ordinal=1, outcome=Outcome.REFUSED, intended_s=1.0, sent_s=1.25)], {})
    assert stages["send_delay"]["count"] == 2
    assert stages["acknowledged"]["count"] == 1


def test_a_repeated_upload_is_one_ingest_from_its_first_upload_on() -> None:
    """Its second upload long after brings no second latency, and no negative one."""
    repeat = replace(SENT, repeat=1, intended_s=60.0, sent_s=60.0, acknowledged_s=60.5)
    stages = _stages([SENT, repeat], {INGEST: Moments(int(BEGAN_MS) + 2_000)})
    assert stages["acknowledged"]["count"] == 2
    assert stages["ingested"]["count"] == 1
    assert stages["ingested"]["p50"] == pytest.approx(1_000, rel=1e-3)


class Table:
    """A target whose only service is a table of these items."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self._items = {(one["symbol"]["S"], one["timestamp"]["N"]): one for one in items}

    def client(self, _service: str) -> Table:
        """Be the client."""
        return self

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Answer as DynamoDB does."""
        ((name, request),) = RequestItems.items()
        wanted = [(key["symbol"]["S"], key["timestamp"]["N"]) for key in request["Keys"]]
        return {"Responses": {name: [self._items[one] for one in wanted if one in self._items]}}


def _table(committed_ms: list[int]) -> Any:
    manifest = Manifest(INGEST, 1_000, ranges=2, spans=(Span(0, 0, 5), Span(1, 5, 9)))
    receipts = [Receipt(INGEST, index, 1, 0, at_ms, {}) for index, at_ms in enumerate(committed_ms)]
    return Table([manifest_item(manifest), *(item for one in receipts for item in receipt_items(one, 1_000))])


def _journal(*times: RangeTimes) -> Journal:
    return Journal((), (), {keys.range_id(INGEST, index): one for index, one in enumerate(times)})


def test_the_last_range_decides_when_an_ingest_is_processed_announced_and_rolled_up() -> None:
    """The moments of an ingest are those of its slowest range, of each stage on its own."""
    journal = _journal(RangeTimes(2_900, 5_000), RangeTimes(3_100, 4_000))
    assert read_moments(_table([3_000, 2_500]), "table", [INGEST], journal) == {
        INGEST: Moments(1_000, 3_000, 3_100, 5_000)
    }


def test_an_ingest_with_an_open_range_is_not_done() -> None:
    """One receipt, one event or one rollup of two is none of the ingest's."""
    journal = _journal(RangeTimes(2_900, None), RangeTimes(None, 4_000))
    assert read_moments(_table([3_000]), "table", [INGEST, "f" * 32], journal) == {INGEST: Moments(1_000)}


def test_a_target_without_a_journal_tells_what_its_table_tells() -> None:
    """Processing is known everywhere, events and rollups are not."""
    assert read_moments(_table([3_000, 2_500]), "table", [INGEST], None) == {INGEST: Moments(1_000, 3_000)}
