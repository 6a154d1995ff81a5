"""Gathers both sides of every check and states the verdict."""

from __future__ import annotations

import gc
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bench.errors import ApiError, ReadBackError
from bench.ledger.sent import origins_of
from bench.ledger.verdict import Check, Verdict, judge_acknowledged, sent_counts
from bench.market_analytics.api_checks import judge_bars, read_api
from bench.market_analytics.api_reader import Window, read_by_post
from bench.market_analytics.compare import (
    UNANNOUNCED,
    compare_bars,
    compare_rejects,
    judge_announced,
    judge_dead_letters,
)
from bench.market_analytics.hostile_objects import SYMBOL, rejects_without, without
from bench.market_analytics.indeterminate import resolved
from bench.market_analytics.polling import judge_reads
from bench.market_analytics.table_reader import RecordedReject, read_dead_letters, read_rejects, read_table
from bench.market_analytics.taken_back import ingests_asked_for, judge_taken_back, retracted_ticks
from bench.market_analytics.whole_refusals import judge_feeds, judge_refused, of_ingests_but, refused_in
from bench.workers.told import judge_workers

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from bench.ledger.api_client import ApiClient
    from bench.ledger.sent import Sent
    from bench.ledger.truth import ObjectFile, PostBody
    from bench.market_analytics.compare import RejectFindings
    from bench.market_analytics.evidence import Evidence
    from bench.market_analytics.load import Deployed
    from bench.market_analytics.oracle import Oracle, PlantedReject
    from bench.market_analytics.table_reader import DeadLetter, TableState

_INGESTS_ASKED: Final = 25
#: What becomes of rows, as receipts and the API call it.
_COUNTS: Final = ("ticks", "rejected", "skipped", "cancelled")
_SYMBOLS_READ_LATE: Final = 100
#: Python's 2,000 take a quarter of the time that it takes to verify ten million ticks.
_OBJECTS_UNTIL_COLLECTED: Final = 100_000


