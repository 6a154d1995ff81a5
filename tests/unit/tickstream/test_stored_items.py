"""Keys, items and messages: everything that is written is read back equal, and nothing else is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream import items, keys
from tickstream.errors import MalformedItem, Reason
from tickstream.hours import Rollup, Segment, Slice
from tickstream.ingests import (
    RETENTION_SECONDS,
    Activity,
    Container,
    Format,
    Layout,
    Manifest,
    Pending,
    Receipt,
    Refusal,
    Source,
    Span,
)
from tickstream.messages import (
    InlineTicks,
    ProcessedRange,
    RangePointer,
    decode_message,
    encode_message,
    event_details,
    ranges_from_detail,
)
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES_MS = st.integers(0, 4_102_444_800_000)
SYMBOLS = st.from_regex(r"\A[A-Z0-9./_-]{1,32}\Z")
INGESTS = st.from_regex(r"\A[0-9a-f]{32}\Z")
HOURS = st.integers(0, 1_139_567)
RANGE_IDS = st.integers(1, keys.RANGE_ID_SPAN)
RANGE_SETS = st.frozensets(RANGE_IDS, max_size=20)
COUNTS = st.integers(0, 10**9)
SPANS = st.builds(Span, COUNTS, COUNTS, COUNTS)
TEXTS = st.text(max_size=40)
SOURCES = st.builds(Source, TEXTS, TEXTS, TEXTS, TEXTS, COUNTS)
LAYOUTS = st.builds(
    Layout, st.sampled_from(Format), st.sampled_from(Container), st.lists(TEXTS, max_size=6).map(tuple), COUNTS
)
MANIFESTS = st.builds(
    Manifest,
    ingest_id=INGESTS,
    received_ms=TIMES_MS,
    ranges=COUNTS,
    spans=st.lists(SPANS, max_size=20).map(tuple),
    source=st.none() | SOURCES,
    layout=st.none() | LAYOUTS,
    accepted=COUNTS,
    refused=COUNTS,
    rejected=st.none() | st.sampled_from(Reason),
    rejected_detail=TEXTS,
)
RECEIPTS = st.builds(
    Receipt,
    ingest_id=INGESTS,
    index=st.integers(0, 9_999),
    ticks=COUNTS,
    rejected=COUNTS,
    committed_ms=TIMES_MS,
    hours=st.dictionaries(SYMBOLS, st.lists(HOURS, min_size=1, max_size=5, unique=True).map(tuple), max_size=20),
    refusal=st.none() | st.builds(Refusal, st.sampled_from(Reason), TEXTS),
)
TICKS = st.builds(Tick, SYMBOLS, st.integers(0, 2**62), st.integers(1, 10**18 - 1), st.integers(1, 10**18 - 1))
MESSAGES = st.one_of(
    st.builds(RangePointer, INGESTS, TIMES_MS, SPANS, SOURCES, LAYOUTS),
    st.builds(InlineTicks, INGESTS, TIMES_MS, st.lists(st.tuples(COUNTS, TICKS), max_size=20).map(tuple)),
)


@given(st.builds(Slice, SYMBOLS, HOURS, RANGE_IDS, st.binary(max_size=20), st.booleans()), INGESTS, COUNTS, TIMES_MS)
def test_a_slice_is_read_back(piece: Slice, ingest_id: str, index: int, received_ms: int) -> None:
    """A slice's key alone tells symbol, hour and range; it expires 60 days after its ingest, not after its ticks."""
    item = items.slice_item(piece, ingest_id, index, received_ms)
    assert items.hour_item_from(item) == piece
    assert items.set_aside_from(items.set_aside(item)) == piece
    assert int(item[items.EXPIRY_ATTRIBUTE]["N"]) == received_ms // 1000 + RETENTION_SECONDS


@given(st.builds(Rollup, SYMBOLS, HOURS, RANGE_SETS, COUNTS, st.binary(max_size=20)))
def test_a_rollup_is_read_back_and_never_expires(rollup: Rollup) -> None:
    """A rollup outlives the slices that it was made of."""
    item = items.rollup_item(rollup)
    assert items.hour_item_from(item) == rollup
    assert items.EXPIRY_ATTRIBUTE not in item


