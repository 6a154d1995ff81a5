"""One row at a time: what a feed makes of a row's values. The strict way, which decides; `decoding` has a fast one."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tickstream.errors import Reason, RowRejected
from tickstream.feeds.documents import is_descending
from tickstream.feeds.effects import EffectRule
from tickstream.feeds.moments import ISO, Clock, format_pattern, local_moment, matched_ns, number_ns, within
from tickstream.feeds.numbers import middle_of, number_of, rounded, scaled_e9
from tickstream.feeds.templates import take_apart
from tickstream.rows import SKIPPED, Cancelled
from tickstream.ticks import Tick, Updates, checked_price_e9, checked_size_e9, parse_symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from tickstream.feeds.description import Condition, Feed, Number
    from tickstream.rows import NoTick

type Values = Callable[[str], str]

_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_MAX_SEQUENCE: Final = 2**63 - 1


#: Between the values by which a row is called that is taken back: no value holds one.
PAIR_JOINT: Final = "\x1f"


class RowKind(IntEnum):
    """What a row is."""

    TRADE = 0
    SKIPPED = 1
    CANCELLED = 2
    TAKES_BACK = 3
    """It takes an earlier trade of the object back."""


class RowReader:
    """Makes ticks of the rows of one object, or of one member of it.

    feed: complete, so that a symbol can be made.
    facts: what is the same for all rows: groups of the key, values at a document's top (`/name`), metadata (`@name`).
    """

    def __init__(self, feed: Feed, facts: Mapping[str, str]) -> None:
        self.feed = feed
        self._facts = facts
        tick = feed.tick
        if tick.symbol is None:
            raise RowRejected(Reason.BAD_SYMBOL, "the feed does not say what the symbol is")
        self._rule = tick.symbol
        self._symbol = tuple(map(take_apart, tick.symbol.templates))
        self._moment = take_apart(tick.timestamp.template)
        self._formats = tuple(ISO if one == "iso" else format_pattern(one) for one in tick.timestamp.formats)
        self._clock = Clock(tick.timestamp.zone, tick.timestamp.ambiguous)
        day = tick.timestamp.date
        self._day = (take_apart(day.template), format_pattern(day.format)) if day else None
        self._price = _number_reader(feed, tick.price, Reason.BAD_PRICE)
        self._size = _number_reader(feed, tick.size, Reason.BAD_SIZE)
        self._sequence = take_apart(tick.sequence.template) if tick.sequence and tick.sequence.template else None
        self.is_descending = is_descending(feed)
        pair = tick.cancel.pair
        self._is_trade = _all_hold(tick.where)
        self._marks = tuple(_all_hold([one]) for one in tick.cancel.marks)
        self._takes_back = _all_hold(pair.where) if pair else None
        self._pair = tuple(map(take_apart, pair.by)) if pair else ()
        self.effects = tuple(map(EffectRule, tick.sale_conditions))
        self._missing = frozenset(feed.schema.missing_values)
        self._symbol_of = lru_cache(maxsize=65_536)(self._symbol_of_text)

    def read(self, fields: Mapping[str, str | None], place: int) -> Tick | NoTick:
        """Build the tick of one row, or say why it is none. Raises RowRejected.

        fields: its values by column, as the feed writes the columns' names. place: where it stands in the object.
        """
        value_of = self.values_of(fields)
        match self.kind(value_of):
            case RowKind.SKIPPED:
                return SKIPPED
            case RowKind.CANCELLED:
                return Cancelled()
            case RowKind.TAKES_BACK:
                return Cancelled(self.pair(value_of))
        # In this order: of several faults the first is the one that is told.
        symbol = self.symbol(value_of)
        moment = self.moment(value_of)
        return Tick(
            symbol=symbol,
            timestamp_ns=moment,
            price_e9=self.price(value_of),
            size_e9=self.size(value_of),
            sequence=-place if self.is_descending else self.sequence(value_of),
            updates=self.updates(value_of, moment),
            pair=self.pair(value_of),
        )

    def values_of(self, fields: Mapping[str, str | None]) -> Values:
        """Return what gives the values of a row by name; it raises RowRejected where one is missing."""

        def value_of(name: str) -> str:
            value = self._facts.get(name)
            if value is None:
                value = fields.get(name)
            if value is None or value in self._missing:
                raise RowRejected(Reason.MISSING_FIELD, f"{name} is missing")
            return value

        return value_of

    @property
    def has_kinds(self) -> bool:
        """Whether there may be rows that are no trades."""
        return bool(self.feed.tick.where or self._marks or self._takes_back)

    @property
    def has_pairs(self) -> bool:
        """Whether rows may take others back."""
        return self._takes_back is not None

    def kind(self, value_of: Values) -> RowKind:
        """Say what a row is."""
        blank = _blank_if_missing(value_of)
        if not self._is_trade(blank):
            return RowKind.SKIPPED
        if any(mark(blank) for mark in self._marks):
            return RowKind.CANCELLED
        return RowKind.TAKES_BACK if self._takes_back and self._takes_back(blank) else RowKind.TRADE

    def pair(self, value_of: Values) -> str:
        """Return what a row that takes another one back calls it by. Raises RowRejected."""
        return PAIR_JOINT.join(one.fill(value_of).strip(" ") for one in self._pair)

    def effects_of(self, rule: EffectRule, value_of: Values) -> tuple[Updates, Updates]:
        """Return what a trade updates by one rule, in regular hours and outside of them. Raises RowRejected."""
        blank = _blank_if_missing(value_of)
        return rule.decide(rule.value.fill(blank), rule.by.fill(blank))

    def updates(self, value_of: Values, timestamp_ns: int) -> Updates:
        """Return what a trade of that moment updates. Raises RowRejected."""
        found = Updates.ALL
        for rule in self.effects:
            within, outside = self.effects_of(rule, value_of)
            found &= within if within == outside or rule.is_regular(timestamp_ns) else outside
        return found

    def symbol(self, value_of: Values) -> str:
        """Return a row's symbol. Raises RowRejected."""
        if len(self._symbol) == 1:
            return self._symbol_of(self._symbol[0].fill(value_of))
        texts = (one.fill(_blank_if_missing(value_of)) for one in self._symbol)
        return self._symbol_of(self._rule.join.join(filter(None, texts)))

    def moment(self, value_of: Values) -> int:
        """Unix nanoseconds of a row. Raises RowRejected."""
        return self.timestamp_ns(self._moment.fill(value_of), self.day(value_of))

    def day(self, value_of: Values) -> str:
        """Return the text of the day that a row's time of day belongs to; empty where it needs none."""
        return self._day[0].fill(value_of) if self._day else ""

    def price(self, value_of: Values) -> int:
        """Return a row's price in 10^-9. Raises RowRejected."""
        return checked_price_e9(self._price(value_of))

    def size(self, value_of: Values) -> int:
        """Return a row's size in 10^-9. Raises RowRejected."""
        return checked_size_e9(self._size(value_of))

    def sequence(self, value_of: Values) -> int:
        """Return a row's sequence; 0 where the feed has none, or where it is the row's place. Raises RowRejected."""
        if self._sequence is None:
            return 0
        text = self._sequence.fill(value_of).strip(" ")
        if not _INTEGER.fullmatch(text) or abs(int(text)) > _MAX_SEQUENCE:
            raise RowRejected(Reason.BAD_SEQUENCE, f"no integer of 64 bits: {text[:40]!r}")
        return int(text)

    def timestamp_ns(self, text: str, day: str = "") -> int:
        """Unix nanoseconds of a moment's text. Raises RowRejected."""
        time = self.feed.tick.timestamp
        text = text.strip(" ")
        if time.unit and (number := number_ns(text, time.unit)) is not None:
            return within(self._since_midnight(number, day) if self._day else number)
        for pattern in self._formats:
            match = pattern.fullmatch(text)
            if match:
                return within(matched_ns(match.groupdict(), self._clock))
        wanted = " or ".join([*([f"a number ({time.unit})"] if time.unit else []), *time.formats])
        raise RowRejected(Reason.BAD_TIMESTAMP, f"no timestamp: {text[:40]!r}, wanted is {wanted}")

    def day_start_s(self, day: str) -> int:
        """Seconds since 1970, on the feed's clock, of the midnight that begins a day. Raises RowRejected."""
        if self._day is None:
            return 0
        match = self._day[1].fullmatch(day.strip(" "))
        if match is None:
            raise RowRejected(Reason.BAD_TIMESTAMP, f"no date: {day[:40]!r}")
        return local_moment(match.groupdict())[0]

    def _since_midnight(self, number: int, day: str) -> int:
        if number >= 2 * 86_400 * 10**9:
            raise RowRejected(Reason.BAD_TIMESTAMP, "more than two days since midnight")
        local_s, fraction_ns = divmod(number, 10**9)
        return self._clock.utc_s(self.day_start_s(day) + local_s) * 10**9 + fraction_ns

    def _symbol_of_text(self, text: str) -> str:
        rule = self._rule
        if rule.lookup:
            found = rule.lookup.get(text)
            if found is None:
                raise RowRejected(Reason.BAD_SYMBOL, f"the feed's lookup does not have {text[:40]!r}")
            text = found
        for old, new in rule.replace.items():
            text = text.replace(old, new)
        # Only of ASCII: the upper case of other letters may be ASCII, and a symbol never was one of them.
        if rule.case and text.isascii():
            text = text.upper() if rule.case == "upper" else text.lower()
        return parse_symbol(text)


