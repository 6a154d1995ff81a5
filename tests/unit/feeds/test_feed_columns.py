"""What feeds make of rows in columns, against what they make of each row by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.decoding import LIMITS, Budget, Decoded
from tickstream.decoding.blocks import block_decoder
from tickstream.decoding.outcome import Sink
from tickstream.decoding.plain_rows import Reader, decode_rows
from tickstream.feeds.documents import feed_from, frozen_text
from tickstream.feeds.rows import row_parser
from tickstream.ingests import Format, Layout, Source
from tickstream.pairs import NO_PAIRS, PairTask, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE: Final = Source("b", "trades/XYZ_20240310.csv", "v", "e", 1)
COLUMNS: Final = ("Sym", "Day", "When", "Px", "Bid", "Qty", "Id", "Kind")
BASE: Final[Mapping[str, Any]] = {
    "name": "tried",
    "format": ["csv", "jsonl"],
    "tick": {
        "match": {"key": "(?P<stem>[A-Z]+)_(?P<date>[0-9]{8})"},
        "symbol": {"from": "{sym}"},
        "timestamp": {"from": "{when}", "unit": "ns"},
        "price": {"from": "{px}"},
        "size": {"from": "{qty}"},
    },
}
NEW_YORK: Final = {"zone": "America/New_York"}
SYMBOLS: Final = (
    {"from": "{sym}"},
    {"from": "{sym}", "case": "upper", "replace": {" ": ".", "/": "-"}},
    {"from": "{stem}.{sym}"},
    {"from": ["{sym}", "{kind}"], "join": "."},
    {"from": "{sym}", "lookup": {"A": "ALPHA", "b": "BETA"}},
)
TIMES: Final = (
    {"from": "{when}", "unit": "ns"},
    {"from": "{when}", "unit": "ms"},
    {"from": "{when}", "unit": "s"},
    {"from": "{when}", "unit": "auto"},
    {"from": "{when}", "unit": "us", "format": "iso"},
    {"from": "{when}", "format": "iso", **NEW_YORK},
    {"from": "{day} {when}", "format": ["%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S"], **NEW_YORK},
    {"from": "{day} {when}", "format": "%m/%d/%Y %H:%M:%S.%f", "ambiguous": "later", **NEW_YORK},
    {"from": "{when}", "unit": "ms", "since": "midnight", "date": {"from": "{date}", "format": "%Y%m%d"}, **NEW_YORK},
    {"from": "{when}", "unit": "s", "since": "midnight", "date": {"from": "{day}", "format": "%m/%d/%Y"}, **NEW_YORK},
)
NUMBERS: Final = (
    {"from": "{px}"},
    {"from": "{px}", "scale": -4},
    {"from": "{px}", "scale": 2, "abs": True},
    {"from": "{px}", "decimals": 4},
    {"middle": ["{px}", "{bid}"]},
    {"constant": "1.5"},
)
SCHEMAS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"missingValues": ["", "NA", "0"]},
    {"decimalChar": ",", "groupChar": "."},
)
WHERE: Final[tuple[list[dict[str, Any]], ...]] = (
    [],
    [{"value": "{kind}", "in": ["T", ""]}],
    [{"value": "{kind}{id}", "notIn": ["X1"]}],
)
CANCELS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"marks": [{"value": "{kind}", "in": ["X"]}, {"value": "{id}", "in": ["-7"]}]},
    {"pair": {"where": [{"value": "{kind}", "in": ["X"]}], "by": ["{sym}", "{px}"]}},
    {
        "marks": [{"value": "{id}", "in": ["2"]}],
        "pair": {"where": [{"value": "{id}", "in": ["1"]}], "by": ["{id}{kind}"]},
    },
)
CODES: Final = {"T": "volume, outside: all", "X": "high_low", "bit 0": "volume", "1": "open_close! volume"}
REGULAR: Final = {"regularHours": "09:30-16:00 America/New_York"}
CONDITIONS: Final[tuple[Any, ...]] = (
    None,
    {"value": "{kind}", "codes": CODES, **REGULAR},
    {"value": "{kind}{id}", "split": "characters", "codes": CODES, "otherwise": "nothing", **REGULAR},
    {"value": "{id}", "split": "hexBits", "codes": CODES, **REGULAR},
    [
        {"value": "{id}", "by": "{kind}", "codes": {"1 (tapes TX)": "volume"}},
        {"value": "{kind}", "codes": {"X": "nothing"}},
    ],
)
SEQUENCES: Final = (None, {"from": "{id}"}, {"order": "descending"})


@st.composite
def feeds(draw: st.DrawFn) -> dict[str, Any]:
    """A feed whose parts are any of those above."""
    tick = {
        "match": BASE["tick"]["match"],
        "symbol": draw(st.sampled_from(SYMBOLS)),
        "timestamp": draw(st.sampled_from(TIMES)),
        "price": draw(st.sampled_from(NUMBERS)),
        "size": draw(st.sampled_from(({"from": "{qty}"}, {"from": "{qty}", "abs": True}, {"constant": "0"}))),
        "where": draw(st.sampled_from(WHERE)),
        "cancel": draw(st.sampled_from(CANCELS)),
    }
    conditions = draw(st.sampled_from(CONDITIONS))
    if conditions:
        tick["conditions"] = conditions
    sequence = draw(st.sampled_from(SEQUENCES))
    if sequence:
        tick["sequence"] = sequence
    dialect = draw(st.sampled_from(({}, {"delimiter": "|"}, {"delimiter": ";", "commentChar": "#"})))
    return {**BASE, "tick": tick, "schema": draw(st.sampled_from(SCHEMAS)), "dialect": dialect}


# 2024-03-10 02:30 is not in New York, 2023-11-05 01:30 is there twice.
DAYS: Final = st.sampled_from(("03/08/2024", "3/10/2024", "11/05/2023", "13/01/2024", ""))
CLOCK: Final = st.builds(
    lambda clock, fraction: clock + fraction,
    st.sampled_from(("09:30:00", "02:30:00", "01:30:00", "24:00:00", "9:3:1")),
    st.sampled_from(("", ".5", ".123", ".123456789", ".1234567890", ",25", ".", ".+12", "Z")),
)
ISO: Final = st.builds(
    lambda day, mark, clock, zone: f"{day}{mark}{clock}{zone}",
    st.sampled_from(("2024-03-08", "2024-03-10", "2023-11-05", "2024-02-30")),
    st.sampled_from("T "),
    CLOCK,
    st.sampled_from(("", "Z", "+00", "-05:00", " UTC", "+0530")),
)
EPOCHS: Final = st.builds(
    lambda seconds, digits, tail: f"{seconds}{'123456789'[:digits]}{tail}",
    st.integers(600_000_000, 1_800_000_000),
    st.sampled_from((0, 3, 6, 9)),
    st.sampled_from(("", ".5", ".0000000001", ".123456789", "e1", " ")),
)
OF_DAY: Final = st.sampled_from(
    ("0", "34200000", "34200.004241176", "86399999", "172800000", "9000000", "5400.5", "-1")
)
TIME_TEXTS: Final = st.one_of(CLOCK, ISO, EPOCHS, OF_DAY)
NUMBER_TEXTS: Final = st.one_of(
    st.sampled_from(
        (
            "0", "-0", "1", "-1.5", "187.5", "1e3", "1.347e-05", "0.0000000001", "203.14900000000003", "1.234,5", "1,5",
            "9000000000", "8999999999.999999999", "999999999999999.5", "1000000000000000", "", "NA", " 12 ", "+1", "1.",
            "16950000000", "12.3450", "12.34501", "nan",
        )
    ),
    st.decimals(-100_000, 100_000, places=4, allow_nan=False).map(str),
)  # fmt: skip
SYMBOL_TEXTS: Final = st.sampled_from(("A", "b", "BRK B", "EUR/USD", "", "NA", "a" * 65, "O:SPY", "é", "^X"))


@st.composite
def rows(draw: st.DrawFn) -> dict[str, str]:
    """A row of texts by column."""
    values = (
        draw(SYMBOL_TEXTS),
        draw(DAYS),
        draw(TIME_TEXTS),
        draw(NUMBER_TEXTS),
        draw(NUMBER_TEXTS),
        draw(NUMBER_TEXTS),
        draw(st.sampled_from(("1", "2", "-7", "99999999999999999999", "x", "", "9223372036854775807"))),
        draw(st.sampled_from(("T", "X", "", " T ", "NA"))),
    )
    return dict(zip(COLUMNS, values, strict=True))


def decoded(text: bytes, layout: Layout, *, strictly: bool) -> Decoded:
    """What comes of rows, row by row or in columns; some trades are taken back, and others are watched."""
    pairs = NO_PAIRS
    if '"pair":' in layout.feed:
        pairs = PairTask(frozenset(map(name_of, ("A\x1f1", "1T", "A\x1f187.5"))), frozenset({0, 40}))
    sink = Sink(SOURCE, LIMITS, Budget(LIMITS), pairs)
    if strictly:
        reader = Reader(lambda _: None, row_parser(layout, SOURCE.key))
        decode_rows(text, lambda places: places, reader, sink, LIMITS)
    else:
        block_decoder(layout, SOURCE.key)(text, 0, sink)
    return sink.decoded()


def everything(found: Decoded) -> tuple[object, ...]:
    """All that a decoding says, comparable."""
    bars = {key: tuple(bars) for key, bars in found.bars.items()}
    return bars, found.ticks, found.rejects, found.skipped, found.cancelled, sorted(found.pair_rows)


def csv_text(table: list[dict[str, str]], delimiter: str, quoted: list[bool]) -> bytes:
    """Rows as CSV, some with quotes."""
    lines = []
    for row, has_quotes in zip(table, quoted, strict=True):
        mark = '"' if has_quotes else ""
        lines.append(delimiter.join(f"{mark}{value}{mark}" for value in row.values()))
    return "\n".join(lines).encode()


@pytest.mark.parametrize("few", [1, 100])
@given(st.data())
def test_m23_columns_of_csv_agree_with_single_rows(few: int, data: st.DataObject) -> None:
    """Bars, counts, rejects and skipped rows are the same whether a file's rows are proven in columns or not."""
    feed = feed_from(data.draw(feeds()))
    table = data.draw(st.lists(rows(), min_size=1, max_size=8))
    quoted = data.draw(st.lists(st.booleans(), min_size=len(table), max_size=len(table)))
    delimiter = feed.dialect.delimiters[0]
    layout = Layout(Format.CSV, columns=COLUMNS, feed=frozen_text(feed), delimiter=delimiter)
    # Repeated: a form is looked for where most rows have it.
    text = csv_text(table * few, delimiter, quoted * few)
    assert everything(decoded(text, layout, strictly=False)) == everything(decoded(text, layout, strictly=True))


