"""The pipeline's reader and the bench's read generated files of feeds alike: neither shares code with the other."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.bench.own_file.both_readers import LINE_ENDS, MANY, MOMENT, MOMENTS, NUMBER, SYMBOL, both
from tickstream.feeds.catalogue import Catalogue
from tickstream.feeds.documents import feed_from

if TYPE_CHECKING:
    from collections.abc import Mapping


def own(**tick: Any) -> dict[str, Any]:
    """A feed that reads columns `s`, `t`, `p`, `q`, `n` and `k`, changed by what is given."""
    return {
        "name": "own",
        "format": ["csv", "jsonl", "json"],
        "tick": {
            "symbol": {"from": "{s}"},
            "timestamp": {"from": "{t}", "unit": "auto", "format": "iso"},
            "price": {"from": "{p}"},
            "size": {"from": "{q}"},
            **tick,
        },
    }


def local_times(zone: str) -> st.SearchStrategy[str]:
    """Times of day around the hours in which the clocks of a zone go forward and back."""
    days = {
        "America/New_York": ["2024-03-10", "2024-11-03", "2006-04-02", "2007-03-11"],
        "Europe/Paris": ["2024-03-31", "2024-10-27", "1995-09-24"],
        "Australia/Lord_Howe": ["2024-04-07", "2024-10-06"],
        "Asia/Tokyo": ["2024-04-07"],
        "Africa/Casablanca": ["2024-03-10", "2024-04-14"],
    }[zone]
    times = st.builds("{:02d}:{:02d}:{:02d}".format, st.integers(0, 4), st.integers(0, 59), st.integers(0, 60))
    return st.builds("{} {}{}".format, st.sampled_from(days), times, st.sampled_from(["", ".5", ".000000001"]))


ZONES: Final = ["America/New_York", "Europe/Paris", "Australia/Lord_Howe", "Asia/Tokyo", "Africa/Casablanca"]


@MANY
@given(
    st.sampled_from(ZONES).flatmap(
        lambda zone: st.tuples(st.just(zone), st.lists(local_times(zone), min_size=10, max_size=60))
    ),
    st.sampled_from(["reject", "earlier", "later"]),
)
def test_m23_local_times_are_read_alike(times: tuple[str, list[str]], ambiguous: str) -> None:
    """Hours that come twice or never are what the feed says, by the tables of two makers."""
    zone, texts = times
    feed = feed_from(own(timestamp={"from": "{t}", "format": "iso", "zone": zone, "ambiguous": ambiguous}))
    content = "s,t,p,q\n" + "".join(f"A,{text},1,1\n" for text in texts)
    pipeline, bench = both(content.encode(), "feed=own/a.csv", Catalogue({"own": feed}, {}))
    assert pipeline == bench


FORMATS: Final = [
    "%Y%m%d %H%M%S%f",
    "%d.%m.%Y %H:%M:%S",
    "%d-%b-%y %I:%M:%S.%f %p",
    "%Y %j %H:%M",
    "%m/%d/%Y %H:%M:%S %z",
    "%S%%%Y-%m-%d",
]
FORMATTED: Final = st.sampled_from(
    [
        "20260105 143000123456789",
        "20260105 1430001",
        "20260105 143000",
        "5.1.2026 4:30:00",
        "05.01.2026 14:30:61",
        "29.02.2025 00:00:00",
        "05-Jan-26 02:30:00.5 pm",
        "05-JAN-69 12:00:00.000000001 AM",
        "05-Jan-26 13:30:00.5 PM",
        "05-Jen-26 02:30:00.5 PM",
        "2024 366 10:00",
        "2025 366 10:00",
        "2025 000 10:00",
        "2025 001 1:0",
        "01/05/2026 14:30:00 +0100",
        "1/5/2026 14:30:00 -05:",
        "1/5/2026 14:30:00 Z",
        "1/5/2026 14:30:00 +99",
        "07%2026-01-05",
        "2026-01-05",
    ]
)


@MANY
@given(
    st.lists(st.sampled_from(FORMATS), min_size=1, max_size=3, unique=True),
    st.lists(FORMATTED, min_size=5, max_size=40),
)
def test_m23_formats_are_read_alike(formats: list[str], texts: list[str]) -> None:
    """Each directive takes the same digits and names for both."""
    feed = feed_from(own(timestamp={"from": "{t}", "format": formats, "zone": "+02:00"}))
    content = "s,t,p,q\n" + "".join(f"A,{text},1,1\n" for text in texts)
    pipeline, bench = both(content.encode(), "feed=own/a.csv", Catalogue({"own": feed}, {}))
    assert pipeline == bench


NUMBER_RULES: Final = [
    {"from": "{p}"},
    {"from": "{p}", "scale": -4},
    {"from": "{p}", "scale": 7, "abs": True},
    {"from": "{p}", "decimals": 2},
    {"middle": ["{p}", "{q}"]},
    {"middle": ["{p}", "{q}"], "decimals": 4, "scale": -2},
]
#: Some of them sums that are a little beside what they stand for.
FLOATS: Final = st.one_of(
    st.floats(-1e6, 1e6).map(repr),
    st.builds(lambda a, b: repr(a * 0.01 + b * 0.01), st.integers(0, 999), st.integers(0, 999)),
)


@MANY
@given(
    st.sampled_from(NUMBER_RULES),
    st.sampled_from([(".", ""), (",", "."), (".", ","), (",", " "), (".", "'")]),
    st.lists(st.tuples(st.one_of(NUMBER, FLOATS), st.one_of(st.just("1"), NUMBER)), min_size=5, max_size=40),
)
def test_m23_numbers_are_read_alike(
    rule: Mapping[str, Any], chars: tuple[str, str], numbers: list[tuple[str, str]]
) -> None:
    """Scales, signs, middles, rounded floats, commas and groups give the same integers, to the last digit."""
    decimal, group = chars
    document = {
        **own(price=rule),
        "dialect": {"delimiter": ";"},
        "schema": {"decimalChar": decimal, "groupChar": group},
    }
    content = "s;t;p;q\n" + "".join(f"A;1767623400;{price.replace('.', decimal)};{size}\n" for price, size in numbers)
    pipeline, bench = both(content.encode(), "feed=own/a.csv", Catalogue({"own": feed_from(document)}, {}))
    assert pipeline == bench


UNITS: Final = st.sampled_from(["s", "ms", "us", "ns", "auto"])
COUNTS: Final = st.sampled_from(
    [
        "1767623400",
        "1767623400.123456789",
        "1767623400.1234567890",
        "1767623400.12345678901",
        "1767623400123",
        "1767623400123.5",
        "1767623400123456",
        "1767623400123456789",
        "631152000",
        "631151999",
        "4102444800",
        "34200.013994120",
        "172799999.999999",
        "172800000",
        "0",
        "-1",
        "1e9",
        "99999999999999999999",
        "999999999999999999999",
    ]
)


@MANY
@given(UNITS, st.booleans(), st.lists(st.one_of(COUNTS, MOMENTS), min_size=5, max_size=40))
def test_m23_counted_moments_are_read_alike(unit: str, since_midnight: bool, texts: list[str]) -> None:  # noqa: FBT001
    """Units, `auto` and times since midnight are the same nanoseconds."""
    time: dict[str, Any] = {"from": "{t}", "unit": unit, "format": "iso"}
    if since_midnight:
        time |= {"since": "midnight", "date": {"from": "{day}", "format": "%Y%m%d"}, "zone": "America/New_York"}
    document = own(timestamp=time, match={"key": "_(?P<day>[0-9]{8})_"})
    content = "s,t,p,q\n" + "".join(f"A,{text},1,1\n" for text in texts)
    pipeline, bench = both(content.encode(), "feed=own/a_20240310_.csv", Catalogue({"own": feed_from(document)}, {}))
    assert pipeline == bench


@st.composite
def feed_rows(draw: st.DrawFn) -> list[dict[str, str]]:
    """Rows of columns `s` to `k`, as texts."""
    count = draw(st.integers(1, 25))
    return [
        {
            "s": draw(SYMBOL),
            "t": draw(st.one_of(st.just("1767623400"), MOMENT)),
            "p": draw(NUMBER),
            "q": draw(NUMBER),
            "n": draw(
                st.sampled_from(
                    ["1", "-5", "", "x", "9223372036854775807", "-9223372036854775808", "99999999999999999999"]
                )
            ),
            "k": draw(st.sampled_from(["T", "C", "", " T ", "NULL", "\u00a0T"])),
        }
        for _ in range(count)
    ]


RULES: Final[list[dict[str, Any]]] = [
    {"sequence": {"from": "{n}"}},
    {"sequence": {"order": "descending"}, "where": [{"value": "{k}", "in": ["T"]}]},
    {"where": [{"value": "{k}{gone}", "notIn": ["C", "CC"]}], "symbol": {"from": ["{s}", "{k}"], "join": "."}},
    {
        "symbol": {"from": "{s}.{pair}", "case": "upper", "replace": {" ": "_", "BRK": "X"}},
        "match": {"key": "(?P<pair>[a-z]+)[.]"},
    },
    {"symbol": {"from": "{s}", "lookup": {"A": "B", "a": "C D", "": "E"}}},
    {"size": {"constant": "0"}, "price": {"from": "1{n}"}},
]


def _written(draw: st.DrawFn, field: str, quote: str | None) -> str:
    is_quoted = quote is not None and draw(st.integers(0, 4)) == 0
    return f"{quote}{field.replace(quote, quote * 2)}{quote}" if quote is not None and is_quoted else field


@st.composite
def feed_files(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A feed and a file of it, in one of the ways in which it may be written."""
    rules = draw(st.sampled_from(RULES))
    document: dict[str, Any] = {
        **own(**rules),
        "schema": {"missingValues": draw(st.sampled_from([[""], ["", "NULL"], ["NULL"], []]))},
    }
    listed = draw(feed_rows())
    written = draw(st.sampled_from(["csv", "csv", "jsonl", "json", "zip"]))
    document["format"] = "csv" if written == "zip" else written
    if written == "jsonl":
        return document, b"".join(json.dumps(row).encode() + b"\n" for row in listed)
    if written == "json":
        document["dialect"] = {"property": "result.*"}
        halves = listed[: len(listed) // 2], listed[len(listed) // 2 :]
        return document, json.dumps({"result": {"x": halves[0], "y": halves[1]}, "s": "A"}).encode()
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    quote = draw(st.sampled_from(['"', "'", None]))
    document["dialect"] = {
        "delimiter": delimiter,
        "quoteChar": quote,
        "commentChar": draw(st.sampled_from([None, "#"])),
    }
    header = {name: name for name in listed[0]}
    lines = [delimiter.join(_written(draw, field, quote) for field in row.values()) for row in (header, *listed)]
    content = "".join(line + draw(LINE_ENDS) for line in lines).encode()
    if written == "csv":
        return document, content
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", content)
        archive.writestr("__MACOSX/a.csv", b"no")
        archive.writestr("b.csv", content)
    return document, packed.getvalue()


@settings(MANY, max_examples=40)
@given(feed_files())
def test_m23_feeds_are_read_alike(made: tuple[dict[str, Any], bytes]) -> None:
    """Symbols, sequences, `where`, missing values, dialects, documents and members mean the same to both."""
    document, content = made
    pipeline, bench = both(content, "feed=own/pair.x", Catalogue({"own": feed_from(document)}, {}))
    assert pipeline == bench
