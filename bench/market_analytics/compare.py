"""What the table and the API say of bars, rejects and dead letters, against what the oracle says.

Everything here is pure: two sides go in, findings come out, so that each check can be shown to fail. The words are
those of `bench.ledger.verdict`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bench.ledger.verdict import Check
from bench.market_analytics.table_reader import RAW_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bench.market_analytics.oracle import ExpectedBar, PlantedReject
    from bench.market_analytics.table_reader import DeadLetter, RecordedReject, TableState
    from bench.measure.journal import Journal
    from tickstream.bars import Bar

_EXAMPLES: Final = 10
_ANNOUNCED: Final = "every range was announced"
#: What is said where no journal tells.
UNANNOUNCED: Final = f"{_ANNOUNCED}: the target keeps no journal of requests"
FIELDS: Final = ("open_e9", "high_e9", "low_e9", "close_e9", "volume_e9", "ticks", "notional_e18")
_VALUES: Final = attrgetter(*FIELDS)


@dataclass(frozen=True, slots=True)
class AnsweredBar:
    """A bar as the API answered it; numbers as in `ExpectedBar`, VWAP in 10^-9, None where there is none."""

    open_e9: int | None
    high_e9: int | None
    low_e9: int | None
    close_e9: int | None
    volume_e9: int
    ticks: int
    notional_e18: int
    vwap_e9: int | None
    closed: bool = True
    filled: bool = False


type ReadBar = Bar | AnsweredBar


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference. `minute`: whole minutes since 1970."""

    symbol: str
    minute: int
    field: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class BarFindings:
    """Bars of one way of reading against the oracle's: ticks, then bars, then the first differences."""

    ok: int
    lost: int
    duplicated: int
    unexpected: int
    bars: int
    wrong_bars: int
    examples: tuple[Mismatch, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return not (self.lost or self.duplicated or self.unexpected or self.wrong_bars)


@dataclass(frozen=True, slots=True)
class RejectFindings:
    """Rejected rows against the planted ones: `planted` and `recorded` by reason, the rest are numbers of rows."""

    planted: Mapping[str, int]
    recorded: Mapping[str, int]
    matched: int
    missing: int
    wrong_reason: int
    wrong_text: int
    repeated: int
    unexpected: int
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every planted row was recorded once, as it was, with its reason, and no other row."""
        return not (self.missing or self.wrong_reason or self.wrong_text or self.repeated or self.unexpected)


def compare_bars(
    expected: Mapping[str, Mapping[int, ExpectedBar]], got: Mapping[str, Mapping[int, ReadBar]]
) -> BarFindings:
    """Compare every field of every bar, exactly; VWAP is computed here from the oracle's notional and volume."""
    ok = lost = duplicated = unexpected = wrong = 0
    examples: list[Mismatch] = []
    for symbol in sorted(expected.keys() | got.keys()):
        wanted, found = expected.get(symbol, {}), got.get(symbol, {})
        for minute in sorted(wanted.keys() | found.keys()):
            want, have = wanted.get(minute), found.get(minute)
            if want is None or have is None:
                lost += want.ticks if want else 0
                unexpected += have.ticks if have else 0
                wrong += 1
                differences = [Mismatch(symbol, minute, "bar", _said(want), _said(have))]
            else:
                ok += min(want.ticks, have.ticks)
                lost += max(0, want.ticks - have.ticks)
                duplicated += max(0, have.ticks - want.ticks)
                differences = _differences(symbol, minute, want, have)
                wrong += bool(differences)
            examples += differences[: _EXAMPLES - len(examples)]
    bars = sum(len(minutes) for minutes in got.values())
    return BarFindings(ok, lost, duplicated, unexpected, bars, wrong, tuple(examples))


def _said(bar: object | None) -> str:
    return "none" if bar is None else "a bar"


def _differences(symbol: str, minute: int, want: ExpectedBar, have: ReadBar) -> list[Mismatch]:
    wanted, found = _VALUES(want), _VALUES(have)
    if wanted != found:
        return [
            Mismatch(symbol, minute, name, str(one), str(other))
            for name, one, other in zip(FIELDS, wanted, found, strict=True)
            if one != other
        ]
    vwap_e9 = _vwap_e9(want)
    return [] if vwap_e9 == have.vwap_e9 else [Mismatch(symbol, minute, "vwap_e9", str(vwap_e9), str(have.vwap_e9))]


def _vwap_e9(bar: ExpectedBar) -> int | None:
    """Half to even; None where the volume is 0."""
    if not bar.volume_e9:
        return None
    nearest, beyond = divmod(2 * bar.notional_e18 + bar.volume_e9, 2 * bar.volume_e9)
    # Of what lies in the middle the even one.
    return nearest - (0 if beyond else nearest % 2)


def compare_rejects(
    planted: Iterable[PlantedReject],
    recorded: Iterable[RecordedReject],
    ordinal_of: Callable[[str], int | None],
    text_of: Callable[[PlantedReject], bytes | None],
) -> RejectFindings:
    """Compare rejected rows one by one, by source and offset.

    ordinal_of: the ordinal of an ingest id, None for one that was never sent. text_of: the row as it was sent, None
    where it is no text.
    """
    wanted = {(row.ordinal, row.offset): row for row in planted}
    by_reason = {"planted": Counter(row.reason for row in wanted.values()), "recorded": Counter[str]()}
    seen: set[tuple[int | None, int]] = set()
    wrong_reason = wrong_text = repeated = unexpected = matched = 0
    examples: list[str] = []
    for row in recorded:
        by_reason["recorded"][row.reason] += 1
        key = (ordinal_of(row.ingest_id), row.offset)
        place = f"ingest {row.ingest_id}, range {row.index}, offset {row.offset}"
        want = wanted.get((key[0], key[1])) if key[0] is not None else None
        if key in seen:
            repeated += 1
            examples.append(f"{place}: rejected twice")
        elif want is None:
            unexpected += 1
            examples.append(f"{place}: rejected as {row.reason}, though nothing was planted there")
        elif want.reason != row.reason:
            wrong_reason += 1
            examples.append(f"{place}: rejected as {row.reason}, planted as {want.reason}")
        elif not _same_text(text_of(want), row):
            wrong_text += 1
            examples.append(f"{place}: {row.reason} recorded with another text than was sent")
        else:
            matched += 1
        seen.add(key)
    missing = [key for key in wanted if key not in seen]
    examples += [f"source {ordinal}, offset {offset}: not rejected" for ordinal, offset in missing]
    return RejectFindings(
        planted=by_reason["planted"],
        recorded=by_reason["recorded"],
        matched=matched,
        missing=len(missing),
        wrong_reason=wrong_reason,
        wrong_text=wrong_text,
        repeated=repeated,
        unexpected=unexpected,
        examples=tuple(examples[:_EXAMPLES]),
    )


def _same_text(sent: bytes | None, row: RecordedReject) -> bool:
    if sent is None:
        return True
    # Of a row longer than the pipeline reads, it knows the beginning only.
    return row.raw is not None and row.raw == sent[: len(row.raw)] and len(row.raw) >= min(len(sent), RAW_LIMIT_BYTES)


def judge_announced(table: TableState, journal: Journal) -> Check:
    """Each committed range has an event that EventBridge took, whatever became of it then."""
    silent = [range_ for range_ in table.receipts if journal.times_of(*range_).announced_ms is None]
    detail = f"{len(table.receipts) - len(silent):,} of {len(table.receipts):,} committed ranges"
    if silent:
        detail += f"; not ingest {silent[0][0]}, range {silent[0][1]}"
    return Check(_ANNOUNCED, not silent, detail)


def judge_dead_letters(dead_letters: Sequence[DeadLetter], expected: Sequence[str]) -> Check:
    """Dead letters are exactly those that were planted."""
    planted, found = Counter(expected), Counter(one.body for one in dead_letters)
    strange = [one for one in dead_letters if one.body not in planted]
    missing, surplus = (planted - found).total(), (found - planted).total() - len(strange)
    if not dead_letters and not expected:
        return Check("dead-letter queues", passed=True, detail="empty")
    detail = f"{len(dead_letters)} dead letters, {len(expected)} were planted"
    if strange:
        queues = Counter(one.queue for one in strange)
        held = ", ".join(f"{number} in {queue}" for queue, number in queues.items())
        detail += f"; {held} that should not be there, the first: {strange[0].body[:160]}"
    if missing or surplus:
        detail += f"; of those that were planted {missing} are missing and {surplus} too many"
    return Check("dead-letter queues", planted == found, detail)
