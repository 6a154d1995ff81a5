"""What must be true of each file, against what status items, the API and the queues say.

Everything here is pure: two sides go in, checks come out, so that each can be shown to fail.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bench.file_processing.input_files import STAGES, Nature
from bench.file_processing.oracle import NOTHING, ExpectedTotals
from bench.ledger.api_client import scaled
from bench.ledger.verdict import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.file_processing.input_files import FeedFile
    from bench.file_processing.table_reader import QueuedMessage, StoredStatus
    from bench.ledger.api_client import Answer

_RETENTION_S: Final = 30 * 24 * 3600
_EXAMPLES: Final = 3
_ENTRY: Final = re.compile(r"(?P<what>.+) at (?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")
_MOMENT: Final = re.compile(r"(?P<seconds>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?Z")


@dataclass(frozen=True, slots=True)
class Fate:
    """One acknowledged file: what must become of it, and what its totals are if it is completed."""

    file_id: str
    file: FeedFile
    totals: ExpectedTotals = NOTHING


@dataclass(frozen=True, slots=True)
class Window:
    """When the files were sent, in epoch milliseconds: from the first to after the last."""

    start_ms: int
    end_ms: int


def _check(name: str, seen: str, faults: Sequence[str]) -> Check:
    detail = f"{seen}, {len(faults):,} wrong"
    if faults:
        detail += "; " + "; ".join(faults[:_EXAMPLES])
    return Check(name, not faults, detail)


def fates_met(fates: Sequence[Fate], statuses: Mapping[str, StoredStatus]) -> Check:
    """Every file rests as completed, or as failed with the expected reason at the expected stage; none is unknown."""
    faults = [f"{file_id}: nobody sent it" for file_id in sorted(statuses.keys() - {fate.file_id for fate in fates})]
    for fate in fates:
        wanted = (fate.file.status, fate.file.stage, fate.file.reason)
        if (stored := statuses.get(fate.file_id)) is None:
            faults.append(f"{fate.file_id}: lost")
            continue
        last = stored.status.last
        got = (last.status.value, last.stage.value, last.reason.code if last.reason else None)
        if got != wanted:
            faults.append(f"{fate.file_id} ({fate.file.fault or 'good'}): {_said(got)} instead of {_said(wanted)}")
    return _check("every file as expected", f"{len(fates):,} files", faults)


def _said(state: tuple[str, str, str | None]) -> str:
    status, stage, reason = state
    return f"{status} by {stage}" + (f" for {reason}" if reason else "")


def stages_in_order(fates: Sequence[Fate], statuses: Mapping[str, StoredStatus], backwards: Sequence[str]) -> Check:
    """Each file entered the stages that it must, once each, one after the other.

    backwards: moves that the bench saw itself while it waited.
    """
    faults = [f"seen going back: {move}" for move in backwards]
    for fate in fates:
        if (stored := statuses.get(fate.file_id)) is None:
            faults.append(f"{fate.file_id}: no history")
            continue
        entries = [_ENTRY.fullmatch(entry) for entry in stored.status.history]
        entered = tuple(entry["what"] if entry else "?" for entry in entries)
        moments = [entry["moment"] for entry in entries if entry]
        if entered != fate.file.history or moments != sorted(moments):
            faults.append(f"{fate.file_id}: {', '.join(stored.status.history)}")
    return _check("stages in order", f"{len(fates):,} histories", faults)


def totals_equal(fates: Sequence[Fate], statuses: Mapping[str, StoredStatus]) -> Check:
    """A completed file's totals are the oracle's, to the last digit; a failed one has none."""
    faults = []
    ticks = 0
    for fate in fates:
        stored = statuses.get(fate.file_id)
        totals = stored.status.last.totals if stored else None
        if fate.file.reason is not None:
            if totals is not None:
                faults.append(f"{fate.file_id}: totals although it must fail")
            continue
        if totals is None:
            faults.append(f"{fate.file_id}: no totals")
            continue
        ticks += totals.ticks
        faults += [
            f"{fate.file_id}: {name} {getattr(totals, name)} instead of {getattr(fate.totals, name)}"
            for name in _TOTALS
            if getattr(totals, name) != getattr(fate.totals, name)
        ]
    return _check("totals equal the oracle's", f"{ticks:,} ticks", faults)


_TOTALS: Final = ("ticks", "rejected", "symbols", "bars", "volume_e9", "notional_e18", "first_ns", "last_ns")


def bad_rows_reported(fates: Sequence[Fate], statuses: Mapping[str, StoredStatus]) -> Check:
    """Files with bad rows say how many there are, and offset and reason of the first ten."""
    faults, rows = [], 0
    for fate in fates:
        if not fate.totals.rejected or (stored := statuses.get(fate.file_id)) is None:
            continue
        last = stored.status.last
        rows += last.rejected or 0
        # Of a file that a stage died on, nobody may have got to look at all rows.
        decoded = fate.file.stage == STAGES[2] or (fate.file.stage, fate.file.reason) == (STAGES[1], "no_valid_row")
        if not decoded and fate.file.reason != "no_valid_row":
            continue
        got = tuple((row.offset, row.reason) for row in last.bad_rows or ())
        if got != fate.totals.bad_rows:
            faults.append(f"{fate.file_id}: bad rows {got[:2]} instead of {fate.totals.bad_rows[:2]}")
        if decoded and last.rejected != fate.totals.rejected:
            faults.append(f"{fate.file_id}: {last.rejected} rejected instead of {fate.totals.rejected}")
    return _check("bad rows reported", f"{rows:,} rejected rows", faults)


def only_poison_is_parked(
    fates: Sequence[Fate],
    parked: Iterable[QueuedMessage],
    dead: Iterable[QueuedMessage],
    functions_and_queues: Mapping[str, str],
) -> tuple[Check, Check]:
    """No message of a healthy file in any dead-letter or parked queue; every poison file is parked, ready to redrive.

    functions_and_queues: for each stage the name of where its messages came from.
    """
    poison = {fate.file_id: fate.file for fate in fates if fate.file.reason == "dead_lettered"}
    parked = list(parked)
    places: Counter[str] = Counter(file_id for message in parked for file_id in message.file_ids)
    strange = [f"parked: {message.file_ids or message.body[:80]}" for message in parked if not _of(message, poison)]
    strange += [f"in a dead-letter queue: {message.file_ids or message.body[:80]}" for message in dead]
    missing = [f"{file_id}: not parked" for file_id in poison if not places[file_id]]
    missing += [
        f"{file_id}: parked as of {message.origin!r}"
        for message in parked
        for file_id in message.file_ids
        if file_id in poison and message.origin != functions_and_queues[poison[file_id].stage]
    ]
    healthy = _check("no healthy file in a dead-letter queue", f"{len(parked):,} messages parked", strange)
    return healthy, _check("poison files parked", f"{len(poison):,} poison files", missing)


def _of(message: QueuedMessage, poison: Mapping[str, FeedFile]) -> bool:
    return bool(message.file_ids) and all(file_id in poison for file_id in message.file_ids)


def answers_agree(fates: Sequence[Fate], statuses: Mapping[str, StoredStatus], answers: Mapping[str, Answer]) -> Check:
    """The status API answers for every file what must be and what is stored, `lastUpdated` among it."""
    faults = []
    for fate in fates:
        answer, stored = answers.get(fate.file_id), statuses.get(fate.file_id)
        if answer is None or answer.status != 200 or not isinstance(answer.body, dict) or stored is None:
            faults.append(f"{fate.file_id}: answered {answer.status if answer else 'nothing'}")
            continue
        bucket, _, key = fate.file_id.partition("/")
        reason = answer.body.get("reason") or {}
        wanted = {
            "fileId": fate.file_id,
            "bucketName": bucket,
            "objectKey": key,
            "status": fate.file.status,
            "stage": fate.file.stage,
            "reason": fate.file.reason,
            "lastUpdated": _moment_of(stored.status.last.at_ms),
        }
        got = {name: answer.body.get(name) for name in wanted} | {"reason": reason.get("code")}
        wrong = [f"{name} {got[name]!r} instead of {wanted[name]!r}" for name in wanted if got[name] != wanted[name]]
        if fate.file.reason is None and (fault := _wrong_totals(answer.body.get("totals"), fate.totals)):
            wrong.append(fault)
        if wrong:
            faults.append(f"{fate.file_id}: {', '.join(wrong)}")
    return _check("status API", f"{len(answers):,} files asked for", faults)


def _wrong_totals(answered: Any, expected: ExpectedTotals) -> str | None:
    """What differs, None where nothing does. Decimals and moments must be text: numbers would have been floats."""
    try:
        got = (
            answered["ticks"],
            answered["rejected"],
            answered["symbols"],
            answered["bars"],
            scaled(answered["volume"], 9),
            scaled(answered["notional"], 18),
            _nanoseconds(answered.get("firstTick")),
            _nanoseconds(answered.get("lastTick")),
        )
    except (KeyError, TypeError, ValueError) as error:
        return f"totals that cannot be read: {error!r}"
    wanted = tuple(getattr(expected, name) for name in _TOTALS)
    return None if got == wanted else f"totals {got} instead of {wanted}"


def expire_in_time(fates: Sequence[Fate], statuses: Mapping[str, StoredStatus], window: Window) -> Check:
    """Every status expires 30 days after the file was received, to the second."""
    faults = []
    for fate in fates:
        if (stored := statuses.get(fate.file_id)) is None:
            continue
        received_s = stored.expiration_s - _RETENTION_S
        if not window.start_ms // 1000 <= received_s <= window.end_ms // 1000:
            faults.append(f"{fate.file_id}: expires at {stored.expiration_s}")
    return _check("expire after 30 days", f"{len(fates):,} statuses", faults)


def received_once(fates: Sequence[Fate], groups: Mapping[str, str], counts: Mapping[str, Mapping[str, int]]) -> Check:
    """Messages of files on which nothing was made to fail were received once by each stage, whoever failed beside them.

    groups: the message group of each file id. counts: by queue, the largest receive count of each group.
    """
    untouched = {groups[fate.file_id]: fate for fate in fates if fate.file.nature in {Nature.GOOD, Nature.CORRUPT}}
    faults = [
        f"{untouched[group].file_id}: received {count} times from {queue}"
        for queue, of_queue in counts.items()
        for group, count in of_queue.items()
        if group in untouched and count != 1
    ]
    seen = sum(group in untouched for of_queue in counts.values() for group in of_queue)
    check = _check("healthy messages received once", f"{seen:,} messages", faults)
    # A queue that nobody listened to has proved nothing.
    return check if seen or not untouched else Check(check.name, passed=False, detail="no receive was seen")


def _moment_of(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def _nanoseconds(text: object) -> int | None:
    if text is None:
        return None
    if not isinstance(text, str) or not (match := _MOMENT.fullmatch(text)):
        raise ValueError(f"{text!r} is no moment")
    seconds = int(datetime.fromisoformat(match["seconds"] + "+00:00").timestamp())
    return seconds * 10**9 + int((match["fraction"] or "").ljust(9, "0"))
