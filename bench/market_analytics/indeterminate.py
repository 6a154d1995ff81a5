"""Pieces of which nobody knew whether they had arrived: the table tells, after the run.

An object is there if its manifest is: S3 keeps it, and its event comes. A POST is there if its ticks are committed:
its ticks were sent on as one message, so all of them are there or none.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.ledger.sent import Outcome
from bench.ledger.truth import PostBody

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.ledger.sent import Sent
    from bench.ledger.truth import ObjectFile
    from bench.market_analytics.oracle import Oracle
    from bench.market_analytics.table_reader import TableState


def resolved(
    outcomes: Iterable[Sent], table: TableState, oracle: Oracle, pieces: Iterable[ObjectFile | PostBody]
) -> tuple[Sent, ...]:
    """Return what became of each piece, those in doubt that are there as acknowledged and recovered.

    Of a POST in doubt nobody knows the ingest id: the record of its key has it, and the digest of its body. Of two
    with the same body either may be taken for the other: they hold the same ticks.
    """
    found = tuple(outcomes)
    doubted = {one.ordinal for one in found if one.outcome is Outcome.INDETERMINATE}
    bodies = {
        piece.ordinal: hashlib.sha256(piece.body).digest()
        for piece in pieces
        if isinstance(piece, PostBody) and piece.ordinal in doubted
    }
    strangers = _strange_posts(found, table)
    return tuple(_resolved(one, table, oracle, strangers, bodies.get(one.ordinal, b"")) for one in found)


def _strange_posts(outcomes: Iterable[Sent], table: TableState) -> dict[bytes, list[str]]:
    """Ingest ids of committed POSTs that no answer named, by the digest of their bodies."""
    known = {one.ingest_id for one in outcomes}
    strangers: dict[bytes, list[str]] = defaultdict(list)
    for body, ingests in table.posted.items():
        # A manifest alone brings no ticks.
        strangers[body] += [one for one in ingests if one not in known and (one, 0) in table.receipts]
    return strangers


def _resolved(one: Sent, table: TableState, oracle: Oracle, strangers: dict[bytes, list[str]], body: bytes) -> Sent:
    if one.outcome is not Outcome.INDETERMINATE:
        return one
    if not one.is_post:
        there = one.ingest_id in table.manifests
        return replace(one, outcome=Outcome.ACKNOWLEDGED, recovered=True) if there else one
    alike = strangers.get(body)
    if not alike:
        return one
    # What was refused of it was answered, and not heard: it is taken to be what was planted.
    refused = oracle.reasons_of(one.ordinal)
    return replace(one, outcome=Outcome.ACKNOWLEDGED, recovered=True, ingest_id=alike.pop(), refused=refused)
