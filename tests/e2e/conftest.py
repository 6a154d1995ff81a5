"""What every end-to-end test shares: one embedded LocalStack a test session."""

from collections.abc import Iterator

import pytest

from bench.faults.retries import retry_soon
from bench.stack import deployment
from bench.targets.embedded import EmbeddedTarget
from tests.e2e.files import FileStack
from tests.e2e.market import MarketStack


@pytest.fixture(scope="session")
def target() -> Iterator[EmbeddedTarget]:
    """Start LocalStack once; each test uses names of its own in it."""
    with EmbeddedTarget() as running:
        yield running


@pytest.fixture(scope="session")
def market(target: EmbeddedTarget) -> MarketStack:
    """Deploy the market-analytics stack once, with small ranges and early compaction; each test has its own symbols.

    It ends with LocalStack: what a deletion does is tested of stacks of their own.
    """
    deployment.deploy(target, "e2e", {"RangeBytes": "65536", "CompactionThreshold": "40"})
    return MarketStack(target, deployment.flat_outputs(target, "e2e"), "e2e")


@pytest.fixture(scope="session")
def files(target: EmbeddedTarget) -> FileStack:
    """Deploy the file-processing stack once; messages that fail come again in seconds. Each test has its own keys."""
    deployment.create(target, "e2e", deployment.assemble("e2e", pipeline=deployment.FILE_PROCESSING))
    stack = FileStack(target, "e2e")
    retry_soon(stack.sqs, stack.outputs.working_queues().values())
    return stack
