"""What all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.order import ByStack, rank_of

if TYPE_CHECKING:
    from xdist.remote import Producer

# No test depends on how fast the machine is: speed is for the benchmarks.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long modules first, and those that share a stack next to each other."""
    items.sort(key=lambda item: rank_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByStack:
    """Have `pytest -n` keep modules together that share a stack."""
    return ByStack(config, log)
