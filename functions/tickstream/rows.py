"""One row at a time: the strict, slow path that decides every row which no fast path has proven, and posted ticks.

A row is a physical line without its line end (LF or CRLF); JSON may also have several rows on one line. It imports
nothing large: DataIngestion uses it too.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tickstream.errors import Reason, RowRejected
from tickstream.ticks import REQUIRED_COLUMNS, RejectedRow, Tick, parse_tick

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: The longest row, from its first byte up to its LF; so no range needs to read further than this past its end.
MAX_ROW_BYTES: Final = 1 << 20
#: What is kept of a row that is longer.
KEPT_BYTES: Final = 64 << 10

#: Found at a row of JSON that stands right behind another one, as Amazon Data Firehose puts them: `{...}{"a":...}`.
#: Within valid JSON these bytes stand nowhere else (a quote within a text has a backslash before it, and after a quote
#: that ends a text comes a comma, a colon, a bracket or a blank), so that they mean the same wherever a range begins.
JOINT: Final = re.compile(rb'(?<=\})\{"[^\s",:}\]]')
#: Bytes beyond the row's first one that show it.
JOINT_BYTES: Final = 2

#: Another name of `size` in JSON.
ALIAS_OF_SIZE: Final = "volume"
_REASON_OF_A_WRONG_TYPE: Final = {
    "symbol": Reason.BAD_SYMBOL,
    "timestamp": Reason.BAD_TIMESTAMP,
    "price": Reason.BAD_PRICE,
    "size": Reason.BAD_SIZE,
}

# The csv module refuses fields of more than 131,072 characters unless told otherwise; here the row is what is bounded.
csv.field_size_limit(MAX_ROW_BYTES)


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Stands for a JSON object that names a field twice: which one is meant, nobody knows.

    It is no error by itself. Nobody reads objects within a tick, so one there harms no tick; a tick that is one itself
    is none, and its neighbours go on.
    """


class JsonNumber(str):
    """A JSON number as it was written, so that `1.10` stays exact and a number is not taken for a name."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is no trade: neither a tick nor a reject."""


SKIPPED: Final = Skipped()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A row that is no trade any more, or takes one back. `takes_back`: what it calls that one by; empty for none."""

    takes_back: str = ""


#: What is no tick, and no reject either.
type NoTick = Skipped | Cancelled

#: Builds what a row (its bytes without the line end, and where it stands) is, or raises RowRejected.
type ParseRow = Callable[[bytes, int], Tick | NoTick]


def parse_csv_row(raw: bytes, _: int = 0, *, columns: Sequence[str]) -> Tick:
    """Build the tick of one CSV row, wherever it stands. Raises RowRejected."""
    text = _text_of(raw)
    fields = _quoted_fields(text) if '"' in text else text.split(",")
    if len(fields) != len(columns):
        raise RowRejected(Reason.MALFORMED_ROW, f"{len(fields)} fields where the header names {len(columns)}")
    return parse_tick(dict(zip(columns, fields, strict=True)))


def joints(text: bytes) -> list[int]:
    """Return where rows of JSON begin that stand right behind another one."""
    # Searching for three bytes takes a tenth of the time, and nearly all files have none.
    return [found.start() for found in JOINT.finditer(text)] if b'}{"' in text else []


def parse_json_row(raw: bytes, _: int = 0) -> Tick:
    """Build the tick of one line of JSON, wherever it stands. Raises RowRejected."""
    try:
        fields = load_json(_text_of(raw))
    except ValueError as error:
        raise RowRejected(Reason.MALFORMED_ROW, f"not JSON: {error}") from error
    return tick_from_json(fields)


def judge_line(
    line: bytes,
    offset: int,
    parse: ParseRow,
    max_bytes: int = MAX_ROW_BYTES,
    kept_bytes: int = KEPT_BYTES,
) -> Tick | NoTick | RejectedRow | None:
    """Decide what one physical line (without its LF) is; an empty one is no row and None.

    offset: of its first byte. max_bytes: the longest row.
    kept_bytes: what is kept of a longer one.
    """
    if len(line) > max_bytes:
        return RejectedRow(offset, Reason.ROW_TOO_LONG, f"a row is at most {max_bytes} bytes", line[:kept_bytes])
    row = line.removesuffix(b"\r")
    if not row:
        return None
    try:
        return parse(row, offset)
    except RowRejected as refusal:
        return RejectedRow(offset, refusal.reason, refusal.detail, row)


def tick_from_json(fields: object) -> Tick:
    """Build a tick from an object that `load_json` read: a row of JSON lines or a posted tick. Raises RowRejected.

    Timestamp, price and size may be numbers or strings, a symbol is a string; `volume` is an alias of `size`.
    """
    if isinstance(fields, Ambiguous):
        raise RowRejected(Reason.MALFORMED_ROW, "a field is named twice")
    if not isinstance(fields, dict):
        raise RowRejected(Reason.MALFORMED_ROW, "a tick is a JSON object")
    return parse_tick(_text_fields(fields))


def load_json(text: str) -> Any:
    """Read JSON with numbers as `JsonNumber` and objects that name a field twice as `Ambiguous`.

    Raises ValueError, also for NaN and Infinity.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _text_of(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise RowRejected(Reason.NOT_UTF8, f"byte {error.start} of the row is not UTF-8") from error


def _quoted_fields(text: str) -> list[str]:
    # A single physical line: what a quote leaves open ends with the line, so it cannot swallow the rows that follow.
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise RowRejected(Reason.MALFORMED_ROW, f"not CSV: {error}") from error
    return rows[0]


def _text_fields(fields: Mapping[str, Any]) -> dict[str, str]:
    if ALIAS_OF_SIZE in fields:
        if "size" in fields:
            raise RowRejected(Reason.MALFORMED_ROW, "size and volume are two names of one field")
        fields = {**fields, "size": fields[ALIAS_OF_SIZE]}
    text_fields = {}
    for column in REQUIRED_COLUMNS:
        value = fields.get(column)
        if value is None:
            raise RowRejected(Reason.MISSING_FIELD, f"{column} is missing")
        if not isinstance(value, str) or (column == "symbol" and isinstance(value, JsonNumber)):
            wanted = "a string" if column == "symbol" else "a number or a string"
            raise RowRejected(_REASON_OF_A_WRONG_TYPE[column], f"{column} must be {wanted}")
        text_fields[column] = value
    return text_fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Ambiguous:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else Ambiguous()


# Made once: `json.loads` with hooks would make one for every row.
_DECODER: Final = json.JSONDecoder(
    parse_float=JsonNumber,
    parse_int=JsonNumber,
    parse_constant=_refuse_constant,
    object_pairs_hook=_object_of,
)
