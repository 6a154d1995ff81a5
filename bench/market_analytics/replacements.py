"""Objects that a run puts twice under their keys: first cut off in the middle, then whole, which takes its place.

So the oracle knows nothing of it: what counts at the end is the whole one. The first ones are put before anything else
is sent, and are in nobody's books. Under `SameKey=replace` all objects of the run wait until they are published, which
is waited for here.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bench.ledger.truth import ObjectFile
from bench.ledger.verdict import Check
from bench.ledger.waiting import Clock
from bench.market_analytics.completion import TRIGGER_AFTER_S, trigger_revision, trigger_schedule
from bench.targets.reading import read_items
from bench.waiting.patience import Patience, wait_for
from tickstream import keys
from tickstream.items import key_of
from tickstream.revisions import is_taken_back, revising_from

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from bench.ledger.api_client import ApiClient
    from bench.ledger.truth import PostBody
    from bench.market_analytics.completion import Progress
    from bench.market_analytics.load import Deployed
    from tickstream.items import Item

CHECK: Final = "replaced"
#: Of these a part is an object by itself, and nothing takes back what is in the other part.
_NATIVE_HEADING: Final = b"symbol,timestamp,price,size"
_KEYS_A_REQUEST: Final = 100
#: How long nothing may move before what is put first is taken to be held up by a fault.
_STILL_S: Final = 30.0
_POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class CutOff:
    """What is put first: the first bytes of an object. ingest_id: of its own. rows: lines that it has whole."""

    ordinal: int
    key: str
    body: bytes
    ingest_id: str

    @property
    def end(self) -> int:
        """Where it ends: ticks of the whole object before this offset are in both."""
        return len(self.body)


def cut_off(
    pieces: Iterable[ObjectFile | PostBody], share: float, seed: int, bucket: str, *, spared: Collection[int]
) -> tuple[CutOff, ...]:
    """Choose a share of the objects that are put once and can be cut, one at least where the share is not 0.

    spared: sources that are not chosen.
    """
    sent = [piece for piece in pieces if isinstance(piece, ObjectFile)]
    repeated = {piece.ordinal for piece in sent if piece.repeat}
    objects = [piece for piece in sent if piece.ordinal not in repeated and not piece.refusal]
    found = [one for piece in objects if piece.ordinal not in spared and (one := _cut(piece, bucket)) is not None]
    number = min(len(found), max(1, round(share * len(objects)))) if share else 0
    # No secret depends on it.
    return tuple(random.Random(seed).sample(found, number))  # noqa: S311


def _cut(piece: ObjectFile, bucket: str) -> CutOff | None:
    """Cut an object off behind a row in its middle; None where it is no text of rows of the native format."""
    if piece.text_path != piece.path or piece.feed:
        return None
    body = piece.path.read_bytes()
    if not body.startswith(_NATIVE_HEADING):
        return None
    body = body[: body.rfind(b"\n", 0, len(body) // 2) + 1]
    if body.count(b"\n") < 3:
        return None
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return CutOff(piece.ordinal, piece.key, body, keys.object_ingest_id(bucket, piece.key, etag, len(body)))


@dataclass(slots=True)
class Replacements:
    """An `Operator` (`bench.market_analytics.completion`): puts what is cut off, and waits until all is published."""

    deployed: Deployed
    first: tuple[CutOff, ...]
    is_replacing: bool
    clock: Clock = field(default_factory=Clock)
    triggers: int = 0
    _seen: object = None
    _moved_s: float = 0.0
    _was_awaited: bool = True

    def put(self) -> None:
        """Put what is cut off; have the first half of it published, unless nothing moves: then readers see it change.

        The other half comes to meet what takes its place.
        """
        s3, half = self.deployed.target.client("s3"), (len(self.first) + 1) // 2
        for some in (self.first[:half], self.first[half:]):
            for one in some:
                s3.put_object(Bucket=self.deployed.outputs.bucket_name, Key=one.key, Body=one.body)
            if some and some[0] is self.first[0]:
                self._wait_until_published(some)

    def _wait_until_published(self, some: Sequence[CutOff]) -> None:
        def left() -> set[str]:
            return {one.ingest_id for one in some} - self._published(some)

        wait_for(lambda: None if left() else True, Patience(_STILL_S), poll_s=_POLL_S, figure=left)

    def _published(self, some: Iterable[CutOff]) -> set[str]:
        """Return the ingests of some that are published."""
        wanted = [key_of(keys.ingest_partition(one.ingest_id), keys.MANIFEST_SORT_KEY) for one in some]
        found = self._manifests(wanted)
        return {keys.ingest_of(item["symbol"]["S"]) for item in found if "publishedMs" in item}

    def _manifests(self, wanted: Sequence[Item]) -> Iterator[Item]:
        client, table = self.deployed.target.client("dynamodb"), self.deployed.outputs.table_name
        for at in range(0, len(wanted), _KEYS_A_REQUEST):
            yield from read_items(client, table, {"Keys": wanted[at : at + _KEYS_A_REQUEST], "ConsistentRead": True})

    def ingest_ids(self) -> frozenset[str]:
        """The ingests of what is cut off."""
        return frozenset(one.ingest_id for one in self.first)

    def look(self, progress: Progress, *, sending: bool) -> str:
        """Say what waits to be published, or to be known to be replaced; nothing while other work is left."""
        if not self.is_replacing or sending or not progress.complete:
            self._was_awaited = True
            return "ingests to be published" if self.is_replacing else ""
        awaited = self._awaited()
        # Once more behind it: what is published is listed to be rolled up, which the next look at the lists sees.
        was_awaited, self._was_awaited = self._was_awaited, bool(awaited)
        self._trigger_if_still(awaited)
        if awaited:
            return f"{len(awaited)} ingests to be published or replaced, the first {min(awaited)}"
        return "the rollups of what was published last" if was_awaited else ""

    def are_awaited(self) -> bool:
        """Whether bars change still: something waits to be published, or to be replaced."""
        awaited = self._awaited() if self.is_replacing else set()
        self._trigger_if_still(awaited)
        return bool(awaited)

    def _awaited(self) -> set[str]:
        """Return the ingests that wait to be published, and those cut off that are not replaced yet."""
        client, table = self.deployed.target.client("dynamodb"), self.deployed.outputs.table_name
        waiting = set(self.ingest_ids())
        for partition in keys.revising_partitions():
            pages = client.get_paginator("query").paginate(
                TableName=table,
                ConsistentRead=True,
                KeyConditionExpression="symbol = :partition",
                ExpressionAttributeValues={":partition": {"S": partition}},
            )
            entries = (revising_from(item) for page in pages for item in page["Items"])
            waiting |= {one.ingest_id for one in entries if one.publishes}
        wanted = [key_of(keys.ingest_partition(one), keys.MANIFEST_SORT_KEY) for one in sorted(waiting)]
        done: set[str] = set()
        for item in self._manifests(wanted):
            ingest_id = keys.ingest_of(item["symbol"]["S"])
            is_done = item.get("retraction", {}).get("S") == "done"
            if is_done or (ingest_id not in self.ingest_ids() and is_taken_back(item)):
                done.add(ingest_id)
        return waiting - done

    def _trigger_if_still(self, awaited: set[str]) -> None:
        """Call DataRevision where nothing has moved for long: an event may be lost, and its schedule is 5 minutes."""
        now_s = self.clock.now_s()
        if awaited != self._seen:
            self._seen, self._moved_s = awaited, now_s
        elif awaited and now_s - self._moved_s > TRIGGER_AFTER_S:
            trigger_schedule(self.deployed.target, self.deployed.outputs)
            trigger_revision(self.deployed.target, self.deployed.outputs)
            self.triggers += 1
            self._moved_s = now_s

    def judge(self, api: ApiClient) -> tuple[Check, ...]:
        """Say whether each that was cut off is replaced; nothing to say where none was put. Raises ApiError."""
        if not self.first:
            return ()
        wrong: list[str] = []
        ticks = 0
        for one in self.first:
            answer = api.get(f"/ingest/{one.ingest_id}")
            body: dict[str, Any] = answer.body if isinstance(answer.body, dict) else {}
            ticks += body.get("ticks", 0)
            if (answer.status, body.get("state"), body.get("retraction", {}).get("cause")) != (
                200, "replaced", "replaced"
            ):  # fmt: skip
                wrong.append(f"{one.key}: {answer.status} {str(answer.body)[:160]}")
        detail = f"{len(self.first):,} objects, {ticks:,} ticks of what was there first; {len(wrong)} not replaced"
        return (Check(CHECK, not wrong, detail + (f"; {wrong[0]}" if wrong else "")),)

    def facts(self) -> list[dict[str, Any]]:
        """Say in plain JSON what was put first."""
        return [{"key": one.key, "bytes_first": one.end} for one in self.first]
