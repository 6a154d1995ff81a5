"""What must be when a schedule of market analytics has come to rest: ticks, bars, symbols, and what ingests say.

A put between the moments in which somebody asks to take an object back and is answered may have come before that or
after it: either is right. So it is of one that is nearer to them than clocks are off.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.decisions import MOST_SKEW_MS
from bench.simulation.market_replacements import Replaced
from bench.simulation.market_stock import OBJECTS
from bench.simulation.verdicts import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.simulation.market_history import Kept, MarketHistory
    from bench.simulation.market_stock import Parcel
    from bench.simulation.ticks import Tick

_PARCELS: Final = {parcel.name: parcel for parcel in OBJECTS}


def wrong_states(history: MarketHistory) -> Iterator[Violation]:
    """Judge what is said of the ingests when all of them were asked for at rest."""
    for ingest_id, kept in history.ingests.items():
        if kept.object in history.versions:
            continue  # see market_replacements
        last = kept.told[-1] if kept.told else None
        state = last.state if last else "nothing"
        if last is not None and state in _states_of(kept, refused=last.refused):
            if state == "complete" and kept.sent is not None and last.ticks != len(kept.sent):
                yield Violation("complete with another count", f"{ingest_id}: {last.ticks}, sent {len(kept.sent)}")
        elif kept.ordered_ms is not None:
            yield Violation("not taken back at rest", f"{ingest_id}: {state}")
        else:
            yield Violation("not complete at rest", f"{ingest_id}: {state}")


def _states_of(kept: Kept, *, refused: bool) -> set[str]:
    """Return what an ingest may be at rest. refused: whether it says that it cannot be taken back."""
    counts = "rejected" if _is_damaged(kept) else "complete"
    if refused:
        return {"partly_rejected" if _is_damaged(kept) else "complete"}
    if kept.ordered_ms is None:
        return {counts}
    # Of a damaged object it depends on who was faster.
    return {"retracted", "rejected"} if _is_damaged(kept) else {"retracted"}


def _is_damaged(kept: Kept) -> bool:
    return kept.object in _PARCELS and _PARCELS[kept.object].damaged_at is not None


def open_bars(bars: Mapping[str, Sequence[Mapping[str, Any]]], now_ms: int, when: str) -> Iterator[Violation]:
    """Judge which bars are said to be closed where everything is rolled up: those whose minute has passed."""
    for symbol, of_symbol in bars.items():
        for bar in of_symbol:
            end = datetime.fromisoformat(bar["start"]) + timedelta(minutes=1)
            if bar["closed"] != (end.timestamp() * 1000 <= now_ms):
                yield Violation(f"bar closed {bar['closed']} {when}", f"{symbol} at {bar['start']}")


def wrong_symbols(
    symbols: Sequence[Mapping[str, str]], bars: Mapping[str, Sequence[Mapping[str, Any]]], when: str
) -> Iterator[Violation]:
    """Judge which symbols are listed, and from when to when, by the bars that were read of all."""
    wanted = {name: (some[0]["start"], some[-1]["start"]) for name, some in sorted(bars.items()) if some}
    found = {one["symbol"]: (one["firstBar"], one["lastBar"]) for one in symbols}
    if list(found.items()) != list(wanted.items()):
        yield Violation(f"wrong symbols {when}", f"{found}, not {wanted}")


class Wanted:
    """The ticks that must be in the bars, and those that must not; the others may be."""

    def __init__(self, history: MarketHistory) -> None:
        replaced = Replaced(history)
        self.must: set[Tick] = replaced.must
        self.never: set[Tick] = replaced.never
        self.violations: list[Violation] = replaced.violations
        for kept in history.ingests.values():
            if kept.sent is not None:
                (self.never if _is_taken_back(kept) else self.must).update(kept.sent)
        for name, put_ms in history.puts.items():
            self._judge_object(_PARCELS[name], max(put_ms), history)

    def _judge_object(self, parcel: Parcel, put_ms: int, history: MarketHistory) -> None:
        """Decide by the last of the ingests that an object began, one after the other was taken back."""
        ingests = history.ingests_of(parcel.name)
        if not ingests:
            self.violations.append(Violation("never begun", parcel.name))
            return
        last = history.ingests[ingests[-1]]
        # Of the put that began it no clock decides.
        margin_ms = MOST_SKEW_MS if len(history.puts[parcel.name]) > 1 else 0
        if parcel.damaged_at is not None:
            if not any(one.refused for ingest_id in ingests for one in history.ingests[ingest_id].told):
                self.never.update(parcel.ticks)
        elif not _is_taken_back(last):
            self.must.update(parcel.ticks)
            before = history.ingests[ingests[-2]] if len(ingests) > 1 else None
            if before is not None and before.asked_ms is not None and put_ms < before.asked_ms - margin_ms:
                text = f"{parcel.name} was put last before it was taken back, and counts again"
                self.violations.append(Violation("taken back and begun again", text))
        elif last.ordered_ms is not None and put_ms > last.ordered_ms + MOST_SKEW_MS:
            text = f"{parcel.name} was put again after it was taken back, and does not count"
            self.violations.append(Violation("put again and not begun", text))
        elif last.asked_ms is not None and put_ms < last.asked_ms - margin_ms:
            self.never.update(parcel.ticks)

    def judged(self, symbol: str, history: MarketHistory, when: str) -> Iterator[Violation]:
        """Judge the last read of a symbol."""
        found = history.last_read(symbol)
        must = {tick for tick in self.must if tick.symbol == symbol}
        if missing := must - found.keys():
            yield Violation(f"ticks lost {when}", f"{symbol}: {len(missing)} of {len(must)}")
        if left := self.never & found.keys():
            yield Violation(f"ticks of what was taken back {when}", f"{symbol}: {len(left)}")
        if twice := [tick for tick, times in found.items() if times > 1]:
            yield Violation(f"ticks counted twice {when}", f"{symbol}: {len(twice)}")


def _is_taken_back(kept: Kept) -> bool:
    return bool(kept.told) and kept.told[-1].state in {"retracted", "rejected"}
