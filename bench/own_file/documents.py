"""The rows of one document of JSON. It is read as a whole: the bench has the memory that a function has not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bench.own_file.headings import BOM
from bench.own_file.refusal import Refused
from bench.own_file.rows import Fault, Twice, json_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.own_file.description import Description
    from bench.own_file.packing import Text
    from bench.own_file.rows import Row

STAR = "*"


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON: its names may stand more than once."""


def document_rows(text: Text, feed: Description, names: Sequence[str], first: int) -> tuple[list[Row], dict[str, str]]:
    """Return the rows of a document and what stands at its top. Raises Refused (corrupt_json).

    first: the number of the first row. names: columns, and `*`.
    """
    try:
        with text.path.open("rb") as file:
            file.seek(text.start)
            content = file.read(text.end - text.start).removeprefix(BOM).decode()
        document = json.loads(
            content, parse_float=Decimal, parse_int=int, parse_constant=_no_constant, object_pairs_hook=_Pairs
        )
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise Refused("corrupt_json", str(error)[:200]) from error
    columns = [name for name in names if name != STAR]
    rows: list[Row] = []
    for star, value in _rows(document, feed.property.split(".") if feed.property else [], ""):
        try:
            fields = dict(zip(columns, json_texts(_plain(value), feed, columns), strict=True)) | {STAR: star}
            rows.append((first + len(rows), 0, None, *(fields[name] for name in names)))
        except Fault as fault:
            rows.append((first + len(rows), 0, str(fault), *(None for _ in names)))
    return rows, _tops(document)


def _rows(value: Any, path: list[str], star: str) -> Iterator[tuple[str, Any]]:
    if not path:
        if isinstance(value, list) and not isinstance(value, _Pairs):
            yield from ((star, one) for one in value)
        return
    for name, one in value if isinstance(value, _Pairs) else ():
        if path[0] in (STAR, name):
            yield from _rows(one, path[1:], star or (name if path[0] == STAR else ""))


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        made = {name: _plain(one) for name, one in value}
        return made if len(made) == len(value) else Twice()
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _tops(document: Any) -> dict[str, str]:
    if not isinstance(document, _Pairs):
        return {}
    return {
        f"/{name}": ("true" if one else "false") if isinstance(one, bool) else str(one)
        for name, one in document
        if isinstance(one, (str, bool, int, Decimal))
    }


def _no_constant(_: str) -> Any:
    raise ValueError("no constant of JSON")
