"""Objects on a table in memory: frozen once, sent until each range has its receipt."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from market_analytics.data_ingestion_objects import ingest_object
from services.memory_table import MemoryTable
from tests.unit.market_analytics.ingestion_world import (
    BODY,
    HEADER,
    LONG_BODY,
    NOW_MS,
    RANGE_BYTES,
    SIXTY_DAYS_MS,
    Died,
    Outbox,
    commit,
    ingest,
    source_for,
)
from tickstream import keys
from tickstream.errors import Reason
from tickstream.ingests import Activity, Receipt, Refusal
from tickstream.items import activity_item, key_of, receipt_items

if TYPE_CHECKING:
    from services.memory_table import Identity


def test_an_object_is_cut_frozen_and_sent() -> None:
    """Every byte after the header is in exactly one range, and each range has one message."""
    table, outbox = MemoryTable(), Outbox()
    ingested = ingest(table, outbox)
    spans = [pointer.span for pointer in outbox.sent]
    assert ingested.sent == len(spans) > 10
    assert spans[0].start == len(HEADER)
    assert spans[-1].end == len(BODY)
    assert [span.end for span in spans[:-1]] == [span.start for span in spans[1:]]
    assert {pointer.source.version_id for pointer in outbox.sent} == {"v1"}
    assert len(list(table.query(keys.activity_partition(ingested.manifest.ingest_id)))) == 1


def test_i2_the_same_bytes_again_change_nothing() -> None:
    """A second version with the same bytes, whole ingested and confirmed, sends nothing and is not listed again."""
    table, outbox = MemoryTable(), Outbox()
    first = ingest(table, outbox)
    for pointer in outbox.sent:
        commit(table, pointer)
    partition = keys.activity_partition(first.manifest.ingest_id)
    table.batch_write([], list(table.query(partition)))
    before = table.contents()
    again = ingest(table, outbox, source=source_for(BODY, "v2"), now_ms=NOW_MS + 1)
    assert (again.sent, again.known) == (0, True)
    assert table.contents() == before


def test_a_duplicate_event_resends_the_frozen_ranges_without_receipt() -> None:
    """After a stack update with another range size, a duplicate event repeats the old ranges that are not done."""
    table, outbox = MemoryTable(), Outbox()
    first = ingest(table, outbox)
    for pointer in outbox.sent[:3]:
        commit(table, pointer)
    second = Outbox()
    ingest(table, second, source=source_for(BODY, "v2"), now_ms=NOW_MS + 1, range_bytes=RANGE_BYTES * 7)
    assert second.sent == outbox.sent[3:]
    assert {pointer.received_ms for pointer in second.sent} == {first.manifest.received_ms}


def test_ranges_whose_object_was_gone_are_processed_when_its_bytes_come_again() -> None:
    """Of an ingest that was done, one range of it gone, the same bytes as another version send that range alone."""
    table, outbox = MemoryTable(), Outbox()
    first = ingest(table, outbox)
    gone, *others = outbox.sent
    for pointer in others:
        commit(table, pointer)
    refusal = Refusal(Reason.OBJECT_GONE, "gone")
    for item in receipt_items(Receipt(gone.ingest_id, gone.span.index, 0, 1, NOW_MS, {}, refusal), NOW_MS):
        table.put(item)
    again = Outbox()
    ingested = ingest(table, again, source=source_for(BODY, "v2"), now_ms=NOW_MS + 1)
    assert (ingested.sent, ingested.known) == (1, True)
    assert again.sent == [replace(gone, source=replace(gone.source, version_id="v2"))]
    assert len(list(table.query(keys.activity_partition(first.manifest.ingest_id)))) == 1
    commit(table, again.sent[0])
    assert ingest(table, Outbox(), source=source_for(BODY, "v3")).sent == 0


def test_a_range_that_is_refused_for_its_bytes_is_not_processed_again() -> None:
    """The same bytes would be refused for the same reason."""
    table, outbox = MemoryTable(), Outbox()
    ingest(table, outbox)
    for pointer in outbox.sent:
        refusal = Refusal(Reason.CORRUPT_GZIP, "cut off")
        for item in receipt_items(Receipt(pointer.ingest_id, pointer.span.index, 0, 1, NOW_MS, {}, refusal), NOW_MS):
            table.put(item)
    assert ingest(table, Outbox(), source=source_for(BODY, "v2")).sent == 0


def test_new_bytes_under_the_key_are_another_ingest() -> None:
    """Other bytes under the same key are a new ingest, of the same size too."""
    table, outbox = MemoryTable(), Outbox()
    first = ingest(table, outbox)
    body = BODY.replace(b"187.5", b"187.6")
    other = ingest(table, outbox, body, replace(source_for(body), etag="f" * 32))
    assert first.manifest.ingest_id != other.manifest.ingest_id


@pytest.mark.parametrize(
    "dies_at",
    ["claim", "manifest", "list of the hour", "list of the key", "activity", "first message", "later message"],
)
def test_i1_a_death_at_any_write_and_another_delivery_send_every_range(dies_at: str) -> None:
    """Wherever the function dies, the next delivery of the event leads to every range in the queue."""
    whole_table, whole_outbox = MemoryTable(), Outbox()
    ingest(whole_table, whole_outbox, LONG_BODY, checksum="ChecksumCRC32:a")

    writes = 0

    def die(_: Identity) -> None:
        nonlocal writes
        writes += 1
        if writes == {"claim": 1, "manifest": 2, "list of the hour": 3, "list of the key": 4, "activity": 5}.get(
            dies_at
        ):
            raise Died

    table, outbox = MemoryTable(before_write=die), Outbox({"first message": 0, "later message": 5}.get(dies_at))
    with pytest.raises(Died):
        ingest(table, outbox, LONG_BODY, checksum="ChecksumCRC32:a")
    outbox.dies_after = None
    ingest(
        table,
        outbox,
        LONG_BODY,
        checksum="ChecksumCRC32:a",
        now_ms=NOW_MS if dies_at in {"claim", "manifest"} else NOW_MS + 60_000,
    )
    assert set(outbox.sent) == set(whole_outbox.sent)
    assert table.contents() == whole_table.contents()


def test_the_entry_is_there_before_the_first_message() -> None:
    """An ingest is on the list of open ones before anything of it can be processed."""
    table, outbox = MemoryTable(), Outbox(dies_after=0)
    with pytest.raises(Died):
        ingest(table, outbox)
    assert any(partition.startswith("activity#") for partition, _ in table.contents())


@pytest.mark.parametrize("body", [b"", HEADER, HEADER.rstrip()])
def test_an_object_without_rows_is_complete_at_once(body: bytes) -> None:
    """Nothing to count: a manifest without ranges, no message, no entry but those by which it is found."""
    table, outbox = MemoryTable(), Outbox()
    manifest = ingest(table, outbox, body, source_for(body)).manifest
    assert (manifest.ranges, manifest.rejected) == (0, None)
    assert {partition.partition("#")[0] for partition, _ in table.contents()} == {"ingest", "arrived", "key"}
    assert outbox.sent == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"symbol,timestamp,price\nA,1,1\n", Reason.MISSING_COLUMN),
        (b"\x00\x01\x02\x03" * 50, Reason.UNKNOWN_FORMAT),
        (None, Reason.OBJECT_GONE),
    ],
)
def test_an_object_that_cannot_be_read_is_rejected_with_a_reason(body: bytes | None, reason: Reason) -> None:
    """A hopeless object is a result on record, not a failure that is tried again."""
    table, outbox = MemoryTable(), Outbox()
    manifest = ingest(table, outbox, body, source_for(body or BODY)).manifest
    assert (manifest.ranges, manifest.rejected) == (0, reason)
    assert manifest.rejected_detail
    assert outbox.sent == []


def test_an_object_that_was_gone_and_is_back_is_ingested() -> None:
    """Deleted before it was read and uploaded again, the same bytes count: nothing of them had."""
    table, outbox = MemoryTable(), Outbox()
    gone = ingest(table, outbox, None)
    assert gone.manifest.rejected is Reason.OBJECT_GONE
    back = ingest(table, outbox, BODY, source_for(BODY, "v2"))
    assert back.manifest.ingest_id == gone.manifest.ingest_id
    assert back.sent == len(outbox.sent) > 0
    late = ingest(table, outbox, None)
    assert late.manifest == back.manifest


def test_two_deliveries_at_once_freeze_one_plan() -> None:
    """Of two deliveries with different range sizes, one decides for both."""
    table, outbox, rival_outbox = MemoryTable(), Outbox(), Outbox()

    def race(_: Identity) -> None:
        table.before_write = None
        ingest(table, rival_outbox, range_bytes=333, now_ms=NOW_MS + 1)

    table.before_write = race
    ingest(table, outbox)
    assert set(outbox.sent) == set(rival_outbox.sent)


def counted(outbox: Outbox) -> dict[int, tuple[int, int]]:
    """What slices would stand for each range's id: the extent of its bytes. Two extents under one id are a mixture."""
    extents: dict[int, tuple[int, int]] = {}
    for pointer in outbox.sent:
        extent = pointer.span.start, pointer.span.end
        assert extents.setdefault(keys.range_id(pointer.ingest_id, pointer.span.index), extent) == extent
    return extents


