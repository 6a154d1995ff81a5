"""Which feed reads an object. Never by chance: of two that could, of the same rank, neither does."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tickstream.errors import ObjectRejected, Reason, RowRejected
from tickstream.feeds.documents import as_if_told, columns_of, lacking, required_columns_of, templates_of, thawed
from tickstream.feeds.heading import UTF8_BOM, heading_of, lines_of, looks_like, split_row
from tickstream.feeds.readers import RowReader, column_key, facts_of
from tickstream.feeds.rows import csv_rows, json_rows, json_text, json_values
from tickstream.feeds.templates import take_apart
from tickstream.ingests import FeedChoice, Format
from tickstream.json_documents import rows_within, values_at_top
from tickstream.rows import load_json
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tickstream.feeds.catalogue import Catalogue
    from tickstream.feeds.description import Feed
    from tickstream.feeds.heading import Head, Heading

_SEGMENT: Final = re.compile(r"(?:^|/)feed=([^/]*)/")
#: What the key says where no feed is to read it.
NATIVE: Final = "native"
#: Rows of a document that are read to see whether a feed fits.
_TRIED_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Chosen:
    """A feed that reads an object, and how its rows stand there."""

    feed: Feed
    format: Format
    columns: tuple[str, ...] = ()
    data_start: int = 0
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class ParquetHead:
    """What a Parquet footer says: names of columns, and whether each is of integers."""

    columns: tuple[str, ...]
    integers: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that a feed is looked for.

    heads: gives the head of the member that a pattern names, or of the first one; None where no member has such a name.
    """

    key: str
    heads: Callable[[str], Head | None]
    parquet: ParquetHead | None = None


@dataclass(frozen=True, slots=True)
class _Misfit:
    """Why a feed does not read an object, though its key or its columns are the feed's."""

    feed: Feed
    why: str
    reason: Reason


def choose(candidate: Candidate, catalogue: Catalogue) -> Chosen | None:
    """Return the feed of an object; None: it is for the native format.

    Raises ObjectRejected: unknown_feed, ambiguous_feed, incomplete_feed, and what a feed that is named outright finds.
    """
    named = _SEGMENT.search(candidate.key)
    if named:
        if named[1] == NATIVE:
            return None
        feed = catalogue.named(named[1])
        if feed is None:
            raise ObjectRejected(Reason.UNKNOWN_FEED, f"the key says feed={named[1][:64]}, and there is no such feed")
        return _outright(_fit(feed, candidate, is_own=True), feed)
    own = _the_one(_fits(catalogue.own.values(), candidate, is_own=True))
    if own is not None:
        return own
    hidden = catalogue.own.keys()
    return _the_one(
        _fits((one for name, one in catalogue.built_in.items() if name not in hidden), candidate, is_own=False)
    )


def chosen_by(key: str, feed: str, catalogue: Catalogue) -> FeedChoice:
    """Say how it came that the object of a key is read by a feed. feed: as it is frozen; empty: none.

    catalogue: the one that it was chosen from.
    """
    if _SEGMENT.search(key):
        return FeedChoice.NAMED
    if not feed:
        return FeedChoice.NATIVE
    return FeedChoice.OWN if thawed(feed).name in catalogue.own else FeedChoice.BUILT_IN


def _fits(feeds: Iterable[Feed], candidate: Candidate, *, is_own: bool) -> Iterator[Chosen | _Misfit]:
    for feed in feeds:
        pattern = feed.tick.match.key
        if pattern and not re.search(pattern, candidate.key):
            continue
        found = _fit(feed, candidate, is_own=is_own)
        if found is not None:
            yield found


def _the_one(found: Iterable[Chosen | _Misfit]) -> Chosen | None:
    """Return the only feed that fits. A misfit matters where nothing fits."""
    fits: list[Chosen] = []
    misfits: list[_Misfit] = []
    for one in found:
        (fits if isinstance(one, Chosen) else misfits).append(one)  # type: ignore[arg-type] # each to its own
    if len(fits) > 1:
        names = " and ".join(sorted(one.feed.name for one in fits))
        raise ObjectRejected(Reason.AMBIGUOUS_FEED, f"feeds {names} both fit: put it under a key with feed=NAME/")
    if fits:
        return _complete(fits[0])
    if misfits:
        raise ObjectRejected(misfits[0].reason, f"it looks like feed {misfits[0].feed.name}, but {misfits[0].why}")
    return None


