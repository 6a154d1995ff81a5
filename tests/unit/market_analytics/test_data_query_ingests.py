"""`GET /ingests`: by key, by state and by hour, each entry once whatever the pages are, and bad questions refused."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_analytics.data_query_ingests import listed_ingests
from services.memory_table import MemoryTable
from tests.unit.market_analytics.query_world import BUCKET, ingests
from tickstream import arrival_lists, keys
from tickstream.errors import BadRequest, Reason
from tickstream.fate_items import arrival_items, refused_item, retracted_item
from tickstream.ingests import Activity, Manifest, Receipt, Refusal, Source
from tickstream.items import activity_item, manifest_item, receipt_items
from tickstream.page_tokens import pack_token, unpack_token

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW_MS = 1_767_623_400_000
HOUR_MS = keys.MS_PER_HOUR
KEY = "vendor/day one+ü.csv"


def ingest_id_of(number: int) -> str:
    """An id as good as any."""
    return keys.posted_ingest_id("test", str(number))


def put(table: MemoryTable, manifest: Manifest, *, confirmed: bool = False) -> None:
    """Put what DataIngestion writes of an ingest."""
    table.put(manifest_item(manifest))
    table.batch_write(arrival_items(manifest))
    if manifest.ranges and not confirmed:
        table.put(activity_item(Activity(manifest.ingest_id, manifest.received_ms, manifest.ranges)))


def object_of(number: int, received_ms: int, key: str = KEY, **more: Any) -> Manifest:
    """An object's manifest."""
    source = Source(BUCKET, key, f"v{number}", "etag", 100)
    return Manifest(ingest_id_of(number), received_ms, more.pop("ranges", 1), source=source, **more)


def commit(table: MemoryTable, manifest: Manifest, refusal: Refusal | None = None) -> None:
    """Commit all ranges, or refuse them."""
    for index in range(manifest.ranges):
        ticks = 0 if refusal else 5
        receipt = Receipt(manifest.ingest_id, index, ticks, 1 if refusal else 0, manifest.received_ms, {}, refusal)
        table.batch_write(receipt_items(receipt, manifest.received_ms))
    if refusal:
        table.put(refused_item(manifest.ingest_id, manifest.received_ms))


def pages(table: MemoryTable, now_ms: int = NOW_MS, /, **parameters: str) -> list[list[str]]:
    """The ids of all pages of a question."""
    found = []
    while True:
        answer = ingests(table, now_ms, **parameters)
        found.append([one["ingestId"] for one in answer["ingests"]])
        assert len(found) < 1000
        if "nextToken" not in answer:
            return found
        parameters["nextToken"] = answer["nextToken"]


def all_of(table: MemoryTable, now_ms: int = NOW_MS, /, **parameters: str) -> list[str]:
    """The ids of all pages in one."""
    return [one for page in pages(table, now_ms, **parameters) for one in page]


def test_m24_every_ingest_of_a_key_is_found_the_newest_first() -> None:
    """New bytes under an old key are another ingest: both are listed, those of other keys and buckets are not."""
    table = MemoryTable()
    for number in range(5):
        put(table, object_of(number, NOW_MS - number * HOUR_MS * 30))
    put(table, object_of(9, NOW_MS - 1, key="vendor/day"))
    answer = ingests(table, NOW_MS, key=KEY)
    assert [one["ingestId"] for one in answer["ingests"]] == [ingest_id_of(number) for number in range(5)]
    assert answer["ingests"][1] == {
        "ingestId": ingest_id_of(1),
        "state": "overdue",
        "ranges": {"total": 1, "done": 0},
        "rows": 0,
        "ticks": 0,
        "rejected": 0,
        "skipped": 0,
        "cancelled": 0,
        "receivedAt": "2026-01-04T08:30:00Z",
        "source": KEY,
        "bucket": BUCKET,
        "versionId": "v1",
        "sizeBytes": 100,
    }
    assert ingests(table, NOW_MS, key=KEY, bucket=BUCKET) == answer
    assert ingests(table, NOW_MS, key=KEY, bucket="another-bucket") == {"ingests": []}
    assert ingests(table, NOW_MS, key="nobody's") == {"ingests": []}
    assert all_of(table, key=KEY, state="processing") == [ingest_id_of(0)]


