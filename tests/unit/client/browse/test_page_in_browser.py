"""The page as its reader sees it, in headless Chromium, over an API in memory."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from tests.unit.bench.report.test_report_in_browser import _FAINT_TEXTS
from tests.unit.client.browse.fake_stack import MINUTE_S, OPEN_S, TOKEN, FakeApi, bar, ingest, minutes, moment, served
from tests.unit.client.browse.sight import (
    DAY,
    DESK_PX,
    PHONE_PX,
    PRICES,
    drawn,
    exact,
    needs_chromium,
    opened,
    readout,
    shown,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = needs_chromium


def test_c04_what_is_drawn_is_what_the_api_says(browser: Browser, api: FakeApi) -> None:
    """Each candle and each volume is its bar's, as near as a float is; the figures beside it are exact."""
    some = api.bars["SPY", "1m"]
    with served(api) as address, opened(browser, address) as page:
        shown(page, 60)
        traces = drawn(page)
        assert traces["traded"]["bars"] == [[place, place + 1] for place in range(60)]
        for name in PRICES:
            assert traces["traded"][name] == [float(one[name]) for one in some], name
        assert traces["volume"]["volume"] == [float(one["volume"]) for one in some]
        assert (traces["forming"]["x"], traces["filled"]["x"]) == ([], [])
        assert readout(page) == exact(some[-1])
        page.locator("#chart").focus()
        for _ in range(3):
            page.keyboard.press(",")
        assert readout(page) == exact(some[-3])
        assert exact(some[-3])["high"] in page.locator("#said").inner_text()
        page.locator("#table summary").click()
        cells = page.locator("#table tbody tr").first.locator("td").all_inner_texts()
        assert cells == [str(some[0][name]) for name in (*PRICES, "volume", "ticks", "vwap")]


def test_c04_forming_and_filled_bars_are_marked(browser: Browser, api: FakeApi) -> None:
    """What the server says is forming or filled is drawn as such, and said; a price that is null is none."""
    some = minutes(6, closed=True, filled=False)
    some[2] = bar(OPEN_S + 2 * MINUTE_S, filled=True, volume="0", ticks=0)
    some[3] |= dict.fromkeys((*PRICES, "vwap"))
    some[5]["closed"] = False
    api.bars["SPY", "1m"] = some
    with served(api) as address, opened(browser, address) as page:
        shown(page, 6)
        traces = drawn(page)
        assert [one[0] for one in traces["filled"]["bars"]] == [2]
        assert [one[0] for one in traces["forming"]["bars"]] == [5]
        assert [one[0] for one in traces["traded"]["bars"]] == [0, 1, 3, 4]
        assert traces["traded"]["open"][2] is None or traces["traded"]["open"][2] != traces["traded"]["open"][2]
        expect(page.locator("#mark-forming")).to_be_visible()
        expect(page.locator("#mark-filled")).to_be_visible()
        expect(page.locator("#readout")).to_contain_text("still forming")


def test_c04_a_server_that_does_not_say_what_forms(browser: Browser, api: FakeApi) -> None:
    """A bar whose end lies ahead forms, whoever says so."""
    now_s = int(time.time()) // MINUTE_S * MINUTE_S
    api.bars["SPY", "1m"] = [bar(now_s - 10 * MINUTE_S), bar(now_s + 60 * MINUTE_S)]
    until = f"symbol=SPY&from={moment(now_s - 86_400)[:10]}&to={moment(now_s + 86_400)[:10]}"
    with served(api) as address, opened(browser, address, until) as page:
        shown(page, 2)
        assert drawn(page)["traded"]["bars"] == [[0, 1]]
        assert drawn(page)["forming"]["bars"] == [[1, 2]]


def test_c04_a_symbol_is_found_by_its_beginning(browser: Browser, api: FakeApi) -> None:
    """By keys alone: a symbol with a slash, whose days the page finds by itself."""
    with served(api) as address, opened(browser, address, "") as page:
        expect(page.locator("h1")).to_have_text("BRK/B")
        shown(page, 7)
        page.keyboard.press("/")
        page.keyboard.type("SP")
        expect(page.locator("#symbols [role=option]")).to_have_count(1)
        expect(page.locator("#symbols")).to_contain_text("SPY2026-01-05")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        shown(page, 60)
        page.keyboard.press("/")
        page.keyboard.type("BRK")
        expect(page.locator("#symbols [role=option]")).to_have_count(1)
        page.keyboard.press("Enter")
        # Whoever is quicker than the list is shown the same.
        page.keyboard.press("/")
        page.locator("#symbol").evaluate("box => { box.value = 'BRK/B'; }")
        page.keyboard.press("Enter")
        shown(page, 7)
        assert "symbol=BRK%2FB" in page.url
        assert TOKEN not in page.url
        assert drawn(page)["traded"]["close"] == [float(one["close"]) for one in api.bars["BRK/B", "1m"]]