@pytest.mark.parametrize("committed", [0, 3, None])
@pytest.mark.parametrize("deleted", ["nothing", "some", "everything"])
@pytest.mark.parametrize("range_bytes", [RANGE_BYTES, RANGE_BYTES * 3])
@pytest.mark.parametrize("body", [BODY, LONG_BODY])
def test_i2_the_same_bytes_after_60_days_are_nothing_whatever_the_size_of_ranges_is_by_then(
    committed: int | None, deleted: str, range_bytes: int, body: bytes
) -> None:
    """What has expired is gone, deleted or not; the rollups are not, so other ranges of these bytes would be a part."""
    table, outbox, clock_ms = MemoryTable(), Outbox(), [NOW_MS]
    table.now_s = lambda: clock_ms[0] // 1000
    ingest(table, outbox, body, checksum="ChecksumCRC32:one")
    for pointer in outbox.sent[:committed]:
        commit(table, pointer)
    clock_ms[0] += SIXTY_DAYS_MS
    expired = [item for item in table.contents().values() if "expiresAt" in item]
    gone = {"nothing": [], "some": expired[::2], "everything": expired}[deleted]
    table.batch_write((), [key_of(item["symbol"]["S"], int(item["timestamp"]["N"])) for item in gone])
    before, sent = table.contents(), len(outbox.sent)
    for etag in ("e" * 32, "f" * 32):
        source = replace(source_for(body, "v2"), etag=etag)
        again = ingest(table, outbox, body, source, clock_ms[0], range_bytes, "ChecksumCRC32:one")
        assert (again.sent, again.known) == (0, True)
    assert table.contents() == before
    assert len(outbox.sent) == sent
    counted(outbox)


