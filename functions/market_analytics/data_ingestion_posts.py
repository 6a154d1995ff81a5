"""Ticks arrive by `POST /ingest`: take them once, whatever is sent twice, and queue them in one message.

What may go wrong in between, write by write. The caller counts a 200 as taken and nothing else:

1. the **idempotency record** (only with a key), put if absent: it fixes the ingest id and the time of receipt for 24
   hours. Died here: the caller retries under the same key, finds the record and goes on with the same id.
2. the **activity** entry and the one in the **list** of what came in the hour, in one request and without conditions:
   the id is this request's own, or a retry's, which writes the same bytes. Then the **manifest**, put if absent: it may
   say by now that its ingest is taken back, and a retry, be it of this very write, must not unsay it. Died here, or in
   between: no ticks are on their way; the ingest counts as overdue, as it is, until a retry.
3. the **message**. Died after it, before the answer: the ticks will be counted. A caller that retries with its key
   sends the same message again (same id, same times), which changes nothing; without a key a retry is a new request
   and its ticks are new ticks: that is what the key is for.

A retry that finds the receipt does neither 2 nor 3: the ingest may be confirmed, and would be listed, and its ticks
reported, once more. One that looked just before the receipt was written lists it again long before it can be confirmed
(this function lives for less than the time that must pass between the two).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_ingestion_requests import check_ticks, refusal_fields
from tickstream import keys
from tickstream.errors import BadRequest, MalformedItem, ServiceIncomplete
from tickstream.fate_items import arrival_items
from tickstream.ingests import Activity, Manifest
from tickstream.items import EXPIRY_ATTRIBUTE, activity_item, key_of, manifest_item
from tickstream.messages import InlineTicks, encode_message
from tickstream.promises import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from market_analytics.data_ingestion_requests import CheckedTicks, PostedTicks
    from services.table import Table
    from tickstream.items import Item

IDEMPOTENCY_SECONDS: Final = 24 * 3600

#: The record changes only by expiring and being taken over; who loses such a race reads again.
_ATTEMPTS_AT_RECORD: Final = 5
_RECORD_SORT_KEY: Final = 0

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class FirstUse:
    """What the first request under an idempotency key decided. `received_ns`: Unix nanoseconds."""

    ingest_id: str
    received_ns: int
    body_digest: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """What a request came to. `received_ns`: the timestamp of the ticks that had none."""

    ingest_id: str
    received_ns: int
    checked: CheckedTicks


def take_ticks(
    posted: PostedTicks, request_id: str, now_ns: int, *, table: Table, send: Callable[[Iterable[str]], int]
) -> Taken:
    """Take the ticks of a request: returns when they are in the queue.

    request_id: unique to this invocation. now_ns: Unix nanoseconds.

    Raises BadRequest, where no tick is good or the key was used for another body; ServiceIncomplete and
    ServiceRefused, after which the request may or may not have been taken.
    """
    checked = check_ticks(posted.entries, now_ns)
    if not checked.accepted:
        # Before the key is claimed: a corrected body may be sent under it.
        raise BadRequest(
            "all_ticks_rejected", "none of the ticks could be taken", details=refusal_fields(checked.refused)
        )
    _check_length(checked, now_ns)
    first = _first_use(posted, request_id, now_ns, table)
    # For whatever is logged of this call from now on; the next call begins without.
    logger.append_keys(ingest_id=first.ingest_id)
    if first.received_ns != now_ns:
        # A retry: ticks without a timestamp must be the very ticks that they were the first time.
        checked = check_ticks(posted.entries, first.received_ns)
        if table.get(key_of(keys.ingest_partition(first.ingest_id), keys.receipt_sort_key(0, 0))) is not None:
            return Taken(first.ingest_id, first.received_ns, checked)
    received_ms = first.received_ns // keys.NS_PER_MS
    manifest = Manifest(
        first.ingest_id,
        received_ms,
        ranges=1,
        accepted=len(checked.accepted),
        refused=len(checked.refused),
    )
    activity = Activity(first.ingest_id, received_ms, ranges=1)
    table.batch_write([activity_item(activity), *arrival_items(manifest)])
    table.put_if_absent(manifest_item(manifest))
    send([encode_message(InlineTicks(first.ingest_id, received_ms, checked.accepted))])
    return Taken(first.ingest_id, first.received_ns, checked)


def _check_length(checked: CheckedTicks, now_ns: int) -> None:
    """Raise BadRequest where the ticks do not fit a message: whatever its id and time, it is as long."""
    message = encode_message(InlineTicks("0" * 32, now_ns // keys.NS_PER_MS, checked.accepted))
    if len(message) > MAX_MESSAGE_BYTES:
        raise BadRequest(
            "body_too_large",
            f"its ticks take {len(message)} bytes in a message, at most {MAX_MESSAGE_BYTES}: send fewer at once",
            status=413,
        )


def _first_use(posted: PostedTicks, request_id: str, now_ns: int, table: Table) -> FirstUse:
    key = posted.idempotency_key
    if key is None:
        return FirstUse(keys.posted_ingest_id(posted.caller, request_id), now_ns, posted.body_digest)
    # The request's id too: after 24 hours the same key begins another ingest.
    mine = FirstUse(keys.posted_ingest_id(posted.caller, f"{key}\n{request_id}"), now_ns, posted.body_digest)
    record = _record_item(keys.idempotency_partition(posted.caller, key), mine)
    for _ in range(_ATTEMPTS_AT_RECORD):
        if table.put_if_absent(record):
            return mine
        found = table.get(key_of(keys.idempotency_partition(posted.caller, key), _RECORD_SORT_KEY))
        if found is None:
            continue  # It expired and was deleted in this moment.
        known = _first_use_from(found)
        # To the nanosecond; by its own expiry the record is there for up to a second more.
        if now_ns - known.received_ns < IDEMPOTENCY_SECONDS * 10**9:
            return _same_request(known, posted)
        if table.put_if_equal(record, "ingest", {"S": known.ingest_id}):
            return mine
    raise ServiceIncomplete(f"the record of an idempotency key changed {_ATTEMPTS_AT_RECORD} times")


def _same_request(known: FirstUse, posted: PostedTicks) -> FirstUse:
    if known.body_digest != posted.body_digest:
        raise BadRequest(
            "idempotency_key_reused",
            "this Idempotency-Key was used for another body within the last 24 hours",
            status=409,
        )
    return known


def _record_item(partition: str, first: FirstUse) -> Item:
    return {
        **key_of(partition, _RECORD_SORT_KEY),
        "ingest": {"S": first.ingest_id},
        "receivedNs": {"N": str(first.received_ns)},
        "body": {"B": first.body_digest},
        # The second that is begun counts: not one moment less than is promised.
        EXPIRY_ATTRIBUTE: {"N": str(first.received_ns // 10**9 + IDEMPOTENCY_SECONDS + 1)},
    }


def _first_use_from(item: Item) -> FirstUse:
    try:
        return FirstUse(
            ingest_id=item["ingest"]["S"],
            received_ns=int(item["receivedNs"]["N"]),
            body_digest=bytes(item["body"]["B"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not the record of an idempotency key: {error!r}") from error
