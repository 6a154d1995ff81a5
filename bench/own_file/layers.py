"""SQL in layers: each adds columns that the next may use, so that nothing is written or computed twice."""

from __future__ import annotations


class Layers:
    """Columns over a table, layer by layer."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._layers: list[str] = []

    def add(self, **columns: str) -> None:
        """Add columns, each SQL over those of the layers before."""
        added = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
        under = f"layer_{len(self._layers)}" if self._layers else self._table
        self._layers.append(f"layer_{len(self._layers) + 1} AS MATERIALIZED (SELECT *, {added} FROM {under})")

    def select(self, columns: str, rest: str = "") -> str:
        """Return the query of some columns of the last layer."""
        return f"WITH {', '.join(self._layers)} SELECT {columns} FROM layer_{len(self._layers)} {rest}"
