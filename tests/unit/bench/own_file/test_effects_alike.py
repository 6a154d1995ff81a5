"""The pipeline's reader and the bench's read sale conditions and cancels of generated feeds alike."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.bench.own_file.both_readers import MANY, both
from tickstream.feeds.catalogue import Catalogue
from tickstream.feeds.documents import feed_from

if TYPE_CHECKING:
    from collections.abc import Sequence

ZONES: Final = ("America/New_York", "Australia/Lord_Howe", "+05:30", "UTC")
NAMES: Final = ("open_close", "high_low", "volume")
CODES: Final = ("A", "B", "T", "12", "4", "@")
BITS: Final = ("bit 0", "bit 2", "bit 63")
#: What a code may be qualified by; it may have a meaning for all others beside.
TAPES: Final = st.sampled_from(["A", "B", "C", "AB", ""])
#: Texts of codes for each way of taking them apart: some are none.
TEXTS: Final = {
    "": ["", "A", " T ", "12", "AB", "bit 0"],
    "characters": ["", "A", "AB", " T  ", "@ 4B", "4", "\u00a0A"],
    "list": ["", "A", "[]", '["A", "T"]', '[" B ", "", null]', '["A"', "[12, 4]", "[1.0]", '["@"]x'],
    "hexBits": ["", "0", "1", "0x5", "8000000000000000", "fF", "0xg", "1FFFFFFFFFFFFFFFF", " 4 ", "-1", "\uff11"],
    "bits": ["", "0", "1", "5", "9223372036854775808", "99999999999999999999", "a", "04", "-1"],
    ",": ["", "A", "A,T", " 12 , 4,", ",,", "B,B", "x,A"],
}
#: Moments at and beside the ends of regular hours, on days with and without daylight saving and on which it changes.
DAYS: Final = ["2024-01-05", "2024-07-05", "2024-03-10", "2024-11-03", "2024-04-07", "2024-10-06"]
TIMES: Final = [
    "09:29:59.999999999",
    "09:30:00",
    "15:59:59.9",
    "16:00:00",
    "00:00:00",
    "23:59:59",
    "13:30:00",
    "01:45:00",
]


@st.composite
def words(draw: st.DrawFn) -> str:
    """What a code lets a trade update."""
    some = draw(st.lists(st.sampled_from(NAMES), unique=True))
    return " ".join(f"{one}{draw(st.sampled_from(['', '', '!']))}" for one in some) or draw(
        st.sampled_from(["nothing", "all", "all!"])
    )


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """Conditions of a feed."""
    split = draw(st.sampled_from([*TEXTS]))
    rule: dict[str, Any] = {"value": draw(st.sampled_from(["{c}", "{c}", "{c}{gone}"]))}
    if split == ",":
        rule["separator"] = ","
    elif split:
        rule["split"] = split
    has_hours, has_tapes = draw(st.booleans()), draw(st.booleans())
    codes: dict[str, str] = {}
    known = BITS if split in {"hexBits", "bits"} else CODES
    for code in draw(st.lists(st.sampled_from(known), unique=True, min_size=2)):
        of = draw(st.lists(TAPES, unique=True, max_size=2)) if has_tapes else []
        for qualifier in of or [""]:
            said = draw(words())
            if has_hours and draw(st.booleans()):
                said += f", outside: {draw(words())}"
            codes[f"{code} (by {qualifier})" if qualifier else code] = said
    rule["codes"] = codes
    if has_tapes:
        rule["by"] = "{z}"
    if has_hours:
        rule["regularHours"] = f"09:30-16:00 {draw(st.sampled_from(ZONES))}"
    if draw(st.booleans()):
        rule["otherwise"] = draw(words())
    return rule


@st.composite
def effects_files(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A feed with sale conditions, and a file of it."""
    conditions = draw(st.lists(rules(), min_size=1, max_size=2))
    zone = draw(st.sampled_from(ZONES))
    document: dict[str, Any] = {
        "name": "own",
        "format": draw(st.sampled_from(["csv", "csv", "jsonl", "json"])),
        "tick": {
            # Then columns of conditions may be missing.
            "match": {"columns": ["s", "t", "p"]},
            "symbol": {"from": "{s}"},
            "timestamp": {"from": "{t}", "format": "iso", "zone": zone},
            "price": {"from": "{p}"},
            "size": {"from": "1"},
            "conditions": conditions[0] if len(conditions) == 1 and draw(st.booleans()) else conditions,
        },
        "schema": {"missingValues": draw(st.sampled_from([[""], ["", "T"]]))},
    }
    rule = draw(st.sampled_from(conditions))
    texts = TEXTS[rule.get("separator") or rule.get("split", "")]
    listed = [
        {
            "s": "A",
            "t": draw(
                st.one_of(
                    st.just(f"{DAYS[0]} 12:00:00"), st.builds("{} {}".format, *map(st.sampled_from, (DAYS, TIMES)))
                )
            ),
            "p": str(price),
            "c": draw(st.sampled_from(texts)),
            "z": draw(st.sampled_from(["A", "B", "C", "", " A ", "AB", "Z"])),
        }
        for price in range(1, draw(st.integers(2, 25)))
    ]
    without = draw(st.sampled_from(["", "", "", "c", "z"]))
    return document, written(document["format"], [{n: v for n, v in row.items() if n != without} for row in listed])


