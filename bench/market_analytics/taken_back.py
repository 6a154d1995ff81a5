"""The verdict on ingests that were taken back: each is, by what the API says, and none of its ticks is in a bar."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from bench.ledger.verdict import Check
from bench.market_analytics.api_reader import Window, read_by_post
from bench.market_analytics.retractions import Step
from tickstream.keys import range_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from bench.ledger.api_client import ApiClient
    from bench.ledger.sent import Sent
    from bench.market_analytics.api_reader import AnsweredBars
    from bench.market_analytics.compare import ReadBar
    from bench.market_analytics.oracle import ExpectedBar
    from bench.market_analytics.retractions import Retraction
    from bench.market_analytics.table_reader import TableState
    from tickstream.keys import SymbolHour

CHECK: Final = "taken back"
_INGESTS_ASKED: Final = 100
_SYMBOLS_READ: Final = 100
_MINUTES: Final = 60
_STEPS: Final = {
    Step.WAITING: "not asked for",
    Step.IN_DOUBT: "asked for, and not answered",
    Step.ASKED: "not done",
    Step.REFUSED: "refused",
}


def ingests_asked_for(retractions: Sequence[Retraction], kept: Iterable[Sent]) -> dict[int, str]:
    """Return ordinal and ingest of what was kept and is not to count: asked for and not refused, heard of or not."""
    gone = {Step.IN_DOUBT, Step.ASKED, Step.RETRACTED}
    ordinals = {one.due.ordinal for one in retractions if one.step in gone}
    return {one.ordinal: one.ingest_id for one in kept if one.ordinal in ordinals}


def retracted_ticks(table: TableState, ingests: Iterable[str]) -> int:
    """Count the ticks that receipts have of these ingests."""
    wanted = set(ingests)
    return sum(receipt.ticks for (ingest_id, _), receipt in table.receipts.items() if ingest_id in wanted)


def judge_taken_back(
    retractions: Sequence[Retraction],
    ingests: Collection[str],
    table: TableState,
    expected: Mapping[str, Mapping[int, ExpectedBar]],
    api: ApiClient,
) -> tuple[Check, ...]:
    """Judge them by table and API; nothing to say where nothing was to be taken back. Raises ApiError.

    ingests: those that are not to count. expected: bars without them.
    """
    if not retractions:
        return ()
    places = list(_places(table, set(ingests)))
    hours = {place for place, _ in places}
    # Without this a range that is delivered once more would count again.
    unmarked = [place for place, one in places if one not in table.withdrawn.get(place, frozenset())]
    surplus = _surplus(hours, expected, table.bars), _surplus(hours, expected, _answered(api, hours))
    wrong = _not_retracted(api, ingests)
    due = [one for one in retractions if one.step is not Step.LEFT_OUT]
    done = [one for one in due if one.step is Step.RETRACTED]
    moments = Counter(one.due.moment.value for one in done)
    said = ", ".join(f"{number} {moment}" for moment, number in moments.items())
    detail = (
        f"{len(done):,} of {len(due):,} objects ({said or 'none'}), {retracted_ticks(table, ingests):,} ticks; of "
        f"{len(places):,} slices in {len(hours):,} hours {len(unmarked):,} are not withdrawn; ticks too many in these "
        f"hours: {surplus[0]:,} in DynamoDB, {surplus[1]:,} through POST /bars"
    )
    if len(retractions) > len(due):
        detail += f"; {len(retractions) - len(due):,} never put"
    still = [f"{one.due.key}: {_STEPS[one.step]} {one.why}".strip() for one in due if one.step is not Step.RETRACTED]
    first_unmarked = [f"not withdrawn: {symbol}, hour {hour}" for symbol, hour in unmarked]
    detail += "".join(f"; {some[0]}" for some in (still, first_unmarked, wrong) if some)
    return (Check(CHECK, bool(done) and not (still or unmarked or any(surplus) or wrong), detail),)


def _not_retracted(api: ApiClient, ingests: Iterable[str]) -> list[str]:
    """Ask for some ingests and return what was answered where one is not retracted because somebody asked for it."""
    wrong = []
    for ingest_id in sorted(ingests)[:_INGESTS_ASKED]:
        answer = api.get(f"/ingest/{ingest_id}")
        body = answer.body if isinstance(answer.body, dict) else {}
        cause = body.get("retraction", {}).get("cause")
        if (answer.status, body.get("state"), cause) != (200, "retracted", "asked"):
            wrong.append(f"ingest {ingest_id}: {answer.status} {str(answer.body)[:160]}")
    return wrong


def _answered(api: ApiClient, hours: set[SymbolHour]) -> AnsweredBars:
    """Read the bars of some of the symbols, from the first of these hours to the last."""
    if not hours:
        return {}
    symbols = sorted({symbol for symbol, _ in hours})[:_SYMBOLS_READ]
    numbers = [hour for symbol, hour in hours if symbol in symbols]
    return read_by_post(api, symbols, Window(min(numbers) * _MINUTES, (max(numbers) + 1) * _MINUTES))


def _places(table: TableState, ingests: set[str]) -> Iterator[tuple[SymbolHour, int]]:
    """Yield the hours of each range of these ingests, with the range's id."""
    for (ingest_id, index), receipt in table.receipts.items():
        if ingest_id in ingests:
            one = range_id(ingest_id, index)
            yield from (((symbol, hour), one) for symbol, hours in receipt.hours.items() for hour in hours)


def _surplus(
    hours: set[SymbolHour],
    expected: Mapping[str, Mapping[int, ExpectedBar]],
    got: Mapping[str, Mapping[int, ReadBar]],
) -> int:
    """Count ticks that bars of some hours have too many."""
    total = 0
    for symbol in {symbol for symbol, _ in hours}:
        wanted = expected.get(symbol, {})
        for minute, bar in got.get(symbol, {}).items():
            if (symbol, minute // _MINUTES) in hours:
                total += max(0, bar.ticks - (wanted[minute].ticks if minute in wanted else 0))
    return total
