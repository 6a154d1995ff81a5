"""From a feed's document to a feed: inheritance, checks that name the key, and the text that is frozen."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tickstream.errors import TickstreamError
from tickstream.feeds.description import Feed, Symbol
from tickstream.feeds.effects import EffectRule, resolved_codes
from tickstream.feeds.moments import format_pattern, zone_of
from tickstream.feeds.templates import take_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tickstream.feeds.description import Condition, Number
    from tickstream.feeds.effects import Code, Effect

#: It stands in the manifest and in each message of an object's ranges.
MAX_FROZEN_BYTES: Final = 24 * 1024
#: What says which rows are trades, and what they update.
_BLANK_IF_MISSING: Final = re.compile(r"tick\.(?:where|conditions|cancel\.marks|cancel\.pair\.where)")
_FOR_PEOPLE: Final = ("title", "description", "sources", "$schema")


class FeedError(TickstreamError):
    """A feed's document is wrong: the message names the feed, the key and what is wanted."""


def feed_from(
    document: object,
    known: Mapping[str, Mapping[str, Any]] | None = None,
    tables: Mapping[str, Mapping[Code, Effect]] | None = None,
) -> Feed:
    """Check a document and return its feed. Raises FeedError.

    known: documents by name that it may extend. tables: of sale conditions, which become a part of the feed.
    """
    name = document.get("name") if isinstance(document, dict) else None
    shown = f"feed {name[:64]!r}" if isinstance(name, str) else "a feed without a name"
    try:
        resolved = _resolved(document, known or {})
        if isinstance(resolved, dict) and "told" in resolved:
            resolved = {**resolved, "told": _untold(resolved)}
        feed = _with_tables(msgspec.convert(resolved, Feed), shown, tables or {})
        for key, fault in _faults(feed):
            raise FeedError(f"{shown}: {key}: {fault}")
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        key = path.strip("`").removeprefix("$").lstrip(".") or "the document"
        raise FeedError(f"{shown}: {key}: {message[:1].lower()}{message[1:]}") from error
    if len(frozen_text(feed).encode()) > MAX_FROZEN_BYTES:
        raise FeedError(f"{shown}: it is at most {MAX_FROZEN_BYTES} bytes without what is for people")
    return feed


def _with_tables(feed: Feed, shown: str, tables: Mapping[str, Mapping[Code, Effect]]) -> Feed:
    try:
        resolved = tuple(
            msgspec.structs.replace(one, table="", codes=resolved_codes(one, tables))
            for one in feed.tick.sale_conditions
        )
    except ValueError as error:
        raise FeedError(f"{shown}: tick.conditions: {error}") from error
    return msgspec.structs.replace(feed, tick=msgspec.structs.replace(feed.tick, conditions=resolved))


def frozen_text(feed: Feed) -> str:
    """Return what of a feed says how to read: the same feed is always the same text."""
    bare = msgspec.structs.replace(feed, title="", description="", sources=(), schema_uri=msgspec.UNSET)
    return msgspec.json.encode(bare, order="deterministic").decode()


@lru_cache(maxsize=32)
def thawed(text: str) -> Feed:
    """Read what `frozen_text` wrote. Raises FeedError."""
    try:
        return msgspec.json.decode(text, type=Feed)
    except msgspec.MsgspecError as error:
        raise FeedError(f"no frozen feed: {error}") from error


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a feed's document. One that extends another may leave out what it inherits."""
    (reference,), definitions = msgspec.json.schema_components([Feed], ref_template="#/$defs/{name}")
    whole = definitions[reference["$ref"].rsplit("/", 1)[-1]]
    inherits = {"type": "string", "description": "the feed that this one changes (RFC 7396)"}
    whole["properties"] = {"extends": inherits, **whole["properties"]}
    required = whole["required"]
    for one in definitions.values():
        # Of parts too: which of them are inherited, a schema cannot see. `tickstream feed try` and the bundles do.
        one.pop("required", None)
    whole["if"] = {"required": ["extends"]}
    whole["then"] = {"required": ["name"]}
    whole["else"] = {"required": required}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **reference, "$defs": definitions}


def is_descending(feed: Feed) -> bool:
    """Say whether the newest row of a file comes first."""
    return feed.tick.sequence is not None and feed.tick.sequence.order == "descending"


def lacking(feed: Feed) -> tuple[str, str] | None:
    """Return the first key that the user has to say and did not, and the sentence that tells why."""
    return next(iter(feed.told.items()), None)


