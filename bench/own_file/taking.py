"""From a file of the user's own to its truth: which feed reads it, and what each of its rows must become."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import batched, chain
from typing import TYPE_CHECKING, Any, Final

import duckdb
import polars as pl

from bench.errors import InputError
from bench.ledger.truth import ObjectFile, part_path
from bench.own_file import native, rows
from bench.own_file.description import Description
from bench.own_file.documents import STAR, document_rows
from bench.own_file.feed_rows import CANCELLED, FeedRows, prepared
from bench.own_file.headings import Heading, feed_heading, native_heading
from bench.own_file.packing import Packed
from bench.own_file.pairs import settle
from bench.own_file.refusal import Refused
from bench.own_file.tables import Table
from tickstream.errors import ObjectRejected
from tickstream.feeds.catalogue import Catalogue, installed
from tickstream.feeds.choice import Candidate, ParquetHead, choose
from tickstream.feeds.documents import frozen_text
from tickstream.feeds.heading import Head
from tickstream.ingests import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from bench.own_file.packing import Text
    from bench.own_file.rows import Row

_ROWS_AT_A_TIME: Final = 200_000
NATIVE: Final = "native"


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was found: rows of all kinds, those that are skipped or cancelled, and the feed's name."""

    feed: str
    rows: int
    skipped: int
    cancelled: int = 0


def take_in(
    path: Path, folder: Path, truth: Path, *, key: str = "", catalogue: Catalogue | None = None, ordinal: int = 0
) -> ObjectFile:
    """Read the user's file and write its truth. Raises InputError, in one sentence, where it cannot be read at all.

    folder: for an unpacked copy. key: of the object; by default one that only has the file's name.
    catalogue: of feeds; the installed ones by default.
    """
    key = key or f"ticks/input/{path.name}"
    text_path = None
    try:
        with path.open("rb") as file:
            etag = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        size_bytes = path.stat().st_size
        reader = _Reader(path, folder / f"input-{ordinal}.txt", part_path(truth, ordinal), key, ordinal)
        try:
            taken, refusal = reader.read(installed() if catalogue is None else catalogue), ""
            if not taken.rows:
                reader.write_nothing()
        except (Refused, ObjectRejected) as refused:
            taken, refusal = _Taken("", 0, 0), str(refused)
            reader.write_nothing()
        text_path = reader.text_path
    except (OSError, duckdb.Error) as error:
        raise InputError(f"{path} cannot be read as a tick file: {error}") from error
    return ObjectFile(
        ordinal,
        key,
        path,
        taken.rows,
        size_bytes,
        etag,
        text_path,
        skipped=taken.skipped,
        cancelled=taken.cancelled,
        feed=taken.feed,
        refusal=refusal,
    )