def world_of_states() -> tuple[MemoryTable, dict[str, set[str]]]:
    """A table with ingests in every state, three of each; and their ids by state."""
    table, ids = MemoryTable(), dict[str, set[str]]()
    number = 0

    def one(state: str, received_ms: int = NOW_MS - 10, **more: Any) -> Manifest:
        nonlocal number
        number += 1
        manifest = object_of(number, received_ms, KEY, **more)
        ids.setdefault(state, set()).add(manifest.ingest_id)
        return manifest

    refusal = Refusal(Reason.CORRUPT_GZIP, "cut off")
    for age_ms in (10, 2 * HOUR_MS, 23 * HOUR_MS):
        put(table, one("processing", NOW_MS - 20))
        put(table, one("overdue", NOW_MS - age_ms - HOUR_MS // 2))
        for confirmed in (False, True):
            complete = one("complete", NOW_MS - age_ms, ranges=12)
            put(table, complete, confirmed=confirmed)
            commit(table, complete)
        put(table, one("rejected", NOW_MS - age_ms, ranges=0, rejected=Reason.UNKNOWN_FORMAT, rejected_detail="no"))
        late = one("rejected", NOW_MS - age_ms)
        put(table, late)
        commit(table, late, refusal)
        put(table, one("indexing", NOW_MS - 30, ranges=0, indexing=True))
        for state, retraction, cause in (
            ("retracting", "asked", "asked"),
            ("retracting", "going", "replaced"),
            ("retracted", "done", "asked"),
            ("replaced", "done", "replaced"),
            ("complete", "refused", "asked"),
        ):
            taken = one(state, NOW_MS - age_ms)
            put(table, taken, confirmed=True)
            commit(table, taken)
            found = table.get({"symbol": {"S": f"ingest#{taken.ingest_id}"}, "timestamp": {"N": "0"}}) or {}
            table.put(
                {**found, "retraction": {"S": retraction}, "retractionCause": {"S": cause}, "retractionMs": {"N": "1"}}
            )
            table.put(retracted_item(taken.ingest_id, taken.received_ms))
        refused_late = one("rejected", NOW_MS - age_ms, ranges=2)
        put(table, refused_late)
        commit(table, refused_late, refusal)
        found = table.get({"symbol": {"S": f"ingest#{refused_late.ingest_id}"}, "timestamp": {"N": "0"}}) or {}
        table.put(
            {**found, "retraction": {"S": "done"}, "retractionCause": {"S": "refused"}, "retractionMs": {"N": "1"}}
        )
    return table, ids


@pytest.mark.parametrize("limit", ["1", "2", "7", "200"])
def test_m24_every_ingest_is_found_by_its_state(limit: str) -> None:
    """Each state lists exactly its ingests of the last day, the newest first, and no state lists all of them."""
    table, ids = world_of_states()
    for state, expected in ids.items():
        found = all_of(table, state=state, limit=limit)
        assert len(found) == len(set(found)), state
        assert set(found) == expected, state
    found = all_of(table, limit=limit)
    assert len(found) == len(set(found))
    assert set(found) == set().union(*ids.values())


def test_m24_a_window_of_arrival_has_what_came_in_it() -> None:
    """`from` is in it, `to` is not; both may be moments of any form."""
    table = MemoryTable()
    for number, age_ms in enumerate((0, 1, HOUR_MS, 3 * HOUR_MS, 50 * HOUR_MS)):
        put(table, object_of(number, NOW_MS - age_ms))
    window = {"from_": "2026-01-05T13:30:00 00:00", "to": str(NOW_MS * 10**6)}
    assert all_of(table, **window) == [ingest_id_of(1), ingest_id_of(2)]
    assert all_of(table, state="complete", **window) == []
    assert all_of(table, from_="1990-01-01T00:00:00Z", to="2099-01-01T00:00:00Z") == [*map(ingest_id_of, range(5))]
    assert all_of(table) == [*map(ingest_id_of, range(4))]


@pytest.fixture
def _few_shards() -> Iterator[None]:
    """So few that a list of some entries takes more than one look at each."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ARRIVED_SHARDS", "DAY_SHARDS", "ACTIVITY_SHARDS"):
            patch.setattr(keys, name, 2)
        patch.setattr(arrival_lists, "_LEAST_OF_A_SHARD", 1)
        yield


arrivals = st.lists(
    st.tuples(
        st.integers(0, 40) | st.integers(0, 40 * HOUR_MS), st.sampled_from(["good", "refused", "open", "posted"])
    ),
    max_size=25,
)


@pytest.mark.usefixtures("_few_shards")
@given(arrivals, st.integers(1, 9), st.booleans())
def test_m24_every_entry_is_listed_once_whatever_the_pages(
    came: list[tuple[int, str]], limit: int, hurried: bool  # noqa: FBT001 - hypothesis gives it
) -> None:  # fmt: skip
    """Whatever came when, and however few fit a page, or its time: each once, in order, and all of them."""
    table, expected = MemoryTable(), dict[str, list[tuple[int, str]]]()
    for number, (age_ms, kind) in enumerate(came):
        received_ms = NOW_MS - age_ms
        more: dict[str, Any] = {"ranges": 0, "rejected": Reason.UNKNOWN_FORMAT} if kind == "refused" else {}
        manifest = object_of(number, received_ms, KEY, **more)
        if kind == "posted":
            manifest = Manifest(manifest.ingest_id, received_ms, 1)
        put(table, manifest)
        if kind in {"good", "posted"}:
            commit(table, manifest)
        place = keys.activity_sort_key(received_ms, manifest.ingest_id)
        for question in ("", kind, "" if kind == "posted" else "key"):
            expected.setdefault(question, []).append((place, manifest.ingest_id))
    since = {"from": ["2026-01-01T00:00:00Z"], "limit": [str(limit)]}
    asked = {
        "refused": {"state": ["rejected"]}, "open": {"state": ["overdue"]}, "key": {"key": [KEY]}, "": {},
    }  # fmt: skip
    for question, parameters in asked.items():
        found: list[str] = []
        token: dict[str, list[str]] = {}
        for _ in range(2000):
            answer = listed_ingests(
                table, {**since, **parameters, **token}, BUCKET, NOW_MS + 10**7, 900, lambda: hurried
            )  # fmt: skip
            found += [one["ingestId"] for one in answer["ingests"]]
            assert len(answer["ingests"]) <= (1 if hurried else limit)
            if "nextToken" not in answer:
                break
            token = {"nextToken": [answer["nextToken"]]}
        else:
            raise AssertionError("pages without end")
        wanted = set(expected.get(question, ()))
        assert found == [one for _, one in sorted(wanted, reverse=True)], question


def test_m24_refused_objects_are_found_without_reading_the_good_ones() -> None:
    """Ten refused among a thousand good ones: not one item of a good one is read."""
    read: set[str] = set()

    class Watched(MemoryTable):
        def query_each(self, partitions: Any, *arguments: Any, **named: Any) -> Any:
            names = list(partitions)
            read.update(names)
            return super().query_each(names, *arguments, **named)

        def query(self, partition: str, *arguments: Any, **named: Any) -> Any:
            read.add(partition)
            return super().query(partition, *arguments, **named)

    table = Watched()
    for number in range(1_000):
        manifest = object_of(number, NOW_MS - number)
        put(table, manifest, confirmed=True)
        commit(table, manifest)
    refused = [object_of(number, NOW_MS - number, ranges=0, rejected=Reason.ENCRYPTED) for number in range(1000, 1010)]
    for manifest in refused:
        put(table, manifest)
    assert all_of(table, state="rejected", limit="3") == [one.ingest_id for one in refused]
    touched = {name for name in read if name.startswith("ingest#")}
    assert touched == {keys.ingest_partition(one.ingest_id) for one in refused}
    assert not any(name.startswith(("arrived#", "activity#")) for name in read)


def test_m24_an_ingest_of_very_many_ranges_is_told_whole() -> None:
    """More receipts than are read at first: all of them count."""
    table = MemoryTable()
    manifest = object_of(1, NOW_MS, ranges=60)
    put(table, manifest)
    commit(table, manifest)
    [entry] = ingests(table, NOW_MS, state="complete")["ingests"]
    assert (entry["ranges"], entry["ticks"]) == ({"total": 60, "done": 60}, 300)


def test_m24_an_ingest_that_cannot_be_read_hides_no_other() -> None:
    """A damaged manifest is logged and passed over."""
    table = MemoryTable()
    for number in range(3):
        put(table, object_of(number, NOW_MS - number))
    table.put({"symbol": {"S": f"ingest#{ingest_id_of(1)}"}, "timestamp": {"N": "0"}, "details": {"B": b"?"}})
    assert all_of(table) == [ingest_id_of(0), ingest_id_of(2)]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"state": "lost"}, "unknown_state"),
        ({"state": ""}, "unknown_state"),
        ({"key": ""}, "bad_key"),
        ({"key": "k" * 1025}, "bad_key"),
        ({"key": "\ud800"}, "bad_key"),
        ({"bucket": BUCKET}, "missing_key"),
        ({"bucket": "No Bucket", "key": "k"}, "bad_bucket"),
        ({"limit": "0"}, "bad_limit"),
        ({"limit": "201"}, "bad_limit"),
        ({"limit": "ten"}, "bad_limit"),
        ({"limit": "\u0661"}, "bad_limit"),
        ({"from_": "yesterday"}, "bad_timestamp"),
        ({"to": "2026-01-05T14:30:00"}, "bad_timestamp"),
        ({"from_": "2026-01-06T00:00:00Z", "to": "2026-01-05T00:00:00Z"}, "from_after_to"),
        ({"nextToken": "forged"}, "bad_token"),
        ({"nextToken": ""}, "bad_token"),
        ({"symbol": "AAPL"}, "unknown_parameter"),
    ],
)
def test_m24_a_bad_question_is_refused_with_one_clear_line(parameters: dict[str, str], code: str) -> None:
    """Each mistake has its own code, and a sentence of one line."""
    with pytest.raises(BadRequest) as refused:
        ingests(MemoryTable(), NOW_MS, **parameters)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert refused.value.message
    assert "\n" not in refused.value.message


def test_m24_a_parameter_that_is_given_twice_is_refused() -> None:
    """Neither value is guessed."""
    with pytest.raises(BadRequest) as refused:
        listed_ingests(MemoryTable(), {"key": ["a", "b"]}, BUCKET, NOW_MS, 900, lambda: False)
    assert refused.value.code == "repeated_parameter"


def test_m24_a_token_belongs_to_its_question() -> None:
    """Another state, key, bucket or window is a 400; another limit is not."""
    table = MemoryTable()
    for number in range(4):
        put(table, object_of(number, NOW_MS - number, ranges=0, rejected=Reason.ENCRYPTED))
    asked = {"state": "rejected", "from_": "2026-01-05T14:00:00Z", "to": "2026-01-05T14:30:00.001Z", "limit": "1"}
    token = ingests(table, NOW_MS, **asked)["nextToken"]
    answer = ingests(table, NOW_MS, **{**asked, "limit": "2"}, nextToken=token)
    assert [one["ingestId"] for one in answer["ingests"]] == [ingest_id_of(1), ingest_id_of(2)]
    others = (
        {"state": "complete"}, {"key": KEY}, {"from_": "2026-01-05T14:10:00Z"}, {"to": "2026-01-05T14:20:00Z"},
    )  # fmt: skip
    for other in others:
        with pytest.raises(BadRequest) as refused:
            ingests(table, NOW_MS, **{**asked, **other}, nextToken=token)
        assert refused.value.code == "bad_token"


@pytest.mark.parametrize(
    "figures", [[0, 10**37, 10**37], [NOW_MS, 0, 5], [-1, 1, 1], [0, 1], ["a", 1, 1], [True, 1, 1]]
)
def test_m24_a_forged_token_asks_for_no_more_than_a_question(
    monkeypatch: pytest.MonkeyPatch, figures: list[Any]
) -> None:
    """Who knows this code can write any token: it looks no further than what is kept, or is refused."""
    monkeypatch.setattr(keys, "ARRIVED_SHARDS", 1)
    table = MemoryTable()
    put(table, object_of(1, NOW_MS - 5))
    digest = unpack_token(ingests(table, NOW_MS, limit="1")["nextToken"])[1]
    calls = 0

    def counted() -> bool:
        nonlocal calls
        calls += 1
        return False

    with suppress(BadRequest):
        answer = listed_ingests(
            table, {"nextToken": [pack_token([1, digest, *figures])]}, BUCKET, NOW_MS, 900, counted
        )  # fmt: skip
        assert len(answer["ingests"]) <= 1
    assert calls <= 60 * 24 + 3


def test_m24_what_is_kept_is_looked_for_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 1990 on there are 36 years of hours: only those are read of which anything may be known."""
    monkeypatch.setattr(keys, "ARRIVED_SHARDS", 1)
    read: list[str] = []

    class Watched(MemoryTable):
        def query_each(self, partitions: Any, *arguments: Any, **named: Any) -> Any:
            names = list(partitions)
            read.extend(names)
            return super().query_each(names, *arguments, **named)

    assert ingests(Watched(), NOW_MS, from_="1990-01-01T00:00:00Z", to="2100-01-01T00:00:00Z") == {"ingests": []}
    assert len(read) <= 60 * 24 + 2
