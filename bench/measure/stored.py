"""What a run left in its table, as DynamoDB bills the storage of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.measure.journal import ask
from bench.targets import Capability

if TYPE_CHECKING:
    from bench.targets import Target

TABLES_PATH: Final = "/_bench/tables"


def stored_facts(target: Target, *tables: str) -> dict[str, int] | None:
    """Return items and bytes of some tables together; None where the target cannot say. Raises TargetError."""
    if Capability.JOURNAL not in target.capabilities:
        return None
    found = ask(target, "GET", TABLES_PATH)
    return {
        "table_items": sum(found[name]["items"] for name in tables),
        "table_bytes": sum(found[name]["bytes"] for name in tables),
    }
