"""docs/capacity.md and the page say what the code says, at the fixed seed."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import sync_playwright

from bench.capacity.designs import DESIGNS
from bench.capacity.figures import figures
from bench.capacity.model import run_model
from bench.capacity.outcome import outcome_of
from bench.capacity.page import render
from bench.capacity.quotas import quotas
from bench.capacity.scenarios import BY_NAME, SCENARIOS
from bench.capacity.tables import markdown

if TYPE_CHECKING:
    from bench.capacity.outcome import Outcome

DOCS: Final = Path(__file__).parents[4] / "docs" / "capacity.md"
CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


#: Those that take a second together. All of them are held to the docs by `python -m bench capacity --check`, which
#: tox's `simulate` runs.
QUICK: Final = ("idle-day", "market-open", "posts")


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Some scenarios on both designs, as the command runs them without options."""
    return [
        outcome_of(run_model(BY_NAME[name], design, quotas(), figures()))
        for name in QUICK
        for design in DESIGNS.values()
    ]


def test_the_docs_have_the_command_s_rows(outcomes: list[Outcome]) -> None:
    """`python -m bench capacity --docs docs/capacity.md` makes the table anew where the model has changed."""
    rows = [row for row in markdown(outcomes).splitlines() if row not in DOCS.read_text(encoding="utf-8").splitlines()]
    assert not rows


def test_the_docs_have_a_row_for_each_scenario_and_design() -> None:
    """In the table's order."""
    rows = re.findall(r"^\| ([a-z-]+) \| (old|new) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(scenario.name, str(name)) for scenario in SCENARIOS for name in DESIGNS]


def test_whoever_does_not_settle_says_what_to_raise(outcomes: list[Outcome]) -> None:
    """Whatever does not settle names a limit and a remedy."""
    unsettled = [outcome for outcome in outcomes if not outcome.settles]
    assert unsettled
    assert all(outcome.holds is not None and outcome.holds.remedy for outcome in unsettled)


def test_the_page_asks_for_nothing_from_elsewhere(outcomes: list[Outcome]) -> None:
    """No script, style or picture is loaded: all is in the file, and every scenario that was run with it."""
    page = render(outcomes, quotas(), figures(), ["api_rate=5"])
    assert re.search(r"<(?:script|img|iframe)[^>]+\bsrc=|<link\b", page) is None
    assert all(f'<section id="{name}"' in page for name in QUICK)
    assert "api_rate=5" in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (on Debian: apt-get install chromium)")
@pytest.mark.parametrize("width_px", [360, 1280])
def test_the_page_opens_offline(outcomes: list[Outcome], tmp_path: Path, width_px: int) -> None:
    """Without a network every chart is drawn, nothing is asked for or complained of, and nothing sticks out."""
    path = tmp_path / "capacity.html"
    path.write_text(render(outcomes, quotas(), figures()), encoding="utf-8")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=60_000)
        page = browser.new_context(viewport={"width": width_px, "height": 800}, offline=True).new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url))
        page.goto(path.as_uri())
        page.locator("html[data-drawn=yes]").wait_for(state="attached", timeout=60_000)
        drawn = page.locator("[data-figure] .main-svg").count()
        wide = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert said == [path.as_uri()]
    assert drawn >= 8
    assert wide <= width_px
