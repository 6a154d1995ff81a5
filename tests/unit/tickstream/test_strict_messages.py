"""Messages and events that anybody may have written: read, or refused in one short sentence, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.errors import MalformedItem
from tickstream.files import FilePointer, decode_pointer, encode_pointer
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.messages import (
    InlineTicks,
    ProcessedRange,
    RangePointer,
    decode_message,
    encode_message,
    event_details,
    ranges_from_detail,
)
from tickstream.notifications import MAX_RECORDS_AN_EVENT, object_created, records_of, source_of
from tickstream.strict_fields import MAX_JSON_BYTES, read_fields
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INGEST = "0123456789abcdef" * 2
SOURCE = Source("bucket", "key", "v1", "e" * 32, 1000)
LAYOUT = Layout(Format.CSV, columns=("symbol", "timestamp"), data_start=28)
RANGE = encode_message(RangePointer(INGEST, 1_767_623_400_000, Span(0, 28, 1000), SOURCE, LAYOUT))
TICKS = encode_message(InlineTicks(INGEST, 1_767_623_400_000, ((0, Tick("A", 1, 1, 1)), (1, Tick("B", 1, 1, 1)))))
POINTER = encode_pointer(FilePointer(SOURCE, "00AB", 0, 1_767_623_400_000, LAYOUT))
(DETAIL,) = event_details([ProcessedRange(INGEST, 0, 1, 0, 1, 1, (0, 15))])
RECORD = json.dumps(
    {
        "eventTime": "2026-01-05T14:30:00.123Z",
        "s3": {
            "bucket": {"name": "b"},
            "object": {"key": "k+%2B", "versionId": "v", "eTag": "e", "size": 1, "sequencer": "0066AB"},
        },
    }
)


def parsed(read: Callable[[Any], object]) -> Callable[[str], object]:
    """What Lambda hands over was parsed before, by a parser that takes Infinity."""
    return lambda body: read(json.loads(body))


READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "range": (decode_message, RANGE),
    "ticks": (decode_message, TICKS),
    "pointer": (decode_pointer, POINTER),
    "event": (parsed(ranges_from_detail), DETAIL),
    "source": (parsed(source_of), RECORD),
    "object": (parsed(object_created), RECORD),
}

#: As JSON has it, or as Python's parser takes it.
HOSTILE = (
    *("null", "true", "[]", "{}", '""', "-1", "1.0", "1e999", "-1e999", "NaN", "Infinity", "1e400000", '"5"'),
    *("9" * 40, "9" * 5000, '"\\ud800"', '"%ff"', '"' + "x" * 5000 + '"', '{"a":{"b":{}}}'),
    *("[[[[[[1]]]]]]", '["0","28","1000"]', "[0,28]", "[0,28,1e999]"),
    *('"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"', '"2026-01-05T14:30:00"'),
)


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Every place within a JSON value, the value itself excepted."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield (name,)
        yield from ((name, *more) for more in places(one))


def planted(body: str, place: tuple[Any, ...], text: str) -> str:
    """A body with a piece of JSON in some place."""
    value = copy.deepcopy(json.loads(body))
    target = value
    for name in place[:-1]:
        target = target[name]
    target[place[-1]] = "@@@"
    return json.dumps(value).replace('"@@@"', text)


CASES = [
    pytest.param(read, planted(body, place, text), id=f"{name}-{'.'.join(map(str, place))}-{text[:20]}")
    for name, (read, body) in READERS.items()
    for place in places(json.loads(body))
    for text in HOSTILE
    # A number of 5,000 digits is refused by the parser that parses before us.
    if not (name in {"event", "source", "object"} and len(text) == 5000)
]


@pytest.mark.parametrize(("read", "body"), CASES)
def test_i5_what_is_wrong_in_any_place_is_refused_in_a_short_sentence(read: Callable[[str], object], body: str) -> None:
    """A value of another type, a number without end, a text that is none: read, or refused; never another error."""
    try:
        read(body)
    except MalformedItem as error:
        assert len(str(error)) < 400  # noqa: PT017 - many of them are read
        assert error.__cause__ is None  # noqa: PT017 - whose text nobody has cut


@pytest.mark.parametrize(
    ("read", "body", "place", "text"),
    [
        (decode_message, RANGE, ("received_ms",), "Infinity"),
        (decode_message, RANGE, ("received_ms",), "1e999"),
        (decode_message, RANGE, ("received_ms",), "9" * 40),
        (decode_message, RANGE, ("source", "size"), "1e999"),
        (decode_message, RANGE, ("source", "version"), '["v1"]'),
        (decode_message, RANGE, ("span",), '["0","28","1000"]'),
        (decode_message, RANGE, ("span", 1), "-1"),
        (decode_message, RANGE, ("layout", "container"), "1"),
        (decode_message, RANGE, ("layout", "container"), '"rar"'),
        (decode_message, RANGE, ("layout", "delimiter"), "[]"),
        (decode_message, RANGE, ("layout", "feed"), "{}"),
        (decode_message, RANGE, ("ingest",), '"\\ud800"'),
        (decode_message, TICKS, ("price_e9", 0), "1.5"),
        (decode_message, TICKS, ("price_e9", 0), "9000000000000000000"),
        (decode_message, TICKS, ("size_e9", 0), "-1"),
        (decode_message, TICKS, ("size_e9", 0), "1" + "0" * 24),
        (decode_message, TICKS, ("symbol", 0), "[1]"),
        (decode_message, TICKS, ("symbol", 0), '"a b"'),
        (decode_message, TICKS, ("position",), "[0]"),
        (decode_pointer, POINTER, ("size",), "1e999"),
        (decode_pointer, POINTER, ("attempt",), "true"),
        (parsed(ranges_from_detail), DETAIL, ("ranges", 0, "ticks"), "1e999"),
        (parsed(ranges_from_detail), DETAIL, ("ranges", 0, "ingest"), "[1]"),
        (parsed(source_of), RECORD, ("s3", "object", "size"), "1e999"),
        (parsed(source_of), RECORD, ("s3", "object", "key"), '"\\ud800"'),
        (parsed(source_of), RECORD, ("s3", "object", "key"), '""'),
        (parsed(source_of), RECORD, ("s3", "object", "versionId"), "[1]"),
        (parsed(object_created), RECORD, ("eventTime",), '"0001-01-01T00:00:00+14:00"'),
        (parsed(object_created), RECORD, ("eventTime",), '"2026-01-05T14:30:00"'),
    ],
)
def test_i5_these_are_refused(read: Callable[[str], object], body: str, place: tuple[Any, ...], text: str) -> None:
    """What this code never writes is no message of its own, wherever it stands."""
    read(body)
    with pytest.raises(MalformedItem):
        read(planted(body, place, text))


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"kind":' * 100_000,
        '{"kind":"range","span":' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"kind":"' + "x" * MAX_JSON_BYTES + '"}',
        '{"kind":"range","ingest":NaN}',
        '{"kind":"\\ud800"}',
        '"\ud800"',
        "\x00",
        None,
        b"{}",
    ],
)
@pytest.mark.parametrize("read", [decode_message, decode_pointer])
def test_i5_a_body_that_no_parser_likes_is_refused(read: Callable[[object], object], body: object) -> None:
    """Nested beyond the parser's depth, longer than any message, no text at all: refused like all else."""
    with pytest.raises(MalformedItem) as refused:
        read(body)
    assert len(str(refused.value)) < 400


@given(st.text(max_size=200))
def test_i5_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text is."""
    for read in (decode_message, decode_pointer):
        with pytest.raises(MalformedItem):
            read(text)


def test_i6_an_event_of_very_many_records_is_refused() -> None:
    """S3 sends one: thousands would never be done within a function's time, and come again for ever."""
    assert len(records_of({"Records": [{}] * MAX_RECORDS_AN_EVENT})) == MAX_RECORDS_AN_EVENT
    with pytest.raises(MalformedItem):
        records_of({"Records": [{}] * (MAX_RECORDS_AN_EVENT + 1)})
    with pytest.raises(MalformedItem):
        records_of([])


def test_a_fraction_is_no_number_of_ours() -> None:
    """Nobody here writes one, and an exponent may make it infinite."""
    assert read_fields('{"a":1}', "it").whole("a", 0, 1) == 1
    with pytest.raises(MalformedItem, match="not whole"):
        read_fields('{"a":1.0}', "it")
