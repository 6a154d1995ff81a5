"""Ingests that are taken back: what their manifests say of it, and the list of those under way.

| item | `symbol` | `timestamp` | holds |
|---|---|---|---|
| manifest | `ingest#ID` | 0 | beside the rest: `retraction`, its cause, when it was asked for and when it was done |
| entry | `revising#SHARD` | when asked for, and ingest | which ranges have been checked, hidden, seen to be gone |
| entry | `revising#SHARD` | when received, and ingest | an ingest that is to take the place of others |
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.ingests import IngestState
from tickstream.items import key_of, sort_key_of
from tickstream.strict_fields import Fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tickstream.items import Item

ORDER_SOURCE: Final = "market.analytics.revision"
ORDER_DETAIL_TYPE: Final = "RevisionWaiting"
MAX_INGESTS_AN_ORDER: Final = 100
#: A sentence that says why an ingest cannot be taken back is cut to this.
MAX_WHY_CHARACTERS: Final = 500
_MAX_KEY_CHARACTERS: Final = 64


class Cause(StrEnum):
    """Why an ingest is taken back."""

    ASKED = "asked"
    #: One of its ranges was refused as a whole: an object counts as a whole or not at all.
    REFUSED = "refused"
    #: New bytes under its key took its place.
    REPLACED = "replaced"


class Step(StrEnum):
    """How far it is. ASKED: nobody knows yet whether it can be done; REFUSED: it cannot, and nothing was."""

    ASKED = "asked"
    GOING = "going"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Retraction:
    """What a manifest says of its ingest's retraction. Times in Unix milliseconds.

    why: a sentence, where it is refused, or begun by the pipeline. by: the ingest that takes its place.
    """

    step: Step
    cause: Cause
    asked_ms: int
    done_ms: int = 0
    why: str = ""
    by: str = ""


def state_of_retraction(retraction: Retraction) -> IngestState | None:
    """Return what state an ingest has by it; None where it is refused, and the state is what it was."""
    if retraction.step is Step.REFUSED:
        return None
    if retraction.step is not Step.DONE:
        return IngestState.RETRACTING
    return {
        Cause.ASKED: IngestState.RETRACTED,
        Cause.REFUSED: IngestState.REJECTED,
        Cause.REPLACED: IngestState.REPLACED,
    }[retraction.cause]


@dataclass(frozen=True, slots=True)
class Revising:
    """An ingest that is being taken back. Of each bit of the three: range i has been done so with.

    checked: can be taken back, as far as it is committed. hidden: is withdrawn from all of its hours. gone: was seen to
    be in no rollup and no segment that counts.
    publishes: it is not taken back, but is to be published; asked_ms is when it was received.
    """

    ingest_id: str
    asked_ms: int
    ranges: int
    checked: int = 0
    hidden: int = 0
    gone: int = 0
    publishes: bool = False

    def left_of(self, done: int) -> Iterator[int]:
        """Yield the ranges that one of the three does not have."""
        return (index for index in range(self.ranges) if not done >> index & 1)


# --- the manifest --------------------------------------------------------------------------------------------------


def retraction_attributes(retraction: Retraction) -> dict[str, Item]:
    """Return what of a manifest's item says so."""
    attributes: dict[str, Item] = {
        "retraction": {"S": retraction.step.value},
        "retractionCause": {"S": retraction.cause.value},
        "retractionMs": {"N": str(retraction.asked_ms)},
    }
    if retraction.done_ms:
        attributes["retractedMs"] = {"N": str(retraction.done_ms)}
    if retraction.why:
        attributes["retractionWhy"] = {"S": retraction.why[:MAX_WHY_CHARACTERS]}
    if retraction.by:
        attributes["replacedBy"] = {"S": retraction.by}
    return attributes