def written(form: str, listed: Sequence[dict[str, str]]) -> bytes:
    """Rows in the format of a feed. In JSON, codes that are written as a list are one."""
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(listed[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)
        return out.getvalue().encode()
    values: list[dict[str, Any]] = [{**row, **_codes_of(row.get("c", ""))} for row in listed]
    if form == "jsonl":
        return b"".join(json.dumps(row).encode() + b"\n" for row in values)
    return json.dumps(values).encode()


def _codes_of(text: str) -> dict[str, Any]:
    try:
        return {"c": json.loads(text)} if text.startswith("[") else {}
    except ValueError:
        return {}


@settings(MANY, max_examples=30)
@given(effects_files())
def test_m26_sale_conditions_are_read_alike(made: tuple[dict[str, Any], bytes]) -> None:
    """Splits, tapes, strictest and always, masks that are none and regular hours of any zone mean the same to both."""
    document, content = made
    pipeline, bench = both(content, "feed=own/a.x", Catalogue({"own": feed_from(document)}, {}))
    assert pipeline == bench


@st.composite
def cancel_files(draw: st.DrawFn) -> tuple[dict[str, Any], bytes, int]:
    """A feed with cancels, a file of it in which few names come again and again, and the size of ranges."""
    sequence = draw(st.sampled_from([None, {"order": "descending"}, {"from": "{p}"}]))
    document: dict[str, Any] = {
        "name": "own",
        "format": draw(st.sampled_from(["csv", "csv", "csv", "jsonl", "json"])),
        "tick": {
            "symbol": {"from": "{s}"},
            "timestamp": {"from": "{t}", "unit": "s"},
            "price": {"from": "{p}"},
            "size": {"from": "1"},
            "where": [{"value": "{k}", "notIn": ["Q"]}],
            "cancel": {
                "marks": draw(
                    st.sampled_from([[], [{"value": "{m}", "in": ["7", "8"]}, {"value": "{k}", "in": ["D"]}]])
                ),
                "pair": {
                    "where": [{"value": "{k}", "in": ["X"]}, {"value": "{m}", "notIn": ["9"]}],
                    "by": draw(st.sampled_from([["{i}"], ["{s}", "{i}"], ["{s}.{i}", "{m}"]])),
                },
            },
            **({"sequence": sequence} if sequence else {}),
        },
    }
    listed = [
        {
            "s": draw(st.sampled_from(["A", "A", "B", "A B"])),
            "t": "1767623400",
            "p": str(price),
            "i": draw(st.sampled_from(["1", "1", "2", " 1", "", "3 "])),
            "k": draw(st.sampled_from(["T", "T", "X", "X ", "Q", "D"])),
            "m": draw(st.sampled_from(["0", "0", "0", "7", "9", ""])),
        }
        for price in range(100, 100 + draw(st.integers(2, 20)))
    ]
    return document, written(str(document["format"]), listed), draw(st.sampled_from([40, 200, 1 << 20]))


@settings(MANY, max_examples=30)
@given(cancel_files())
def test_m26_cancels_are_read_alike(made: tuple[dict[str, Any], bytes, int]) -> None:
    """Marks and pairs cancel the same rows for both, newest first or last, wherever the file is cut."""
    document, content, range_bytes = made
    catalogue = Catalogue({"own": feed_from(document)}, {})
    pipeline, bench = both(content, "feed=own/a.x", catalogue, range_bytes=range_bytes)
    assert pipeline == bench
