"""New bytes under an old key that take the place of the old ones, on a stack whose bucket says so."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from bench.stack import deployment
from tests.e2e.market import MarketStack, csv, expected_bars, trades

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.targets.embedded import EmbeddedTarget

ENVIRONMENT = "replacing"


@pytest.fixture(scope="module")
def replacing(target: EmbeddedTarget) -> Iterator[MarketStack]:
    """Deploy a stack in which an object takes the place of what came under its key before."""
    deployment.deploy(target, ENVIRONMENT, {"RangeBytes": "4096", "SameKey": "replace"})
    yield MarketStack(target, deployment.flat_outputs(target, ENVIRONMENT), ENVIRONMENT)
    deployment.destroy(target, ENVIRONMENT)


def test_m25_a_corrected_file_takes_the_place_of_the_wrong_one(replacing: MarketStack) -> None:
    """Whoever reads throughout sees the old bars or the new ones; the old upload says by what it was replaced."""
    wrong, right = trades("E2E.SAME", 500), trades("E2E.SAME", 700, step_ns=180_000_000)
    old = replacing.put("day.csv", csv(wrong))
    assert replacing.wait_for_state(old)["ranges"]["total"] > 2
    shown, stop = [expected_bars(wrong), expected_bars(right)], threading.Event()
    mixtures: list[object] = []
    reads = [0]

    def read_over_and_over() -> None:
        while not stop.is_set():
            bars = replacing.bars("E2E.SAME")
            reads[0] += 1
            if bars not in shown:
                mixtures.append(bars)

    reader = threading.Thread(target=read_over_and_over)
    reader.start()
    try:
        new = replacing.put("day.csv", csv(right))
        replacing.wait_for_state(new)
    finally:
        stop.set()
        reader.join(60)
    assert not reader.is_alive()
    assert reads[0] > 1
    assert mixtures == []
    assert replacing.bars("E2E.SAME") == expected_bars(right)
    status = replacing.wait_for_state(old, "replaced")
    assert status["retraction"]["replacedBy"] == new

    back = replacing.put("day.csv", csv(wrong))
    assert back == old  # by its bytes; it is a new ingest, which takes the place of the second one
    replacing.wait_for_state(new, "replaced")
    assert replacing.bars("E2E.SAME") == expected_bars(wrong)