def retraction_from(manifest: Item) -> Retraction | None:
    """Read it from a manifest's item; None where nobody takes its ingest back. Raises MalformedItem."""
    if "retraction" not in manifest:
        return None
    try:
        return Retraction(
            Step(manifest["retraction"]["S"]),
            Cause(manifest["retractionCause"]["S"]),
            int(manifest["retractionMs"]["N"]),
            int(manifest["retractedMs"]["N"]) if "retractedMs" in manifest else 0,
            manifest["retractionWhy"]["S"] if "retractionWhy" in manifest else "",
            manifest["replacedBy"]["S"] if "replacedBy" in manifest else "",
        )
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not the retraction of an ingest: {error!r}") from error


def put_order(manifest: Item) -> tuple[int, str]:
    """Return what orders the ingests of one key: when their object was put, in Unix milliseconds, and their ids."""
    put_ms = manifest.get("putMs") or manifest["receivedMs"]
    return int(put_ms["N"]), keys.ingest_of(manifest["symbol"]["S"])


def is_taken_back(manifest: Item) -> bool:
    """Say whether a manifest's item tells that its ingest is being taken back, or was. Raises MalformedItem."""
    retraction = retraction_from(manifest)
    return retraction is not None and retraction.step is not Step.REFUSED


# --- the list ------------------------------------------------------------------------------------------------------


def revising_item(revising: Revising) -> Item:
    """Build the entry of an ingest that is being taken back. It never expires."""
    size = -(-revising.ranges // 8)
    bits = {"checked": revising.checked, "hidden": revising.hidden, "gone": revising.gone}
    key = key_of_publishing if revising.publishes else key_of_revising
    item = {
        **key(revising.ingest_id, revising.asked_ms),
        "ingest": {"S": revising.ingest_id},
        "ranges": {"N": str(revising.ranges)},
        **{name: {"B": some.to_bytes(size, "little")} for name, some in bits.items() if some},
    }
    return {**item, "publishes": {"BOOL": True}} if revising.publishes else item


def key_of_revising(ingest_id: str, asked_ms: int) -> Item:
    """Build the primary key of such an entry."""
    return key_of(keys.revising_partition(ingest_id), keys.activity_sort_key(asked_ms, ingest_id))


def key_of_publishing(ingest_id: str, received_ms: int) -> Item:
    """Build the primary key of the entry of an ingest that is to be published: never that of its retraction."""
    place = keys.arrival_bound(received_ms) + keys.range_id(ingest_id, 1)
    return key_of(keys.revising_partition(ingest_id), place)


def revising_from(item: Item) -> Revising:
    """Read such an entry. Raises MalformedItem."""
    try:
        return Revising(
            ingest_id=item["ingest"]["S"],
            asked_ms=sort_key_of(item) // keys.SUFFIX_SPAN,
            ranges=int(item["ranges"]["N"]),
            checked=_bits(item, "checked"),
            hidden=_bits(item, "hidden"),
            gone=_bits(item, "gone"),
            publishes="publishes" in item,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not an ingest that is being taken back: {error!r}") from error


def _bits(item: Item, name: str) -> int:
    return int.from_bytes(bytes(item[name]["B"]), "little") if name in item else 0


# --- the event -----------------------------------------------------------------------------------------------------


def order_detail(entries: Iterable[Item]) -> str:
    """Write the detail of the event by which DataRevision is asked to go on with some entries, given by their keys."""
    named = [[key["symbol"]["S"], key["timestamp"]["N"]] for key in entries]
    return json.dumps({"entries": named}, separators=(",", ":"))


def order_from_detail(detail: object) -> list[Item]:
    """Read the detail of such an event: the keys of entries, one at least. Raises MalformedItem."""
    what = f"a {ORDER_DETAIL_TYPE} event"
    found: list[Item] = []
    for pair in Fields.of(detail, what).items("entries", MAX_INGESTS_AN_ORDER):
        match pair:
            case [str(partition), str(sort_key)] if (
                partition in keys.revising_partitions()
                and sort_key.isascii()
                and sort_key.isdigit()
                and len(sort_key) <= _MAX_KEY_CHARACTERS
            ):
                found.append(key_of(partition, int(sort_key)))
            case _:
                raise MalformedItem(f"{what}: not the key of an entry")
    if not found:
        raise MalformedItem(f"{what} of no entry")
    return found
