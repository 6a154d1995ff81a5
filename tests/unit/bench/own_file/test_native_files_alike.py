"""The pipeline's reader and the bench's read generated native files alike: neither shares code with the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bench.own_file.both_readers import LINE_ENDS, MANY, MOMENT, NUMBER, SYMBOL, both
from tickstream.feeds.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable


def _plain(field: str) -> str:
    return field


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"'


FIELD_WRITERS: Final[st.SearchStrategy[Callable[[str], str]]] = st.sampled_from([_plain, _plain, _plain, _quoted])
#: Rows that are no rows of fields.
ODD_LINES: Final = st.sampled_from(
    [b"", b"\r", b"   ", b'"', b"a,b", b"\xff,1,1,1", b"# a comment", b"\x00,1,1,1", b'A,1,"1,1']
)
BEFORE: Final = st.sampled_from(
    [b"", b"\xef\xbb\xbf", b"\n\r\n", b"# made by hand\n", b"sep=,\r\n", b'"sep=,"\n', b"  \n"]
)
HEADERS: Final = st.sampled_from(
    [
        b"symbol,timestamp,price,size",
        b'"symbol","timestamp","price","size"',
        b" Symbol ,TIMESTAMP,Price, size",
        b"symbol,timestamp,price,size,size",
        b"symbol,timestamp,price",
        b"symbol,timestamp,price,SIZE,size",
    ]
)


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """Native CSV: a header that is mostly right, and rows of which some are ticks."""
    header = draw(st.one_of(st.just(b"symbol,timestamp,price,size"), HEADERS))
    width = header.count(b",") + 1
    content = draw(BEFORE) + header + b"\n"
    for _ in range(draw(st.integers(0, 25))):
        if draw(st.integers(0, 5)) == 0:
            content += draw(ODD_LINES) + b"\n"
            continue
        fields = [draw(SYMBOL), draw(MOMENT), draw(NUMBER), draw(NUMBER), "5", "6"][:width]
        line = ",".join(draw(FIELD_WRITERS)(field) for field in fields)
        content += (line + draw(LINE_ENDS)).encode()
    return content


NOTHING: Final = Catalogue({}, {})


@MANY
@given(csv_files())
def test_m23_native_csv_is_read_alike(content: bytes) -> None:
    """Quotes, blanks, comments, line ends, digits, exponents and offsets of native CSV mean the same to both."""
    pipeline, bench = both(content, "ticks/a.csv", NOTHING)
    assert pipeline == bench


JSON_VALUES: Final = st.sampled_from(
    ["null", "true", "{}", "[1]", "NaN", '{"a":1,"a":2}', "1e-5", "-0", "1E400", '"\\ud800"', "01"]
)


@st.composite
def json_files(draw: st.DrawFn) -> bytes:
    """Native JSON lines: rows with other fields, names that stand twice, and rows right behind others."""
    content = draw(st.sampled_from(["", "\ufeff", "\n"]))
    for _ in range(draw(st.integers(1, 20))):
        moment, price, size = draw(MOMENT), draw(NUMBER), draw(NUMBER)
        pairs = [("symbol", json.dumps(draw(SYMBOL))), ("timestamp", json.dumps(moment)), ("price", json.dumps(price))]
        pairs.append((draw(st.sampled_from(["size", "size", "volume"])), json.dumps(size)))
        if draw(st.booleans()):
            pairs = [
                (name, value.strip('"') if name != "symbol" and value.strip('"') else value) for name, value in pairs
            ]
        if draw(st.integers(0, 4)) == 0:
            name = draw(st.sampled_from(["symbol", "price", "size", "timestamp", "conditions"]))
            pairs.append((name, draw(JSON_VALUES)))
        content += "{" + ", ".join(f'"{name}": {value}' for name, value in pairs) + "}"
        content += draw(st.sampled_from(["\n", "\n", "\r\n", "", " ", "x\n", "\n\n"]))
    return content.encode()


@MANY
@given(json_files())
def test_m23_native_json_is_read_alike(content: bytes) -> None:
    """Types, names that stand twice, constants that are no JSON and rows without a line end mean the same to both."""
    pipeline, bench = both(content, "ticks/a.jsonl", NOTHING)
    assert pipeline == bench
