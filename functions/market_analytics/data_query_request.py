"""What a caller may ask of the bars: parameters, body and page token, read strictly.

Nothing is guessed: an unknown parameter, a value given twice or a token of another question is a 400 that names it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from tickstream.errors import BadRequest, RowRejected
from tickstream.keys import NS_PER_HOUR, NS_PER_MINUTE
from tickstream.list_questions import single_values
from tickstream.page_tokens import bad_token, pack_token, unpack_token
from tickstream.promises import (
    DEFAULT_INTERVAL,
    DEFAULT_LIMIT,
    FILLS,
    INTERVALS,
    MAX_LIMIT,
    MAX_SYMBOLS,
)
from tickstream.rows import JsonNumber, load_json
from tickstream.sessions.spec import grid_of, hours_of
from tickstream.ticks import EARLIEST_NS, LATEST_NS, PRICE_BOUND_E9, parse_bound_ns, parse_symbol
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tickstream.sessions.grids import Grid

DEFAULT_SPAN_NS: Final = 24 * NS_PER_HOUR

_PARAMETERS: Final = frozenset({"from", "to", "interval", "session", "hours", "fill", "limit", "nextToken"})
#: A blank before an offset, which has a time before it and no sign.
_LOST_PLUS: Final = re.compile(r"(?<=[0-9]) (?=[0-9]{2}(?::?[0-9]{2})?\Z)")
_TOKEN_VERSION: Final = 3


@dataclass(frozen=True, slots=True)
class BarsQuery:
    """A question for bars whose start lies in [from_ns, to_ns), and where its next page starts.

    session, hours: None for bars of UTC; hours also where the session is no exchange's. grid: what these and the
    interval mean. fill: what stands where nothing was traded, None for nothing. at_symbol: index into `symbols`;
    at_minute: no bar of that symbol that starts earlier is wanted any more; close_e9: the last close of those, None
    where none is known.
    """

    symbols: tuple[str, ...]
    interval: str
    session: str | None
    hours: str | None
    grid: Grid
    fill: str | None
    from_ns: int
    to_ns: int
    limit: int
    at_symbol: int = 0
    at_minute: int = 0
    close_e9: int | None = None

    @property
    def first_minute(self) -> int:
        """The first minute after `from` that a bar which started before it does not have."""
        return self.grid.settled(-(-self.from_ns // NS_PER_MINUTE))

    @property
    def end_minute(self) -> int:
        """The minute after the last bar: the bar that starts last before `to` is whole, even beyond it."""
        return self.grid.settled(-(-self.to_ns // NS_PER_MINUTE))

    def start_minute(self, symbol_index: int) -> int:
        """Where this page starts in the bars of one of the symbols."""
        return max(self.first_minute, self.at_minute) if symbol_index == self.at_symbol else self.first_minute


@dataclass(frozen=True, slots=True)
class NextBar:
    """The bar with which the next page starts: its symbol's index, its minute, and the last close before it.

    close_e9: None where none is known, and where it is the first bar of its symbol.
    """

    symbol: int
    minute: int
    close_e9: int | None = None


def query_of_path(symbol: str, parameters: Mapping[str, list[str]], now_ns: int) -> BarsQuery:
    """Read `GET /bars/{symbol+}`.

    symbol: as it stands in the path. It is percent-decoded here, once: API Gateway hands it over as it was sent
    (one that had decoded it already would do harm only where a symbol has a percent sign).
    Raises BadRequest.
    """
    fields: dict[str, Any] = dict(single_values(parameters, _PARAMETERS))
    # In a query string a plus sign means a space, and offsets have one: nobody means "14:30:00 01:00".
    for name in ("from", "to"):
        if name in fields:
            fields[name] = _LOST_PLUS.sub("+", fields[name])
    return _query((_symbol(unquote(symbol)),), fields, now_ns)


def query_of_body(body: str, now_ns: int) -> BarsQuery:
    """Read the body of `POST /bars`: symbols and, by the names and rules of GET, the rest. Raises BadRequest."""
    try:
        fields = load_json(body)
    except ValueError as error:
        raise BadRequest("bad_json", f"the body is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadRequest("bad_json", 'the body is not a JSON object such as {"symbols": ["AAPL"]}')
    _refuse_unknown(fields, _PARAMETERS | {"symbols"})
    symbols = fields.get("symbols")
    if not isinstance(symbols, list) or not 1 <= len(symbols) <= MAX_SYMBOLS:
        raise BadRequest("bad_symbols", f"symbols must be a list of 1 to {MAX_SYMBOLS} symbols")
    parsed = tuple(_symbol(symbol) for symbol in symbols)
    if len(set(parsed)) != len(parsed):
        raise BadRequest("bad_symbols", "a symbol is listed twice")
    return _query(parsed, fields, now_ns)


def _query(symbols: tuple[str, ...], fields: Mapping[str, Any], now_ns: int) -> BarsQuery:
    interval = fields.get("interval", DEFAULT_INTERVAL)
    if not isinstance(interval, str) or interval not in INTERVALS:
        raise BadRequest("unknown_interval", f"interval must be one of {', '.join(INTERVALS)}")
    session, hours = fields.get("session"), fields.get("hours")
    if "session" in fields and not _is_text(session):
        raise BadRequest("bad_session", "session is a string")
    if "hours" in fields and not _is_text(hours):
        raise BadRequest("bad_hours", "hours is a string")
    fill = fields.get("fill")
    if "fill" in fields and fill not in FILLS:
        raise BadRequest("bad_fill", f"fill must be one of {', '.join(FILLS)}")
    limit = _limit(fields["limit"]) if "limit" in fields else DEFAULT_LIMIT
    token = fields.get("nextToken")
    if token is not None:
        return _continued(token, symbols, fields, limit)
    hours = hours_of(session, hours)
    grid = grid_of(interval, session, hours)
    to_ns = _moment("to", fields["to"]) if "to" in fields else now_ns
    from_ns = _moment("from", fields["from"]) if "from" in fields else to_ns - DEFAULT_SPAN_NS
    if from_ns > to_ns:
        raise BadRequest("from_after_to", "from is after to")
    query = BarsQuery(symbols, interval, session, hours, grid, fill, from_ns, to_ns, limit)
    if not _is_known(query):
        first, end = (iso_8601(minute * NS_PER_MINUTE) for minute in grid.known or ())
        raise BadRequest("sessions_unknown", f"sessions of {session} are known from {first} to {end}")
    return query


def _continued(token: Any, symbols: tuple[str, ...], fields: Mapping[str, Any], limit: int) -> BarsQuery:
    query = _decode_token(token, symbols, limit)
    # The token carries the whole question, because the default window moves with the clock; stated again it must be the
    # same.
    for name in ("interval", "session", "hours", "fill"):
        if name in fields and fields[name] != getattr(query, name):
            raise bad_token(f"it belongs to another {name}")
    for name, known_ns in (("from", query.from_ns), ("to", query.to_ns)):
        if name in fields and _moment(name, fields[name]) != known_ns:
            raise bad_token(f"it belongs to another {name}")
    return query


def encode_token(query: BarsQuery, next_at: NextBar) -> str:
    """Write the token of the page that goes on at a bar."""
    fields = [
        _TOKEN_VERSION, _digest_of(query.symbols), query.interval, query.session, query.hours, query.fill,
        query.from_ns, query.to_ns, next_at.symbol, next_at.minute, next_at.close_e9,
    ]  # fmt: skip
    return pack_token(fields)


def _decode_token(token: Any, symbols: tuple[str, ...], limit: int) -> BarsQuery:
    # An older release may have written this one, and whoever knows this code can write any: nothing in it is trusted.
    try:
        version, digest, interval, session, hours, fill, from_ns, to_ns, at_symbol, at_minute, close_e9 = unpack_token(
            token
        )
        known = version == _TOKEN_VERSION and interval in INTERVALS and fill in {None, *FILLS}
    except (ValueError, TypeError) as error:
        raise bad_token("it is of another version") from error
    figures = all(type(one) is int for one in (from_ns, to_ns, at_symbol, at_minute))
    texts = all(one is None or type(one) is str for one in (session, hours))
    if not (known and figures and texts and (close_e9 is None or type(close_e9) is int)):
        raise bad_token("it is of another version")
    try:
        grid = grid_of(interval, session, hours_of(session, hours))
    except BadRequest as error:
        raise bad_token("it points at nothing") from error
    query = BarsQuery(
        symbols, interval, session, hours, grid, fill, from_ns, to_ns, limit, at_symbol, at_minute, close_e9
    )  # fmt: skip
    if digest != _digest_of(symbols):
        raise bad_token("it belongs to other symbols")
    if not _is_within(query):
        raise bad_token("it points at nothing")
    return query


def _is_within(query: BarsQuery) -> bool:
    """Whether a token's window is one that could have been asked for, and its place is in it."""
    if not EARLIEST_NS - DEFAULT_SPAN_NS <= query.from_ns <= query.to_ns <= LATEST_NS or not _is_known(query):
        return False
    if query.close_e9 is not None and (query.fill is None or abs(query.close_e9) >= PRICE_BOUND_E9):
        return False
    return 0 <= query.at_symbol < len(query.symbols) and (
        query.first_minute <= query.at_minute <= query.end_minute
        and query.grid.settled(query.at_minute) == query.at_minute
    )


