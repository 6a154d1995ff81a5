"""Pieces of which nobody knew whether they had arrived: the table tells, after the run.

An object is there if its manifest is: S3 keeps it, and its event comes. A POST is there if its ticks are committed:
its ticks were sent on as one message, so all of them are there or none.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.ledger.sent import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.ledger.sent import Sent
    from bench.market_analytics.oracle import Oracle
    from bench.market_analytics.table_reader import TableState


def resolved(outcomes: Iterable[Sent], table: TableState, oracle: Oracle) -> tuple[Sent, ...]:
    """Return what became of each piece, those in doubt that are there as acknowledged and recovered.

    Of a POST in doubt nobody knows the ingest id: it is found by how many ticks it had, and of which hours. Where
    two of them are alike in that, either may be taken for the other.
    """
    found = tuple(outcomes)
    strangers = _strange_posts(found, table)
    return tuple(_resolved(one, table, oracle, strangers) for one in found)


type _Signature = tuple[int, frozenset[tuple[str, int]]]


def _strange_posts(outcomes: Iterable[Sent], table: TableState) -> dict[_Signature, list[str]]:
    """Ingest ids of committed POSTs that no answer named, by what they hold."""
    known = {one.ingest_id for one in outcomes}
    strangers: dict[_Signature, list[str]] = defaultdict(list)
    for ingest_id, manifest in table.manifests.items():
        receipt = table.receipts.get((ingest_id, 0))
        if manifest.source is None and receipt is not None and ingest_id not in known:
            hours = frozenset((symbol, hour) for symbol, hours in receipt.hours.items() for hour in hours)
            strangers[manifest.accepted + manifest.refused, hours].append(ingest_id)
    return strangers


def _resolved(one: Sent, table: TableState, oracle: Oracle, strangers: dict[_Signature, list[str]]) -> Sent:
    if one.outcome is not Outcome.INDETERMINATE:
        return one
    if not one.is_post:
        there = one.ingest_id in table.manifests
        return replace(one, outcome=Outcome.ACKNOWLEDGED, recovered=True) if there else one
    alike = strangers.get((one.rows, oracle.hours_of(one.ordinal)))
    if not alike:
        return one
    # What was refused of it was answered, and not heard: it is taken to be what was planted.
    refused = oracle.reasons_of(one.ordinal)
    return replace(one, outcome=Outcome.ACKNOWLEDGED, recovered=True, ingest_id=alike.pop(), refused=refused)