@given(st.builds(Segment, SYMBOLS, HOURS, st.integers(1, 10**6), RANGE_SETS, st.binary(max_size=20), RANGE_SETS))
def test_a_segment_is_read_back_and_never_expires(segment: Segment) -> None:
    """A segment outlives the slices that it was made of."""
    item = items.segment_item(segment)
    assert items.hour_item_from(item) == segment
    assert items.EXPIRY_ATTRIBUTE not in item


def progress_of(item: items.Item) -> items.Item:
    """What the question for an ingest's progress reads of an item."""
    return {name: item[name] for name in items.PROGRESS_ATTRIBUTES if name in item}


@given(MANIFESTS)
def test_a_manifest_is_read_back(manifest: Manifest) -> None:
    """A manifest with all that was frozen in it."""
    item = items.manifest_item(manifest)
    assert items.manifest_from(item) == manifest
    assert items.manifest_from(progress_of(item)) == manifest


def test_the_largest_manifest_fits_an_item() -> None:
    """10,000 spans, a key of 1,024 bytes and a long header stay below 400 KB."""
    spans = tuple(Span(i, i * 10**9 + 123_456_789, (i + 1) * 10**9 + 123_456_789) for i in range(10_000))
    source = Source("b" * 63, "k" * 1024, "v" * 1024, "e" * 70, 10**13)
    manifest = Manifest("0" * 32, 10**12, len(spans), spans, source, Layout(Format.CSV, columns=("c" * 60_000,)))
    assert len(items.manifest_item(manifest)["details"]["B"]) < 350_000


@given(RECEIPTS, TIMES_MS)
def test_a_receipt_is_read_back(receipt: Receipt, received_ms: int) -> None:
    """A receipt's parts make it again, in any order, and its part 0 alone tells its counts."""
    parts = list(items.receipt_items(receipt, received_ms))
    assert items.receipt_from(reversed(parts)) == receipt
    commit = items.commit_from(parts[-1])
    assert items.commit_from(progress_of(parts[-1])) == commit
    assert not any("hours" in progress_of(part) for part in parts)
    assert (commit.index, commit.ticks, commit.rejected) == (receipt.index, receipt.ticks, receipt.rejected)
    assert (commit.committed_ms, commit.parts, commit.refusal) == (receipt.committed_ms, len(parts), receipt.refusal)


def test_a_large_receipt_comes_in_parts_and_commits_with_part_0() -> None:
    """100,000 symbol-hours are several items below the limit; without its last write there is no receipt."""
    hours = {f"SYMBOL{i:05d}": tuple(range(490_000, 490_010)) for i in range(10_000)}
    receipt = Receipt("a" * 32, 7, 10**6, 3, 10**12, hours)
    parts = items.receipt_items(receipt, 10**12)
    assert len(parts) > 1
    assert all(len(part["hours"]["B"]) < 400_000 for part in parts)
    assert items.receipt_from(parts) == receipt
    assert [part for part in parts if "ticks" in part] == [parts[-1]]
    for missing in range(len(parts)):
        with pytest.raises(MalformedItem):
            items.receipt_from(part for index, part in enumerate(parts) if index != missing)


LANE_NUMBERS = st.integers(0, keys.LANES - 1)


@given(
    st.builds(Activity, INGESTS, TIMES_MS, COUNTS),
    st.builds(Pending, INGESTS, st.integers(0, 9_999), TIMES_MS, LANE_NUMBERS, st.booleans()),
)
def test_list_entries_are_read_back(activity: Activity, pending: Pending) -> None:
    """Entries of the two lists, each where the schedule looks, and until it is done with them."""
    activity_item, pending_item = items.activity_item(activity), items.pending_item(pending)
    assert items.activity_from(activity_item) == activity
    assert items.pending_from(pending_item) == pending
    assert activity_item["symbol"]["S"] in keys.activity_partitions()
    assert pending_item["symbol"]["S"] == keys.pending_partition(pending.lane)
    assert "expiresAt" not in activity_item
    assert "expiresAt" not in pending_item


@pytest.mark.parametrize(
    "read",
    [
        items.hour_item_from,
        items.manifest_from,
        items.activity_from,
        items.pending_from,
        lambda i: items.receipt_from([i]),
    ],
)
@pytest.mark.parametrize(
    "item", [{}, items.key_of("A", 0), {**items.key_of("A", 5), "bars": {"S": "?"}, "details": {"B": b"?"}}]
)
def test_an_item_of_another_shape_is_refused(read: Callable[[items.Item], object], item: items.Item) -> None:
    """What this code did not write is an error of its own."""
    with pytest.raises(MalformedItem):
        read(item)