def _is_known(query: BarsQuery) -> bool:
    """Whether all bars of the window are known: those of an exchange are from its first date to its last."""
    known = query.grid.known
    return known is None or known[0] * NS_PER_MINUTE <= query.from_ns <= query.to_ns <= known[1] * NS_PER_MINUTE


def _digest_of(symbols: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(symbols).encode()).hexdigest()[:16]


def _symbol(text: Any) -> str:
    if not _is_text(text):
        raise BadRequest("bad_symbol", "a symbol is a string")
    try:
        return parse_symbol(text)
    except RowRejected as error:
        raise BadRequest("bad_symbol", error.detail) from error


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, JsonNumber)


def _moment(name: str, value: Any) -> int:
    # Numbers come as they were written: 1.5e18 is refused rather than read as something near.
    if not isinstance(value, str):
        raise BadRequest("bad_timestamp", f"{name}: Unix nanoseconds or ISO 8601 with an offset is wanted")
    try:
        return parse_bound_ns(value)
    except RowRejected as error:
        raise BadRequest("bad_timestamp", f"{name}: {error.detail}") from error


def _limit(value: Any) -> int:
    text = value if isinstance(value, str) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest("bad_limit", f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _refuse_unknown(fields: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise BadRequest("unknown_parameter", f"unknown: {_shown(unknown[0])}; known are {', '.join(sorted(known))}")


def _shown(name: str) -> str:
    return json.dumps(name[:40])
