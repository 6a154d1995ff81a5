"""Gathers both sides of every check of file processing and states the verdict."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.errors import ApiError, ReadBackError
from bench.faults import FaultInjector
from bench.file_processing import compare
from bench.file_processing.compare import Fate
from bench.file_processing.input_files import Nature
from bench.file_processing.oracle import NOTHING, expected_totals
from bench.file_processing.table_reader import queued, read_statuses
from bench.ledger.api_client import Answer, ApiClient
from bench.ledger.verdict import Check, Verdict
from tickstream.files import group_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.file_processing.compare import Window
    from bench.file_processing.completion import Rest
    from bench.file_processing.input_files import FeedFile
    from bench.file_processing.table_reader import StoredStatus
    from bench.ledger.sent import Ledger
    from bench.stack.outputs import FileOutputs
    from bench.targets import Target

_CALLERS: Final = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict is based on, beside what is read back. `truth`: the folder of the truth."""

    files: Sequence[FeedFile]
    truth: Path
    ledger: Ledger
    rest: Rest
    window: Window


def verdict_of(target: Target, outputs: FileOutputs, environment: str, evidence: Evidence) -> Verdict:
    """Judge; what cannot be read back at all is a failed check, not a failed bench."""
    try:
        return judge(target, outputs, environment, evidence)
    except (ApiError, ReadBackError) as error:
        checks = (
            _acknowledged(evidence),
            Check("every file at rest", evidence.rest.complete, evidence.rest.explanation),
            Check("reading back", passed=False, detail=str(error)),
        )
        return Verdict({"attempted": len(evidence.files)}, checks)


def judge(target: Target, outputs: FileOutputs, environment: str, evidence: Evidence) -> Verdict:
    """Read everything back, compare it with what must be, and state what was found."""
    totals = expected_totals(evidence.truth)
    acknowledged = {entry.ordinal for entry in evidence.ledger.acknowledged()}
    fates = [
        Fate(f"{outputs.bucket_name}/{file.object.key}", file, totals.get(file.ordinal, NOTHING))
        for file in evidence.files
        if file.ordinal in acknowledged
    ]
    statuses = read_statuses(target, outputs.processing_table_name)
    parked = list(queued(target, outputs.parked_queue_url))
    dead = [message for url in outputs.dead_letter_queues().values() for message in queued(target, url)]
    api = ApiClient(target, target.api_url(outputs.rest_api_id, environment))
    origins = {
        "validator": outputs.validator_function_name,
        **{stage: url.rpartition("/")[2] for stage, url in outputs.working_queues().items()},
    }
    checks = [
        _acknowledged(evidence),
        Check("every file at rest", evidence.rest.complete, evidence.rest.explanation),
        compare.fates_met(fates, statuses),
        compare.stages_in_order(fates, statuses, evidence.rest.backwards),
        compare.totals_equal(fates, statuses),
        compare.bad_rows_reported(fates, statuses),
        *compare.only_poison_is_parked(fates, parked, dead, origins),
        compare.answers_agree(fates, statuses, _answers(api, fates)),
        _other_answers(api, outputs.bucket_name),
        compare.expire_in_time(fates, statuses, evidence.window),
    ]
    if any(fate.file.nature in {Nature.POISON, Nature.CURABLE} for fate in fates):
        checks.append(_received_once(target, outputs, fates))
    return Verdict(_counts(evidence, fates, statuses, len(parked), len(dead)), tuple(checks), _reasons(fates, statuses))


def _acknowledged(evidence: Evidence) -> Check:
    faults = [entry for entry in evidence.ledger.entries() if not entry.acknowledged]
    acknowledged = len(evidence.ledger.acknowledged())
    detail = f"{acknowledged:,} of {len(evidence.files):,} files"
    if faults:
        detail += f"; {len(faults):,} failed, the first: {faults[0].fault}"
    return Check("acknowledged", acknowledged == len(evidence.files), detail)


def _answers(api: ApiClient, fates: Sequence[Fate]) -> dict[str, Answer]:
    with ThreadPoolExecutor(_CALLERS, thread_name_prefix="caller") as pool:
        answers = pool.map(lambda fate: (fate.file_id, api.get(f"/status/{fate.file_id}")), fates)
        return dict(answers)


def _other_answers(api: ApiClient, bucket: str) -> Check:
    """What is not there is 404, what names nothing is 400."""
    wanted = {f"/status/{bucket}/never sent/100%25.csv": 404, "/status": 400, f"/status/{bucket}": 400}
    got = {path: api.get(path).status for path in wanted}
    return Check("status API without a file", got == wanted, ", ".join(f"{path}: {got[path]}" for path in got))


def _received_once(target: Target, outputs: FileOutputs, fates: Sequence[Fate]) -> Check:
    injector = FaultInjector(target)
    names = [url.rpartition("/")[2] for url in outputs.working_queues().values()]
    counts = {name: injector.receive_counts(name) for name in names}
    return compare.received_once(fates, {fate.file_id: group_of(fate.file_id) for fate in fates}, counts)


def _counts(
    evidence: Evidence, fates: Sequence[Fate], statuses: Mapping[str, StoredStatus], parked: int, dead: int
) -> dict[str, int]:
    natures = Counter(file.nature for file in evidence.files)
    known = [statuses[fate.file_id].status.last for fate in fates if fate.file_id in statuses]
    at_rest = Counter(last.status.value for last in known)
    return {
        "attempted": len(evidence.files),
        **{nature.value: natures[nature] for nature in Nature},
        "acknowledged": len(fates),
        "completed": at_rest["completed"],
        "failed": at_rest["failed"],
        "lost": len(fates) - at_rest["completed"] - at_rest["failed"],
        "unexpected": len(statuses) - len(known),
        "parked": parked,
        "dead letters": dead,
        "ticks": sum(last.totals.ticks for last in known if last.totals),
        "rejected rows": sum(last.rejected or 0 for last in known),
    }


def _reasons(fates: Sequence[Fate], statuses: Mapping[str, StoredStatus]) -> dict[str, dict[str, int]]:
    recorded = [statuses[fate.file_id].status.last.reason for fate in fates if fate.file_id in statuses]
    return {
        "planted": dict(Counter(fate.file.reason for fate in fates if fate.file.reason)),
        "recorded": dict(Counter(reason.code for reason in recorded if reason)),
    }
