"""The truth of a feed's rows: what its description says, as SQL over the texts of their columns.

Rows of `taken`: "offset", length, fault, and `column_0` and so on for the names that `names` has. Rows of the answer:
those of the truth table, with the reason `skipped` for rows that are no trades, `cancelled` for those that say so
of themselves, and, where the feed has pairs, what `bench.own_file.pairs` wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.ledger.truth import EVERYTHING
from bench.own_file import moments
from bench.own_file.conditions import BAD, Unreadable
from bench.own_file.description import Template
from bench.own_file.layers import Layers
from bench.own_file.numbers import PRICE_WITHIN, SIZE_WITHIN, add_number, made_of, plain_sql, quoted
from bench.own_file.pairs import TAKES_BACK
from bench.own_file.rows import SKIPPED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from bench.own_file.description import Description

#: All that the pipeline takes for blank at the ends of what a `where` looks at.
_BLANKS: Final = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
CANCELLED: Final = "cancelled"
SYMBOL: Final = r"[\x21\x24-\x2b\x2d-\x5b\x5d-\x7e]{1,64}"
_SEQUENCE_BELOW: Final = 2**63
_PARTS: Final = ("price", "size")


class FeedRows:
    """Judges rows of a feed. names: of the columns that `taken` has."""

    def __init__(self, feed: Description, names: Sequence[str]) -> None:
        self._feed = feed
        self._names = tuple(names)

    def judge(self, connection: duckdb.DuckDBPyConnection, facts: Mapping[str, str]) -> str:
        """Return the query of the truth of `taken`; it makes tables of the connection's own.

        facts: what is the same for all rows, by name; it goes before a column of the name.
        """
        connection.execute(f"CREATE OR REPLACE TEMP TABLE texts AS {self._texts(facts)}")
        for part in _PARTS:
            self._make(connection, part)
        for at in range(len(self._feed.conditions)):
            self._decide(connection, at)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE located AS {self._located()}")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE minutes AS SELECT DISTINCT minute FROM located WHERE minute IS NOT NULL"
        )
        zone = self._feed.time.get("zone", "")
        fixed = moments.fixed_offset_s(zone)
        # Nobody's zone: then no time without an offset is one.
        ahead = "NULL" if not zone else str(fixed)
        offsets = f"SELECT minute, ({ahead})::BIGINT AS ahead_s FROM minutes"
        if zone and fixed is None:
            offsets = moments.minutes_sql(zone, self._feed.time.get("ambiguous", "reject"))
        connection.execute(f"CREATE OR REPLACE TEMP TABLE offsets AS {offsets}")
        return self._judged()

    def _value(self, name: str, facts: Mapping[str, str]) -> str:
        """SQL of what a name stands for; NULL where it is missing."""
        if name in facts:
            return "NULL" if facts[name] in self._feed.missing else quoted(facts[name])
        if name not in self._names:
            return "NULL"
        column = f"column_{self._names.index(name)}"
        missing = ", ".join(map(quoted, self._feed.missing))
        return f"CASE WHEN {column} IN ({missing}) THEN NULL ELSE {column} END" if missing else column

    def _filled(self, template: Template, facts: Mapping[str, str], *, blank: bool = False) -> str:
        """SQL of a template: NULL where something in it is missing, unless that is taken for blank."""
        pieces = []
        for at, piece in enumerate(template.pieces):
            if at % 2 == 0:
                pieces += [quoted(piece)] if piece else []
                continue
            value = f"({self._value(piece, facts)})::VARCHAR"
            pieces.append(f"coalesce(trim({value}, {quoted(_BLANKS)}), '')" if blank else value)
        return f"({' || '.join(pieces) or quoted('')})"

    def _texts(self, facts: Mapping[str, str]) -> str:
        feed = self._feed
        symbols = feed.symbol_templates
        symbol = self._filled(symbols[0], facts)
        if len(symbols) > 1:
            parts = ", ".join(f"nullif({self._filled(one, facts, blank=True)}, '')" for one in symbols)
            symbol = f"concat_ws({quoted(feed.symbol.get('join', ''))}, {parts})"
        day = Template.of(feed.time["date"]["from"] if feed.time.get("date") else "")
        columns = {
            "is_skipped": " OR ".join(self._bars(one, facts) for one in feed.where) or "false",
            "is_cancelled": " OR ".join(f"NOT ({self._bars(one, facts)})" for one in feed.marks) or "false",
            "takes_back": " AND ".join(f"NOT ({self._bars(one, facts)})" for one in feed.takes_back) or "false",
            "pair": self._pair(facts),
            "symbol_text": symbol,
            "moment_text": f"trim({self._filled(Template.of(feed.time['from']), facts)}, ' ')",
            "day_text": f"trim({self._filled(day, facts)}, ' ')",
            "sequence_text": f"trim({self._filled(Template.of(feed.sequence.get('from', '')), facts)}, ' ')",
        }
        for at, conditions in enumerate(feed.conditions):
            columns[f"codes_{at}"] = self._filled(Template.of(conditions.value), facts, blank=True)
            columns[f"by_{at}"] = self._filled(Template.of(conditions.by), facts, blank=True)
        for part in _PARTS:
            for at, template in enumerate(_templates(feed.tick[part])):
                columns[f"{part}_{at}"] = plain_sql(self._filled(Template.of(template), facts), feed)
        listed = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
        return f'SELECT "offset", length, fault, {listed} FROM taken'

    def _pair(self, facts: Mapping[str, str]) -> str:
        """SQL of the values by which a row is called that is taken back; NULL where one is missing."""
        values = [f"trim({self._filled(one, facts)}, ' ')" for one in self._feed.pair]
        missing = " OR ".join(f"{one} IS NULL" for one in values)
        return f"CASE WHEN NOT ({missing}) THEN [{', '.join(values)}] END" if values else "NULL::VARCHAR[]"

    def _bars(self, condition: Mapping[str, Any], facts: Mapping[str, str]) -> str:
        value = self._filled(Template.of(condition["value"]), facts, blank=True)
        # Of the two the description has one.
        among, wanted = (condition["in"], "NOT") if "in" in condition else (condition["notIn"], "")
        return f"{wanted} list_contains([{', '.join(map(quoted, among))}]::VARCHAR[], {value})"

    def _make(self, connection: duckdb.DuckDBPyConnection, part: str) -> None:
        """Compute what SQL cannot say exactly: middles, and what floats stand for. Each different text once."""
        columns = _columns(self._feed.tick[part], part)
        made: list[tuple[Any, ...]] = []
        if _is_made(self._feed.tick[part]):
            for texts in connection.execute(f"SELECT DISTINCT {', '.join(columns)} FROM texts").fetchall():
                value, fault = made_of(texts, self._feed.tick[part], f"bad_{part}")
                made.append((list(texts), None if value is None else str(value), fault))
        of_three = list(zip(*made, strict=True)) or [(), (), ()]
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE made_{part} AS SELECT unnest($texts::VARCHAR[][]) AS {part}_texts, "
            f"unnest($made::VARCHAR[])::HUGEINT AS {part}_exact, unnest($faults::VARCHAR[]) AS {part}_fault",
            dict(zip(("texts", "made", "faults"), map(list, of_three), strict=True)),
        )

    def _decide(self, connection: duckdb.DuckDBPyConnection, at: int) -> None:
        """Decide what a trade updates by the feed's conditions of a number. Each different text once."""
        conditions = self._feed.conditions[at]
        made: list[tuple[str, str, int | None, int | None]] = []
        for codes, by in connection.execute(f"SELECT DISTINCT codes_{at}, by_{at} FROM texts").fetchall():
            try:
                made.append((codes, by, *conditions.updates(codes, by)))
            except Unreadable:
                made.append((codes, by, None, None))
        of_four = list(zip(*made, strict=True)) or [(), (), (), ()]
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE decided_{at} AS SELECT unnest($codes::VARCHAR[]) AS codes_{at}, "
            f"unnest($by::VARCHAR[]) AS by_{at}, unnest($within::INTEGER[]) AS within_{at}, "
            f"unnest($outside::INTEGER[]) AS outside_{at}",
            dict(zip(("codes", "by", "within", "outside"), map(list, of_four), strict=True)),
        )

    def _located(self) -> str:
        """SQL from texts to moments that lack their clock's offset at most: local_s, ahead_s, fraction_ns, exact_ns."""
        feed, time = self._feed, self._feed.time
        layers = Layers("texts")
        unit = time.get("unit", "")
        layers.add(
            count_ns=moments.count_sql("moment_text", unit) if unit else "NULL::HUGEINT",
            is_count=moments.is_count_sql("moment_text") if unit else "false",
        )
        groups = [moments.Groups(f"groups_{at}", moments.pattern_of(one)) for at, one in enumerate(feed.formats)]
        for one in groups:
            one.add(layers, "moment_text")
        day_s = "NULL"
        if time.get("date"):
            day = moments.Groups("groups_of_day", moments.pattern_of(time["date"]["format"]))
            day.add(layers, "day_text")
            day_s = f"CASE WHEN groups_of_day_fits THEN {day.local_s()} END"
        layers.add(day_s=day_s)
        since_midnight = f"CASE WHEN count_ns < {2 * 86_400 * 10**9} THEN day_s + (count_ns // 1000000000)::BIGINT END"
        cases: dict[str, list[str]] = {"local_s": [], "fraction_ns": [], "ahead_s": [], "has_offset": []}
        for one in groups:
            fits = f"WHEN {one.column}_fits THEN"
            cases["local_s"].append(f"{fits} {one.local_s()}")
            cases["fraction_ns"].append(f"{fits} {one.fraction_ns()}")
            cases["ahead_s"].append(f"{fits} {one.ahead_s()}" if one.has_offset else f"{fits} NULL")
            cases["has_offset"].append(f"{fits} {one.text('z')} <> ''")
        counted = since_midnight if time.get("date") else "NULL"
        layers.add(
            local_s=f"(CASE WHEN is_count THEN {counted} {' '.join(cases['local_s'])} END)::BIGINT",
            fraction_ns=f"(CASE WHEN is_count THEN count_ns % 1000000000 {' '.join(cases['fraction_ns'])} END)::BIGINT",
            written_s=f"(CASE WHEN is_count THEN NULL {' '.join(cases['ahead_s'])} END)::BIGINT",
            has_offset=f"coalesce((CASE WHEN is_count THEN false {' '.join(cases['has_offset'])} END), false)",
            exact_ns="NULL::HUGEINT" if time.get("date") else "CASE WHEN is_count THEN count_ns END",
        )
        layers.add(minute="CASE WHEN NOT has_offset THEN floor_minute(local_s) END")
        return layers.select("*")

    def _judged(self) -> str:
        feed = self._feed
        joined = "located LEFT JOIN offsets USING (minute)"
        for part in _PARTS:
            if _is_made(feed.tick[part]):
                columns = ", ".join(_columns(feed.tick[part], part))
                joined += f" LEFT JOIN made_{part} ON {part}_texts = [{columns}]"
        for at in range(len(feed.conditions)):
            joined += f" LEFT JOIN decided_{at} USING (codes_{at}, by_{at})"
        layers = Layers(f"(SELECT * FROM {joined})")
        layers.add(utc_s="local_s - CASE WHEN has_offset THEN written_s ELSE ahead_s END", symbol=self._symbol())
        layers.add(at_ns="coalesce(exact_ns, utc_s::HUGEINT * 1000000000 + fraction_ns)")
        for part, within in (("price", PRICE_WITHIN), ("size", SIZE_WITHIN)):
            number, text = feed.tick[part], f"{part}_0"
            if not _is_made(number):
                add_number(
                    layers, f"{part}_exact", text, scale=number.get("scale", 0), absolute=number.get("abs", False)
                )
                layers.add(**{f"{part}_fault": f"CASE WHEN {text} IS NULL THEN 'missing_field' END"})
            is_good = f"{part}_exact IS NOT NULL AND {within.format(f'{part}_exact')}"
            layers.add(**{f"no_{part}": f"coalesce({part}_fault, CASE WHEN NOT ({is_good}) THEN 'bad_{part}' END)"})
        sequence = "0::HUGEINT"
        if feed.newest_first:
            sequence = '-"offset"::HUGEINT'
        elif feed.sequence.get("from"):
            is_whole = "regexp_full_match(sequence_text, '-?[0-9]{1,19}')"
            sequence = f"CASE WHEN {is_whole} THEN TRY_CAST(sequence_text AS HUGEINT) END"
        layers.add(the_sequence=sequence)
        self._add_updates(layers)
        layers.add(
            reason=f"""CASE
                WHEN fault IS NOT NULL THEN fault
                WHEN is_skipped THEN '{SKIPPED}'
                WHEN is_cancelled THEN '{CANCELLED}'
                WHEN takes_back THEN CASE WHEN pair IS NULL THEN 'missing_field' ELSE '{TAKES_BACK}' END
                WHEN symbol_text IS NULL THEN 'missing_field'
                WHEN symbol IS NULL OR NOT regexp_full_match(symbol, '{SYMBOL}') THEN 'bad_symbol'
                WHEN moment_text IS NULL OR day_text IS NULL THEN 'missing_field'
                WHEN at_ns IS NULL THEN 'bad_timestamp'
                WHEN at_ns < {moments.EARLIEST_NS} OR at_ns >= {moments.LATEST_NS} THEN 'timestamp_out_of_range'
                WHEN no_price IS NOT NULL THEN no_price
                WHEN no_size IS NOT NULL THEN no_size
                WHEN sequence_text IS NULL THEN 'missing_field'
                WHEN the_sequence IS NULL OR abs(the_sequence) >= {_SEQUENCE_BELOW} THEN 'bad_sequence'
                WHEN the_updates IS NULL THEN '{BAD}'
                WHEN {"pair IS NULL" if feed.pair else "false"} THEN 'missing_field'
                END"""
        )
        return layers.select(f"{TRUTH}, pair" if feed.pair else TRUTH)

    def _add_updates(self, layers: Layers) -> None:
        """Add what each trade updates: what all conditions let it. NULL where one of them cannot be read."""
        layers.add(
            moment=f"CASE WHEN at_ns >= {moments.EARLIEST_NS} AND at_ns < {moments.LATEST_NS} THEN at_ns ELSE 0 END"
        )
        updates = [str(EVERYTHING)]
        for at, conditions in enumerate(self._feed.conditions):
            within = f"within_{at}"
            if conditions.hours:
                begin_s, end_s, zone = conditions.hours
                second = moments.of_day_sql("moment", zone)
                is_regular = f"{second} >= {begin_s} AND {second} < {end_s}"
                within = f"CASE WHEN {is_regular} THEN within_{at} ELSE outside_{at} END"
            updates.append(f"({within})")
        layers.add(the_updates=" & ".join(updates))

    def _symbol(self) -> str:
        rule = self._feed.symbol
        symbol = "symbol_text"
        if rule.get("lookup"):
            found = " ".join(f"WHEN {quoted(text)} THEN {quoted(one)}" for text, one in rule["lookup"].items())
            symbol = f"CASE {symbol} {found} END"
        for text, one in rule.get("replace", {}).items():
            symbol = f"replace({symbol}, {quoted(text)}, {quoted(one)})"
        if not rule.get("case"):
            return symbol
        # What is not ASCII stays what it is, and is no symbol.
        return f"CASE WHEN octet_length(encode({symbol})) = length({symbol}) THEN {rule['case']}({symbol}) END"


