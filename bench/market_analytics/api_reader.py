"""Reading results as a user does: through the API, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from bench.errors import ApiError
from bench.ledger.api_client import scaled
from bench.market_analytics.compare import AnsweredBar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bench.ledger.api_client import Answer, ApiClient

#: As many as `POST /bars` takes.
SYMBOLS_A_REQUEST: Final = 100
_BARS_A_PAGE: Final = 5_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)

#: symbol -> minute since 1970 -> bar
type AnsweredBars = dict[str, dict[int, AnsweredBar]]


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes since 1970, from the first to before `end`."""

    first: int
    end: int

    def parameters(self) -> dict[str, str]:
        """The window as the API wants it."""
        return {"from": _iso(self.first), "to": _iso(self.end)}


def read_by_post(api: ApiClient, symbols: Sequence[str], window: Window) -> AnsweredBars:
    """All one-minute bars of the symbols through `POST /bars`. Raises ApiError, also for a bar answered twice."""
    bars: AnsweredBars = {}
    for some in batched(symbols, SYMBOLS_A_REQUEST, strict=False):
        request = {"symbols": list(some), "interval": "1m", "limit": _BARS_A_PAGE, **window.parameters()}
        for page in pages_of(lambda fields: api.post_json("/bars", fields), request):
            for symbol, of_symbol in page["bars"].items():
                collect(bars.setdefault(symbol, {}), symbol, of_symbol)
    return bars


def read_by_get(
    api: ApiClient,
    symbols: Iterable[str],
    window: Window,
    *,
    bars_a_page: int,
    interval: str = "1m",
    fill: str | None = None,
) -> AnsweredBars:
    """All bars of an interval of the symbols through `GET /bars/{symbol}`; a symbol that is unknown has none."""
    gaps = {} if fill is None else {"fill": fill}
    bars: AnsweredBars = {}
    for symbol in symbols:
        request = {"interval": interval, "limit": str(bars_a_page), **gaps, **window.parameters()}
        of_symbol = bars.setdefault(symbol, {})
        for page in pages_of(lambda fields, path=f"/bars/{symbol}": api.get(path, fields), request):
            collect(of_symbol, symbol, page["bars"])
    return bars


def pages_of(ask: Any, request: Mapping[str, Any], wanted: str = "bars") -> Iterator[dict[str, Any]]:
    """Ask for one page of what is wanted after the other; a symbol that is unknown has none. Raises ApiError."""
    token: str | None = None
    while True:
        answer: Answer = ask({**request, **({"nextToken": token} if token else {})})
        if answer.status == 404:
            return
        if answer.status != 200 or wanted not in answer.body:
            raise ApiError(f"{wanted} were answered {answer.status}: {str(answer.body)[:200]}")
        yield answer.body
        following = answer.body.get("nextToken")
        if following is None:
            return
        if following == token:
            raise ApiError(f"a page of {wanted} names itself as the next one")
        token = following


def collect(bars: dict[int, AnsweredBar], symbol: str, entries: Iterable[dict[str, Any]]) -> None:
    """Add the bars of a page. Raises ApiError, also for one that was answered before."""
    for entry in entries:
        try:
            minute, bar = _bar(entry)
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise ApiError(f"the API answered a bar of {symbol} that cannot be read: {entry}") from error
        if minute in bars:
            raise ApiError(f"the API answered the bar of {symbol} at {entry['start']} twice")
        bars[minute] = bar


def _bar(entry: Mapping[str, Any]) -> tuple[int, AnsweredBar]:
    bar = AnsweredBar(
        open_e9=_price(entry["open"]),
        high_e9=_price(entry["high"]),
        low_e9=_price(entry["low"]),
        close_e9=_price(entry["close"]),
        volume_e9=scaled(entry["volume"], 9),
        ticks=int(entry["ticks"]),
        notional_e18=scaled(entry["notional"], 18),
        vwap_e9=_price(entry["vwap"]),
        closed=_yes_or_no(entry["closed"]),
        filled=_yes_or_no(entry.get("filled", False)),
    )
    return minute_of(entry["start"]), bar


def minute_of(moment: str) -> int:
    """Minutes since 1970 of a bar's start. Raises ValueError where it is within a minute."""
    start = datetime.fromisoformat(moment) - _EPOCH
    if start % _MINUTE:
        raise ValueError("a bar starts within a minute")
    return start // _MINUTE


def _yes_or_no(answered: Any) -> bool:
    if not isinstance(answered, bool):
        raise TypeError("neither true nor false")
    return answered


def _price(answered: Any) -> int | None:
    return None if answered is None else scaled(answered, 9)


def _iso(minute: int) -> str:
    return (_EPOCH + minute * _MINUTE).strftime("%Y-%m-%dT%H:%M:%SZ")
