"""The page as it is seen in a browser: opened, waited for, and what it has drawn."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
from playwright.sync_api import expect

from tests.unit.client.browse.fake_stack import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium: Final = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here (on Debian: apt-get install chromium)"
)

PHONE_PX, DESK_PX = 390, 1_280
#: The last resort of what is waited for: the page asks again by itself, within a minute at most.
PATIENCE_MS: Final = 120_000
DAY: Final = "from=2026-01-05&to=2026-01-05"
PRICES: Final = ("open", "high", "low", "close")
FIGURES: Final = (*PRICES, "volume", "ticks", "vwap", "notional")
#: What plotly has drawn: candles of all kinds, upwards in time, and volumes.
_DRAWN: Final = """() => {
  const plain = (column) => Array.from(column);
  const traces = document.getElementById("chart").data;
  return traces.map((one) => ({
    name: one.name, bars: plain(one.customdata), x: plain(one.x),
    ...(one.type === "bar" ? { volume: plain(one.y) }
      : Object.fromEntries(["open", "high", "low", "close"].map((name) => [name, plain(one[name])]))),
  }));
}"""
_READOUT: Final = """() => Object.fromEntries([...document.querySelectorAll("#readout dd[data-exact]")]
  .map((one) => [one.previousElementSibling.textContent, one.dataset.exact]))"""
_NAMES: Final = {"O": "open", "H": "high", "L": "low", "C": "close", "VWAP": "vwap"}


@contextmanager
def opened(
    browser: Browser,
    address: str,
    query: str = f"symbol=SPY&{DAY}",
    *,
    width_px: int = DESK_PX,
    scheme: Literal["light", "dark"] = "light",
    is_in_trouble: bool = False,
) -> Iterator[Page]:
    """Open the page; nothing may be asked of anybody else, and nothing go wrong but what is meant to."""
    context = browser.new_context(viewport={"width": width_px, "height": 844}, color_scheme=scheme)
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith(address) else said.append(one.url))
        if not is_in_trouble:
            page.on("console", lambda message: said.append(message.text))
        page.goto(f"{address}?{query}#token={TOKEN}")
        yield page
        assert said == []
    finally:
        context.close()


def shown(page: Page, bars: int) -> None:
    """Wait until so many bars are there."""
    expect(page.locator("#chart")).to_have_attribute("data-drawn", str(bars), timeout=PATIENCE_MS)


def drawn(page: Page) -> dict[str, dict[str, Any]]:
    """What is drawn, by the name of the trace."""
    return {one["name"]: one for one in page.evaluate(_DRAWN)}


def readout(page: Page) -> dict[str, str]:
    """The exact figures of the bar that is looked at."""
    found: dict[str, str] = page.evaluate(_READOUT)
    return {_NAMES.get(name, name): text for name, text in found.items()}


def exact(fields: dict[str, Any]) -> dict[str, str]:
    """What the readout is to say of a bar of the API's."""
    return {name: str(fields[name]) for name in FIGURES}
