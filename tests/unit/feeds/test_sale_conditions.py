"""Sale conditions: what codes, tables, tapes and hours make of what a trade updates."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tickstream.errors import Reason, RowRejected
from tickstream.feeds.catalogue import BUILT_IN, CONDITIONS, catalogue_of, tables_in
from tickstream.feeds.description import SaleConditions
from tickstream.feeds.documents import FeedError
from tickstream.feeds.effects import EffectRule, effect_from, effect_text, resolved_codes, table_from
from tickstream.ticks import Updates

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING, VOLUME, ALL = Updates.NOTHING, Updates.VOLUME, Updates.ALL
HIGH_LOW = Updates.HIGH_LOW | Updates.VOLUME
HEADER = "code,name,updates_open_close,updates_high_low,updates_volume,outside_regular_hours,state,source,note\n"
#: Of another program, from the vendors' documents, where the whole checkout is at hand.
SHARED = Path(__file__).parents[4] / "shared" / "feeds"


def rule(codes: Mapping[str, str], **how: Any) -> EffectRule:
    """A rule of codes as a feed writes them."""
    return EffectRule(SaleConditions(value="{c}", codes=dict(codes), **how))


def decide(rule: EffectRule, value: str, by: str = "") -> Updates:
    """What a trade updates at any time of day."""
    within, outside = rule.decide(value, by)
    assert within == outside
    return within


@pytest.mark.parametrize(
    ("how", "value", "updates"),
    [
        ({"separator": ","}, "12,37", VOLUME),
        ({"separator": ","}, "", ALL),
        ({"separator": ","}, " 12 ,, ", HIGH_LOW),
        ({"split": "characters"}, " 1 a", ALL),
        ({"separator": ","}, "37,15", NOTHING),
        ({"split": "list"}, '["37", "12"]', VOLUME),
        ({"split": "list"}, "[37]", VOLUME),
        ({"split": "list"}, "12", HIGH_LOW),
        ({}, "12", HIGH_LOW),
        ({}, "12,37", ALL),
    ],
    ids=str,
)
def test_m26_codes_are_split_as_the_feed_says_and_the_strictest_wins(
    how: dict[str, Any], value: str, updates: Updates
) -> None:
    """Each code that is known takes away what it bars; blanks say nothing, and what is unknown bars nothing."""
    codes = {"12": "high_low volume", "37": "volume", "15": "nothing"}
    assert decide(rule(codes, **how), value) == updates


def test_m26_an_including_code_wins() -> None:
    """What one code always updates is updated, whatever others bar; each of price and volume by itself."""
    lean = rule({"bit 0": "open_close! high_low! volume", "bit 5": "volume", "bit 24": "all! "}, split="hexBits")
    assert decide(lean, "20") == VOLUME
    assert decide(lean, "21") == ALL
    assert decide(rule({"a": "open_close!", "b": "volume"}, split="characters"), "ab") == Updates.OPEN_CLOSE


def test_m26_a_code_means_what_it_means_on_its_tape() -> None:
    """A tape decides, the own word of the feed comes first, and of an unknown tape the strictest is taken."""
    table = table_from(HEADER + "B (tapes AB),,false,false,true,,,,\nB (tapes C),,true,true,true,,,,\n")
    conditions = SaleConditions(value="{c}", by="{z}", table="t")
    codes = resolved_codes(conditions, {"t": table})
    assert codes == {"B (by A, B)": "volume", "B (by C)": "all"}
    by_tape = rule(codes, by="{z}")
    assert [decide(by_tape, "B", tape) for tape in ("A", "B", "C", "", "Q")] == [VOLUME, VOLUME, ALL, VOLUME, VOLUME]
    own = SaleConditions(value="{c}", by="{z}", table="t", codes={"B": "nothing"})
    assert resolved_codes(own, {"t": table}) == {"B": "nothing"}
    of_one = SaleConditions(value="{c}", by="{z}", table="t", codes={"B (by C)": "nothing"})
    assert resolved_codes(of_one, {"t": table}) == {"B (by A, B)": "volume", "B (by C)": "nothing"}


def test_m26_a_table_for_each_tape() -> None:
    """Two tables stand side by side, each for one text of `by`."""
    cts, utp = (table_from(f"{HEADER}B,,{price},{price},true,,,,\n") for price in ("false", "true"))
    tables = {"cts": cts, "utp": utp}
    codes = resolved_codes(SaleConditions(value="{c}", by="{s}", table={"C": "cts", "N": "utp"}), tables)
    assert [decide(rule(codes, by="{s}"), "B", source) for source in "CN"] == [VOLUME, ALL]


@pytest.mark.parametrize(
    ("moment_s", "is_regular"),
    [
        (1_731_076_199, False),  # 2024-11-08 09:29:59 in New York
        (1_731_076_200, True),
        (1_731_099_599, True),
        (1_731_099_600, False),  # 16:00:00
        (1_730_467_799, False),  # 2024-11-01 09:29:59, by the clock of summer
        (1_730_467_800, True),
    ],
)
def test_m26_a_code_may_mean_something_else_outside_of_regular_hours(*, moment_s: int, is_regular: bool) -> None:
    """Form T sets a price before the open and after the close of New York, on either side of a change of clocks."""
    form_t = rule({"T": "volume, outside: all"}, regular_hours="09:30-16:00 America/New_York")
    assert form_t.decide("T", "") == (VOLUME, ALL)
    assert form_t.is_regular(moment_s * 10**9) is is_regular


def test_m26_a_mask_that_is_none_is_a_reject() -> None:
    """What cannot be read is no tick, rather than one that updates everything."""
    for how, value in (({"split": "hexBits"}, "xyz"), ({"split": "bits"}, "0x1"), ({"split": "list"}, "[1")):
        with pytest.raises(RowRejected) as refusal:
            rule({}, **how).decide(value, "")
        assert refusal.value.reason is Reason.BAD_CONDITION


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("12,,true,true,yes,,,,\n", "line 2"),
        ("12,,true,true,true,true,,,\n", "three times"),
        ("12,,true,true,true,,,,\n12,,true,true,false,,,,\n", "'12' stands there twice"),
    ],
)
def test_m26_a_table_that_is_wrong_says_where(rows: str, why: str, tmp_path: Path) -> None:
    """A user's mistake in a table is one line with the file and the row."""
    (tmp_path / CONDITIONS).mkdir()
    (tmp_path / CONDITIONS / "mine.csv").write_text(HEADER + rows, encoding="utf-8")
    with pytest.raises(FeedError, match=f"mine[.]csv: .*{why}"):
        catalogue_of(tmp_path)