def _all_hold(conditions: Sequence[Condition]) -> Callable[[Values], bool]:
    """Return what says whether all of some conditions hold of a row, whose missing values are blank."""
    taken = [(take_apart(one.value), one.among, one.not_among) for one in conditions]

    def hold(blank: Values) -> bool:
        for template, among, not_among in taken:
            value = template.fill(blank)
            if (among is not None and value not in among) or (not_among is not None and value in not_among):
                return False
        return True

    return hold


def _blank_if_missing(value_of: Values) -> Values:
    def text_of(name: str) -> str:
        try:
            return value_of(name).strip()
        except RowRejected:
            return ""

    return text_of


def _number_reader(feed: Feed, number: Number, reason: Reason) -> Callable[[Values], int]:
    """Return what reads a price or a size: of what names stand for."""

    def one(text: str) -> Decimal:
        value = number_of(text, feed.schema, reason)
        return value if number.decimals is None else rounded(value, number.decimals, reason)

    def finished(value: Decimal) -> int:
        return scaled_e9(abs(value) if number.abs else value, number.scale, reason)

    if number.constant:
        constant = one(number.constant)
        return lambda _: finished(constant)
    if number.middle:
        low, high = map(take_apart, number.middle)

        def middle(value_of: Values) -> int:
            return finished(middle_of(one(low.fill(value_of)), one(high.fill(value_of))))

        return middle
    template = take_apart(number.template)
    return lambda value_of: finished(one(template.fill(value_of)))


def facts_of(feed: Feed, key: str, member: str = "") -> dict[str, str]:
    """Return the named groups of an object's key and of a member's name."""
    facts: dict[str, str] = {}
    for pattern, text in ((feed.tick.match.key, key), (feed.tick.match.member, member)):
        found = re.search(pattern, text) if pattern and text else None
        if found:
            facts |= {name: value for name, value in found.groupdict().items() if value is not None}
    return facts


def column_key(name: str) -> str:
    """Return what columns are compared by: neither case nor blanks around a name matter."""
    return name.strip().casefold()