def test_c04_a_server_without_a_list_of_symbols(browser: Browser, api: FakeApi) -> None:
    """Symbols are typed; the page says why."""
    api.has_symbols = False
    with served(api) as address, opened(browser, address, DAY) as page:
        expect(page.locator("#empty")).to_contain_text("Which symbol?")
        page.keyboard.press("/")
        expect(page.locator("#symbols")).to_contain_text("no list of symbols")
        page.keyboard.type("SPY")
        page.keyboard.press("Enter")
        shown(page, 60)


def test_c04_no_bars_and_no_symbol(browser: Browser, api: FakeApi) -> None:
    """Days without bars lead to those that have some; a symbol that never came is said to be none."""
    with served(api) as address, opened(browser, address, "symbol=SPY&from=2026-02-01&to=2026-02-02") as page:
        expect(page.locator("#empty-text")).to_have_text("No bars of SPY from 2026-02-01 to 2026-02-02.")
        page.locator("#empty-act").click()
        shown(page, 60)
        expect(page.locator("#empty")).to_be_hidden()
        page.locator("#symbol").fill("NONE")
        page.keyboard.press("Enter")
        expect(page.locator("#empty-text")).to_have_text("No tick of NONE was ever ingested")
        expect(page.locator("#banner")).to_be_hidden()


def test_c04_a_hundred_thousand_bars(browser: Browser, api: FakeApi) -> None:
    """Candles of several bars each are exactly those bars', and that is said; panning and zooming answer."""
    some = minutes(100_000, start_s=OPEN_S - 99_999 * MINUTE_S)
    api.bars["LONG", "1m"] = some
    api.bars["LONG", "15m"] = minutes(30)
    with served(api) as address, opened(browser, address, "symbol=LONG&from=2025-10-01&to=2026-01-05") as page:
        shown(page, 100_000)
        assert readout(page) == exact(some[-1])
        page.keyboard.press("0")
        expect(page.locator("#joined")).to_have_text("Each candle is 500 bars of 1m, put together exactly")
        candles = drawn(page)
        assert candles["traded"]["bars"] == [[first, first + 500] for first in range(0, 100_000, 500)]
        for place in (0, 77, 199):
            joined = some[place * 500 : place * 500 + 500]
            want = (joined[0]["open"], max(Decimal(one["high"]) for one in joined), min(Decimal(one["low"]) for one in joined), joined[-1]["close"])  # fmt: skip # noqa: E501
            assert tuple(candles["traded"][name][place] for name in PRICES) == tuple(float(one) for one in want)
        page.keyboard.press(".")
        page.keyboard.press(",")
        last = readout(page)
        joined = some[-1_000:-500]
        for name in ("volume", "notional", "ticks"):
            assert Decimal(last[name]) == sum(Decimal(str(one[name])) for one in joined), name
        assert Decimal(last["high"]) == max(Decimal(one["high"]) for one in joined)
        for key in ("+", "+", "+", "+", "ArrowLeft", "ArrowLeft", "-", "ArrowRight"):
            before = page.evaluate("document.getElementById('chart').layout.xaxis.range.join()")
            page.keyboard.press(key)
            page.wait_for_function(
                "before => document.getElementById('chart').layout.xaxis.range.join() !== before", arg=before
            )
            assert len(drawn(page)["volume"]["x"]) < 2_000
        page.locator("#coarser").click()
        shown(page, 30)


def test_c04_what_is_pointed_at_is_read_out(browser: Browser, api: FakeApi) -> None:
    """The exact figures of the candle under the pointer, and of the last one when it goes."""
    some = api.bars["SPY", "1m"]
    with served(api) as address, opened(browser, address) as page:
        shown(page, 60)
        plot = page.locator("#chart .nsewdrag").first.bounding_box()
        assert plot
        for place in (20, 21, 58):
            page.mouse.move(plot["x"] + plot["width"] * (place + 0.5) / 60, plot["y"] + 60)
            expect(page.locator("#readout .ticks dd")).to_have_text(str(some[place]["ticks"]))
            assert readout(page) == exact(some[place])
        page.mouse.move(0, 0)
        expect(page.locator("#readout .ticks dd")).to_have_text(str(some[-1]["ticks"]))
        assert readout(page) == exact(some[-1])


