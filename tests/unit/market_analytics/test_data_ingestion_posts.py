"""POSTs on a table in memory: taken once, whatever is sent twice and wherever it dies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from market_analytics.data_aggregator_confirmation import survey_ingests
from market_analytics.data_ingestion_posts import Taken, take_ticks
from market_analytics.data_ingestion_requests import read_request
from market_analytics.data_revision_orders import order_retraction
from services.memory_table import MemoryTable
from tickstream import keys
from tickstream.errors import BadRequest
from tickstream.ingests import Receipt
from tickstream.items import activity_from, key_of, manifest_from, receipt_items
from tickstream.messages import InlineTicks, Message, decode_message, encode_message
from tickstream.promises import MAX_MESSAGE_BYTES, MAX_TICKS
from tickstream.revisions import Cause, is_taken_back

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.memory_table import Identity

NOW_NS = 1_767_623_400_123_456_789
HOUR_NS = 3_600 * 10**9
BARE = {"symbol": "AAPL", "price": "187.5", "size": 100}


class Died(Exception):
    """The process is gone."""


class Outbox:
    """A queue that dies after it has taken a message, if told to."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.dies = False

    def __call__(self, bodies: Iterable[str]) -> int:
        """Take the bodies."""
        new = [decode_message(body) for body in bodies]
        self.sent += new
        if self.dies:
            raise Died
        return len(new)


def take(
    table: MemoryTable, outbox: Outbox, body: Any, key: str | None = "k", *, request: str = "r", now_ns: int = NOW_NS
) -> Taken:
    """Take a body as a request of its own under an idempotency key."""
    event = {
        "requestContext": {"identity": {"userArn": "arn:aws:iam::123456789012:user/feed"}},
        "headers": {"Idempotency-Key": key} if key else {},
        "body": json.dumps(body, separators=(",", ":")),
    }
    return take_ticks(read_request(event), request, now_ns, table=table, send=outbox)


def test_ticks_are_queued_once_with_manifest_and_activity() -> None:
    """A request leaves one message, a manifest with its counts and an entry in the list of open ingests."""
    table, outbox = MemoryTable(), Outbox()
    taken = take(table, outbox, {"ticks": [BARE, {**BARE, "price": "+1"}]}, None)
    [message] = outbox.sent
    assert isinstance(message, InlineTicks)
    assert message.ingest_id == taken.ingest_id
    assert [(position, tick.timestamp_ns) for position, tick in message.ticks] == [(0, NOW_NS)]
    found = table.get(key_of(keys.ingest_partition(taken.ingest_id), keys.MANIFEST_SORT_KEY))
    assert found is not None
    manifest = manifest_from(found)
    assert (manifest.ranges, manifest.accepted, manifest.refused) == (1, 1, 1)
    [activity] = table.query(keys.activity_partition(taken.ingest_id))
    assert activity_from(activity).ingest_id == taken.ingest_id


def test_i2_a_retry_is_the_same_ingest_with_the_same_times() -> None:
    """The same key and body an hour later send the same message again and get the same answer."""
    table, outbox = MemoryTable(), Outbox()
    first = take(table, outbox, BARE)
    before = table.contents()
    again = take(table, outbox, BARE, request="another", now_ns=NOW_NS + HOUR_NS)
    assert again == first
    assert outbox.sent[0] == outbox.sent[1]
    assert table.contents() == before


def test_i7_ticks_that_do_not_fit_a_message_are_refused_before_anything_is_written() -> None:
    """10,000 ticks whose exponents make a message longer than SQS takes are a 413; as many plain ones are taken."""
    table, outbox = MemoryTable(), Outbox()
    names = [f"{number:05d}" + "S" * 40 for number in range(MAX_TICKS)]
    short = [{"symbol": name, "price": "8e9", "size": "9e14"} for name in names]
    with pytest.raises(BadRequest) as refused:
        take(table, outbox, {"ticks": short})
    assert (refused.value.status, refused.value.code) == (413, "body_too_large")
    assert not outbox.sent
    assert not table.contents()
    take(table, outbox, {"ticks": [{**BARE, "symbol": name[:20]} for name in names]})
    [message] = outbox.sent
    assert len(encode_message(message)) < MAX_MESSAGE_BYTES


def test_requests_without_a_key_are_requests_of_their_own() -> None:
    """Without a key the same body twice is two trades: they may well be."""
    table, outbox = MemoryTable(), Outbox()
    one = take(table, outbox, BARE, None, request="one")
    two = take(table, outbox, BARE, None, request="two")
    assert one.ingest_id != two.ingest_id


def test_another_body_under_the_key_is_a_conflict() -> None:
    """A key that was used for other bytes within a day is refused with 409 and sends nothing."""
    table, outbox = MemoryTable(), Outbox()
    take(table, outbox, BARE)
    with pytest.raises(BadRequest) as refused:
        take(table, outbox, {**BARE, "size": 1}, now_ns=NOW_NS + 24 * HOUR_NS - 1)
    assert (refused.value.status, refused.value.code) == (409, "idempotency_key_reused")
    assert len(outbox.sent) == 1


