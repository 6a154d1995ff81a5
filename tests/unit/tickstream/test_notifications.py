"""What S3's events say about objects."""

from __future__ import annotations

import pytest

from tickstream.errors import MalformedItem
from tickstream.ingests import Source
from tickstream.notifications import source_of


def test_the_key_of_an_event_is_decoded_once() -> None:
    """S3 form-encodes keys in events: plus is a space, percent is decoded once and not twice."""
    record = {
        "s3": {
            "bucket": {"name": "bucket"},
            "object": {"key": "a+b/%2B%C3%A9%2541.csv", "size": 7, "eTag": '"abc"', "versionId": "v1"},
        }
    }
    assert source_of(record) == Source("bucket", "a b/+\u00e9%41.csv", "v1", "abc", 7)


@pytest.mark.parametrize("record", [{}, {"s3": None}, {"s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}])
def test_a_record_that_is_none_is_called_so(record: dict[str, object]) -> None:
    """What is not S3's is an error that ends in the dead-letter queue, not a guess."""
    with pytest.raises(MalformedItem):
        source_of(record)