def test_i2_a_rejected_object_is_judged_anew_after_60_days() -> None:
    """Nothing of it ever counted, so all of it may: its manifest expires like everything else."""
    table, outbox, clock_ms = MemoryTable(), Outbox(), [NOW_MS]
    table.now_s = lambda: clock_ms[0] // 1000
    body = b"symbol,timestamp,price\nA,1,1\n"
    assert ingest(table, outbox, body, source_for(body)).manifest.rejected
    clock_ms[0] += SIXTY_DAYS_MS - 1_000
    assert ingest(table, outbox, body, source_for(body), clock_ms[0]).known
    clock_ms[0] += 1_000
    assert not ingest(table, outbox, body, source_for(body), clock_ms[0]).known


@pytest.mark.parametrize(
    ("body", "first", "second"),
    [
        (BODY, "", ""),  # short: the bytes themselves are compared
        (BODY, "ChecksumCRC32:a", "ChecksumSHA256:b"),
        (LONG_BODY, "ChecksumCRC64NVME:a", "ChecksumCRC64NVME:a"),
    ],
)
def test_i2_the_same_bytes_under_another_etag_are_the_same_ingest(body: bytes, first: str, second: str) -> None:
    """Under a KMS key, and with other parts, an ETag is no digest of the bytes."""
    table, outbox = MemoryTable(), Outbox()
    one = ingest(table, outbox, body, checksum=first)
    sent = list(outbox.sent)
    for pointer in sent[:-1]:
        commit(table, pointer)
    other = replace(source_for(body, "v2"), etag="f" * 32)
    again = ingest(table, outbox, body, other, NOW_MS + 1, RANGE_BYTES * 7, second)
    assert (again.manifest, again.known) == (one.manifest, True)
    assert outbox.sent[len(sent) :] == sent[-1:]