@given(MESSAGES)
def test_a_message_survives_json_that_rewrites_numbers(message: RangePointer | InlineTicks) -> None:
    """A body that an emulator read and wrote again as JSON is the same message: there are only integers in it."""
    body = encode_message(message)
    assert decode_message(json.dumps(json.loads(body))) == message


SOME_LANES = st.sets(st.integers(0, keys.LANES - 1)).map(sorted).map(tuple)
PROCESSED = st.builds(ProcessedRange, INGESTS, COUNTS, COUNTS, COUNTS, TIMES_MS, TIMES_MS, SOME_LANES)


@given(st.lists(PROCESSED, min_size=1, max_size=10))
def test_an_event_is_read_back(ranges: list[ProcessedRange]) -> None:
    """The detail of an event as EventBridge delivers it."""
    (detail,) = event_details(ranges)
    assert ranges_from_detail(json.loads(detail)) == tuple(ranges)


def test_i6_an_event_has_a_bound() -> None:
    """More ranges than one event may tell of are told by several, in order; no ranges by none."""
    ranges = [ProcessedRange("i" * 32, index, 10**6, 10**6, 10**13, 10**13, tuple(range(16))) for index in range(201)]
    details = event_details(ranges)
    assert [len(ranges_from_detail(json.loads(detail))) for detail in details] == [100, 100, 1]
    assert [one for detail in details for one in ranges_from_detail(json.loads(detail))] == ranges
    assert max(len(detail.encode()) for detail in details) < 64_000
    assert event_details([]) == []


@pytest.mark.parametrize("detail", [{}, {"ranges": []}, {"ranges": [{}]}, {"ranges": 3}, {"ingest": "i", "range": 0}])
def test_an_event_of_another_shape_is_refused(detail: dict[str, object]) -> None:
    """An event that tells of no range is an error, not one that has nothing to do."""
    with pytest.raises(MalformedItem):
        ranges_from_detail(detail)


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "7", "null", "{}", '{"kind": "other"}', '{"kind": "range"}', '{"kind": "ticks"}']
)
def test_a_body_of_another_shape_is_refused(body: str) -> None:
    """A message that this code did not write is an error of its own."""
    with pytest.raises(MalformedItem):
        decode_message(body)


@given(HOURS, st.integers(0, keys.SUFFIX_SPAN - 1))
def test_a_sort_key_is_exact_in_dynamodb(hour: int, suffix: int) -> None:
    """A sort key has at most 38 digits and tells hour and suffix."""
    key = keys.sort_key(hour, suffix)
    assert len(str(key)) <= 38
    assert keys.hour_and_suffix(key) == (hour, suffix)


@given(INGESTS, st.integers(0, 10**6), HOURS, st.integers(1, 10**6))
def test_items_of_an_hour_sort_as_they_must_be_read(ingest_id: str, index: int, hour: int, number: int) -> None:
    """The rollup, then slices, then segments, then the next hour: a Query upwards never misses slice and segment."""
    order = [keys.ROLLUP_SUFFIX, keys.range_id(ingest_id, index), keys.segment_suffix(number)]
    places = [keys.sort_key(hour, suffix) for suffix in order] + [keys.sort_key(hour + 1, 0)]
    assert places == sorted(set(places))


def test_ids_tell_their_parts_apart() -> None:
    """Neighbouring names, other bytes, other callers and other ranges are other ids; the same input is the same id."""
    assert keys.object_ingest_id("ab", "c", "e", 1) != keys.object_ingest_id("a", "bc", "e", 1)
    assert keys.object_ingest_id("a", "b", "e1", 1) != keys.object_ingest_id("a", "b", "e2", 1)
    assert keys.object_ingest_id("a", "b", "e", 1) == keys.object_ingest_id("a", "b", "e", 1)
    assert keys.posted_ingest_id("alice", "1") != keys.posted_ingest_id("bob", "1")
    assert len({keys.range_id("f" * 32, index) for index in range(10_000)}) == 10_000
    assert keys.receipt_index_and_part(keys.receipt_sort_key(9_999, 3)) == (9_999, 3)
    assert keys.receipt_sort_key(0, 0) > keys.MANIFEST_SORT_KEY
