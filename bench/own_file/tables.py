"""Parquet, by DuckDB's own reader: its columns as the texts that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import duckdb

from bench.own_file.description import Template, folded
from bench.own_file.headings import REQUIRED
from bench.own_file.native import TEXTS
from bench.own_file.numbers import quoted
from bench.own_file.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.own_file.description import Description

_INTEGERS: Final = frozenset(
    ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT"]
)
_FLOATS: Final = frozenset({"FLOAT", "DOUBLE"})


class Table:
    """A Parquet file as the view `file` of a connection. Raises Refused where it is none."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection = connection
        self._path = path
        try:
            connection.read_parquet(str(path), file_row_number=True).create_view("file")
            described = connection.execute("DESCRIBE file").fetchall()
        except duckdb.Error as error:
            raise Refused("corrupt_parquet", str(error)[:200]) from error
        self.types: dict[str, str] = {
            name: str(kind).upper() for name, kind, *_ in described if name != "file_row_number"
        }

    @property
    def integers(self) -> tuple[bool, ...]:
        """Whether each column is stored as integers, as moments are too."""
        query = f"SELECT name, type FROM parquet_schema({quoted(str(self._path))})"
        stored = dict(self._connection.execute(query).fetchall())
        return tuple(stored.get(name) in {"INT32", "INT64"} for name in self.types)

    def metadata(self) -> dict[str, str]:
        """The key-value metadata."""
        query = f"SELECT decode(key), decode(value) FROM parquet_kv_metadata({quoted(str(self._path))})"
        return dict(self._connection.execute(query).fetchall())

    def take_native(self) -> None:
        """Make the view `taken` of native rows. Raises Refused."""
        if missing := [name for name in REQUIRED if name not in self.types]:
            raise Refused("missing_column", f"no column {', '.join(missing)}")
        for name in REQUIRED:
            kind = self.types[name]
            fits = kind == "VARCHAR" or kind.startswith("ENUM")
            if name == "timestamp":
                # A time without a zone is of nobody knows where.
                fits = (
                    fits
                    or kind in {"BIGINT", "UBIGINT"}
                    or kind.startswith(("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"))
                )
            elif name != "symbol":
                fits = fits or kind in _INTEGERS or kind.startswith("DECIMAL")
            if not fits:
                raise Refused("unsuitable_column", f"column {name} is {kind}")
        moment = "epoch_ns(timestamp)" if self.types["timestamp"].startswith("TIMESTAMP") else "timestamp"
        texts = zip(TEXTS, ("symbol", moment, "price", "size"), strict=True)
        self._take(", ".join(f"({sql})::VARCHAR AS {name}" for name, sql in texts))

    def take(self, feed: Description, names: Sequence[str]) -> None:
        """Make the view `taken` of a feed's rows. Raises Refused."""
        exact = {name for part in ("price", "size") for name in _names_in(feed, part)}
        column_of = {folded(name): name for name in self.types}
        columns = []
        for at, name in enumerate(names):
            column = column_of.get(folded(name))
            if column is not None and self.types[column] in _FLOATS and name in exact:
                raise Refused("unsuitable_column", f"column {column} is of floats, and no decimals are declared")
            sql = "NULL" if column is None else '"' + column.replace('"', '""') + '"'
            columns.append(f"{sql}::VARCHAR AS column_{at}")
        self._take(", ".join(columns))

    def _take(self, columns: str) -> None:
        self._connection.execute(
            'CREATE VIEW taken AS SELECT file_row_number AS "offset", 0 AS length, NULL::VARCHAR AS fault, '
            f"{columns} FROM file"
        )


def _names_in(feed: Description, part: str) -> list[str]:
    """The columns of a number that has to be exact."""
    number: Mapping[str, Any] = feed.tick[part]
    if number.get("decimals") is not None:
        return []
    texts = [number["from"]] if number.get("from") else number.get("middle") or []
    return [name for text in texts for name in Template.of(text).names]