def _outright(found: Chosen | _Misfit | None, feed: Feed) -> Chosen:
    if isinstance(found, Chosen):
        return _complete(found)
    if isinstance(found, _Misfit):
        raise ObjectRejected(found.reason, f"feed {feed.name} does not read it: {found.why}")
    raise ObjectRejected(
        Reason.UNKNOWN_FORMAT, f"feed {feed.name} is of {' or '.join(feed.formats)}, which this is not, or not so"
    )


def _complete(chosen: Chosen) -> Chosen:
    missing = lacking(chosen.feed)
    if missing:
        key, why = missing
        raise ObjectRejected(
            Reason.INCOMPLETE_FEED,
            f"it is of feed {chosen.feed.name}, and {why}: say {key} in a feed of your own that extends it",
        )
    return chosen


def _fit(feed: Feed, candidate: Candidate, *, is_own: bool) -> Chosen | _Misfit | None:
    """Say whether a feed reads an object; None: it is not of that kind at all."""
    if candidate.parquet is not None:
        return _fit_parquet(feed, candidate.parquet) if "parquet" in feed.formats else None
    head = candidate.heads(feed.tick.match.member)
    if head is None:
        return None
    text = head.text.removeprefix(UTF8_BOM).lstrip(b" \t\r\n")
    facts = facts_of(feed, candidate.key, head.member)
    is_json = text[:1] in {b"{", b"["}
    if is_json and "jsonl" in feed.formats:
        found = _fit_json_lines(feed, head, facts)
        if found is not None or "json" not in feed.formats:
            return found
    if is_json and "json" in feed.formats:
        return _fit_json(feed, head, facts)
    if not is_json and "csv" in feed.formats:
        return _fit_csv(feed, head, facts, is_own=is_own)
    return None


def _wanted(feed: Feed) -> tuple[str, ...]:
    """Return the columns by which the feed's files are known."""
    return (*feed.tick.match.columns, *required_columns_of(feed)) if feed.tick.match.columns else columns_of(feed)


def _without(wanted: Sequence[str], columns: Iterable[str]) -> list[str]:
    keys = {column_key(name) for name in columns}
    return [name for name in wanted if column_key(name) not in keys]


def _has_others(feed: Feed, columns: Iterable[str]) -> bool:
    """Say whether there is a column that the feed's files do not have."""
    keys = {column_key(name) for name in columns}
    return any(column_key(name) in keys for name in feed.tick.match.without)


def _fit_csv(feed: Feed, head: Head, facts: Mapping[str, str], *, is_own: bool) -> Chosen | _Misfit | None:
    wanted = _wanted(feed)
    heading = heading_of(head, feed, wanted)
    if heading is None or _has_others(feed, heading.columns):
        return None
    missing = _without(wanted if heading.named else required_columns_of(feed), heading.columns)
    twice = _twice(columns_of(feed), heading.columns)
    if missing or twice:
        return _misfit_columns(feed, heading, missing, twice, is_own=is_own)
    chosen = Chosen(feed, Format.CSV, heading.columns, heading.data_start, heading.delimiter)
    rows = [line for _, line in lines_of(head, heading.data_start) if line.strip()]
    if not rows:
        is_sure = heading.named or (head.whole and bool(feed.tick.match.key))
        return chosen if is_sure else None
    if not _looks_alike(feed, rows[0], heading):
        return None
    if is_own and heading.named:
        return chosen
    return _tried(
        chosen, facts, lambda reader: csv_rows(reader, heading.columns, heading.delimiter), rows, named=heading.named
    )


def _misfit_columns(
    feed: Feed, heading: Heading, missing: Sequence[str], twice: str, *, is_own: bool
) -> _Misfit | None:
    """Say what is wrong with the columns, where the file is the feed's by its key, or by all its columns."""
    if not missing:
        return _Misfit(feed, f"there is more than one column {twice}", Reason.DUPLICATE_COLUMN)
    is_meant = is_own and heading.named and bool(feed.tick.match.key) and not feed.tick.match.columns
    why = f"it has no column {', '.join(missing[:8])}; found: {', '.join(heading.columns)[:200]}"
    return _Misfit(feed, why, Reason.MISSING_COLUMN) if is_meant else None


def _looks_alike(feed: Feed, row: bytes, heading: Heading) -> bool:
    try:
        values = split_row(row.decode(feed.encoding), heading.delimiter, feed.dialect.quote_char)
    except (UnicodeDecodeError, csv.Error):
        return heading.named
    if len(values) != len(heading.columns):
        return heading.named
    return looks_like(feed, values, heading.columns)


