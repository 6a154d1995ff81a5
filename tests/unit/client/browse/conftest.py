"""What the tests in a browser share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from tests.unit.client.browse.fake_stack import FakeApi, ingest, minutes
from tests.unit.client.browse.sight import CHROMIUM, PATIENCE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium for the tests of this module."""
    # Chromium's sandbox refuses to run as root, which containers often are.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture
def api() -> FakeApi:
    """An API with two symbols and a day's ingests."""
    refused = {"code": "missing_column", "message": "no column symbol, timestamp, price, size; found: date, remark"}
    return FakeApi(
        bars={("SPY", "1m"): minutes(60), ("BRK/B", "1m"): minutes(7), ("SPY", "5m"): minutes(12)},
        ingests=[ingest(3, "processing"), ingest(2, "rejected", reason=refused), ingest(1)],
        resting={"q": 3},
    )
