"""The check of the list of symbols: read page by page as a user does, and by a prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.errors import ApiError
from bench.ledger.verdict import Check
from bench.market_analytics.api_reader import minute_of, pages_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bench.ledger.api_client import ApiClient

NAME: Final = "GET /symbols"
#: Small, so that a list takes many pages.
_SYMBOLS_A_PAGE: Final = 37

#: First and last minute (since 1970) by symbol.
type Spans = dict[str, tuple[int, int]]


def judge_symbols(api: ApiClient, expected: Mapping[str, Mapping[int, object]], others: Collection[str] = ()) -> Check:
    """Compare all symbols, and those that begin as the one in the middle does, with the oracle's.

    expected: minutes by symbol. others: symbols that may be there too.
    """
    wanted = {symbol: (min(minutes), max(minutes)) for symbol, minutes in sorted(expected.items()) if minutes}
    prefix = sorted(wanted)[len(wanted) // 2][:1] if wanted else "A"
    try:
        listed, some = read_symbols(api), read_symbols(api, prefix)
    except ApiError as error:
        return Check(NAME, passed=False, detail=str(error))
    wrong = _differences(wanted, listed, others)
    beginning = {symbol: span for symbol, span in wanted.items() if symbol.startswith(prefix)}
    wrong += [f"with prefix {prefix}: {one}" for one in _differences(beginning, some, others)]
    detail = f"{len(listed):,} symbols, {len(some):,} that begin with {prefix}, {len(wrong):,} not the oracle's"
    return Check(NAME, not wrong, detail + (f"; {wrong[0]}" if wrong else ""))


def read_symbols(api: ApiClient, prefix: str = "") -> Spans:
    """All symbols with their first and last minute. Raises ApiError, also where they are not in order, each once."""
    found: Spans = {}
    last = ""
    request = {"limit": str(_SYMBOLS_A_PAGE)} | ({"prefix": prefix} if prefix else {})
    for page in pages_of(lambda fields: api.get("/symbols", fields), request, "symbols"):
        for entry in page["symbols"]:
            try:
                symbol, span = entry["symbol"], (minute_of(entry["firstBar"]), minute_of(entry["lastBar"]))
            except (KeyError, ValueError, TypeError) as error:
                raise ApiError(f"the API listed a symbol that cannot be read: {entry}") from error
            if symbol <= last:
                raise ApiError(f"the API listed {symbol} behind {last}")
            found[symbol], last = span, symbol
    return found


def _differences(wanted: Spans, found: Spans, others: Collection[str]) -> list[str]:
    return [
        f"{symbol}: bars of minutes {wanted.get(symbol, 'none')}, listed with {found.get(symbol, 'none')}"
        for symbol in sorted(wanted.keys() | found.keys())
        if wanted.get(symbol) != found.get(symbol) and symbol not in others
    ]
