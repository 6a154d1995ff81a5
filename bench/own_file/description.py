"""A feed's description, read from its JSON. docs/feeds.md says what each key means; defaults are there too."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from bench.own_file.conditions import Conditions


@dataclass(frozen=True, slots=True)
class Template:
    """Literals and names in turn: `{a}.{b}` is ("", "a", ".", "b", "")."""

    pieces: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """Take a template apart."""
        return cls(tuple(re.split(r"[{]([^{}]*)[}]", text)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return self.pieces[1::2]


class Description:
    """What a description says, with defaults in place."""

    def __init__(self, text: str) -> None:
        said: dict[str, Any] = json.loads(text)
        self.name: str = said["name"]
        self.encoding: str = said.get("encoding", "utf-8")
        dialect, schema, self.tick = said.get("dialect", {}), said.get("schema", {}), said["tick"]
        self.header: bool | str = dialect.get("header", True)
        self.delimiters: tuple[str, ...] = _several(dialect.get("delimiter", ","))
        self.quote: str | None = dialect.get("quoteChar", '"')
        self.comment: str | None = dialect.get("commentChar")
        self.header_rows: int = dialect.get("headerRows", [1])[0]
        self.property: str = dialect.get("property", "")
        self.fields: list[tuple[str, str]] = [(one["name"], one.get("type", "any")) for one in schema.get("fields", ())]
        self.missing: list[str] = schema.get("missingValues", [""])
        self.decimal_char: str = schema.get("decimalChar", ".")
        self.group_char: str = schema.get("groupChar", "")
        self.symbol: dict[str, Any] = self.tick["symbol"]
        self.time: dict[str, Any] = self.tick["timestamp"]
        self.sequence: dict[str, Any] = self.tick.get("sequence") or {}
        self.where: list[dict[str, Any]] = self.tick.get("where", [])
        cancel = self.tick.get("cancel", {})
        self.marks: list[dict[str, Any]] = cancel.get("marks", [])
        pair = cancel.get("pair") or {}
        self.takes_back: list[dict[str, Any]] = pair.get("where", [])
        self.pair: list[Template] = [Template.of(one) for one in pair.get("by", ())]
        conditions = self.tick.get("conditions", [])
        self.conditions = [Conditions(one) for one in (conditions if isinstance(conditions, list) else [conditions])]
        match = self.tick.get("match", {})
        self.key_pattern: str = match.get("key", "")
        self.member_pattern: str = match.get("member", "")
        self.known_by: tuple[str, ...] = tuple(match.get("columns", ()))

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats of a moment."""
        return _several(self.time.get("format", ()))

    @property
    def symbol_templates(self) -> list[Template]:
        """The templates of the symbol."""
        return [Template.of(one) for one in _several(self.symbol["from"])]

    @property
    def newest_first(self) -> bool:
        """Whether rows stand in that order."""
        return self.sequence.get("order") == "descending"

    def templates(self, *, wanted_only: bool = False) -> list[Template]:
        """All templates. wanted_only: without those of which a missing value is blank."""
        texts = [*_several(self.symbol["from"]), self.time["from"]]
        if self.time.get("date"):
            texts.append(self.time["date"]["from"])
        for number in (self.tick["price"], self.tick["size"]):
            texts += [number["from"]] if number.get("from") else number.get("middle") or []
        texts += [self.sequence["from"]] if self.sequence.get("from") else []
        if not wanted_only:
            texts += [one["value"] for one in (*self.where, *self.marks, *self.takes_back)]
            texts += [text for one in self.conditions for text in (one.value, one.by)]
        return [*(Template.of(one) for one in texts), *self.pair]

    def columns(self, *, wanted_only: bool = False) -> list[str]:
        """The columns that templates name, each once: what is no group of the key or a member, nor stands elsewhere."""
        groups = {*re.compile(self.key_pattern).groupindex, *re.compile(self.member_pattern).groupindex}
        names = [name for template in self.templates(wanted_only=wanted_only) for name in template.names]
        return [name for name in dict.fromkeys(names) if name not in groups and name[:1] not in "*/@"]

    def facts(self, key: str, member: str) -> dict[str, str]:
        """What key and member say; where both say it, the member's counts."""
        found: dict[str, str] = {}
        for pattern, text in ((self.key_pattern, key), (self.member_pattern, member)):
            match = re.search(pattern, text) if pattern and text else None
            if match:
                found.update({name: value for name, value in match.groupdict().items() if value is not None})
        return found


def folded(name: str) -> str:
    """Return what names of columns are compared by."""
    return name.strip().casefold()


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
