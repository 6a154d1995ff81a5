"""Feeds as documents: their schema, what is wrong with one, and how one is chosen."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from backports import zstd

from tickstream.errors import ObjectRejected, Reason
from tickstream.feeds.catalogue import BUILT_IN, Catalogue, catalogue_of, documents_in
from tickstream.feeds.documents import FeedError, feed_from, frozen_text, json_schema, thawed
from tickstream.ingests import Layout, Source
from tickstream.layouts import sniff
from tickstream.row_samples import refuse_rows_that_fail_alike

ROOT: Final = Path(__file__).parents[3]
OWN: Final = ROOT / "tests" / "feeds" / "own"
MINE: Final[dict[str, Any]] = {
    "name": "mine",
    "format": "csv",
    "tick": {
        "symbol": {"from": "{sym}"},
        "timestamp": {"from": "{at}", "unit": "ms"},
        "price": {"from": "{px}"},
        "size": {"from": "{n}"},
    },
}
ROWS: Final = b"sym,at,px,n\nA,1767623400000,1.5,2\n"


def layout_of(data: bytes, key: str = "day/trades.csv", catalogue: Catalogue | None = None) -> Layout:
    """How an object is read."""
    source = Source("b", key, "v", "e", len(data))
    layout = sniff(source, lambda start, end: data[start:end], catalogue)
    refuse_rows_that_fail_alike(source, layout, lambda start, end: data[start:end])
    return layout


def own(*documents: dict[str, Any]) -> Catalogue:
    """Feeds of a user's own beside the built-in ones."""
    return Catalogue(
        {one["name"]: feed_from(one, documents_in(BUILT_IN)) for one in documents}, catalogue_of(None).built_in
    )


def name_of(layout: Layout) -> str:
    """The feed that reads an object."""
    return thawed(layout.feed).name if layout.feed else "native"


def refusal_of(data: bytes, key: str = "day/trades.csv", catalogue: Catalogue | None = None) -> ObjectRejected:
    """Why an object is refused."""
    with pytest.raises(ObjectRejected) as refused:
        layout_of(data, key, catalogue)
    return refused.value


def test_m23_the_committed_schema_is_current_and_every_feed_has_it() -> None:
    """Editors get what the code checks: the committed JSON Schema is made of it, and takes all feeds there are."""
    committed = json.loads((ROOT / "docs" / "feeds" / "feed.schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(json_schema())), (
        "to regenerate: tickstream feed schema > docs/feeds/feed.schema.json"
    )
    validator = jsonschema.Draft202012Validator(committed)
    for document in (*documents_in(BUILT_IN).values(), *documents_in(OWN).values()):
        assert list(validator.iter_errors(document)) == [], document["name"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"tick": {"price": {"from": "{px}", "constant": "1"}}}, "tick.price"),
        ({"tick": {"price": {"from": "{px"}}}, "tick.price.from"),
        ({"tick": {"timestamp": {"unit": "h"}}}, "tick.timestamp.unit"),
        ({"tick": {"timestamp": {"format": "%Q"}}}, "tick.timestamp.format"),
        ({"tick": {"timestamp": {"zone": "Europe/Nowhere"}}}, "tick.timestamp.zone"),
        ({"tick": {"timestamp": {"since": "midnight"}}}, "tick.timestamp.date"),
        ({"tick": {"match": {"key": "("}}}, "tick.match.key"),
        ({"tick": {"symbol": None}}, "tick.symbol"),
        ({"tick": {"where": [{"value": "{sym}"}]}}, "tick.where[0]"),
        ({"tick": {"cancels": {}}}, "cancels"),
        ({"tick": {"cancel": {"marks": [{"value": "{a}"}]}}}, "tick.cancel.marks[0]"),
        ({"tick": {"cancel": {"pair": {"where": [{"value": "{a}", "in": ["C"]}], "by": []}}}}, "tick.cancel.pair.by"),
        (
            {"tick": {"conditions": {"value": "{a}", "table": "nowhere"}}},
            "conditions: there is no table 'nowhere'",
        ),
        ({"tick": {"conditions": {"value": "{a}", "codes": {"T": "high"}}}}, "'high' is none of"),
        ({"tick": {"conditions": {"value": "{a}", "codes": {"T": "volume, outside: all"}}}}, "regularHours are wanted"),
        ({"tick": {"conditions": {"value": "{a}", "regularHours": "9:30 to 16:00"}}}, "is not written as 09:30-16:00"),
        ({"tick": {"conditions": {"value": "{a}", "split": "list", "separator": ","}}}, "one of split and separator"),
        ({"dialect": {"header": False}}, "schema.fields"),
        ({"dialect": {"delimiter": "::"}}, "dialect.delimiter"),
        ({"schema": {"decimalChar": ",", "groupChar": ","}}, "schema.groupChar"),
        ({"schema": {"fields": [{"name": "a"}, {"name": "A "}]}}, "schema.fields"),
        ({"format": "xls"}, "format"),
        ({"name": "Not A Name"}, "name"),
        ({"extends": "nobody"}, "extends"),
    ],
    ids=str,
)
def test_m23_what_is_wrong_with_a_feed_is_named_by_its_key(change: dict[str, Any], key: str) -> None:
    """The message names feed and key."""
    with pytest.raises(FeedError) as refused:
        feed_from({**change, "name": change.get("name", "mine"), **_rest(change)})
    assert key in str(refused.value)
    assert "feed " in str(refused.value)


