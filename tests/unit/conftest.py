"""What every unit test shares: whatever a handler logs in it names what it is about."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from tests.log_lines import nameless

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Powertools' name for a function that no stack has given one.
_SERVICE = "service_undefined"
_REQUEST = "function_request_id"


class _Lines(logging.Handler):
    """Keeps each line as it stands in the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        for formatter in _formatters():
            self.lines.append(json.loads(formatter.format(record)))


def _formatters() -> list[LambdaPowertoolsFormatter]:
    handlers = logging.getLogger(_SERVICE).handlers
    return [one.formatter for one in handlers if isinstance(one.formatter, LambdaPowertoolsFormatter)]


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[dict[str, Any]]]:
    """Check, after each test, the lines of the invocations in it; they are there for the test to read.

    A line that no handler has led to has no request, and need not say whose it is: its caller would.
    """
    for formatter in _formatters():
        formatter.remove_keys([_REQUEST])
    handler = _Lines()
    logger = logging.getLogger(_SERVICE)
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
    of_invocations = [line for line in handler.lines if _REQUEST in line]
    assert not nameless(of_invocations), "these lines do not say what they are about"
