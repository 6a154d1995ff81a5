"""Texts to Unix nanoseconds, in SQL: integers throughout, zones by ICU's tables and not by Python's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bench.own_file.numbers import quoted

if TYPE_CHECKING:
    from bench.own_file.layers import Layers

_PER_UNIT: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
EARLIEST_NS: Final = 631_152_000 * 10**9
LATEST_NS: Final = 4_102_444_800 * 10**9
_MONTHS: Final = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_OFFSET: Final = "[+-][0-9]{2}:?(?:[0-9]{2})?"
_ISO: Final = (
    "(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    "(?:[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?)?"
    "(?: ?(?P<z>Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
#: What a tick's own texts are: seconds and an offset are wanted.
NATIVE: Final = (
    "(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})"
    "(?:[.](?P<f>[0-9]{1,9}))?(?P<z>Z| UTC|[+-][0-9]{2}(?::?[0-9]{2})?)"
)
_WIDTHS: Final = {"Y": "{4}", "y": "{2}", "j": "{3}", "f": "{1,9}"}
_DAY_S: Final = 86_400


def pattern_of(written: str) -> str:
    """Return the regular expression of a format, with a group a directive."""
    if written == "iso":
        return _ISO
    pieces = re.findall(r"%.|.", written, re.DOTALL)
    pattern = ""
    for at, piece in enumerate(pieces):
        name = piece[1:]
        if not name or piece == "%%":
            pattern += re.escape(piece[0])
        elif name == "b":
            pattern += "(?P<b>[A-Za-z]{3})"
        elif name == "p":
            pattern += "(?P<p>[AaPp][Mm])"
        elif name == "z":
            pattern += f"(?P<z>Z|{_OFFSET})"
        else:
            # One digit is enough where no other digits stand beside it.
            beside = (pieces[place] for place in (at - 1, at + 1) if 0 <= place < len(pieces))
            crowded = any(len(one) == 2 and one not in {"%%", "%b", "%p"} for one in beside)
            width = _WIDTHS.get(name, "{2}" if crowded else "{1,2}")
            pattern += f"(?P<{name}>[0-9]{width})"
    return pattern


class Groups:
    """What the groups of a format's pattern hold, as SQL. column: a struct that `add` adds; NULL where nothing fits."""

    def __init__(self, column: str, pattern: str) -> None:
        self.column = column
        self._whole = quoted(rf"\A(?:{pattern})\z")
        self._names = re.findall(r"\(\?P<(\w)>", pattern)

    def add(self, layers: Layers, text: str) -> None:
        """Add the struct, and `COLUMN_fits`."""
        # Names of a struct's fields know no case, so that %m and %M would be one.
        fields = ", ".join(quoted(_field(name)) for name in self._names)
        layers.add(
            **{
                self.column: f"regexp_extract({text}, {self._whole}, [{fields}])",
                f"{self.column}_fits": f"regexp_matches({text}, {self._whole})",
            }
        )

    def text(self, name: str) -> str:
        """SQL of what the group of a directive holds, '' where nothing."""
        return f"{self.column}.{_field(name)}" if name in self._names else "''"

    def whole(self, name: str, otherwise: int = 0) -> str:
        """SQL of the number that the group holds."""
        return (
            f"coalesce(TRY_CAST({self.text(name)} AS INTEGER), {otherwise})" if name in self._names else str(otherwise)
        )

    @property
    def has_offset(self) -> bool:
        """Whether there may be an offset."""
        return "z" in self._names

    def local_s(self) -> str:
        """SQL of seconds since 1970 on the clock that the text is of; NULL where there is no such time."""
        year = self.whole("Y", 1970)
        if "y" in self._names and "Y" not in self._names:
            year = f"({self.whole('y')} + CASE WHEN {self.whole('y')} >= 69 THEN 1900 ELSE 2000 END)"
        month = self.whole("m", 1)
        if "b" in self._names:
            months = " ".join(f"WHEN {quoted(name)} THEN {at}" for at, name in enumerate(_MONTHS, 1))
            month = f"CASE lower({self.text('b')}) {months} ELSE 0 END"
        day = _date(year, month, self.whole("d", 1))
        if "j" in self._names:
            first, number = _date(year, "1", "1"), self.whole("j")
            day = (
                f"CASE WHEN {number} > 0 AND year({first} + ({number} - 1)) = {year} THEN {first} + ({number} - 1) END"
            )
        hour = self.whole("H") if "H" in self._names else self.whole("I")
        if "p" in self._names:
            noon = f"CASE lower({self.text('p')}) WHEN 'pm' THEN 12 ELSE 0 END"
            hour = f"CASE WHEN {hour} BETWEEN 1 AND 12 THEN {hour} % 12 + {noon} END"
        minute, second = self.whole("M"), self.whole("S")
        is_time = f"{hour} < 24 AND {minute} < 60 AND {second} < 60"
        of_day = f"CASE WHEN {is_time} THEN {hour} * 3600 + {minute} * 60 + {second} END"
        return f"(({day}) - DATE '1970-01-01')::BIGINT * {_DAY_S} + ({of_day})"

    def fraction_ns(self) -> str:
        """SQL of the nanoseconds of the second."""
        return f"TRY_CAST(rpad({self.text('f')}, 9, '0') AS BIGINT)"

    def ahead_s(self) -> str:
        """SQL of the seconds that a written offset is ahead of UTC; NULL where there is none such."""
        digits = f"regexp_replace({self.text('z')}, '[^0-9]', '', 'g')"
        hours = f"TRY_CAST(left({digits}, 2) AS INTEGER)"
        minutes = f"coalesce(TRY_CAST(substr({digits}, 3) AS INTEGER), 0)"
        sign = f"CASE WHEN starts_with({self.text('z')}, '-') THEN -1 ELSE 1 END"
        return (
            f"CASE WHEN {self.text('z')} IN ('Z', 'UTC', ' UTC') THEN 0 "
            f"WHEN {hours} < 24 AND {minutes} < 60 THEN {sign} * ({hours} * 3600 + {minutes} * 60) END"
        )


