"""The messages that no consumer can read, as the faults send them."""

from __future__ import annotations

import pytest

from bench.market_analytics.fault_plan import POISON_MESSAGES, range_message
from tickstream.errors import MalformedItem
from tickstream.messages import RangePointer, decode_message


def test_no_consumer_can_read_a_poison_message_and_each_is_refused_as_such() -> None:
    """Each is malformed for the strict reader: nothing else is raised."""
    for body in POISON_MESSAGES:
        with pytest.raises(MalformedItem):
            decode_message(body)
    assert len(set(POISON_MESSAGES)) == len(POISON_MESSAGES)


def test_a_range_message_is_the_pipelines_but_for_the_field_that_was_spoiled() -> None:
    """Otherwise a poison message might be refused for another reason than the one that it is there for."""
    assert isinstance(decode_message(range_message('"size":100')), RangePointer)
