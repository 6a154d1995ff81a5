"""`tickstream browse` against a deployed stack: what the page draws is what was put, also while it is looked at."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.e2e.market import MINUTE_NS, OPEN_NS, csv, expected_bars, trades

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from bench.targets.embedded import EmbeddedTarget
    from tests.e2e.market import MarketStack, Trade

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (on Debian: apt-get install chromium)")
SYMBOL: Final = "C04/LIVE"
#: The last resort: the page asks again within half a minute, and LocalStack takes what it takes.
PATIENCE_MS: Final = 600_000
PRICES: Final = ("open", "high", "low", "close")
_CANDLES: Final = """() => {
  const traces = document.getElementById("chart").data.filter((one) => one.type === "candlestick");
  const prices = (one, i) => [one.open[i], one.high[i], one.low[i], one.close[i]];
  return traces.flatMap((one) => one.customdata.map(([first], i) => [first, ...prices(one, i)]))
    .sort((a, b) => a[0] - b[0]).map(([, ...four]) => four);
}"""


@pytest.fixture
def address(target: EmbeddedTarget) -> Iterator[str]:
    """Where the command serves, as it prints it. An interrupt ends it, and is no error."""
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": target.endpoint_url,
        "TICKSTREAM_STACK": "market-analytics-e2e",
    }
    command = (sys.executable, "-m", "tickstream_client.command", "browse", SYMBOL, "--no-open")
    served = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        printed = served.stdout.readline().strip()
        assert printed.startswith("http://127.0.0.1:"), served.stderr and served.stderr.read()
        yield printed
    finally:
        served.send_signal(signal.SIGINT)
        _, errors = served.communicate()
    assert (served.returncode, errors) == (0, "")


@contextmanager
def opened(address: str) -> Iterator[Page]:
    """Open it; nothing may go wrong, and nobody else be asked."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=PATIENCE_MS)
        page = browser.new_page(viewport={"width": 1_280, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        home = address.partition("?")[0]
        page.on("request", lambda one: None if one.url.startswith(home) else said.append(one.url))
        page.goto(address.replace("#", "&from=2026-01-05&to=2026-01-05#"))
        yield page
        assert said == []
        browser.close()


def candles_of(some: list[Trade]) -> list[list[float]]:
    """What the oracle has to draw."""
    return [[float(bar[name]) for name in PRICES] for bar in expected_bars(some)]


def drawn(page: Page, bars: int) -> Any:
    """The candles of the page, once there are so many."""
    expect(page.locator("#chart")).to_have_attribute("data-drawn", str(bars), timeout=PATIENCE_MS)
    return page.evaluate(_CANDLES)


def test_c04_the_page_shows_what_was_put_and_what_arrives(market: MarketStack, address: str) -> None:
    """A file's bars, those of the next file without a reload, a refused file's sentence, and the stack's queues."""
    first = trades(SYMBOL, 1_500)
    market.wait_for_state(market.put("c04/first.csv", csv(first)))
    with opened(address) as page:
        want = candles_of(first)
        assert drawn(page, len(want)) == want
        expect(page.locator("#stack")).to_have_text("market-analytics · e2e us-east-1")
        expect(page.locator("#queues")).to_contain_text("processing")

        second = trades(SYMBOL, 700, start_ns=OPEN_NS + 20 * MINUTE_NS)
        market.put("c04/second.csv", csv(second))
        market.put("c04/refused.csv", b"date,remark\n2026-01-05,no ticks\n")
        want = candles_of(first + second)
        assert drawn(page, len(want)) == want
        refused = page.locator("#ingests li", has_text="c04/refused.csv")
        expect(refused).to_contain_text("no column symbol", timeout=PATIENCE_MS)
        expect(page.locator("#ingests li", has_text="c04/second.csv")).to_contain_text("complete", timeout=PATIENCE_MS)
        volume = page.locator("#readout .volume dd").get_attribute("data-exact")
        assert volume == str(expected_bars(second)[-1]["volume"])
