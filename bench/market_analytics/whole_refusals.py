"""Objects that were refused as a whole: each is named with its reason, and its rows are not taken for lost."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.ledger.truth import ObjectFile
from bench.ledger.verdict import Check
from tickstream.revisions import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.ledger.sent import Sent
    from bench.ledger.truth import PostBody
    from bench.market_analytics.table_reader import TableState

CHECK = "refused as a whole"
FEED_CHECK = "read by the feed that was meant"


def refused_in(table: TableState, kept: Sequence[Sent]) -> dict[int, tuple[str, str]]:
    """Return ordinal to reason and sentence of the objects of which nothing was taken."""
    found: dict[int, tuple[str, str]] = {}
    for entry in kept:
        manifest = table.manifests.get(entry.ingest_id) if entry.key else None
        if manifest is None:
            continue
        if manifest.rejected is not None:
            found[entry.ordinal] = (manifest.rejected.value, manifest.rejected_detail)
            continue
        receipts = [table.receipts.get((entry.ingest_id, index)) for index in range(manifest.ranges)]
        refusals = [one.refusal for one in receipts if one is not None and one.refusal is not None]
        # One range refused and another taken is no refusal of the whole before that is taken back: what the refused
        # one had is missing.
        if refusals and (len(refusals) == len(receipts) or table.is_taken_back(entry.ingest_id, Cause.REFUSED)):
            found[entry.ordinal] = (refusals[0].reason.value, refusals[0].detail)
    return found


def of_ingests_but(table: TableState, ingests: frozenset[str]) -> TableState:
    """Return what was read but for manifests and receipts of these ingests, which have no bars."""
    return replace(
        table,
        manifests={name: one for name, one in table.manifests.items() if name not in ingests},
        receipts={place: one for place, one in table.receipts.items() if place[0] not in ingests},
    )


def judge_refused(
    kept: Sequence[Sent], refused: Mapping[int, tuple[str, str]], pieces: Sequence[ObjectFile | PostBody]
) -> tuple[Check, ...]:
    """Compare what was refused with what must be; nothing to say where neither is anything."""
    wanted = {piece.ordinal: piece.refusal for piece in pieces if isinstance(piece, ObjectFile) and piece.refusal}
    said, wrong = [], 0
    for entry in kept:
        reason, detail = refused.get(entry.ordinal, ("", ""))
        want = wanted.get(entry.ordinal, "")
        if not reason and not want:
            continue
        is_right = reason == want.partition(":")[0]
        wrong += not is_right
        must = "as it must be" if is_right else f"and must be refused: {want}" if want else "and must not be"
        got = f"refused: {reason}: {detail}" if reason else "not refused"
        said.append(f"{entry.source}: {got}, {must}")
    return (Check(CHECK, not wrong, "; ".join(said[:5])),) if said else ()


def judge_feeds(table: TableState, kept: Sequence[Sent], pieces: Sequence[ObjectFile | PostBody]) -> tuple[Check, ...]:
    """Compare the feed that each manifest froze with the one whose truth was made."""
    wanted = {piece.ordinal: piece.feed for piece in pieces if isinstance(piece, ObjectFile) and piece.feed}
    right, wrong = 0, []
    for entry in kept:
        manifest = table.manifests.get(entry.ingest_id)
        if entry.ordinal not in wanted or manifest is None or manifest.layout is None:
            continue
        frozen = manifest.layout.feed
        name = str(json.loads(frozen)["name"]) if frozen else "native"
        if name == wanted[entry.ordinal]:
            right += 1
        else:
            wrong.append(f"{entry.source} by {name} instead of {wanted[entry.ordinal]}")
    if not right and not wrong:
        return ()
    detail = "; ".join([f"{right} of {right + len(wrong)} objects", *wrong[:5]])
    return (Check(FEED_CHECK, not wrong, detail),)
