"""A draft of a feed from a file's head: what can be seen is filled in, the rest is a guess for the user to check."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any, Final

from tickstream.containers import container_of
from tickstream.errors import ObjectRejected, Reason
from tickstream.feeds.heading import lines_of
from tickstream.feeds.moments import ISO, number_ns
from tickstream.feeds.refusals import refuse_what_it_is
from tickstream.ingests import Source
from tickstream.layouts import head_of
from tickstream.parquet.footer import read_footer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_GUESSES: Final = {
    "symbol": ("symbol", "ticker", "sym", "instrument", "pair", "isin", "code", "ric", "product"),
    "timestamp": ("timestamp", "time", "ts", "datetime", "date-time", "trade_time", "date", "utc", "t"),
    "price": ("price", "last", "px", "p", "rate", "prix"),
    "size": ("size", "qty", "quantity", "volume", "amount", "vol", "s", "v"),
}
_UNKNOWN: Final = "?"
_FORMATS: Final = (
    ("%Y%m%d %H%M%S", r"[0-9]{8} [0-9]{6}"),
    ("%d.%m.%Y %H:%M:%S", r"[0-9]{2}\.[0-9]{2}\.[0-9]{4} [0-9:]{8}"),
    ("%d.%m.%Y %H:%M:%S.%f", r"[0-9]{2}\.[0-9]{2}\.[0-9]{4} [0-9:]{8}\.[0-9]+"),
    ("%m/%d/%Y %H:%M:%S", r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9:]{8}"),
    ("%m/%d/%Y %H:%M:%S.%f", r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9:]{8}\.[0-9]+"),
)


def draft_of(path: Path, name: str | None) -> dict[str, Any]:
    """Return a document that begins a feed for files like this one. Raises ObjectRejected, OSError."""
    made = name or re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "new-feed"
    with path.open("rb") as file:

        def read(start: int, end: int) -> bytes:
            file.seek(start)
            return file.read(max(end - start, 0))

        size_bytes = path.stat().st_size
        first = read(0, 64)
        source = Source("", path.name, "", "", size_bytes)
        if first.startswith(b"PAR1"):
            columns = [column.name for column in read_footer(size_bytes, read).columns]
            return _document(made, "parquet", columns, {}, {})
        container = container_of(first)
        head = head_of(source, read, container)
        if head is None:
            raise ObjectRejected(Reason.UNKNOWN_FORMAT, "the zip has no file in it")
        refuse_what_it_is(head.text)
        lines = [line.decode(errors="replace") for _, line in lines_of(head) if line.strip()][:20]
    if not lines:
        raise ObjectRejected(Reason.UNKNOWN_FORMAT, "no line ends within its first 64 KiB")
    if lines[0].lstrip()[:1] in {"{", "["}:
        return _json_draft(made, lines[0])
    delimiter = max(",;|\t", key=lines[0].count)
    header, *rows = [next(csv.reader([line], delimiter=delimiter)) for line in lines]
    named = not any(re.fullmatch(r"-?[0-9.,]+", value) for value in header)
    columns = [value.strip() for value in header] if named else [f"column {at + 1}" for at in range(len(header))]
    example = (rows if named else [header])[0] if rows or not named else []
    dialect: dict[str, Any] = {"delimiter": delimiter} if delimiter != "," else {}
    if not named:
        dialect["header"] = False
    return _document(made, "csv", columns, dict(zip(columns, example, strict=False)), dialect)


def _json_draft(name: str, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return _document(name, "json", [], {}, {})
    written = "jsonl"
    if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        written, value = "json", value[0]
    if isinstance(value, list):
        columns = [f"column {at + 1}" for at in range(len(value))]
        return _document(name, written, columns, {key: str(one) for key, one in zip(columns, value, strict=True)}, {})
    return _document(name, written, list(value), {key: str(one) for key, one in value.items()}, {})


def _document(
    name: str, written: str, columns: Sequence[str], example: Mapping[str, str], dialect: Mapping[str, Any]
) -> dict[str, Any]:
    by_key = {column.strip("<># ").casefold(): column for column in columns}
    found = {
        role: next((by_key[one] for one in guesses if one in by_key), _UNKNOWN) for role, guesses in _GUESSES.items()
    }
    tick = {
        "match": {"key": ""},
        "symbol": {"from": f"{{{found['symbol']}}}"},
        "timestamp": {"from": f"{{{found['timestamp']}}}", **_moment(example.get(found["timestamp"], ""))},
        "price": {"from": f"{{{found['price']}}}"},
        "size": {"from": f"{{{found['size']}}}"},
    }
    document: dict[str, Any] = {"name": name, "title": "", "format": written}
    if dialect:
        document["dialect"] = dict(dialect)
    return document | {"schema": {"fields": [{"name": column} for column in columns]}, "tick": tick}


def _moment(text: str) -> dict[str, str]:
    if number_ns(text, "ns") is not None:
        return {"unit": "auto"}
    match = ISO.fullmatch(text)
    if match:
        return {"format": "iso"} if match["z"] else {"format": "iso", "zone": _UNKNOWN}
    found = next((written for written, pattern in _FORMATS if re.fullmatch(pattern, text)), _UNKNOWN)
    return {"format": found, "zone": _UNKNOWN}
