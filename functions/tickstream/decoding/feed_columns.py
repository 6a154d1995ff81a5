"""What a feed makes of rows, in columns: exact where it answers, null where the strict path must decide.

Whatever is not a plain number is decided by the strict code itself (`tickstream.feeds.readers`), once for each
different text of a block: symbols, seconds and most prices come again and again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tickstream.decoding.frames import PLAIN_DECIMAL_PATTERN, decimals_e9, narrowed, symbol_dtype
from tickstream.decoding.minute_bars import TICK_SCHEMA
from tickstream.decoding.plain_rows import NANOSECONDS_PATTERN, native_ticks_at_once
from tickstream.errors import RowRejected
from tickstream.feeds.documents import columns_of, required_columns_of, templates_of
from tickstream.feeds.effects import QUARTER_S
from tickstream.feeds.moments import NS_PER_UNIT
from tickstream.feeds.readers import PAIR_JOINT
from tickstream.feeds.templates import take_apart
from tickstream.ticks import EARLIEST_NS, FRACTION_DIGITS, LATEST_NS, SYMBOL_PATTERN, Updates

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tickstream.feeds.description import Number, TableSchema
    from tickstream.feeds.effects import EffectRule
    from tickstream.feeds.readers import RowReader, Values
    from tickstream.feeds.templates import TemplateText

#: Joins the values of a row of which a template is filled: no CSV or JSON text that is proven holds one.
_JOINT: Final = "\x00"
#: Text before a fraction, the fraction, and what follows it.
_FRACTION: Final = r"\A(.*:[0-9]{2}[.,])([0-9]{1,9})([^0-9.,].*)?\z"
#: Of an hour: a year has 35,000.
_MOST_QUARTERS: Final = 4_000
_SEQUENCE_PATTERN: Final = "-?[0-9]{1,18}"


class FeedColumns:
    """Makes ticks of columns that have the names which the feed gives them: texts, or numbers where `typed` says so.

    reader: decides what columns do not.
    """

    def __init__(self, reader: RowReader) -> None:
        self.reader = reader
        self._feed = reader.feed
        self.columns = columns_of(self._feed)
        self.required = required_columns_of(self._feed)

    def typed(self, *, integer_times: bool) -> dict[str, tuple[str, pl.DataType]]:
        """Return columns that are plain enough to be read as what they are, each with its pattern and its type.

        integer_times: whether times that are numbers are integers.
        """
        tick, schema = self._feed.tick, self._feed.schema
        found: dict[str, tuple[str, pl.DataType]] = {}
        if tick.symbol and not (tick.symbol.lookup or tick.symbol.replace or tick.symbol.case or tick.symbol.join):
            found |= self._alone(tick.symbol.templates[0], SYMBOL_PATTERN, symbol_dtype())
        if tick.timestamp.unit and tick.timestamp.since == "epoch" and integer_times:
            found |= self._alone(tick.timestamp.template, NANOSECONDS_PATTERN, pl.Int64())
        for number in (tick.price, tick.size):
            if _is_plain(number, schema):
                decimal = pl.Decimal(38, FRACTION_DIGITS)
                found |= self._alone(number.template, PLAIN_DECIMAL_PATTERN, decimal)
        if tick.sequence and tick.sequence.template:
            found |= self._alone(tick.sequence.template, _SEQUENCE_PATTERN, pl.Int64())
        return found

    def at_once(self, typed: Collection[str]) -> Callable[[pl.LazyFrame], pl.LazyFrame] | None:
        """Return what makes ticks of columns while they are read; None unless all are typed and all that counts."""
        tick = self._feed.tick
        if tick.sequence or tick.sale_conditions or self.reader.has_kinds or tick.timestamp.unit != "ns":
            return None
        symbol = tick.symbol.templates[0] if tick.symbol else ""
        templates = (symbol, tick.timestamp.template, tick.price.template, tick.size.template)
        names = [take_apart(one).only_name for one in templates]
        if not set(names) <= set(typed):
            return None
        ordered = [pl.col(name).alias(known) for known, name in zip(TICK_SCHEMA, names, strict=False) if name]
        return lambda columns: native_ticks_at_once(columns.select(ordered))

    @property
    def of_few_texts(self) -> frozenset[str]:
        """The columns that only say what a row is, which is decided once for each text that they have."""
        needed = set(self.required)
        if self._feed.tick.cancel.pair:
            needed.update(name for one in self._feed.tick.cancel.pair.by for name in take_apart(one).names)
        return frozenset(self.columns) - needed

    def _alone(self, template: str, pattern: str, dtype: pl.DataType) -> dict[str, tuple[str, pl.DataType]]:
        """Return a column that is all of one template, is in no other, and whose missing values are no values."""
        name = take_apart(template).only_name
        uses = [one for _, text in templates_of(self._feed) for one in take_apart(text).names]
        missing = self._feed.schema.missing_values
        if name not in self.columns or uses.count(name) > 1 or any(re.fullmatch(pattern, one) for one in missing):
            return {}
        return {name: (pattern, dtype)} if name else {}

    def finish(self, columns: pl.DataFrame) -> pl.DataFrame:
        """Return ticks in columns of `TICK_SCHEMA` but the offset, and what else `Sink.add_columns` wants."""
        tick = self._feed.tick
        found = {
            "symbol": self._symbols(columns),
            "timestamp": self._timestamps(columns),
            "price": self._numbers(columns, tick.price, self.reader.price).cast(pl.Int64, strict=False),
            "size": narrowed(self._numbers(columns, tick.size, self.reader.size)),
        }
        if tick.sequence:
            found["sequence"] = self._sequences(columns, tick.sequence.template)
        if tick.sale_conditions:
            found["updates"] = self._updates(columns, found["timestamp"])
        if self.reader.has_kinds:
            pair = tick.cancel.pair
            conditions = (*tick.where, *tick.cancel.marks, *(pair.where if pair else ()))
            found["kind"] = self._each(columns, [one.value for one in conditions], self.reader.kind, pl.UInt8())
            if pair:
                found["pair"] = self._pairs(columns, pair.by)
        return pl.DataFrame([series.alias(name) for name, series in found.items()])

    def _updates(self, columns: pl.DataFrame, timestamps: pl.Series) -> pl.Series:
        """Return what each row updates; null where only the strict path can tell."""
        found: pl.Series | None = None
        for rule, one in zip(self.reader.effects, self._feed.tick.sale_conditions, strict=True):
            rows, different = self._different(columns, [one.value, one.by])
            effects = [
                self._decided(lambda value_of, rule=rule: self.reader.effects_of(rule, value_of), fields)  # type: ignore[misc]
                for fields in different
            ]
            within, outside = (
                pl.Series([effect and effect[at] for effect in effects], dtype=pl.UInt8()) for at in (0, 1)
            )
            updates = within.gather(rows)
            # Few codes mean something else outside of regular hours, and few rows have one.
            depends = (within != outside).gather(rows).arg_true()
            away = depends.filter(~_are_regular(timestamps.gather(depends), rule))
            if away.len():
                updates = updates.scatter(away, outside.gather(rows.gather(away)))
            found = updates if found is None else found & updates
        return _repeated(Updates.ALL, pl.UInt8(), columns.height) if found is None else found

    def _pairs(self, columns: pl.DataFrame, templates: Sequence[str]) -> pl.Series:
        """Return what rows are called by that are taken back, as `RowReader.pair` has it."""
        filled = [self._filled(columns, take_apart(one)) for one in templates]
        if any(one is None for one in filled):
            return self._each(columns, templates, self.reader.pair, pl.String())
        parts = [pl.lit(one).str.strip_chars(" ") for one in filled]
        return pl.select(pl.concat_str(parts, separator=PAIR_JOINT)).to_series()

    def _each(
        self, columns: pl.DataFrame, templates: Sequence[str], decide: Callable[[Values], Any], dtype: pl.DataType
    ) -> pl.Series:
        """Decide once for each different set of values that some templates need."""
        rows, different = self._different(columns, templates)
        return pl.Series([self._decided(decide, fields) for fields in different], dtype=dtype).gather(rows)

    def _different(self, columns: pl.DataFrame, templates: Sequence[str]) -> tuple[pl.Series, list[dict[str, str]]]:
        """Return the different sets of values that some templates need, and of each row the number of its set."""
        names = list(dict.fromkeys(name for one in templates for name in take_apart(one).names))
        varying = [name for name in names if name in columns.columns]
        if not varying:
            return _repeated(0, pl.UInt32(), columns.height), [{}]
        if len(varying) == 1:
            keys = columns[varying[0]]
        else:
            keys = columns.select(pl.concat_str(varying, separator=_JOINT)).to_series()
        rows, texts = _numbered(keys)
        return rows, [dict(zip(varying, text.split(_JOINT), strict=True)) for text in texts]

    def _decided(self, decide: Callable[[Values], Any], fields: dict[str, str]) -> Any:
        try:
            return decide(self.reader.values_of(fields))
        except RowRejected:
            return None

    def _symbols(self, columns: pl.DataFrame) -> pl.Series:
        symbol = self._feed.tick.symbol
        templates = symbol.templates if symbol else ()
        name = take_apart(templates[0]).only_name if len(templates) == 1 else None
        if name in columns.columns and isinstance(columns[name].dtype, pl.Categorical):
            return columns[name]
        return self._each(columns, templates, self.reader.symbol, pl.String()).cast(symbol_dtype())

    def _timestamps(self, columns: pl.DataFrame) -> pl.Series:
        time = self._feed.tick.timestamp
        parts = take_apart(time.template)
        name = parts.only_name
        if name in columns.columns and columns[name].dtype == pl.Int64:
            return pl.select(_integer_epochs(pl.lit(columns[name]), time.unit)).to_series()
        days = take_apart(time.date.template).names if time.date else ()
        if any(one in columns.columns for one in days):
            return self._each(columns, [time.template, time.date.template], self.reader.moment, pl.Int64())  # type: ignore[union-attr] # there are days
        text = self._filled(columns, parts)
        if text is None:
            return self._each(columns, [time.template], self.reader.moment, pl.Int64())
        if time.unit and time.since == "epoch":
            epochs = pl.select(_epochs(pl.lit(text), time.unit)).to_series()
            if not time.formats or epochs.null_count() < text.len():
                return epochs
        day = self._decided(self.reader.day, {}) if time.date else ""
        if day is None:
            return _repeated(None, pl.Int64(), columns.height)
        return self._moments(text, day)

    def _filled(self, columns: pl.DataFrame, parts: TemplateText) -> pl.Series | None:
        """Fill a template with columns of texts; null where one is missing. None where it names no column."""
        if not any(name in columns.columns for name in parts.names):
            return None
        if parts.only_name:
            return self._present(columns, parts.only_name)
        pieces: list[pl.Expr] = [pl.lit(parts.literals[0])]
        for name, literal in zip(parts.names, parts.literals[1:], strict=True):
            if name in columns.columns:
                pieces.append(pl.lit(self._present(columns, name)))
            else:
                value = self._decided(lambda value_of, name=name: value_of(name), {})  # type: ignore[misc]
                if value is None:
                    return _repeated(None, pl.String(), columns.height)
                pieces.append(pl.lit(value))
            pieces.append(pl.lit(literal))
        return columns.select(pl.concat_str(pieces)).to_series()

    def _present(self, columns: pl.DataFrame, name: str) -> pl.Series:
        missing = list(self._feed.schema.missing_values)
        return columns.select(pl.when(~pl.col(name).is_in(missing)).then(pl.col(name))).to_series()

    def _moments(self, text: pl.Series, day: str) -> pl.Series:
        """Read moments, once for each that differs in more than its fraction."""

        def moment(one: str) -> int | None:
            try:
                return self.reader.timestamp_ns(one, day)
            except RowRejected:
                return None

        split = _split_of(text)
        if split is None:
            parts = text.str.extract_groups(_FRACTION).struct
            zero = parts.field("1") + "0" + parts.field("3").fill_null("")
            whole = pl.select(pl.coalesce(pl.lit(zero), pl.lit(text))).to_series()
            fraction_ns = parts.field("2").str.pad_end(9, "0").cast(pl.Int64).fill_null(0)
            return _mapped(whole, moment, pl.Int64()) + fraction_ns
        seconds = _mapped(split.second, lambda second: moment(f"{second}{split.zero}"), pl.Int64())
        return seconds + split.fraction_ns

    def _numbers(self, columns: pl.DataFrame, number: Number, read: Callable[[Values], int]) -> pl.Series:
        name = take_apart(number.template).only_name if number.template else None
        if name in columns.columns and _is_plain(number, self._feed.schema):
            column = columns[name]
            if column.dtype != pl.String:
                return column.to_physical()
            found = decimals_e9(self._present(columns, name))
            if found.null_count() < columns.height:
                return found
        templates = [one for one in (number.template, *(number.middle or ())) if one]
        return self._each(columns, templates, read, pl.Int128())

    def _sequences(self, columns: pl.DataFrame, template: str) -> pl.Series:
        name = take_apart(template).only_name
        if name in columns.columns:
            column = columns[name]
            if column.dtype == pl.Int64:
                return column
            text = pl.lit(self._present(columns, name))
            plain = pl.when(text.str.contains(rf"\A{_SEQUENCE_PATTERN}\z")).then(text)
            return pl.select(plain.cast(pl.Int64, strict=False)).to_series()
        return self._each(columns, [template], self.reader.sequence, pl.Int64())


def _are_regular(timestamps: pl.Series, rule: EffectRule) -> pl.Series:
    """Say of moments whether they are within the regular hours of a rule; those that are null are."""
    begin_s, end_s = rule.hours_s or (0, 86_400)
    second = timestamps // 10**9
    quarter = second // QUARTER_S
    first, last = quarter.min(), quarter.max()
    if not isinstance(first, int) or not isinstance(last, int):
        return _repeated(value=True, dtype=pl.Boolean(), height=timestamps.len())
    if last - first < _MOST_QUARTERS:
        # Nearly always all are of a few days: the rows need no sorting out.
        table = pl.Series([rule.offset_s(one) for one in range(first, last + 1)], dtype=pl.Int64)
        offsets = table.gather((quarter - first).cast(pl.UInt32))
    else:
        rows, different = _numbered(quarter.cast(pl.String))
        offsets = pl.Series([rule.offset_s(int(one)) for one in different], dtype=pl.Int64).gather(rows)
    return ((second + offsets) % 86_400).is_between(begin_s, end_s, closed="left").fill_null(value=True)


def _repeated(value: Any, dtype: pl.DataType, height: int) -> pl.Series:
    return pl.Series([value], dtype=dtype).new_from_index(0, height)


def _numbered(keys: pl.Series) -> tuple[pl.Series, list[str]]:
    """Return the different texts, and of each row the number of its own; null where there is none."""
    # Of a type that is new: they are numbered from 0, and none is left out.
    numbers = keys if isinstance(keys.dtype, pl.Categorical) else keys.cast(symbol_dtype())
    known = numbers.unique().drop_nulls()
    return numbers.to_physical(), known.gather(known.to_physical().arg_sort()).to_list()


def _mapped(keys: pl.Series, decide: Callable[[str], Any], dtype: pl.DataType) -> pl.Series:
    """Decide once for each different text."""
    rows, texts = _numbered(keys)
    return pl.Series([decide(text) for text in texts], dtype=dtype).gather(rows)


def _is_plain(number: Number, schema: TableSchema) -> bool:
    """Say whether a number is read as any program reads one."""
    is_changed = number.scale != 0 or number.decimals is not None or number.abs or not number.template
    return not is_changed and schema.decimal_char == "." and not schema.group_char


@dataclass(frozen=True, slots=True)
class _Split:
    """Moments in which only fractions of a second and what stands before them differ.

    second: up to the point. fraction_ns: nanoseconds behind it, null where there are none. zero: what makes of a second
    the text of a moment: the point, a zero, and what follows all fractions.
    """

    second: pl.Series
    fraction_ns: pl.Series
    zero: str


def _split_of(text: pl.Series) -> _Split | None:
    """Take moments apart, if all have their point, as many digits and the same end in one place."""
    first = text.drop_nulls().head(1).to_list()
    found = re.search(r":[0-9]{2}([.,])([0-9]{1,9})(?![0-9])", first[0]) if first else None
    if found is None or not first[0].isascii():
        return None
    point, digits, end = found.start(1), len(found[2]), first[0][found.end(2) :]
    moments = pl.lit(text)
    fraction = moments.str.slice(point + 1, digits)
    checks = [
        (moments.str.len_bytes() == len(first[0])) & (moments.str.len_chars() == len(first[0])),
        # The point and a digit: polars reads a sign as a part of a number. In their order as texts, which costs least.
        moments.str.slice(point, 2).is_between(pl.lit(f"{found[1]}0"), pl.lit(f"{found[1]}9")),
        moments.str.ends_with(end),
    ]
    if not pl.select(pl.all_horizontal(check.fill_null(value=True).all() for check in checks)).item():
        return None
    split = pl.select(
        second=moments.str.head(point), fraction_ns=fraction.cast(pl.Int64, strict=False) * 10 ** (9 - digits)
    )
    return _Split(split["second"], split["fraction_ns"], f"{found[1]}0{end}")


def _integer_epochs(numbers: pl.Expr, unit: str) -> pl.Expr:
    """Unix nanoseconds of integers of a unit; null beyond 64 bits."""
    if unit == "ns":
        return numbers
    wide = numbers.cast(pl.Int128)
    if unit != "auto":
        return (wide * NS_PER_UNIT[unit]).cast(pl.Int64, strict=False)
    return pl.coalesce(
        *(
            pl.when((wide * scale).is_between(EARLIEST_NS, LATEST_NS, closed="left")).then(wide * scale)
            for scale in NS_PER_UNIT.values()
        )
    ).cast(pl.Int64, strict=False)


def _epochs(text: pl.Expr, unit: str) -> pl.Expr:
    """Unix nanoseconds of numbers of a unit, with or without a fraction; null where they are none, or none for sure."""
    whole = text.str.extract(r"\A([0-9]{1,19})(?:\.[0-9]{1,18})?\z").cast(pl.Int128)
    fraction = text.str.extract(r"\A[0-9]{1,19}\.([0-9]{1,18})\z").fill_null("0")
    if unit == "auto":
        fits = [(whole * scale).is_between(EARLIEST_NS, LATEST_NS, closed="left") for scale in NS_PER_UNIT.values()]
        scales = [pl.lit(scale, pl.Int128) for scale in NS_PER_UNIT.values()]
        per = pl.coalesce(*(pl.when(fit).then(scale) for fit, scale in zip(fits, scales, strict=True)))
    else:
        per = pl.lit(NS_PER_UNIT[unit], pl.Int128)
    part = fraction.str.pad_end(18, "0").cast(pl.Int128) * per
    return pl.when(part % 10**18 == 0).then(whole * per + part // 10**18).cast(pl.Int64, strict=False)