def _field(name: str) -> str:
    return f"{'upper' if name.isupper() else 'lower'}_{name.lower()}"


def _date(year: str, month: str, day: str) -> str:
    parts = " || '-' || ".join(
        f"lpad(({one})::VARCHAR, {width}, '0')" for one, width in ((year, 4), (month, 2), (day, 2))
    )
    return f"TRY_CAST({parts} AS DATE)"


def count_sql(text: str, unit: str) -> str:
    """Return SQL of the nanoseconds that a number of units is; NULL where it is none, or has a part of a nanosecond."""
    whole = f"TRY_CAST(split_part({text}, '.', 1) AS HUGEINT)"
    per = str(_PER_UNIT.get(unit, 0))
    if unit == "auto":
        fits = " ".join(
            f"WHEN {whole} * {one} >= {EARLIEST_NS} AND {whole} * {one} < {LATEST_NS} THEN {one}"
            for one in _PER_UNIT.values()
        )
        per = f"(CASE {fits} ELSE 1 END)"
    # Twenty digits behind the point, and as many for the unit: within 128 bits.
    part = f"(TRY_CAST(rpad(split_part({text}, '.', 2), 20, '0') AS HUGEINT) * {per})"
    return (
        f"CASE WHEN {is_count_sql(text)} AND {part} % {10**20}::HUGEINT = 0 "
        f"THEN {whole} * {per} + {part} // {10**20}::HUGEINT END"
    )


def is_count_sql(text: str) -> str:
    """Return SQL that says whether a text is a number of units."""
    return rf"regexp_full_match({text}, '[0-9]{{1,20}}([.][0-9]{{1,20}})?')"


def fixed_offset_s(zone: str) -> int | None:
    """Return the seconds that a zone is ahead of UTC if it is an offset; None where it is a name."""
    if zone in {"UTC", "Z"}:
        return 0
    found = re.fullmatch(r"([+-])([0-9]{2}):?([0-9]{2})?", zone)
    if not found:
        return None
    return (int(found[2]) * 3600 + int(found[3] or 0) * 60) * (-1 if found[1] == "-" else 1)


def of_day_sql(at_ns: str, zone: str) -> str:
    """Return SQL of the seconds since midnight on a zone's clock, of a moment in Unix nanoseconds."""
    second = f"(({at_ns}) // 1000000000)::BIGINT"
    fixed = fixed_offset_s(zone)
    if fixed is not None:
        return f"((({second} + {fixed}) % {_DAY_S} + {_DAY_S}) % {_DAY_S})"
    local = f"timezone({quoted(zone)}, make_timestamp({second} * 1000000)::TIMESTAMPTZ)"
    return f"(epoch_us({local}) // 1000000 % {_DAY_S})"


def minutes_sql(zone: str, ambiguous: str) -> str:
    """Return SQL from a table `minutes` (minute: of a local clock, since 1970) to what it is ahead of UTC by, or NULL.

    A clock's offsets are asked for a day before and a day behind: what is UTC for sure. A local time that both explain
    comes twice, one that neither explains never.
    """
    name = quoted(zone)

    def ahead_s(at_s: str) -> str:
        return f"epoch_us(timezone({name}, make_timestamp(({at_s}) * 1000000)::TIMESTAMPTZ)) // 1000000 - ({at_s})"

    chosen = {"earlier": "greatest(one, other)", "later": "least(one, other)"}.get(ambiguous, "NULL")
    return f"""
        SELECT minute, CASE
            WHEN one_fits AND other_fits AND one <> other THEN {chosen}
            WHEN one_fits THEN one WHEN other_fits THEN other END AS ahead_s
        FROM (
            SELECT minute, one, other, {ahead_s("minute * 60 - one")} = one AS one_fits,
                {ahead_s("minute * 60 - other")} = other AS other_fits
            FROM (
                SELECT minute, {ahead_s(f"minute * 60 - {_DAY_S}")} AS one,
                    {ahead_s(f"minute * 60 + {_DAY_S}")} AS other
                FROM minutes
            )
        )"""