def verdict_of(deployed: Deployed, evidence: Evidence) -> Verdict:
    """Judge; what cannot be read back at all is a failed check, not a failed bench."""
    try:
        with _rarely_collected():
            return judge(deployed, evidence)
    except (ApiError, ReadBackError) as error:
        outcomes = evidence.ledger.outcomes()
        checks = (
            judge_acknowledged(outcomes, evidence.attempted),
            Check("everything processed", evidence.completion.complete, evidence.completion.explanation),
            Check("reading back", passed=False, detail=str(error)),
            *judge_workers(evidence.workers, outcomes),
            *evidence.checks,
        )
        return Verdict(sent_counts(outcomes, evidence.attempted), checks)


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """Have circles of garbage looked for rarely: bars by the hundred thousand stay to the end, and are in none."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_UNTIL_COLLECTED, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def judge(deployed: Deployed, evidence: Evidence) -> Verdict:
    """Read everything back, compare it with the oracle, and state what was found."""
    target, outputs, api = deployed.target, deployed.outputs, deployed.api
    dead_letters = read_dead_letters(target, outputs.dead_letter_queues())
    aside = evidence.planted_ingests
    table = without(read_table(target, outputs.table_name), aside)
    outcomes = resolved(evidence.ledger.outcomes(), table, evidence.oracle, evidence.pieces)
    acknowledged = [one for one in outcomes if one.acknowledged]
    refused_whole = refused_in(table, acknowledged)
    judged_whole = (
        *judge_refused(acknowledged, refused_whole, evidence.pieces),
        *judge_feeds(table, acknowledged, evidence.pieces),
    )
    kept = [one for one in acknowledged if one.ordinal not in refused_whole]
    aside = aside | {one.ingest_id for one in acknowledged if one.ordinal in refused_whole}
    table = of_ingests_but(table, aside)
    taken_back = ingests_asked_for(evidence.retractions, kept)
    counting = [one for one in kept if one.ordinal not in taken_back]
    oracle = evidence.oracle.among(origins_of(counting))
    expected = oracle.bars()
    # What is taken back is no less read and judged row by row.
    planted = evidence.oracle.among(origins_of(kept)).planted()
    stored = compare_bars(expected, table.bars)
    dead_lettered = _dead_lettered_ticks(counting, oracle, table, dead_letters)
    rejects = rejects_without(read_rejects(target, outputs.rejected_bucket_name), aside)
    recorded = _recorded_rejects(rejects, kept, evidence.pieces, planted)
    refused = _refused_in_answers(kept, planted)
    counts = {
        **sent_counts(outcomes, evidence.attempted),
        "ok": stored.ok,
        "lost": max(0, stored.lost - dead_lettered),
        "duplicated": stored.duplicated,
        "unexpected": stored.unexpected,
        "rejected": recorded.matched + refused.matched,
        "skipped": sum(receipt.skipped for receipt in table.receipts.values()),
        "cancelled": sum(receipt.cancelled for receipt in table.receipts.values()),
        "refused": sum(one.rows for one in acknowledged if one.ordinal in refused_whole),
        "retracted": retracted_ticks(table, taken_back.values()),
        "dead-lettered": dead_lettered,
        "dead letters": len(dead_letters),
        "bars": sum(len(bars) for bars in expected.values()),
        "wrong bars": stored.wrong_bars,
    }
    answered = read_api(api, expected, {SYMBOL} if evidence.planted_ingests else (), _now_minute())
    checks = (
        judge_acknowledged(outcomes, evidence.attempted),
        *judge_workers(evidence.workers, outcomes),
        Check("everything processed", evidence.completion.complete, evidence.completion.explanation),
        *judged_whole,
        judge_bars("bars in DynamoDB", stored),
        *answered.checks(),
        _rejects("rejected rows", recorded),
        _rejects("refused in answers", refused),
        _receipts(kept, table, planted, evidence.pieces),
        _statuses(api, kept, evidence.pieces, taken_back),
        *judge_taken_back(evidence.retractions, taken_back.values(), table, expected, api),
        *(evidence.replacements.judge(api) if evidence.replacements else ()),
        *_polled(evidence, kept, table),
        *([judge_announced(table, evidence.journal)] if evidence.journal else []),
        _rollups(table),
        _listed(table),
        judge_dead_letters(dead_letters, evidence.expected_dead_letters),
        _account(counts),
        *evidence.checks,
    )
    differences = [*stored.examples, *answered.differences()]
    examples = [f"{one.symbol} minute {one.minute}: {one.field} {one.expected}, got {one.got}" for one in differences]
    return Verdict(
        counts=counts,
        checks=checks,
        rejected_by_reason={
            "planted": Counter(recorded.planted) + Counter(refused.planted),
            "recorded": Counter(recorded.recorded) + Counter(refused.recorded),
        },
        examples=(*examples[:10], *recorded.examples, *refused.examples),
        not_measured=(*(() if evidence.journal else (UNANNOUNCED,)), *answered.sessions.not_shown),
    )


def late_bars(name: str, api: ApiClient, oracle: Oracle, late_hours: Container[tuple[str, int]] = ()) -> Check:
    """Compare bars of up to 100 symbols, read now through `POST /bars`, with all that the oracle expects of them.

    late_hours: symbols and hours (since 1970) with something in no rollup: none of their bars may be closed.
    """
    expected = oracle.bars()
    if not expected:
        return Check(name, passed=False, detail="there are no bars to read")
    late_ones = {symbol for symbol, bars in expected.items() if any((symbol, at // 60) in late_hours for at in bars)}
    ordered = sorted(expected, key=lambda symbol: (symbol not in late_ones, symbol))
    some = {symbol: expected[symbol] for symbol in ordered[:_SYMBOLS_READ_LATE]}
    minutes = [minute for bars in some.values() for minute in bars]
    try:
        answered = read_by_post(api, list(some), Window(min(minutes), max(minutes) + 1))
    except ApiError as error:
        return Check(name, passed=False, detail=str(error))
    late = (bar for symbol, bars in answered.items() for at, bar in bars.items() if (symbol, at // 60) in late_hours)
    closed = sum(bar.closed for bar in late)
    found = judge_bars(name, compare_bars(some, answered))
    return Check(name, found.passed and not closed, f"{found.detail}, {closed:,} that are late called closed")


def _now_minute() -> int:
    return int(time.time()) // 60


def _listed(table: TableState) -> Check:
    """Say whether each ingest is found by its hour, by its key where it has one, and where it was refused."""
    missing = len(table.unlisted)
    return Check("found in the lists", not missing, f"{missing:,} missing; {', '.join(table.unlisted[:3]) or 'none'}")


def _rejects(name: str, found: RejectFindings) -> Check:
    detail = (
        f"{found.matched:,} of {sum(found.planted.values()):,} as planted; {found.missing:,} missing, "
        f"{found.wrong_reason:,} with another reason, {found.wrong_text:,} with another text, "
        f"{found.repeated:,} twice, {found.unexpected:,} unexpected"
    )
    return Check(name, found.passed, detail)


def _polled(evidence: Evidence, kept: Sequence[Sent], table: TableState) -> tuple[Check, ...]:
    if evidence.reader is None:
        return ()
    manifests = {one.ordinal: table.manifests[one.ingest_id] for one in kept if one.ingest_id in table.manifests}
    first = {one.ordinal: one.end for one in evidence.replacements.first} if evidence.replacements else {}
    return judge_reads(evidence.reader, manifests, evidence.retractions, first)


def _recorded_rejects(
    rejects: Sequence[RecordedReject],
    kept: Sequence[Sent],
    pieces: Sequence[ObjectFile | PostBody],
    planted: Sequence[PlantedReject],
) -> RejectFindings:
    """Rows of objects, as the rejects bucket has them."""
    ordinals = {entry.ingest_id: entry.ordinal for entry in kept if not entry.is_post}
    texts = {piece.ordinal: getattr(piece, "text_path", None) for piece in pieces}

    def text_of(row: PlantedReject) -> bytes | None:
        path = texts.get(row.ordinal)
        if path is None or not row.length:
            return None
        with path.open("rb") as file:
            file.seek(row.offset)
            return bytes(file.read(row.length))

    of_objects = [row for row in planted if row.ordinal in set(ordinals.values())]
    return compare_rejects(of_objects, rejects, ordinals.get, text_of)


def _refused_in_answers(kept: Sequence[Sent], planted: Sequence[PlantedReject]) -> RejectFindings:
    """Ticks of POSTs, as the answers have them."""
    posts = {entry.ordinal: entry for entry in kept if entry.is_post}
    answered = [
        RecordedReject(str(entry.ordinal), 0, position, reason, None, 0)
        for entry in posts.values()
        for position, reason in (entry.refused or {}).items()
    ]
    return compare_rejects([row for row in planted if row.ordinal in posts], answered, int, lambda _: None)


def _dead_lettered_ticks(
    kept: Sequence[Sent], oracle: Oracle, table: TableState, dead_letters: Sequence[DeadLetter]
) -> int:
    """Good ticks of ranges that are not committed and whose message is in a dead-letter queue, each range once."""
    ordinals = {entry.ingest_id: entry.ordinal for entry in kept if entry.ingest_id}
    extents = {(one.ingest_id, one.start, one.end) for one in dead_letters if one.ingest_id in ordinals}
    total = 0
    for ingest_id, start, end in extents:
        manifest = table.manifests.get(ingest_id)
        index = next((span.index for span in manifest.spans if span.start == start), 0) if manifest else 0
        if (ingest_id, index) not in table.receipts:
            total += oracle.good_ticks(ordinals[ingest_id], start, end)
    return total


def _receipts(
    kept: Sequence[Sent],
    table: TableState,
    planted: Sequence[PlantedReject],
    pieces: Sequence[ObjectFile | PostBody],
) -> Check:
    """Per ingest: the receipts' counts are the rows that were sent: good, corrupt, no trades, and cancelled."""
    corrupt = Counter(row.ordinal for row in planted)
    no_ticks = _no_ticks(pieces)
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for (ingest_id, _), receipt in table.receipts.items():
        counted[ingest_id].update({name: getattr(receipt, name) for name in _COUNTS})
    wrong = []
    known = {entry.ingest_id for entry in kept if entry.ingest_id}
    for entry in kept:
        skipped, cancelled = no_ticks.get(entry.ordinal, (0, 0))
        good = entry.rows - corrupt[entry.ordinal] - skipped - cancelled
        # A POST's refused ticks were answered and travel no further.
        want = (good, 0 if entry.is_post else corrupt[entry.ordinal], skipped, cancelled)
        of_ingest = counted.get(entry.ingest_id, Counter())
        got = tuple(of_ingest[name] for name in _COUNTS)
        if want != got:
            said = ", ".join(f"{number} {name}" for number, name in zip(got, _COUNTS, strict=True))
            wrong.append(f"{entry.source or entry.ordinal}: {said} instead of {want}")
    strange = len({ingest_id for ingest_id, _ in table.receipts} - known)
    detail = f"{len(table.receipts):,} ranges committed, {len(wrong):,} ingests with wrong counts, {strange} unknown"
    return Check("receipts", not wrong and not strange, detail + (f"; {wrong[0]}" if wrong else ""))