def _twice(wanted: Sequence[str], columns: Sequence[str]) -> str:
    keys = [column_key(name) for name in columns]
    return next((name for name in wanted if keys.count(column_key(name)) > 1), "")


def _fit_json_lines(feed: Feed, head: Head, facts: Mapping[str, str]) -> Chosen | _Misfit | None:
    start = len(UTF8_BOM) if head.text.startswith(UTF8_BOM) else 0
    lines = [line for _, line in lines_of(head, start) if line.strip()]
    try:
        first = load_json(lines[0].decode()) if lines else None
    except (ValueError, IndexError):
        return None
    if not _knows(feed, first):
        return None
    chosen = Chosen(feed, Format.JSON_LINES, data_start=start)
    return _tried(chosen, facts, json_rows, lines, named=isinstance(first, dict))


def _knows(feed: Feed, value: Any) -> bool:
    """Say whether a row of JSON has what the feed looks for."""
    if isinstance(value, dict):
        return not _without(_wanted(feed), value) and not _has_others(feed, value)
    if not isinstance(value, list) or not 0 < len(value) <= len(feed.schema.fields):
        return False
    names = [one.name for one in feed.schema.fields][: len(value)]
    texts = [json_text(one) or "" for one in value]
    return not _without(required_columns_of(feed), names) and looks_like(feed, texts)


def _fit_json(feed: Feed, head: Head, facts: Mapping[str, str]) -> Chosen | _Misfit | None:
    rows: list[tuple[str, Any]] = []
    tops: dict[str, str] = {}
    try:
        for one in rows_within(io.BytesIO(head.text.removeprefix(UTF8_BOM)), feed.dialect.property_path):
            rows.append(one)
            if len(rows) >= _TRIED_ROWS:
                break
    except ObjectRejected:
        pass  # the head is the beginning of a document; whether the whole is one shows when it is read
    if not rows or not _knows(feed, rows[0][1]):
        return None
    try:
        tops = values_at_top(io.BytesIO(head.text.removeprefix(UTF8_BOM))) if head.whole else {}
    except ObjectRejected:
        tops = {}
    if not head.whole and any(name.startswith("/") for name in _names(feed)):
        # What stands at the top may come behind the rows: then the rows are tried when it is known.
        return Chosen(feed, Format.JSON)
    everywhere = {**facts, **{f"/{name}": value for name, value in tops.items()}}

    return _tried(Chosen(feed, Format.JSON), everywhere, json_values, rows, named=isinstance(rows[0][1], dict))


def _names(feed: Feed) -> tuple[str, ...]:
    return tuple(name for _, template in templates_of(feed) for name in take_apart(template).names)


def _fit_parquet(feed: Feed, head: ParquetHead) -> Chosen | _Misfit | None:
    if _without(_wanted(feed), head.columns) or _has_others(feed, head.columns):
        return None
    twice = _twice(columns_of(feed), head.columns)
    if twice:
        return _Misfit(feed, f"there is more than one column {twice}", Reason.DUPLICATE_COLUMN)
    types = {column_key(one.name): one.type for one in feed.schema.fields}
    for name, is_integer in zip(head.columns, head.integers, strict=True):
        kind = types.get(column_key(name), "any")
        if (kind == "integer" and not is_integer) or (kind == "decimal" and is_integer):
            return None
    return Chosen(feed, Format.PARQUET)


def _tried(
    chosen: Chosen,
    facts: Mapping[str, str],
    reader_of: Callable[[RowReader], Callable[[Any, int], object]],
    rows: Iterable[Any],
    *,
    named: bool,
) -> Chosen | _Misfit | None:
    """Read the first rows: a feed fits where one of them is a tick, or all are rows that it skips."""
    read = reader_of(RowReader(as_if_told(chosen.feed), facts))
    refusal: RowRejected | None = None
    for place, row in enumerate(rows):
        try:
            if isinstance(read(row, place), Tick):
                return chosen
        except RowRejected as error:
            refusal = refusal or error
    if refusal is None:
        return chosen if named or chosen.feed.tick.match.key else None
    # Columns by name are not there by chance; fields by number are.
    if named:
        return _Misfit(chosen.feed, f"its first rows are none: {refusal.detail}", refusal.reason)
    return None