@pytest.mark.parametrize(
    ("body", "checksum"),
    [
        (LONG_BODY, "ChecksumCRC32:other"),
        (LONG_BODY.replace(b"AAPL", b"MSFT", 1), "ChecksumCRC32:one"),  # by chance: 32 bits are few
        (LONG_BODY, ""),
    ],
)
def test_i1_bytes_that_are_not_known_to_be_the_same_are_new(body: bytes, checksum: str) -> None:
    """Another checksum, another beginning, or none to compare: they count."""
    table, outbox = MemoryTable(), Outbox()
    one = ingest(table, outbox, LONG_BODY, checksum="ChecksumCRC32:one")
    other = ingest(table, outbox, body, replace(source_for(body), etag="f" * 32), checksum=checksum)
    assert other.manifest.ingest_id != one.manifest.ingest_id
    assert not other.known


def test_i1_large_objects_without_a_checksum_are_told_apart_by_their_etags() -> None:
    """Their first bytes and their size say too little: a later row may differ."""
    table, outbox = MemoryTable(), Outbox()
    other_body = LONG_BODY[:-2] + b"1\n"
    one, other = (ingest(table, outbox, body, source_for(body)) for body in (LONG_BODY, other_body))
    assert one.manifest.ingest_id != other.manifest.ingest_id
    assert ingest(table, outbox, LONG_BODY, source_for(LONG_BODY, "v2")).known


@pytest.mark.parametrize("at", [1, 2, 3])
def test_two_uploads_of_the_same_bytes_at_once_are_one_ingest(at: int) -> None:
    """Of two ETags one claims the bytes; whoever comes second sends the ranges of the first, or none."""
    table, outbox, rival_outbox = MemoryTable(), Outbox(), Outbox()
    rival = replace(source_for(LONG_BODY), etag="f" * 32)
    writes = 0

    def race(_: Identity) -> None:
        nonlocal writes
        writes += 1
        if writes == at:
            table.before_write = None
            ingest(table, rival_outbox, LONG_BODY, rival, range_bytes=333, checksum="ChecksumCRC32:a")

    table.before_write = race
    ingest(table, outbox, LONG_BODY, checksum="ChecksumCRC32:a")
    assert outbox.sent == rival_outbox.sent


def test_a_later_delivery_does_not_take_back_what_is_confirmed() -> None:
    """The entry of an ingest that is partly confirmed stays as it is when its other ranges are sent again."""
    table, outbox = MemoryTable(), Outbox()
    first = ingest(table, outbox)
    progress = activity_item(Activity(first.manifest.ingest_id, NOW_MS, first.manifest.ranges, 0b101, 7))
    table.put(progress)
    ingest(table, outbox)
    assert list(table.query(keys.activity_partition(first.manifest.ingest_id))) == [progress]


def test_the_beginning_of_an_object_is_read_once() -> None:
    """Format, ranges and fingerprint look at the same bytes."""
    table, reads = MemoryTable(), []

    def read(start: int, end: int) -> bytes:
        reads.append((start, end))
        return gzip.compress(BODY)[start:end]

    source = source_for(gzip.compress(BODY))
    nobody = Outbox()
    ingest_object(
        source, NOW_MS, RANGE_BYTES, table=table, read=read, send=nobody, send_large=nobody, order_index=nobody
    )
    assert reads == [(0, source.size_bytes)]