def _rest(change: dict[str, Any]) -> dict[str, Any]:
    """The base with a change in it, two levels deep."""
    merged: dict[str, Any] = {**MINE, **{key: value for key, value in change.items() if key != "tick"}}
    tick = dict(MINE["tick"])
    for key, value in change.get("tick", {}).items():
        tick[key] = {**tick.get(key, {}), **value} if isinstance(value, dict) else value
    merged["tick"] = {key: value for key, value in tick.items() if value is not None}
    return merged


def test_m23_own_feeds_come_before_built_in_ones_and_the_key_before_all() -> None:
    """A key's `feed=NAME/`, then the user's feeds, then the built-in ones, then the native format."""
    kraken = b"1700000000,0.5,25\n"
    assert name_of(layout_of(kraken, "k/PEPEUSD.csv")) == "kraken-trades"
    mine = {"name": "my-kraken", "extends": "kraken-trades"}
    assert name_of(layout_of(kraken, "k/PEPEUSD.csv", own(mine))) == "my-kraken"
    assert name_of(layout_of(kraken, "feed=kraken-trades/PEPEUSD.csv", own(mine))) == "kraken-trades"
    native = b"symbol,timestamp,price,size\nA,1767623400000000000,1,1\n"
    assert name_of(layout_of(native, catalogue=own(MINE))) == "native"
    assert name_of(layout_of(ROWS, catalogue=own(MINE))) == "mine"


def test_m23_two_feeds_of_one_rank_are_both_named() -> None:
    """Never by chance: the object is refused, and both feeds are named."""
    refusal = refusal_of(ROWS, catalogue=own(MINE, {**MINE, "name": "mine-too"}))
    assert refusal.reason is Reason.AMBIGUOUS_FEED
    assert "mine and mine-too" in refusal.detail


def test_m23_a_feed_that_is_not_there_is_named() -> None:
    """A key that says feed=NAME is taken at its word."""
    refusal = refusal_of(ROWS, "feed=masive/day.csv")
    assert (refusal.reason, "masive" in refusal.detail) == (Reason.UNKNOWN_FEED, True)


def test_m23_what_was_chosen_is_frozen() -> None:
    """The layout holds the whole description: another version of the feed changes nothing."""
    layout = layout_of(ROWS, catalogue=own(MINE))
    assert thawed(layout.feed).tick == feed_from(MINE).tick
    assert frozen_text(thawed(layout.feed)) == layout.feed


def test_m26_who_wants_every_print_extends_a_feed() -> None:
    """A built-in feed applies cancels and sale conditions; one that extends it may take every print as it is."""
    stocks = (
        b"ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,"
        b"trf_id,trf_timestamp\nA,12,0,4,1,1789718400814766587,157.35,3372,1789718400831008119,10,1,202,1\n"
    )
    built_in = thawed(layout_of(stocks).feed)
    assert (built_in.name, built_in.tick.cancel.marks != ()) == ("massive-us-stocks-trades", True)
    assert built_in.tick.sale_conditions[0].codes["15"] == "nothing"
    every_print = {
        "name": "every-print",
        "extends": "massive-us-stocks-trades",
        "tick": {"conditions": None, "cancel": None},
    }
    layout = layout_of(stocks, catalogue=own(every_print))
    assert (name_of(layout), thawed(layout.feed).tick.sale_conditions) == ("every-print", ())


HELP: Final = [
    (b"BZh91AY", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"%PDF-1.7", "PDF"),
    (b"<!DOCTYPE html><html>", "HTML page"),
    (b"<?xml version='1.0'?><Error>", "XML"),
    ("symbol,timestamp".encode("utf-16"), "UTF-16"),
    (b"DBN\x01", "DBN"),
    (b'[{"symbol": "A"}]', "JSON document"),
    (b'{\n  "trades": []\n}\n', "JSON document"),
    (b"ticker,conditions,correction,exchange,sip_timestamp,size\nA,1,0,4,1,1\n", "massive-us-options-trades"),
]


@pytest.mark.parametrize(("data", "said"), HELP, ids=[said for _, said in HELP])
def test_m23_a_refusal_names_what_it_is(data: bytes, said: str) -> None:
    """What people put by mistake is called by its name, in whatever container it comes."""
    assert said in refusal_of(data).detail
    assert said in refusal_of(gzip.compress(data)).detail
    assert said in refusal_of(zstd.compress(data)).detail


def encrypted_zip() -> bytes:
    """A zip whose member says that it is encrypted."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", ROWS)
    data = bytearray(file.getvalue())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def test_m23_an_encrypted_zip_is_refused() -> None:
    """Nobody here has the password."""
    assert refusal_of(encrypted_zip()).reason is Reason.ENCRYPTED


def test_m23_a_thousand_rows_that_fail_alike_refuse_the_object() -> None:
    """A file whose rows all fail for one reason is refused for it, once, and not row by row."""
    header, row = b"symbol,timestamp,price,size\n", b"A,%d,1.5,2\n"
    refusal = refusal_of(header + b"".join(row % (1_767_623_400_000 + at) for at in range(5_000)))
    assert refusal.reason is Reason.TIMESTAMP_OUT_OF_RANGE
    assert "first 1000 rows all fail alike" in refusal.detail
    assert "milliseconds" in refusal.detail
    good = b"A,1767623400000000000,1.5,2\n"
    assert layout_of(header + b"".join(row % at for at in range(999)) + good + row % 1)


def test_m23_a_packed_object_cut_off_is_refused() -> None:
    """Half of a zstd frame is no shorter file."""
    whole = zstd.compress(ROWS * 1_000)
    assert refusal_of(whole[: len(whole) // 2]).reason is Reason.CORRUPT_ZSTD