#: A row of the truth, of columns that any reader ends with.
TRUTH: Final = """"offset"::BIGINT AS "offset", length::BIGINT AS length, reason::VARCHAR AS reason,
    CASE WHEN reason IS NULL THEN symbol END AS symbol,
    CASE WHEN reason IS NULL THEN at_ns::BIGINT END AS timestamp_ns,
    CASE WHEN reason IS NULL THEN price_exact::BIGINT END AS price_e9,
    CASE WHEN reason IS NULL THEN size_exact::DECIMAL(38, 0) END AS size_e9,
    CASE WHEN reason IS NULL THEN the_sequence::BIGINT END AS sequence,
    CASE WHEN reason IS NULL THEN the_updates::UTINYINT END AS updates"""


def prepared(connection: duckdb.DuckDBPyConnection) -> None:
    """Make a connection fit for these queries."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE MACRO floor_minute(s) AS (s - ((s % 60) + 60) % 60) // 60")


def _templates(number: Mapping[str, Any]) -> list[str]:
    return [number["from"]] if number.get("from") else list(number.get("middle") or [number["constant"]])


def _columns(number: Mapping[str, Any], part: str) -> list[str]:
    return [f"{part}_{at}" for at in range(len(_templates(number)))]


def _is_made(number: Mapping[str, Any]) -> bool:
    return number.get("decimals") is not None or bool(number.get("middle"))
