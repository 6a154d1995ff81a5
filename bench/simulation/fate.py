"""Whether each ingest is found: by its hour, by its key, and among the refused ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.simulation.verdicts import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.simulation.table import Table


def not_listed(table: Table) -> Iterator[Violation]:
    """Judge the lists of a table at rest, by its manifests."""
    from tickstream.fate_items import arrival_items  # noqa: PLC0415 - a planted fault must be in place before
    from tickstream.items import manifest_from  # noqa: PLC0415

    for (partition, sort_key), item in list(table.items.items()):
        if not partition.startswith("ingest#") or sort_key:
            continue
        for entry in arrival_items(manifest_from(item)):
            if table.items.get(table.key_of(entry)) != entry:
                yield Violation("not listed", f"{partition} is not in {entry['symbol']['S']}")
