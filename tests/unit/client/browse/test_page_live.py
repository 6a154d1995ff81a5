"""The page while things happen: what arrives, what is refused, and what fails and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.unit.client.browse.fake_stack import MINUTE_S, OPEN_S, FakeApi, bar, ingest, minutes, served
from tests.unit.client.browse.sight import (
    PATIENCE_MS,
    drawn,
    needs_chromium,
    opened,
    readout,
    shown,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = needs_chromium


def test_c04_what_arrives_is_seen(browser: Browser, api: FakeApi) -> None:
    """Without a reload: a forming bar that grows, the next one, an ingest, what rests in a dead-letter queue."""
    api.bars["SPY", "1m"] = minutes(3, closed=True)
    api.bars["SPY", "1m"][2] |= {"closed": False, "volume": "5"}
    with served(api) as address, opened(browser, address, "symbol=SPY&from=2026-01-05") as page:
        shown(page, 3)
        expect(page.locator("#queues")).to_contain_text("No dead letters in 2 queues.")
        assert readout(page)["volume"] == "5"
        api.asked.clear()
        api.bars["SPY", "1m"][2] |= {"volume": "7"}
        expect(page.locator("#readout [data-exact='7']")).to_be_visible(timeout=PATIENCE_MS)
        # Of what is over nobody asks again.
        assert min(int(one["from"]) for one in api.asked) == (OPEN_S + 2 * MINUTE_S) * 10**9
        api.bars["SPY", "1m"][2] |= {"closed": True}
        api.bars["SPY", "1m"].append(bar(OPEN_S + 3 * MINUTE_S, 3, closed=False))
        shown(page, 4)
        # What came in may be of any time, also of one that was over.
        api.bars["SPY", "1m"].insert(0, bar(OPEN_S - MINUTE_S, 9, closed=True))
        api.ingests.insert(0, ingest(8))
        api.resting = {"processingDeadLetterQ": 2}
        shown(page, 5)
        expect(page.locator("#ingests li")).to_have_count(4)
        expect(page.locator("#queues .dead")).to_contain_text("2 failed for good: processing", timeout=PATIENCE_MS)
        for part in ("bars", "ingests", "queues"):
            expect(page.locator(f"#{part}-age")).to_contain_text("ago")


def test_c04_ingests_have_states_and_sentences(browser: Browser, api: FakeApi) -> None:
    """The refused one says why; details are there by a key; states and days can be chosen."""
    with served(api) as address, opened(browser, address) as page:
        refused = page.locator("#ingests li").nth(1)
        expect(refused).to_contain_text("no column symbol, timestamp, price, size; found: date, remark")
        expect(page.locator("#ingests-summary")).to_have_text("1 processing · 1 complete · 1 rejected")
        refused.locator("summary").focus()
        page.keyboard.press("Enter")
        expect(refused).to_contain_text(f"{2:032x}")
        page.locator("#state").select_option("complete")
        expect(page.locator("#ingests li")).to_have_count(1)
        api.ingests.clear()
        page.locator("#day-before").click()
        expect(page.locator("#ingests-summary")).to_have_text("Nothing complete came in on this day.")


@pytest.mark.parametrize(
    ("trouble", "line"),
    [
        (0, "The API does not answer"),
        (403, "The credentials were refused: in trouble"),
        (429, "The API is asked too often and slows down"),
        (503, "The API failed: in trouble"),
    ],
)
def test_c04_trouble_is_one_line_and_passes(browser: Browser, api: FakeApi, trouble: int, line: str) -> None:
    """What was shown stays, with how old it is; when the API answers again the page goes on by itself."""
    with served(api) as address, opened(browser, address, "symbol=SPY&from=2026-01-05", is_in_trouble=True) as page:
        shown(page, 60)
        api.trouble = trouble
        expect(page.locator("#banner-text")).to_have_text(line, timeout=PATIENCE_MS)
        expect(page.locator("#live-text")).to_contain_text("as of")
        assert len(drawn(page)["traded"]["x"]) == 60
        api.bars["SPY", "1m"].append(bar(OPEN_S + 60 * MINUTE_S, 60))
        api.trouble = None
        expect(page.locator("#banner")).to_be_hidden(timeout=PATIENCE_MS)
        shown(page, 61)
        expect(page.locator("#live-text")).to_contain_text("live")


def test_c04_a_page_that_begins_in_trouble_recovers(browser: Browser, api: FakeApi) -> None:
    """Opened while nothing answers it says so, and draws when something does."""
    api.trouble = 503
    with served(api) as address, opened(browser, address, is_in_trouble=True) as page:
        expect(page.locator("#banner")).to_be_visible()
        api.trouble = None
        shown(page, 60)
        expect(page.locator("#banner")).to_be_hidden(timeout=PATIENCE_MS)


def test_c04_a_command_that_ended_and_came_back(browser: Browser, api: FakeApi) -> None:
    """One line while nobody listens; the same command again is found by itself."""
    with served(api) as address:
        context = opened(browser, address, is_in_trouble=True)
        page = context.__enter__()
        shown(page, 60)
    expect(page.locator("#banner-text")).to_have_text("`tickstream browse` does not answer", timeout=PATIENCE_MS)
    api.ingests.insert(0, ingest(9))
    with served(api, int(address.rstrip("/").rpartition(":")[2])):
        expect(page.locator("#banner")).to_be_hidden(timeout=PATIENCE_MS)
        expect(page.locator("#ingests li")).to_have_count(4)
        context.__exit__(None, None, None)


def test_c04_a_page_of_another_command_says_so(browser: Browser, api: FakeApi) -> None:
    """A token of a command that ended is no error of the API's."""
    with served(api) as address, opened(browser, address, is_in_trouble=True) as page:
        shown(page, 60)
        page.evaluate("sessionStorage.setItem('tickstream-token', 'old')")
        page.reload()
        expect(page.locator("#banner-text")).to_contain_text("of another `tickstream browse`")
