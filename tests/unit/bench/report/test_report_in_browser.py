"""The report as a reader sees it, in headless Chromium."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
from playwright.sync_api import expect, sync_playwright

from bench.report.html import write_report
from bench.report.result import write_result
from tests.unit.bench.report.result_sample import file_result, market_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (on Debian: apt-get install chromium)")

SECTIONS: Final = ("counts", "checks", "time", "latency", "rejects", "requests", "environment", "limits")
PHONE_PX, DESK_PX = 360, 1280

# Texts whose contrast with what is behind them is below 4.5 to 1.
_FAINT_TEXTS: Final = """() => {
  const numbers = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = (color) => {
    const [r, g, b] = numbers(color)
      .map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if (numbers(color)[3] !== 0) return color;
    }
    return getComputedStyle(document.body).backgroundColor;
  };
  return [...document.querySelectorAll("body *:not(script):not(style)")]
    .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((one) => one.checkVisibility())
    .filter((one) => {
      const style = getComputedStyle(one);
      const ink = light(one.ownerSVGElement ? style.fill : style.color), paper = light(behind(one));
      return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05) < 4.5;
    })
    .map((one) => one.textContent.trim().slice(0, 40));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium for the tests of this module."""
    # Chromium's sandbox refuses to run as root, which containers often are.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=60_000)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The reports of a run with everything, of a run without most of it, and of one with very long words."""
    long = market_result()
    long["verdict"]["checks"][0]["detail"] = "x" * 400
    long["verdict"]["examples"] = ["y" * 400]
    long["not_emulated"] = ["z" * 400]
    long["deviations"] = ["w" * 400]
    long["workload"]["name"] = "v" * 120
    long["faults"]["names"] = [f"a-fault-with-quite-a-long-name-{index}" for index in range(40)]
    made = {}
    for name, fields in (("ticks", market_result()), ("files", file_result()), ("long", long)):
        made[name] = write_report(write_result(tmp_path_factory.mktemp(name), fields))
    return made


@contextmanager
def opened(
    browser: Browser, report: Path, *, width_px: int = DESK_PX, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Page]:
    """Open a report, without a network; nothing may be asked for, and nothing go wrong."""
    context = browser.new_context(viewport={"width": width_px, "height": 800}, color_scheme=scheme, offline=True)
    try:
        page = context.new_page()
        page.set_default_timeout(30_000)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url))
        page.goto(report.as_uri())
        if page.locator("[data-figure]").count():
            page.locator("html[data-drawn=yes]").wait_for(state="attached")
        assert said == [report.as_uri()]
        yield page
        assert said == [report.as_uri()]
    finally:
        context.close()


@pytest.fixture(scope="module")
def desk(browser: Browser, reports: dict[str, Path]) -> Iterator[Mapping[str, Page]]:
    """The reports on a desk, in light: opened once, for the tests that only look."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(opened(browser, report)) for name, report in reports.items()}


@pytest.mark.parametrize("name", ["ticks", "files"])
def test_every_section_is_there_and_nothing_is_asked_for(desk: Mapping[str, Page], name: str) -> None:
    """The report opens offline without an error or a request, and each link of its menu leads to a visible section."""
    page = desk[name]
    assert [section for section in SECTIONS if not page.locator(f"#{section}").is_visible()] == []
    links = page.locator("nav a").evaluate_all("links => links.map(link => link.hash.slice(1))")
    assert sorted(links) == sorted(SECTIONS)
    verdict = page.locator("h1").inner_text()
    assert verdict.endswith("PASSED" if name == "ticks" else "FAILED")


def test_the_charts_are_drawn(desk: Mapping[str, Page]) -> None:
    """Each chart has its lines or marks, and says in words what it shows."""
    drawn = {"throughput": "path.js-line", "queues": "path.js-line", "faults": "path.point", "latency": "path.point"}
    for name, mark in drawn.items():
        chart = desk["ticks"].locator(f"[data-figure={name}]")
        assert chart.locator(mark).count() > 1, name
        assert len(chart.get_attribute("aria-label") or "") > 40, name


def test_charts_over_time_line_up(browser: Browser, reports: dict[str, Path]) -> None:
    """A second stands at the same place in throughput, queues and faults, also after zooming into one of them."""
    places = (
        "charts => charts.map(c => [c._fullLayout.xaxis._offset, c._fullLayout.xaxis._length, ...c.layout.xaxis.range])"
    )
    with opened(browser, reports["ticks"]) as page:
        over_time = page.locator("[data-figure]:not([data-figure=latency])")
        first, *others = over_time.evaluate_all(places)
        assert len(others) == 2
        assert others == [first, first]
        dragged = page.locator("[data-figure=queues] .nsewdrag")
        dragged.scroll_into_view_if_needed()
        plot = dragged.bounding_box()
        assert plot
        page.mouse.move(plot["x"] + 0.3 * plot["width"], plot["y"] + 50)
        page.mouse.down()
        page.mouse.move(plot["x"] + 0.6 * plot["width"], plot["y"] + 50, steps=5)
        page.mouse.up()
        for name in ("throughput", "queues", "faults"):
            expect(page.locator(f"[data-figure={name}] .xtick text").first).not_to_have_text("0 s")
        zoomed, *others = over_time.evaluate_all(places)
        assert others == [zoomed, zoomed]
        assert zoomed[2:] == pytest.approx([0.3 * first[3], 0.6 * first[3]], rel=0.05)


@pytest.mark.parametrize("name", ["ticks", "files", "long"])
@pytest.mark.parametrize("width_px", [PHONE_PX, DESK_PX])
def test_the_page_never_scrolls_sideways(
    browser: Browser, reports: dict[str, Path], desk: Mapping[str, Page], name: str, width_px: int
) -> None:
    """On a phone as on a desk the page is as wide as the screen; what is wider scrolls within itself, by key too."""
    shown = nullcontext(desk[name]) if width_px == DESK_PX else opened(browser, reports[name], width_px=width_px)
    with shown as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width_px
        wide = page.locator(".scroll").evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth)"
                                                    ".map(one => one.tabIndex)")  # fmt: skip
        assert set(wide) <= {0}


@pytest.mark.parametrize("name", ["ticks", "files"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(
    browser: Browser, reports: dict[str, Path], desk: Mapping[str, Page], name: str, scheme: Literal["light", "dark"]
) -> None:
    """In light and in dark each text, those of the charts too, has a contrast of 4.5 to 1 or more."""
    shown = nullcontext(desk[name]) if scheme == "light" else opened(browser, reports[name], scheme=scheme)
    with shown as page:
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")
        assert page.evaluate(_FAINT_TEXTS) == []


def test_the_charts_follow_a_change_of_scheme(browser: Browser, reports: dict[str, Path]) -> None:
    """Who switches to dark, or prints from dark, gets the charts in the colours of the page."""
    with opened(browser, reports["ticks"]) as page:
        text = page.locator("[data-figure=throughput] .xtick text").first
        light = text.evaluate("text => getComputedStyle(text).fill")
        page.emulate_media(color_scheme="dark")
        expect(text).not_to_have_css("fill", light)
        page.emulate_media(color_scheme="dark", media="print")
        expect(text).to_have_css("fill", light)


def test_headings_tell_the_outline(desk: Mapping[str, Page]) -> None:
    """One first heading, and no level is left out: what a screen reader lists is the report's outline."""
    headings = desk["ticks"].locator("h1, h2, h3")
    levels: list[Any] = headings.evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
