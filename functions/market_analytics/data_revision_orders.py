"""Taking back is ordered: who asks for it says so in the ingest's manifest, and DataRevision does it.

Write by write: the manifest says it first, on the condition that it does not yet. Died right after it: whoever asked
was not told that it is done, and asks again; what is found then is listed again. Then the entry, put if absent: it may
have progress in it. From then on the schedule goes on with it. The event is sooner, no more. Asked for twice, or by two
at once: the first counts, and both list the same entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from tickstream.errors import BadRequest, ServiceIncomplete
from tickstream.fate_items import retracted_item
from tickstream.ingests import is_forgotten
from tickstream.items import manifest_from, manifest_key
from tickstream.revisions import (
    Cause,
    Retraction,
    Revising,
    Step,
    key_of_revising,
    order_detail,
    retraction_attributes,
    retraction_from,
    revising_item,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from services.table import Table
    from tickstream.ingests import Manifest

_ATTEMPTS_AT_MANIFEST: Final = 5

logger = Logger(child=True)

#: Puts events, given by their details; returns those that failed, and why.
type PutEvents = Callable[[Sequence[str]], Mapping[int, str]]


def take_back_refused(table: Table, ingest_id: str, now_ms: int, put_events: PutEvents) -> None:
    """Have an ingest of which a range was refused taken back, if it has others: it counts as a whole or not at all.

    Asked for again and again, as long as somebody sees the refusal. Raises ServiceIncomplete and ServiceRefused.
    """
    try:
        order_retraction(table, ingest_id, Cause.REFUSED, now_ms, put_events, least_ranges=2)
    except BadRequest as error:
        logger.info("nothing is taken back", ingest_id=ingest_id, code=error.code, why=error.message)


def order_retraction(
    table: Table, ingest_id: str, cause: Cause, now_ms: int, put_events: PutEvents, *, least_ranges: int = 1
) -> Retraction:
    """Have an ingest taken back; return how far that is.

    least_ranges: with fewer it has nothing to take back.

    Raises BadRequest: 404 where there is no such ingest, 409 where there is nothing to take back, where its object is
    being indexed, or where it cannot be done. Raises ServiceIncomplete and ServiceRefused.
    """
    key = manifest_key(ingest_id)
    for _ in range(_ATTEMPTS_AT_MANIFEST):
        item = table.get(key)
        manifest = None if item is None else manifest_from(item)
        if item is None or manifest is None or is_forgotten(manifest.received_ms, now_ms):
            raise BadRequest("unknown_ingest", "no such ingest (they are forgotten after 60 days)", status=404)
        retraction = retraction_from(item)
        if retraction is None:
            _refuse_what_has_nothing(manifest, least_ranges)
            retraction = Retraction(Step.ASKED, cause, now_ms)
            # `ranges` and `indexing`: it must still be the manifest that was read, and one at all.
            expected = {"retraction": None, "indexing": None, "ranges": item["ranges"]}
            if table.change_if_equal(key, retraction_attributes(retraction), expected) is None:
                continue  # another was faster, or this very call and its answer got lost
        if retraction.step is Step.REFUSED:
            raise BadRequest("cannot_be_retracted", retraction.why, status=409)
        if retraction.step is not Step.DONE:
            _list(table, manifest, retraction, put_events)
        return retraction
    raise ServiceIncomplete(f"the manifest of ingest {ingest_id} changed {_ATTEMPTS_AT_MANIFEST} times")


def _refuse_what_has_nothing(manifest: Manifest, least_ranges: int) -> None:
    if manifest.indexing:
        raise BadRequest("still_indexing", "its object is being indexed: ask again when that is done", status=409)
    if manifest.rejected is not None or manifest.ranges < least_ranges:
        raise BadRequest("nothing_to_retract", "nothing of this ingest counts", status=409)


def _list(table: Table, manifest: Manifest, retraction: Retraction, put_events: PutEvents) -> None:
    # Found by its state from now on; who reads the list looks what became of it.
    table.put(retracted_item(manifest.ingest_id, manifest.received_ms))
    table.put_if_absent(revising_item(Revising(manifest.ingest_id, retraction.asked_ms, manifest.ranges)))
    for why in put_events([order_detail([key_of_revising(manifest.ingest_id, retraction.asked_ms)])]).values():
        logger.warning("nobody called: the schedule goes on with it", ingest_id=manifest.ingest_id, why=why)