class _Reader:
    def __init__(self, path: Path, unpacked: Path, part: Path, key: str, ordinal: int) -> None:
        self._path = path
        self._unpacked = unpacked
        self._part = part
        self._key = key
        self._ordinal = ordinal
        self._parts: list[Path] = []
        self.text_path: Path | None = None

    def read(self, catalogue: Catalogue) -> _Taken:
        """Write the truth. Raises Refused, ObjectRejected (by the choice of a feed)."""
        with self._path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        return self._table(catalogue) if is_parquet else self._texts(catalogue)

    def write_nothing(self) -> None:
        """Write the truth of a file that is refused."""
        for part in self._part.parent.glob(f"{self._part.stem}*"):
            part.unlink()
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE nothing ({_COLUMNS})")
            connection.sql("FROM nothing").write_parquet(str(self._part))

    def _table(self, catalogue: Catalogue) -> _Taken:
        with duckdb.connect() as connection:
            prepared(connection)
            table = Table(connection, self._path)
            head = ParquetHead(tuple(table.types), table.integers)
            chosen = choose(Candidate(self._key, lambda _: None, head), catalogue)
            if chosen is None:
                table.take_native()
                return self._written(connection, native.judged(), NATIVE)
            feed = Description(frozen_text(chosen.feed))
            names = feed.columns()
            table.take(feed, names)
            facts = {f"@{name}": value for name, value in table.metadata().items()} | feed.facts(self._key, "")
            found = self._written(connection, FeedRows(feed, names).judge(connection, facts), feed.name)
        return self._settled(found, feed)

    def _texts(self, catalogue: Catalogue) -> _Taken:
        packed = Packed.of(self._path, self._unpacked)

        def head(pattern: str) -> Head | None:
            found = packed.head(pattern)
            return None if found is None else Head(found[1], whole=found[2], member=found[0])

        chosen = choose(Candidate(self._key, head), catalogue)
        feed = Description(frozen_text(chosen.feed)) if chosen else None
        texts = packed.texts(feed.member_pattern if feed else "")
        if feed is None and not texts:
            raise Refused("unknown_format", "the zip has no file in it")
        is_document = chosen is not None and chosen.format is Format.JSON
        # Rows of a document have no place in a text.
        self.text_path = None if is_document else packed.unpacked
        found = (
            self._native(texts) if feed is None else self._of_feed(texts, feed, chosen.format if chosen else Format.CSV)
        )
        taken = _Taken(
            feed.name if feed else NATIVE,
            sum(one.rows for one in found),
            sum(one.skipped for one in found),
            sum(one.cancelled for one in found),
        )
        return self._settled(taken, feed) if feed else taken

    def _native(self, texts: Iterable[Text]) -> list[_Taken]:
        columns: tuple[str, ...] | None = None
        found = []
        for text in texts:
            head = text.head()
            begin = rows.after_bom(head)
            read: Callable[[bytes], rows.Fields]
            if not head.strip():
                # Nothing but blanks; where it is long, nobody knows what follows.
                if text.end - text.start > len(head):
                    raise Refused("unknown_format", "nothing but blanks")
                continue
            if head[begin:].lstrip(b" \t\r\n")[:1] == b"{":
                read = rows.native_json
            else:
                heading = native_heading(head)
                _check_alike(columns, heading)
                columns, begin, read = heading.columns, heading.begin, rows.native_csv(heading)
            some = rows.text_rows(text, begin, read, is_json=read is rows.native_json, width=len(native.TEXTS))
            found.append(self._judged(some, native.TEXTS, lambda _: native.judged(), NATIVE))
        return found

    def _of_feed(self, texts: Iterable[Text], feed: Description, written: Format) -> list[_Taken]:
        names = feed.columns()
        if any(STAR in template.names for template in feed.templates()):
            names.append(STAR)
        of_feed, found, columns, number = FeedRows(feed, names), [], None, 0
        stored = [f"column_{at}" for at in range(len(names))]
        for text in texts:
            facts, head = feed.facts(self._key, text.member), text.head()
            begin = rows.after_bom(head)
            some: Iterator[Row]
            if written is Format.JSON:
                listed, tops = document_rows(text, feed, names, number)
                number += len(listed)
                facts, some = facts | tops, iter(listed)
            elif not head.strip():
                continue
            elif written is Format.CSV:
                heading = feed_heading(head, feed)
                if heading is None:
                    raise Refused("unknown_format", f"its first lines are not those of feed {feed.name}")
                _check_alike(columns, heading)
                columns = heading.columns
                read = rows.feed_csv(feed, heading, names)
                some = rows.text_rows(text, heading.begin, read, is_json=False, width=len(names))
            else:
                some = rows.text_rows(text, begin, rows.feed_json(feed, names), is_json=True, width=len(names))
            found.append(
                self._judged(some, stored, lambda connection, facts=facts: of_feed.judge(connection, facts), feed.name)
            )
        return found

    def _judged(self, some: Iterator[Row], columns: Iterable[str], judge: Any, feed: str) -> _Taken:
        """Judge rows, so many at a time: a large file is never in memory as a whole."""
        schema = {"offset": pl.Int64, "length": pl.Int64, "fault": pl.String, **dict.fromkeys(columns, pl.String)}
        total = skipped = cancelled = 0
        stored = self._unpacked.with_suffix(".parquet")
        for batch in batched(chain(some), _ROWS_AT_A_TIME, strict=False):
            pl.DataFrame(list(batch), schema=schema, orient="row").write_parquet(stored)
            with duckdb.connect() as connection:
                prepared(connection)
                connection.read_parquet(str(stored)).create_view("taken")
                one = self._written(connection, judge(connection), feed)
            total, skipped, cancelled = total + one.rows, skipped + one.skipped, cancelled + one.cancelled
        return _Taken(feed, total, skipped, cancelled)

    def _written(self, connection: duckdb.DuckDBPyConnection, query: str, feed: str) -> _Taken:
        connection.execute(f"CREATE TABLE judged AS {query}")
        ((total, skipped, cancelled),) = connection.execute(
            f"SELECT count(*), count(*) FILTER (reason = '{rows.SKIPPED}'), "
            f"count(*) FILTER (reason = '{CANCELLED}') FROM judged"
        ).fetchall()
        part = self._part if not self._parts else self._part.with_stem(f"{self._part.stem}-{len(self._parts):05d}")
        self._parts.append(part)
        connection.sql(
            f"SELECT {self._ordinal}::INTEGER AS source, * FROM judged "
            f"""WHERE coalesce(reason, '') NOT IN ('{rows.SKIPPED}', '{CANCELLED}') ORDER BY "offset" """
        ).write_parquet(str(part))
        return _Taken(feed, total, skipped, cancelled)

    def _settled(self, taken: _Taken, feed: Description) -> _Taken:
        """Take back what rows of the file take back, wherever in it they stand."""
        if not feed.pair:
            return taken
        return replace(taken, cancelled=taken.cancelled + settle(self._parts, newest_first=feed.newest_first))


_COLUMNS: Final = (
    'source INTEGER, "offset" BIGINT, length BIGINT, reason VARCHAR, symbol VARCHAR, timestamp_ns BIGINT, '
    "price_e9 BIGINT, size_e9 DECIMAL(38, 0), sequence BIGINT, updates UTINYINT"
)


def _check_alike(columns: tuple[str, ...] | None, heading: Heading) -> None:
    if columns is not None and [*map(str.casefold, columns)] != [*map(str.casefold, heading.columns)]:
        raise Refused("unknown_format", "its members differ")
