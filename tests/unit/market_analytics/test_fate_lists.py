"""Lists of ingests as the functions write them: whoever dies where, what came is found, and a refusal is told."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from market_analytics.data_ingestion_objects import ingest_object
from market_analytics.data_processor_ranges import read_range
from services.memory_table import Identity, MemoryTable
from tests.unit.market_analytics.indexing_world import TEXT, Bench
from tests.unit.market_analytics.ingestion_world import (
    BODY,
    NOW_MS,
    RANGE_BYTES,
    Died,
    Outbox,
    ingest,
    source_for,
)
from tests.unit.market_analytics.processor_world import INGEST, World, commit_range, pointer, rows
from tests.unit.market_analytics.query_world import ingests, status
from tickstream.errors import Reason
from tickstream.fate_items import arrival_items, listed_from, refused_item, retracted_item
from tickstream.ingests import Manifest
from tickstream.items import manifest_item
from tickstream.refused_objects import refusal_key

NO_TICKS = b"date,remark\n2026-01-05,no ticks today\n"


def lists_in(table: MemoryTable) -> dict[str, int]:
    """How many entries the lists of each kind have."""
    counts: dict[str, int] = {}
    for partition, _ in table.contents():
        kind = partition.partition("#")[0]
        if kind in {"arrived", "key", "refused", "indexing", "retracted"}:
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def deliver(table: MemoryTable, body: bytes, kept: dict[str, bytes], dies_at: int | None = None) -> None:
    """Deliver the event of an object of that body; die instead of the write of that number, from 1 on."""
    writes = 0

    def count() -> None:
        nonlocal writes
        writes += 1
        if writes == dies_at:
            raise Died

    def before(_: Identity) -> None:
        count()

    def keep(key: str, line: bytes) -> None:
        count()
        kept[key] = line

    table.before_write = before
    try:
        ingest_object(
            source_for(body),
            NOW_MS,
            RANGE_BYTES,
            table=table,
            read=lambda start, end: body[start:end],
            send=Outbox(),
            send_large=Outbox(),
            order_index=Outbox(),
            keep_refusal=keep,
        )
    finally:
        table.before_write = None


def test_m24_an_entry_is_read_as_it_was_written() -> None:
    """Each kind of entry says which ingest, and when it came, and expires with it."""
    manifest = Manifest(INGEST, NOW_MS, 0, source=source_for(BODY), rejected=Reason.UNKNOWN_FORMAT, indexing=True)
    items = [*arrival_items(manifest), refused_item(INGEST, NOW_MS), retracted_item(INGEST, NOW_MS)]
    assert {item["symbol"]["S"].partition("#")[0] for item in items} == {
        "arrived", "key", "refused", "indexing", "retracted",
    }  # fmt: skip
    for item in items:
        assert listed_from(item) == (INGEST, NOW_MS)
        assert int(item["expiresAt"]["N"]) == NOW_MS // 1000 + 60 * 24 * 3600
    assert items[2] == refused_item(INGEST, NOW_MS)


def test_m24_an_object_costs_no_request_more() -> None:
    """The lists of an object go with its entry in the list of open ingests: manifest, one batch, and no other write."""

    class Counting(MemoryTable):
        def __init__(self) -> None:
            super().__init__()
            self.requests: list[str] = []

        def put_if_absent(self, item: object) -> bool:
            self.requests.append("put")
            return super().put_if_absent(item)  # type: ignore[arg-type]

        def batch_write(self, puts: object, deletes: object = ()) -> None:
            # A batch of nothing is no request.
            self.requests += ["batch"] * bool(puts)
            super().batch_write(puts, deletes)  # type: ignore[arg-type]

    table = Counting()
    ingest(table, Outbox())
    assert table.requests == ["put", "batch"]


@pytest.mark.parametrize("body", [BODY, b"", NO_TICKS], ids=["good", "empty", "no ticks"])
def test_m24_wherever_the_first_delivery_dies_the_next_one_mends_it(body: bytes) -> None:
    """A repeated delivery writes what is missing of the lists and of the line in the bucket of rejects."""
    whole, whole_kept = MemoryTable(), dict[str, bytes]()
    deliver(whole, body, whole_kept)
    writes = len(whole.contents()) + len(whole_kept)
    for dies_at in range(1, writes + 1):
        table, kept = MemoryTable(), dict[str, bytes]()
        with pytest.raises(Died):
            deliver(table, body, kept, dies_at)
        deliver(table, body, kept)
        assert (table.contents(), kept) == (whole.contents(), whole_kept), f"died at write {dies_at}"


def test_m24_a_refused_object_lies_in_the_bucket_of_rejects() -> None:
    """One line says which object of which version it was, why it was refused, and when."""
    table, kept = MemoryTable(), dict[str, bytes]()
    deliver(table, NO_TICKS, kept)
    [(key, line)] = kept.items()
    said = json.loads(line)
    source = source_for(NO_TICKS)
    assert key == refusal_key(said["ingestId"])
    assert (said["bucket"], said["key"], said["versionId"]) == (source.bucket, source.key, source.version_id)
    assert (said["reason"], said["refusedAt"]) == ("missing_column", "2026-01-05T14:30:00.123Z")
    assert "symbol" in said["detail"]
    assert lists_in(table) == {"arrived": 1, "key": 1, "refused": 1}


def test_m24_an_object_that_was_gone_and_is_back_is_one_ingest_of_its_key() -> None:
    """Its entry of the first try, when it was refused, is passed over in every list."""
    table = MemoryTable()
    ingest(table, Outbox(), None, source_for(BODY))
    back = ingest(table, Outbox(), BODY, source_for(BODY, "v2"), now_ms=NOW_MS + 7).manifest
    source = source_for(BODY)
    for answer in (ingests(table, NOW_MS + 60, bucket="bucket", key=source.key), ingests(table, NOW_MS + 60)):
        assert [(one["ingestId"], one["state"]) for one in answer["ingests"]] == [(back.ingest_id, "processing")]
    assert ingests(table, NOW_MS + 60, state="rejected")["ingests"] == []


def test_m24_ranges_that_are_refused_in_reading_are_told_once_an_object() -> None:
    """Two ranges whose object is gone: one entry among the refused, one line beside those of the ranges."""
    world = World(None)
    first = pointer(rows())
    for index in range(2):
        for _ in range(2):
            read_range(replace(first, span=replace(first.span, index=index)), world.stores())
    assert lists_in(world.table) == {"refused": 1}
    line = world.rejects[refusal_key(INGEST)]
    assert [(one["ingestId"], one["reason"], one["key"]) for one in line] == [
        (INGEST, "object_gone", first.source.key)
    ]  # fmt: skip


def test_m24_rejected_rows_are_counted_by_reason() -> None:
    """What `GET /ingest` says of rejected rows is how many have which reason, over all ranges."""
    world = World(rows(b"A,1767623400000000000,1,1", b"A,1767623400000000000,+1,1", b"A,1767623400000000000,1,-1"))
    message = pointer(world.body or b"")
    world.table.put(manifest_item(Manifest(INGEST, NOW_MS, 1, (message.span,), message.source, message.layout)))
    commit_range(message, world.stores())
    answer = status(world.table, INGEST, NOW_MS)
    assert (answer["rows"], answer["ticks"], answer["rejected"]) == (3, 1, 2)
    assert answer["rejectedByReason"] == {"bad_price": 1, "bad_size": 1}
    assert answer["completedAt"] == "2026-01-05T14:30:00.123Z"


@pytest.mark.parametrize(
    ("key", "choice"),
    [("ticks.csv", "native"), ("feed=native/ticks.csv", "named")],
)
def test_m24_how_a_feed_was_chosen_is_on_record(key: str, choice: str) -> None:
    """An object is native because nothing fits, or because its key says so."""
    table = MemoryTable()
    source = replace(source_for(BODY), key=key)
    manifest = ingest(table, Outbox(), BODY, source).manifest
    assert status(table, manifest.ingest_id, NOW_MS)["feedChosenBy"] == choice


def test_m24_an_object_that_is_indexed_first_is_found_among_those_in_work() -> None:
    """A large packed object is listed before its ranges are known."""
    bench = Bench("day.csv.gz", gzip.compress(TEXT, 1))
    ingest_id, table = bench.arrive(), bench.world.table
    assert lists_in(table) == {"arrived": 1, "key": 1, "indexing": 1}
    for state, now_ms in (("indexing", NOW_MS + 60), ("overdue", NOW_MS + 901_000)):
        assert [one["ingestId"] for one in ingests(table, now_ms, state=state)["ingests"]] == [ingest_id]
    assert ingests(table, NOW_MS + 60, state="processing")["ingests"] == []
    bench.index()
    # It is in two lists of what is in work now, and one ingest all the same.
    [entry] = ingests(table, NOW_MS + 60, state="processing")["ingests"]
    assert (entry["ingestId"], entry["source"]) == (ingest_id, "day.csv.gz")


def test_m24_an_object_that_the_indexer_refuses_is_told_however_often_it_dies() -> None:
    """A truncated object: line and list come behind the manifest, and the order that comes again writes both."""
    bench = Bench("day.csv.gz", gzip.compress(TEXT, 1)[:-100])
    ingest_id, table = bench.arrive(), bench.world.table
    order = bench.orders[0]

    def die(identity: Identity) -> None:
        if identity[0].startswith("refused#"):
            raise Died

    table.before_write = die
    with pytest.raises(Died):
        bench.index()
    table.before_write = None
    assert "refused" not in lists_in(table)
    bench.refusals.clear()
    assert bench.orders[0] == order
    bench.index()
    assert json.loads(bench.refusals[refusal_key(ingest_id)])["reason"] == "corrupt_gzip"
    [entry] = ingests(table, NOW_MS + 60, state="rejected")["ingests"]
    assert (entry["ingestId"], entry["reason"]["code"]) == (ingest_id, "corrupt_gzip")