def test_m26_a_table_of_ones_own_replaces_the_built_in_one(tmp_path: Path) -> None:
    """The built-in feeds follow a table that has the name of theirs."""
    (tmp_path / CONDITIONS).mkdir()
    (tmp_path / CONDITIONS / "massive.csv").write_text(HEADER + "37,Odd Lot,true,true,true,,mine,,\n", encoding="utf-8")
    feed = catalogue_of(tmp_path).built_in["massive-us-stocks-trades"]
    assert feed.tick.sale_conditions[0].codes == {"37": "all"}


def test_m26_each_row_of_a_built_in_table_has_its_source_and_state() -> None:
    """Where it is said what a code sets, and how sure that is, stands beside it."""
    for path in sorted((BUILT_IN / CONDITIONS).glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                assert row["source"], path
                assert row["state"] in {"confirmed", "derived", "unlisted", "unconfirmed"}, path


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of vendors' samples is not beside this checkout")
def test_m26_the_built_in_tables_are_those_of_the_documents() -> None:
    """Each code has the effects that another program found in the vendors' documents."""
    for name, table in tables_in(BUILT_IN / CONDITIONS).items():
        theirs = table_from((SHARED / f"conditions-{name}.csv").read_text(encoding="utf-8"))
        assert {code: effect.lets for code, effect in table.items()} == {
            code: effect.lets for code, effect in theirs.items()
        }


def test_effects_are_one_text() -> None:
    """What is written is what is read, in one form."""
    for text in ("all", "nothing", "volume", "open_close! high_low! volume", "volume, outside: all", "all!"):
        assert effect_text(effect_from(text)) == text
    assert effect_text(effect_from("volume high_low open_close")) == "all"