def _untold(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a document says that the user has to say, without what is said in it by now."""

    def is_said(key: str) -> bool:
        value: Any = document
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value is not None

    told = document.get("told", {})
    return {key: why for key, why in told.items() if not is_said(key)} if isinstance(told, dict) else told


def as_if_told(feed: Feed) -> Feed:
    """Return the feed with what the user has yet to say in place, so that its files can be recognised by their rows."""
    tick = feed.tick
    if tick.symbol is None:
        tick = msgspec.structs.replace(tick, symbol=Symbol(template="?"))
    if not tick.timestamp.zone:
        tick = msgspec.structs.replace(tick, timestamp=msgspec.structs.replace(tick.timestamp, zone="UTC"))
    return msgspec.structs.replace(feed, tick=tick)


def _resolved(document: object, known: Mapping[str, Mapping[str, Any]]) -> object:
    if not isinstance(document, dict) or "extends" not in document:
        return document
    base = known.get(str(document["extends"]))
    if base is None:
        raise msgspec.ValidationError(f"there is no feed {str(document['extends'])[:64]!r} to extend - at `$.extends`")
    if "extends" in base:
        base = _resolved(base, {name: one for name, one in known.items() if name != document["extends"]})  # type: ignore[assignment]
    inherited = {key: value for key, value in base.items() if key not in _FOR_PEOPLE}
    return merged(inherited, {key: value for key, value in document.items() if key != "extends"})


def merged(base: Any, change: Any) -> Any:
    """Merge JSON into JSON, as RFC 7396 has it."""
    if not isinstance(change, dict):
        return change
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _faults(feed: Feed) -> Iterator[tuple[str, str]]:
    """Yield key and sentence of what the types cannot tell."""
    tick = feed.tick
    for key, pattern in (("tick.match.key", tick.match.key), ("tick.match.member", tick.match.member)):
        try:
            re.compile(pattern)
        except re.error as error:
            yield key, f"no regular expression: {error}"
    for key, template in templates_of(feed):
        try:
            take_apart(template)
        except ValueError as error:
            yield key, str(error)
    yield from _number_faults("tick.price", tick.price)
    yield from _number_faults("tick.size", tick.size)
    if tick.symbol is None and "tick.symbol" not in feed.told:
        yield "tick.symbol", "it is wanted"
    yield from _time_faults(feed)
    if tick.sequence and bool(tick.sequence.template) == bool(tick.sequence.order):
        yield "tick.sequence", "one of from and order is wanted"
    for key, condition in _conditions_of(feed):
        if (condition.among is None) == (condition.not_among is None):
            yield key, "one of in and notIn is wanted"
    for one in tick.sale_conditions:
        if one.split and one.separator:
            yield "tick.conditions", "one of split and separator is wanted"
        try:
            EffectRule(one)
        except ValueError as error:
            yield "tick.conditions", str(error)
    yield from _row_faults(feed)


def _conditions_of(feed: Feed) -> Iterator[tuple[str, Condition]]:
    """Yield key and condition of all that decide what a row is."""
    cancel = feed.tick.cancel
    for key, conditions in (
        ("tick.where", feed.tick.where),
        ("tick.cancel.marks", cancel.marks),
        ("tick.cancel.pair.where", cancel.pair.where if cancel.pair else ()),
    ):
        for index, condition in enumerate(conditions):
            yield f"{key}[{index}]", condition


def _row_faults(feed: Feed) -> Iterator[tuple[str, str]]:
    names = [one.name.strip().casefold() for one in feed.schema.fields]
    if len(set(names)) != len(names):
        yield "schema.fields", "a name stands twice"
    if not names and feed.dialect.header is not True and "csv" in feed.formats:
        yield "schema.fields", "a file without a header needs them"
    if feed.schema.decimal_char == feed.schema.group_char:
        yield "schema.groupChar", "it is the decimalChar"
    separators = (*feed.dialect.delimiters, feed.dialect.quote_char, feed.dialect.comment_char)
    if any(one is not None and (not one.isascii() or one in "\r\n\0") for one in separators):
        yield "dialect", "delimiter, quoteChar and commentChar are ASCII characters"


def _number_faults(key: str, number: Number) -> Iterator[tuple[str, str]]:
    if sum((bool(number.template), number.middle is not None, bool(number.constant))) != 1:
        yield key, "one of from, middle and constant is wanted"


def _time_faults(feed: Feed) -> Iterator[tuple[str, str]]:
    time = feed.tick.timestamp
    if not time.unit and not time.formats:
        yield "tick.timestamp", "a unit or a format is wanted"
    for text in time.formats:
        if text != "iso":
            try:
                format_pattern(text)
            except ValueError as error:
                yield "tick.timestamp.format", str(error)
    if (time.since == "midnight") != (time.date is not None):
        yield "tick.timestamp.date", "it is for times since midnight, and they need it"
    if time.date:
        try:
            format_pattern(time.date.format)
        except ValueError as error:
            yield "tick.timestamp.date.format", str(error)
    if time.zone:
        try:
            zone_of(time.zone)
        except ValueError as error:
            yield "tick.timestamp.zone", str(error)


def templates_of(feed: Feed) -> Iterator[tuple[str, str]]:
    """Yield key and text of every template."""
    tick = feed.tick
    for template in tick.symbol.templates if tick.symbol else ():
        yield "tick.symbol.from", template
    yield "tick.timestamp.from", tick.timestamp.template
    if tick.timestamp.date:
        yield "tick.timestamp.date.from", tick.timestamp.date.template
    for key, number in (("tick.price", tick.price), ("tick.size", tick.size)):
        if number.template:
            yield f"{key}.from", number.template
        for template in number.middle or ():
            yield f"{key}.middle", template
    if tick.sequence and tick.sequence.template:
        yield "tick.sequence.from", tick.sequence.template
    for key, condition in _conditions_of(feed):
        yield f"{key}.value", condition.value
    for template in tick.cancel.pair.by if tick.cancel.pair else ():
        yield "tick.cancel.pair.by", template
    for one in tick.sale_conditions:
        yield "tick.conditions.value", one.value
        if one.by:
            yield "tick.conditions.by", one.by


def columns_of(feed: Feed) -> tuple[str, ...]:
    """Return the columns that the feed's templates name, each once, as written."""
    return _columns_in(feed, (template for _, template in templates_of(feed)))


def required_columns_of(feed: Feed) -> tuple[str, ...]:
    """Return those without which no row is a tick: what only says what a row is may be missing, and is blank."""
    return _columns_in(feed, (template for key, template in templates_of(feed) if not _BLANK_IF_MISSING.match(key)))


def _columns_in(feed: Feed, templates: Iterable[str]) -> tuple[str, ...]:
    groups = {*re.compile(feed.tick.match.key).groupindex, *re.compile(feed.tick.match.member).groupindex}
    names = (name for template in templates for name in take_apart(template).names)
    return tuple(dict.fromkeys(name for name in names if name not in groups and name[0] not in "*/@"))