def test_after_a_day_the_key_is_free() -> None:
    """24 hours later the key begins a new ingest, though its record is not deleted yet."""
    table, outbox = MemoryTable(), Outbox()
    first = take(table, outbox, BARE)
    later = take(table, outbox, {**BARE, "size": 1}, request="later", now_ns=NOW_NS + 24 * HOUR_NS)
    assert later.ingest_id != first.ingest_id
    assert later.received_ns == NOW_NS + 24 * HOUR_NS
    again = take(table, outbox, {**BARE, "size": 1}, request="again", now_ns=NOW_NS + 25 * HOUR_NS)
    assert again == later


def test_a_request_of_bad_ticks_does_not_use_up_its_key() -> None:
    """A body without a good tick is refused with a reason for each, and its correction goes under the same key."""
    table, outbox = MemoryTable(), Outbox()
    with pytest.raises(BadRequest) as refused:
        take(table, outbox, {"ticks": [{**BARE, "price": "1e10"}, 7]})
    assert [tick["position"] for tick in refused.value.details["reasons"]] == [0, 1]
    assert table.contents() == {}
    assert take(table, outbox, BARE).checked.accepted


@pytest.mark.parametrize("dies_at", range(4))
def test_i2_a_death_at_any_write_and_a_retry_are_one_request(dies_at: int) -> None:
    """Wherever the function dies, a retry under the key leads to the state and message of a request that did not."""
    whole_table, whole_outbox = MemoryTable(), Outbox()
    expected = take(whole_table, whole_outbox, BARE)

    writes = 0

    def die(_: Identity) -> None:
        nonlocal writes
        writes += 1
        if writes == dies_at + 1 <= 3:
            raise Died

    table, outbox = MemoryTable(before_write=die), Outbox()
    outbox.dies = dies_at == 3  # After the three writes: the message is sent, its answer is not.
    with pytest.raises(Died):
        take(table, outbox, BARE)
    outbox.dies = False
    # Died before the record: nothing is known of the first try, which counts for nothing.
    now_ns = NOW_NS if dies_at == 0 else NOW_NS + HOUR_NS
    assert take(table, outbox, BARE, request="r" if dies_at == 0 else "retry", now_ns=now_ns) == expected
    assert table.contents() == whole_table.contents()
    assert set(outbox.sent) == set(whole_outbox.sent)


def test_i6_two_first_uses_at_once_are_one_ingest() -> None:
    """Of two requests that race for one key, one decides and the other sends the same message."""
    table, outbox = MemoryTable(), Outbox()
    rival: list[Taken] = []

    def race(_: Identity) -> None:
        table.before_write = None
        rival.append(take(table, outbox, BARE, request="rival", now_ns=NOW_NS + 5))

    table.before_write = race
    assert take(table, outbox, BARE) == rival[0]
    assert outbox.sent[0] == outbox.sent[1]


def test_m25_a_retry_does_not_unsay_that_the_ticks_are_taken_back() -> None:
    """Somebody took the ingest back before its caller was answered, and its ticks are still under way."""
    table, outbox = MemoryTable(), Outbox()
    first = take(table, outbox, BARE)
    order_retraction(table, first.ingest_id, Cause.ASKED, NOW_NS // 10**6, lambda _: {})
    assert take(table, outbox, BARE, request="retry", now_ns=NOW_NS + HOUR_NS) == first
    manifest = table.get(key_of(keys.ingest_partition(first.ingest_id), keys.MANIFEST_SORT_KEY))
    assert manifest is not None
    assert is_taken_back(manifest)


def test_i2_a_retry_after_the_ticks_are_confirmed_reports_them_no_second_time() -> None:
    """Its ticks are in the bars, and its list entry is gone: the answer is the same, and nothing begins again."""
    table, outbox = MemoryTable(), Outbox()
    first = take(table, outbox, BARE)
    now_ms = NOW_NS // 10**6
    table.batch_write(receipt_items(Receipt(first.ingest_id, 0, 1, 0, now_ms, {}), now_ms))

    lanes = frozenset(range(keys.LANES))

    def confirm(at_ms: int) -> int:
        survey = survey_ingests(
            table,
            lanes,
            lambda: lanes,
            now_ms=at_ms,
            overdue_ms=900_000,
            time_is_up=lambda: False,
            take_back=lambda ingests: pytest.fail(str(list(ingests))) if list(ingests) else None,
        )
        assert survey.open_ingests == 0
        return survey.ticks

    ticks = confirm(now_ms + 200_000)
    assert take(table, outbox, BARE, request="another", now_ns=NOW_NS + HOUR_NS) == first
    assert ticks + confirm(now_ms + 4_000_000) == 1
    assert len(outbox.sent) == 1


def test_a_key_is_kept_for_all_of_its_24_hours() -> None:
    """Not by whole seconds, and not longer where its record is not deleted yet."""
    table, outbox, clock_ns = MemoryTable(), Outbox(), [NOW_NS]
    table.now_s = lambda: clock_ns[0] // 10**9
    first = take(table, outbox, BARE)
    clock_ns[0] = NOW_NS + 24 * HOUR_NS - 1
    assert take(table, outbox, BARE, request="late", now_ns=clock_ns[0]) == first
    for passed_ns in (0, 10**9, 48 * HOUR_NS):
        clock_ns[0] += 1 + passed_ns
        again = take(table, outbox, BARE, request=f"after {passed_ns}", now_ns=clock_ns[0])
        assert again.ingest_id != first.ingest_id
        first = again
        clock_ns[0] += 24 * HOUR_NS
