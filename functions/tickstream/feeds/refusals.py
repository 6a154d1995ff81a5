"""What an object is that cannot be read, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tickstream.errors import ObjectRejected, Reason
from tickstream.feeds.documents import columns_of
from tickstream.feeds.readers import column_key
from tickstream.ticks import REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tickstream.feeds.catalogue import Catalogue

_PACK: Final = "pack it with gzip, zip or zstd instead"
#: First bytes, what they begin, and what to do.
_KINDS: Final = (
    (b"BZh", "bzip2", _PACK),
    (b"\xfd7zXZ\x00", "xz", _PACK),
    (b"\x5d\x00\x00", "LZMA", _PACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _PACK),
    (b"Rar!\x1a\x07", "a RAR archive", _PACK),
    (b"\x04\x22\x4d\x18", "LZ4", _PACK),
    (b"\xff\x06\x00\x00sNaPpY", "snappy", _PACK),
    (b"\x1f\x9d", "a file of Unix compress (.Z)", _PACK),
    (b"%PDF", "a PDF", "put the data and not a document about it"),
    (b"DBN", "Databento's DBN", "ask Databento for csv or parquet, or convert it with `dbn -C`"),
    (b"ARROW1", "Arrow IPC (Feather)", "write it as Parquet"),
    (b"ORC", "ORC", "write it as Parquet"),
    (b"Obj\x01", "Avro", "write it as Parquet or JSON lines"),
    (b"\x89HDF\r\n\x1a\n", "HDF5", "write it as Parquet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file", "save it as CSV"),
    (b"SQLite format 3\x00", "a SQLite database", "export its table as CSV"),
    (b"\x80\x04\x95", "a pickle", "write it as Parquet"),
    (b"\x80\x05\x95", "a pickle", "write it as Parquet"),
    (b"\x89PNG", "a picture", "put the data itself"),
    (b"SIMPLE  =", "FITS", "write it as Parquet"),
)
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_HTML: Final = (b"<!doctype html", b"<html", b"<head", b"<!--")
_XML: Final = (b"<?xml", b"<error>")


def refuse_what_it_is(head: bytes) -> None:
    """Raise ObjectRejected where the first bytes are known to begin something else than ticks."""
    for magic, name, advice in _KINDS:
        if head.startswith(magic):
            raise _refusal(name, advice)
    if head.startswith(_UTF_16) or _has_wide_characters(head):
        raise _refusal("UTF-16 text", "save it as UTF-8")
    text = head[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_HTML):
        raise _refusal("an HTML page", "was the download link expired, or a login wanted?")
    if text.startswith(_XML):
        raise _refusal("XML", "an answer of a store that refused the download, perhaps?")
    if head[257:262] == b"ustar":
        raise _refusal("a tar archive", "put its files one by one, or as a zip")


def _refusal(name: str, advice: str) -> ObjectRejected:
    return ObjectRejected(Reason.UNKNOWN_FORMAT, f"it is {name}: {advice}")


def _has_wide_characters(head: bytes) -> bool:
    """Say whether every second byte is a zero, as in UTF-16 without a mark."""
    some = head[:64]
    return len(some) >= 16 and (not any(some[1::2]) or not any(some[0::2])) and any(some)


def like_a_feed(columns: Sequence[str], catalogue: Catalogue) -> str:
    """Name the feed whose columns these nearly are, and what is missing; empty where there is none."""
    have = {column_key(name) for name in columns}
    if len(have & set(REQUIRED_COLUMNS)) >= len(REQUIRED_COLUMNS) - 1:
        # It is nearly a native file.
        return ""
    best: tuple[float, str, list[str]] = (0.0, "", [])
    for feed in (*catalogue.own.values(), *catalogue.built_in.values()):
        names = [one.name for one in feed.schema.fields] or list(columns_of(feed))
        wanted = list(dict.fromkeys((*(feed.tick.match.columns or columns_of(feed)),)))
        if feed.dialect.header is False or not wanted:
            continue
        keys = {column_key(name) for name in names}
        likeness = len(keys & have) / len(keys | have)
        missing = [name for name in wanted if column_key(name) not in have]
        best = max(best, (likeness, feed.name, missing), key=lambda one: one[0])
    likeness, name, missing = best
    if likeness < 0.5 or not name:
        return ""
    what = f"which has {', '.join(missing)} too" if missing else "whose key is another"
    return f". It looks like feed {name}, {what}"