def test_c04_dragging_moves_and_stays_within(browser: Browser, api: FakeApi) -> None:
    """A drag to the right shows what was before, and no further than there is."""
    api.bars["SPY", "1m"] = minutes(500)
    ranges = "document.getElementById('chart').layout.xaxis.range"
    with served(api) as address, opened(browser, address) as page:
        shown(page, 500)
        before = page.evaluate(ranges)
        box = page.locator("#chart .nsewdrag").first.bounding_box()
        assert box
        for _ in range(12):
            page.mouse.move(box["x"] + 100, box["y"] + 80)
            page.mouse.down()
            page.mouse.move(box["x"] + 500, box["y"] + 80, steps=4)
            page.mouse.up()
        page.wait_for_function(f"{ranges}[0] <= 0")
        first, last = page.evaluate(ranges)
        assert first == -0.5
        assert last - first == pytest.approx(before[1] - before[0])


def test_c04_keys_do_what_the_mouse_does(browser: Browser, api: FakeApi) -> None:
    """Interval, zoom, theme, help; and what is typed into a box is that box's."""
    with served(api) as address, opened(browser, address) as page:
        shown(page, 60)
        page.keyboard.press("2")
        shown(page, 12)
        assert page.locator("[name=interval]:checked").input_value() == "5m"
        page.keyboard.press("1")
        shown(page, 60)
        page.keyboard.press("+")
        page.wait_for_function("document.getElementById('chart').layout.xaxis.range[0] > 0")
        page.keyboard.press("t")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("t2")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.locator("[name=interval]:checked").input_value() == "1m"


def test_c04_the_clock_of_another_zone(browser: Browser, api: FakeApi) -> None:
    """Half past two in London is half past nine in New York, on the axis and beside it."""
    with served(api) as address, opened(browser, address, f"symbol=SPY&{DAY}&zone=America/New_York") as page:
        shown(page, 60)
        expect(page.locator("#readout .start")).to_have_text("start5 Jan 2026, 10:29 New York")
        labels = page.evaluate("document.getElementById('chart').layout.xaxis.ticktext")
        assert any(label.startswith("10:00") for label in labels)


@pytest.mark.parametrize("width_px", [320, PHONE_PX, 800, DESK_PX])
def test_c04_the_page_never_scrolls_sideways(browser: Browser, api: FakeApi, width_px: int) -> None:
    """On a phone as on a desk the page is as wide as the screen, whatever the names are."""
    long = "L" * 64
    api.bars[long, "1m"] = minutes(60, volume="123456789012345678901234567890.123456789")
    api.ingests.insert(0, ingest(5, "rejected", source="k" * 900, reason={"code": "c", "message": "w" * 290}))
    with served(api) as address, opened(browser, address, f"symbol={long}&{DAY}", width_px=width_px) as page:
        shown(page, 60)
        expect(page.locator("#ingests li")).to_have_count(4)
        assert page.evaluate("document.documentElement.scrollWidth") <= width_px


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_c04_every_text_can_be_read(browser: Browser, api: FakeApi, scheme: Literal["light", "dark"]) -> None:
    """In light and in dark each text, those of the chart too, has a contrast of 4.5 to 1 or more."""
    api.resting = {"q": 3, "largeRangeDeadLetterQ": 1}
    with served(api) as address, opened(browser, address, scheme=scheme) as page:
        shown(page, 60)
        expect(page.locator("#queues .dead")).to_be_visible()
        expect(page.locator("#ingests li")).to_have_count(3)
        light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(244, 246, 248)"
        assert light == (scheme == "light")
        # The last price stands on the axis in the colours of its change, exchanged, on ground that is no element's.
        assert set(page.evaluate(_FAINT_TEXTS)) <= {api.bars["SPY", "1m"][-1]["close"]}


def test_c04_a_screen_reader_is_told(browser: Browser, api: FakeApi) -> None:
    """Whatever is pressed or filled in has a name, one first heading leads, and the chart says what it shows."""
    nameless = """() => [...document.querySelectorAll("button, input, select, [role]")]
      .filter((one) => one.checkVisibility() && !["status", "alert", "presentation"].includes(one.role))
      .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length || one.title))
      .map((one) => one.outerHTML.slice(0, 80))"""
    with served(api) as address, opened(browser, address) as page:
        shown(page, 60)
        assert page.evaluate(nameless) == []
        assert page.locator("h1").count() == 1
        expect(page.locator("#chart-told")).to_contain_text("60 of 60 bars of SPY, 1m, from 5 Jan 2026 14:30")
        expect(page.locator("#said")).to_have_text("60 bars of SPY")
