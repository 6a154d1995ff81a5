"""The same bytes, put again after their ingest was taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from services.memory_table import MemoryTable
from tests.unit.market_analytics.ingestion_world import (
    LONG_BODY,
    NOW_MS,
    Outbox,
    ingest,
    source_for,
)
from tickstream import keys
from tickstream.errors import ServiceIncomplete
from tickstream.items import key_of, manifest_key
from tickstream.revisions import Cause, Retraction, Step, put_order, retraction_attributes

if TYPE_CHECKING:
    from market_analytics.data_ingestion_objects import Ingested
    from tickstream.ingests import Manifest


@pytest.mark.parametrize("checksum", ["", "CRC64NVME 1"])
def test_m25_the_same_bytes_after_a_retraction_are_a_new_ingest(checksum: str) -> None:
    """Put again they count again; a late delivery of what was put before belongs to the ingest that is taken back."""
    table, outbox = MemoryTable(), Outbox()
    first = ingest(table, outbox, LONG_BODY, checksum=checksum)
    key = key_of(keys.ingest_partition(first.manifest.ingest_id), keys.MANIFEST_SORT_KEY)
    asked_ms = NOW_MS + 1_000
    table.change_if_equal(key, retraction_attributes(Retraction(Step.DONE, Cause.ASKED, asked_ms)), {})

    def deliver(version: str, put_ms: int) -> Ingested:
        return ingest(table, outbox, LONG_BODY, source_for(LONG_BODY, version), put_ms, checksum=checksum)

    late = deliver("v1", NOW_MS + 1)
    assert (late.manifest.ingest_id, late.known) == (first.manifest.ingest_id, True)
    again = deliver("v2", asked_ms + 1)
    assert (again.known, again.sent) == (False, first.sent)
    assert again.manifest.ingest_id != first.manifest.ingest_id
    assert deliver("v3", asked_ms + 2).manifest.ingest_id == again.manifest.ingest_id


@pytest.mark.parametrize(("version", "is_same"), [("v1", True), ("v2", False), ("", False), ("null", False)])
def test_m25_the_put_that_began_an_ingest_is_its_own_whatever_clocks_say(version: str, *, is_same: bool) -> None:
    """The clock by which it was taken back may be behind S3's; a bucket without versions has no more than the time."""
    table, outbox = MemoryTable(), Outbox()
    frozen = version if version != "v2" else "v1"
    first = ingest(table, outbox, LONG_BODY, source_for(LONG_BODY, frozen), NOW_MS)
    key = key_of(keys.ingest_partition(first.manifest.ingest_id), keys.MANIFEST_SORT_KEY)
    done = Retraction(Step.DONE, Cause.ASKED, NOW_MS - 1_700)
    table.change_if_equal(key, retraction_attributes(done), {})
    late = ingest(table, outbox, LONG_BODY, source_for(LONG_BODY, version), NOW_MS)
    assert (late.manifest.ingest_id == first.manifest.ingest_id) is is_same


def test_m25_bytes_that_are_put_again_where_they_replace_move_to_that_place() -> None:
    """The same ingest, where it was put last; an event of an older put that comes late moves nothing back."""
    table, outbox = MemoryTable(), Outbox()

    def put(version: str, put_ms: int) -> Manifest:
        source = source_for(LONG_BODY, version)
        return ingest(table, outbox, LONG_BODY, source, put_ms, replaces=True).manifest

    first, again, late = put("v1", NOW_MS), put("v2", NOW_MS + 500), put("v3", NOW_MS + 100)
    assert first.ingest_id == again.ingest_id == late.ingest_id
    item = table.get(manifest_key(first.ingest_id))
    assert item is not None
    assert put_order(item)[0] == NOW_MS + 500


@pytest.mark.parametrize(("put_ms", "is_new"), [(NOW_MS + 1_500, False), (NOW_MS + 2_500, True)])
def test_m25_of_what_was_replaced_the_times_of_the_puts_decide(put_ms: int, *, is_new: bool) -> None:
    """A put before that of what took its place is the old ingest's, however late it is replaced; a later one is new."""
    table, outbox = MemoryTable(), Outbox()
    first = ingest(table, outbox, LONG_BODY, replaces=True).manifest
    other = b"symbol,timestamp,price,size\n" + LONG_BODY
    by = ingest(table, outbox, other, source_for(other, "v2"), NOW_MS + 2_000, replaces=True).manifest
    gone = Retraction(Step.GOING, Cause.REPLACED, NOW_MS + 60_000, by=by.ingest_id)
    table.change_if_equal(manifest_key(first.ingest_id), retraction_attributes(gone), {})
    again = ingest(table, outbox, LONG_BODY, source_for(LONG_BODY, "v3"), put_ms, replaces=True).manifest
    assert (again.ingest_id != first.ingest_id) is is_new


@pytest.mark.parametrize(("decided", "is_new"), [(Step.GOING, True), (Step.REFUSED, False)])
def test_m25_before_it_is_decided_the_same_bytes_begin_nothing(decided: Step, *, is_new: bool) -> None:
    """What cannot be taken back goes on to count: the same bytes beside it would count twice."""
    table, outbox = MemoryTable(), Outbox()
    first = ingest(table, outbox, LONG_BODY)
    key = key_of(keys.ingest_partition(first.manifest.ingest_id), keys.MANIFEST_SORT_KEY)
    asked = Retraction(Step.ASKED, Cause.ASKED, NOW_MS)
    table.change_if_equal(key, retraction_attributes(asked), {})
    with pytest.raises(ServiceIncomplete, match="is decided in a moment"):
        ingest(table, outbox, LONG_BODY, source_for(LONG_BODY, "v2"), NOW_MS + 1)
    table.change_if_equal(key, retraction_attributes(replace(asked, step=decided)), {})
    again = ingest(table, outbox, LONG_BODY, source_for(LONG_BODY, "v2"), NOW_MS + 1)
    assert (again.manifest.ingest_id != first.manifest.ingest_id) is is_new