@given(st.data())
def test_m23_columns_of_json_agree_with_single_rows(data: st.DataObject) -> None:
    """The same holds for lines of JSON, with texts and numbers."""
    feed = feed_from({**data.draw(feeds()), "dialect": {}})
    table = data.draw(st.lists(rows(), min_size=1, max_size=8))

    def written(value: str) -> object:
        try:
            number = json.loads(value)
        except ValueError:
            return value
        return number if isinstance(number, (int, float)) and data.draw(st.booleans()) else value

    text = "\n".join(json.dumps({key: written(value) for key, value in row.items()}) for row in table).encode()
    layout = Layout(Format.JSON_LINES, feed=frozen_text(feed))
    assert everything(decoded(text, layout, strictly=False)) == everything(decoded(text, layout, strictly=True))


@pytest.mark.parametrize("fraction", [".12", ".+1", ".-1", ",12", "+12", ":12", ".1x"])
def test_m23_a_fraction_is_a_point_and_digits_in_columns_too(fraction: str) -> None:
    """One moment of another form, as long as the others, is decided as by itself."""
    time = {"from": "{when}", "format": "%m/%d/%Y %H:%M:%S.%f", **NEW_YORK}
    feed = feed_from({**BASE, "tick": {**BASE["tick"], "timestamp": time}})
    layout = Layout(Format.CSV, columns=COLUMNS, feed=frozen_text(feed), delimiter=";")
    moments = [f"01/05/2026 09:30:00{one}" for one in (".12", fraction, ".34")]
    table = [dict(zip(COLUMNS, ("A", "", moment, "1", "1", "1", "1", "T"), strict=True)) for moment in moments]
    text = csv_text(table * 400, ";", [False] * len(table) * 400)
    assert everything(decoded(text, layout, strictly=False)) == everything(decoded(text, layout, strictly=True))
