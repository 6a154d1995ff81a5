"""What S3 says and what the stages say to each other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.errors import MalformedItem
from tickstream.files import FilePointer, decode_pointer, encode_pointer, group_of
from tickstream.ingests import Container, Format, Layout, Source
from tickstream.notifications import object_created

names = st.text(min_size=1, max_size=30)
pointers = st.builds(
    FilePointer,
    st.builds(Source, names.map(lambda name: name.replace("/", "")), names, names, names, st.integers(0, 10**9)),
    names,
    st.integers(0, 9),
    st.integers(0, 10**13),
    st.builds(
        Layout, st.sampled_from(Format), st.sampled_from(Container), st.lists(names).map(tuple), st.integers(0, 10**5)
    ),
)


@given(pointers)
def test_a_pointer_survives_its_message(pointer: FilePointer) -> None:
    """It is read back equal, also after an emulator has re-encoded the JSON."""
    body = encode_pointer(pointer)
    assert decode_pointer(body) == pointer
    assert decode_pointer(json.dumps(json.loads(body))) == pointer


@given(pointers, pointers)
def test_different_work_has_different_messages(one: FilePointer, other: FilePointer) -> None:
    """A queue that drops repeated bodies drops nothing but repetitions."""
    assert (encode_pointer(one) == encode_pointer(other)) == (one == other)


@pytest.mark.parametrize(
    ("field", "value"),
    [("fileId", "bucket/other"), ("attempt", -1), ("version", 5), ("layout", None), ("size", "x"), ("key", None)],
)
def test_a_message_that_makes_no_sense_is_refused(field: str, value: Any) -> None:
    """One wrong field is an error that names it, not a guess."""
    pointer = FilePointer(Source("bucket", "key", "v", "e", 1), "A", 0, 0, Layout(Format.CSV))
    fields = json.loads(encode_pointer(pointer)) | {field: value}
    with pytest.raises(MalformedItem):
        decode_pointer(json.dumps(fields))


@given(names)
def test_a_message_group_is_one_that_sqs_takes(key: str) -> None:
    """Whatever characters a key has, its group is 32 hexadecimal digits."""
    assert set(group_of(f"bucket/{key}")) <= set("0123456789abcdef")
    assert len(group_of(f"bucket/{key}")) == 32


def event(sequencer: str | None, time: str = "2026-01-05T14:30:00.123Z", key: str = "k") -> dict[str, Any]:
    """A record of an S3 event."""
    found: dict[str, Any] = {"key": key, "versionId": "v1", "eTag": "e", "size": 1}
    if sequencer is not None:
        found["sequencer"] = sequencer
    return {"eventTime": time, "s3": {"bucket": {"name": "b"}, "object": found}}


def test_sequencers_of_different_lengths_compare_as_s3_says() -> None:
    """The shorter one counts as padded with zeros on the right, and the case of digits does not matter."""
    ordered = [object_created(event(text)).sequencer for text in ("0066ab", "0066AB01", "0066AC", "01")]
    assert ordered == sorted(ordered)
    assert object_created(event("0066ab")).sequencer == object_created(event("0066AB00")).sequencer


@pytest.mark.parametrize("sequencer", ["0055AED6DCD90281E5", None, ""])
def test_without_a_real_sequencer_the_time_of_the_event_orders(sequencer: str | None) -> None:
    """An emulator's constant is recognised; later events are larger, and the record says what ordered them."""
    one, other = (
        object_created(event(sequencer, time)) for time in ("2026-01-05T14:30:00.123Z", "2026-01-05T14:30:00.124Z")
    )
    assert one.by_event_time
    assert one.sequencer < other.sequencer
    assert not object_created(event("0066AB")).by_event_time


def test_keys_of_events_are_form_encoded() -> None:
    """A plus sign in the event is a space of the key, an encoded percent sign is a percent sign."""
    assert object_created(event("01", key="feeds/nyse+trades%25201%2B.csv")).source.key == "feeds/nyse trades%201+.csv"


def test_the_time_of_an_event_is_read_to_the_millisecond() -> None:
    """Unix milliseconds, whatever the offset is."""
    assert object_created(event("01")).created_ms == 1_767_623_400_123
    assert object_created(event("01", "2026-01-05T15:30:00.123+01:00")).created_ms == 1_767_623_400_123


@pytest.mark.parametrize(
    "record", [{}, {"s3": 5}, event("01") | {"eventTime": 5}, event("01") | {"eventTime": "yesterday"}, 5]
)
def test_what_is_no_event_is_refused(record: Any) -> None:
    """Anything else is an error, not a file with made-up facts."""
    with pytest.raises(MalformedItem, match="not a record of an S3 event"):
        object_created(record)
