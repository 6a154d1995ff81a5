"""What a trade updates: its sale conditions, looked up in the table of its feed.

A table is a CSV file `conditions/NAME.csv`: code, name, updates_open_close, updates_high_low, updates_volume (each
`true`, `false` or `always`), outside_regular_hours (three of the same, or nothing), state, source, note. In a feed, a
code is one line of text: `high_low volume`, or `volume, outside: all`; `open_close!` is always updated. Of several
codes the strictest wins, but for what one of them always updates.

What a code means may depend on a tape, or on whatever the feed's `by` gives: `B (tapes AB)`, where each letter is one,
or `B (by XNYS, XNAS)`. In a mask of bits a code is `bit 5`.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tickstream.errors import Reason, RowRejected
from tickstream.feeds.moments import zone_of
from tickstream.feeds.templates import take_apart
from tickstream.ticks import Updates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tickstream.feeds.description import SaleConditions

#: A code, and what the feed's `by` gives where it has this meaning; None: whatever it gives.
type Code = tuple[str, str | None]

_NAMES: Final = {"open_close": Updates.OPEN_CLOSE, "high_low": Updates.HIGH_LOW, "volume": Updates.VOLUME}
_SETS: Final = {"all": Updates.ALL, "nothing": Updates.NOTHING}
_COLUMNS: Final = ("updates_open_close", "updates_high_low", "updates_volume")
_OUTSIDE_COLUMN: Final = "outside_regular_hours"
_OUTSIDE: Final = re.compile(r"\s*,?\s*outside:\s*")
_QUALIFIED: Final = re.compile(r"(?P<code>.*?) ?\((?:tapes (?P<tapes>[^\s()]+)|by (?P<by>[^()]+))\)\Z", re.DOTALL)
_BIT: Final = re.compile(r"bit ([0-9]+)(?: .*)?")
_HOURS: Final = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2}) (\S+)")
_HEXADECIMAL: Final = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,16}")
_DECIMAL: Final = re.compile("[0-9]{1,19}")
#: Local clocks differ from UTC by multiples of it, ever since 1990.
QUARTER_S: Final = 15 * 60


class Effect(NamedTuple):
    """What one code lets a trade update, and what it always updates: within regular hours, and outside of them."""

    lets: Updates
    always: Updates
    lets_outside: Updates
    always_outside: Updates


def effect_from(text: str) -> Effect:
    """Read what a code updates. Raises ValueError."""
    within, *outside = _OUTSIDE.split(text)
    if len(outside) > 1:
        raise ValueError("outside: stands there twice")
    inside = _updates_from(within)
    return Effect(*inside, *(_updates_from(outside[0]) if outside else inside))


def _updates_from(text: str) -> tuple[Updates, Updates]:
    lets = always = Updates.NOTHING
    words = text.split()
    if not words:
        raise ValueError(f"some of {', '.join(_NAMES)}, or all, or nothing, is wanted")
    for word in words:
        name = word.removesuffix("!")
        found = _NAMES.get(name, _SETS.get(name))
        if found is None:
            raise ValueError(f"{word[:40]!r} is none of {', '.join([*_NAMES, *_SETS])}")
        lets |= found
        if word.endswith("!"):
            always |= found
    return lets, always


def _text_of(lets: Updates, always: Updates) -> str:
    if lets == Updates.ALL and always in {Updates.NOTHING, Updates.ALL}:
        return "all!" if always else "all"
    words = (f"{name}!" if one in always else name for name, one in _NAMES.items() if one in lets)
    return " ".join(words) or "nothing"


def effect_text(effect: Effect) -> str:
    """Write what `effect_from` reads; the same effect is always the same text."""
    inside = _text_of(effect.lets, effect.always)
    outside = _text_of(effect.lets_outside, effect.always_outside)
    return inside if inside == outside else f"{inside}, outside: {outside}"


def codes_from(text: str) -> list[Code]:
    """Read a code with what it is qualified by."""
    found = _QUALIFIED.fullmatch(text)
    code = found["code"] if found else text
    bit = _BIT.fullmatch(code.strip())
    code = f"bit {int(bit[1])}" if bit else code.strip()
    if found is None:
        return [(code, None)]
    qualifiers = found["tapes"] or [one.strip() for one in found["by"].split(",")]
    return [(code, one) for one in qualifiers]


def table_from(text: str) -> dict[Code, Effect]:
    """Read a table of conditions (CSV). Raises ValueError, which says in which row."""
    rows = csv.DictReader(text.splitlines(), strict=True)
    missing = [name for name in ("code", *_COLUMNS) if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    table: dict[Code, Effect] = {}
    twice = ""
    try:
        for row in rows:
            within = [row[name] or "" for name in _COLUMNS]
            outside = (row.get(_OUTSIDE_COLUMN) or "").split(",") if row.get(_OUTSIDE_COLUMN) else within
            effect = Effect(*_columns_say(within), *_columns_say(outside))
            for code in codes_from(row["code"] or ""):
                twice = twice or (code[0] if table.setdefault(code, effect) != effect else "")
    except (csv.Error, ValueError) as error:
        raise ValueError(f"line {rows.line_num}: {error}") from error
    if twice:
        raise ValueError(f"code {twice!r} stands there twice")
    return table


def _columns_say(values: Iterable[str]) -> tuple[Updates, Updates]:
    lets = always = Updates.NOTHING
    words = [value.strip().lower() for value in values]
    if len(words) != len(_NAMES) or not set(words) <= {"true", "false", "always"}:
        raise ValueError("three times true, false or always is wanted")
    for word, one in zip(words, _NAMES.values(), strict=True):
        lets |= one if word != "false" else Updates.NOTHING
        always |= one if word == "always" else Updates.NOTHING
    return lets, always


def resolved_codes(conditions: SaleConditions, tables: Mapping[str, Mapping[Code, Effect]]) -> dict[str, str]:
    """Return all codes of a feed as `codes` writes them: its own, and those of its tables that it says nothing of.

    Raises ValueError.
    """
    found: dict[Code, Effect] = {}
    named = {None: conditions.table} if isinstance(conditions.table, str) else conditions.table
    for by, name in named.items():
        if name and name not in tables:
            raise ValueError(f"there is no table {name[:64]!r}; known are {', '.join(sorted(tables))}")
        for (code, of), effect in (tables[name] if name else {}).items():
            if by is None or of is None or of == by:
                found[code, of if by is None else by] = effect
    own = [(code, effect_from(text)) for written, text in conditions.codes.items() for code in codes_from(written)]
    for (code, by), effect in own:
        for other in [one for one in found if by is None and one[0] == code]:
            del found[other]
        found[code, by] = effect
    return {written: effect_text(effect) for written, effect in _written(found)}


def _written(found: Mapping[Code, Effect]) -> Iterator[tuple[str, Effect]]:
    alike: dict[tuple[str, Effect], list[str]] = {}
    for (code, by), effect in found.items():
        if by is None:
            yield code, effect
        else:
            alike.setdefault((code, effect), []).append(by)
    for (code, effect), qualifiers in alike.items():
        yield f"{code} (by {', '.join(sorted(qualifiers))})", effect


def regular_hours_from(text: str) -> tuple[int, int, tzinfo]:
    """Read regular hours: seconds of the day at which they begin and end, and the zone. Raises ValueError."""
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:64]!r} is not written as 09:30-16:00 America/New_York")
    begin_s = (int(found[1]) * 60 + int(found[2])) * 60
    end_s = (int(found[3]) * 60 + int(found[4])) * 60
    if not begin_s < end_s <= 86_400:
        raise ValueError(f"{text[:64]!r}: it begins before it ends, and within a day")
    return begin_s, end_s, zone_of(found[5])


class EffectRule:
    """Decides what a trade updates, by one field of sale conditions. Raises ValueError for what makes no sense."""

    def __init__(self, conditions: SaleConditions) -> None:
        self._split = _splitter(conditions)
        self._effects = {
            code: effect_from(text) for written, text in conditions.codes.items() for code in codes_from(written)
        }
        # What is of no tape that is known has the strictest of its meanings, unless it has one for all other tapes.
        settled = {code for code, by in self._effects if by is None}
        for (code, by), effect in list(self._effects.items()):
            if by is not None and code not in settled:
                known = self._effects.get((code, None), effect)
                self._effects[code, None] = Effect(*(one & other for one, other in zip(effect, known, strict=True)))
        self._otherwise = effect_from(conditions.otherwise)
        self._hours = regular_hours_from(conditions.regular_hours) if conditions.regular_hours else None
        if self._hours is None and any(
            (one.lets, one.always) != (one.lets_outside, one.always_outside) for one in self._effects.values()
        ):
            raise ValueError("regularHours are wanted, because a code means something else outside of them")
        self.value = take_apart(conditions.value)
        self.by = take_apart(conditions.by)
        self.decide = lru_cache(maxsize=65_536)(self._decide)

    def _decide(self, value: str, by: str) -> tuple[Updates, Updates]:
        """Return what a trade of these codes updates in regular hours, and outside of them. Raises RowRejected."""
        lets = lets_outside = Updates.ALL
        always = always_outside = Updates.NOTHING
        for code in self._split(value):
            effect = self._effects.get((code, by)) or self._effects.get((code, None), self._otherwise)
            lets, always = lets & effect.lets, always | effect.always
            lets_outside, always_outside = lets_outside & effect.lets_outside, always_outside | effect.always_outside
        return lets | always, lets_outside | always_outside

    def is_regular(self, timestamp_ns: int) -> bool:
        """Say whether a moment is within the regular hours; without any, all are."""
        if self._hours is None:
            return True
        begin_s, end_s, _ = self._hours
        second = timestamp_ns // 10**9
        return begin_s <= (second + self.offset_s(second // QUARTER_S)) % 86_400 < end_s

    def offset_s(self, quarter: int) -> int:
        """Return how far the clock of the regular hours is ahead of UTC in a quarter of an hour since 1970."""
        if self._hours is None:
            return 0
        offset = datetime.fromtimestamp(quarter * QUARTER_S, self._hours[2]).utcoffset() or timedelta()
        return int(offset.total_seconds())

    @property
    def hours_s(self) -> tuple[int, int] | None:
        """Seconds of the day at which regular hours begin and end, if any."""
        return self._hours[:2] if self._hours else None


def _splitter(conditions: SaleConditions) -> Callable[[str], Iterable[str]]:
    """Return what takes a value apart into codes; those that are blank say nothing."""
    match conditions.split:
        case "characters":
            return lambda value: [one for one in value if one.strip()]
        case "list":
            return _of_list
        case "hexBits":
            return lambda value: _bits(value, _HEXADECIMAL, 16)
        case "bits":
            return lambda value: _bits(value, _DECIMAL, 10)
    if conditions.separator:
        return lambda value: [one.strip() for one in value.split(conditions.separator) if one.strip()]
    return lambda value: [value.strip()] if value.strip() else []


def _of_list(value: str) -> list[str]:
    if not value.startswith("["):
        return [value.strip()] if value.strip() else []
    try:
        found: list[Any] = json.loads(value, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise RowRejected(Reason.BAD_CONDITION, f"no list of codes: {value[:40]!r}") from error
    return [str(one).strip() for one in found if one is not None and str(one).strip()]


def _bits(value: str, pattern: re.Pattern[str], base: int) -> list[str]:
    value = value.strip()
    if not value:
        return []
    if not pattern.fullmatch(value):
        raise RowRejected(Reason.BAD_CONDITION, f"no mask of bits: {value[:40]!r}")
    mask = int(value, base)
    return [f"bit {at}" for at in range(mask.bit_length()) if mask >> at & 1]