def _no_ticks(pieces: Sequence[ObjectFile | PostBody]) -> dict[int, tuple[int, int]]:
    """Rows of each piece that are skipped, and those that are cancelled."""
    return {piece.ordinal: (getattr(piece, "skipped", 0), getattr(piece, "cancelled", 0)) for piece in pieces}


def _statuses(
    api: ApiClient, kept: Sequence[Sent], pieces: Sequence[ObjectFile | PostBody], taken_back: Container[int] = ()
) -> Check:
    """`GET /ingest/{ingestId}` of some ingests, objects first; taken_back: sources of which it must say so."""
    no_ticks = _no_ticks(pieces)
    asked = [entry for entry in kept if entry.ingest_id]
    asked = sorted(asked, key=lambda entry: (entry.is_post, entry.ordinal))[:_INGESTS_ASKED]
    wrong = []
    for entry in asked:
        answer = api.get(f"/ingest/{entry.ingest_id}")
        body = answer.body if isinstance(answer.body, dict) else {}
        all_rows = sum(body.get(name, 0) for name in _COUNTS) == entry.rows
        no_tick = tuple(body.get(name, 0) for name in _COUNTS[2:]) == no_ticks.get(entry.ordinal, (0, 0))
        state = "retracted" if entry.ordinal in taken_back else "complete"
        if answer.status != 200 or body.get("state") != state or not all_rows or not no_tick:
            wrong.append(f"{entry.source}: {answer.status} {str(answer.body)[:160]}")
    detail = f"{len(asked)} ingests asked for, {len(wrong)} not as they must be, or without some of their rows"
    return Check("GET /ingest", not wrong, detail + (f"; {wrong[0]}" if wrong else ""))


def _rollups(table: TableState) -> Check:
    detail = (
        f"{table.rollups:,} rollups, {table.segments:,} segments, {table.slices:,} slices of which "
        f"{table.loose_slices:,} not rolled up; {table.pending:,} ranges pending"
    )
    return Check("rollups include everything", not table.loose_slices and not table.pending, detail)


def _account(counts: Mapping[str, int]) -> Check:
    """Every acknowledged row is in exactly one place."""
    names = ("ok", "lost", "rejected", "skipped", "cancelled", "refused", "retracted", "dead-lettered")
    places = sum(counts[name] for name in names)
    detail = f"{' + '.join(names)} = {places:,} of {counts['acknowledged']:,} acknowledged"
    return Check("every row accounted for", places == counts["acknowledged"] and not counts["lost"], detail)
