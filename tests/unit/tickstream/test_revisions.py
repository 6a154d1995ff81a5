"""What is stored and sent of ingests that are taken back or replaced: read back as it was, or refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream import items, keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import bar_of
from tickstream.errors import MalformedItem
from tickstream.hours import HourItems, Revision, Rollup, Segment, Slice, current_bars, refreshed_rollup
from tickstream.ingests import IngestState
from tickstream.revisions import (
    MAX_WHY_CHARACTERS,
    Cause,
    Retraction,
    Revising,
    Step,
    order_detail,
    order_from_detail,
    retraction_attributes,
    retraction_from,
    revising_from,
    revising_item,
    state_of_retraction,
)
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from tickstream.items import Item

SYMBOL, HOUR = "AAPL", 490_000
TIMES_MS = st.integers(1, 4_102_444_800_000)
INGESTS = st.from_regex(r"\A[0-9a-f]{32}\Z")
RANGE_SETS = st.frozensets(st.integers(1, keys.RANGE_ID_SPAN), max_size=20)
BITS = st.integers(0, 2**20 - 1)


@given(
    st.builds(Revision, st.just(SYMBOL), st.just(HOUR), st.integers(0, keys.REVISION_SPAN - 1), RANGE_SETS, RANGE_SETS)
)
def test_a_revision_is_read_back_stands_above_all_else_and_never_expires(revision: Revision) -> None:
    """A reader meets it last, and whatever it withdraws may come back at any time."""
    item = items.revision_item(revision)
    assert items.hour_item_from(item) == revision
    assert items.EXPIRY_ATTRIBUTE not in item
    segment = items.segment_item(Segment(SYMBOL, HOUR, 10**6, frozenset(), b""))
    next_hour = keys.sort_key(HOUR + 1, 0)
    assert items.sort_key_of(segment) < items.sort_key_of(item) < next_hour


@given(
    st.builds(
        Retraction, st.sampled_from(Step), st.sampled_from(Cause), TIMES_MS, st.just(0) | TIMES_MS, st.text(), INGESTS
    )
)
def test_a_retraction_is_read_back(retraction: Retraction) -> None:
    """Of a sentence so much that a manifest stays small."""
    found = retraction_from(retraction_attributes(retraction))
    assert found is not None
    assert found.why == retraction.why[:MAX_WHY_CHARACTERS]
    assert (found.step, found.cause, found.asked_ms, found.done_ms, found.by) == (
        retraction.step,
        retraction.cause,
        retraction.asked_ms,
        retraction.done_ms,
        retraction.by,
    )


@given(st.builds(Revising, INGESTS, TIMES_MS, st.just(20), BITS, BITS, BITS, st.booleans()))
def test_an_entry_is_read_back_and_found_by_its_event(revising: Revising) -> None:
    """Of a retraction and of a publication alike, which never have the same place."""
    item = revising_item(revising)
    assert revising_from(item) == revising
    assert order_from_detail(json.loads(order_detail([items.primary_key(item)]))) == [items.primary_key(item)]
    other = revising_item(Revising(revising.ingest_id, revising.asked_ms, 20, publishes=not revising.publishes))
    assert items.primary_key(other) != items.primary_key(item)


@pytest.mark.parametrize(
    "detail",
    [
        {},
        {"entries": []},
        {"entries": [["revising#1"]]},
        {"entries": [["pending#1", "1"]]},
        {"entries": [["revising#1", "-1"]]},
        {"entries": [["revising#1", "9" * 100]]},
        {"entries": [["revising#1", 1]]},
        {"entries": [["revising#0", "1"]] * 101},
    ],
)
def test_an_event_of_nobodys_is_refused(detail: object) -> None:
    """It names entries of that list, and nothing else of the table."""
    with pytest.raises(MalformedItem):
        order_from_detail(detail)


@pytest.mark.parametrize("item", [{"retraction": {"S": "later"}}, {"retraction": {"N": "1"}}])
def test_a_manifest_that_says_nonsense_of_a_retraction_is_refused(item: Item) -> None:
    """It is an error of its own, and no ingest that counts."""
    with pytest.raises(MalformedItem):
        retraction_from(item)


def test_a_retraction_that_was_refused_leaves_the_state_as_it_was() -> None:
    """Every other step has a state of its own, by its cause once it is done."""
    states = {cause: state_of_retraction(Retraction(Step.DONE, cause, 1, 2)) for cause in Cause}
    assert states == {
        Cause.ASKED: IngestState.RETRACTED,
        Cause.REFUSED: IngestState.REJECTED,
        Cause.REPLACED: IngestState.REPLACED,
    }
    assert state_of_retraction(Retraction(Step.GOING, Cause.ASKED, 1)) is IngestState.RETRACTING
    assert state_of_retraction(Retraction(Step.REFUSED, Cause.ASKED, 1, why="too late")) is None


# --- what cannot be put together ------------------------------------------------------------------------------------


def packed(index: int) -> bytes:
    """The bars of a range: one tick."""
    return encode_bars([bar_of(Tick(SYMBOL, HOUR * keys.NS_PER_HOUR, 10**9, 2**index), "key", "etag", index)])


def piece(range_id: int, *, waits: bool = False) -> Slice:
    """The slice of a range."""
    return Slice(SYMBOL, HOUR, range_id, packed(range_id), waits)


def revision(withdrawn: set[int], published: set[int]) -> Revision:
    """A revision of the hour."""
    return Revision(SYMBOL, HOUR, 1, frozenset(withdrawn), frozenset(published))


ROLLUP = Rollup(SYMBOL, HOUR, frozenset({1, 2}), 0, b"")


@pytest.mark.parametrize(
    ("hour", "missing"),
    [
        # Of a rollup with a withdrawn range the other one's slice has expired.
        (HourItems(SYMBOL, HOUR, ROLLUP, (piece(2),), (), (revision({2}, set()),)), {1}),
        # ... of a segment, whose ranges are all wanted again.
        (
            HourItems(
                SYMBOL, HOUR, None, (), (Segment(SYMBOL, HOUR, 1, frozenset({1, 2}), b""),), (revision({2}, set()),)
            ),
            {1},
        ),
        # Published while the slices were being read.
        (HourItems(SYMBOL, HOUR, None, (piece(1),), (), (revision({1}, {3}),)), {3}),
        (HourItems(SYMBOL, HOUR, ROLLUP, (), (), (revision(set(), {3}),)), {3}),
    ],
)
def test_an_hour_says_which_slices_it_needs_and_shows_no_number_without_them(
    hour: HourItems, missing: set[int]
) -> None:
    """No number is better than a wrong one; with the slices from elsewhere it is read."""
    assert hour.missing() == missing
    with pytest.raises(MalformedItem, match="are needed"):
        current_bars(hour)
    if hour.segment_counts:
        with pytest.raises(MalformedItem, match="are needed"):
            refreshed_rollup(hour)
    whole = hour.with_slices(piece(one, waits=one == 3) for one in missing)
    assert whole.missing() == frozenset()


def test_a_waiting_slice_counts_when_it_is_published_and_not_before() -> None:
    """Whatever else the hour has."""
    waiting = HourItems(SYMBOL, HOUR, None, (piece(1), piece(3, waits=True)))
    assert sum(bar.volume_e9 for bar in current_bars(waiting)) == 2**1
    swapped = HourItems(SYMBOL, HOUR, None, waiting.slices, (), (revision({1}, {3}),))
    assert sum(bar.volume_e9 for bar in current_bars(swapped)) == 2**3
