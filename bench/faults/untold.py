"""Rules of EventBridge that tell nobody for a while: LocalStack lets rules that are disabled go on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.targets import Target


@contextmanager
def untold(target: Target, rules: Sequence[str]) -> Iterator[None]:
    """Take the targets of these rules away, and give them back at the end, whatever happened."""
    events = target.client("events")
    targets = {rule: events.list_targets_by_rule(Rule=rule)["Targets"] for rule in rules}
    try:
        for rule, some in targets.items():
            events.remove_targets(Rule=rule, Ids=[one["Id"] for one in some])
        yield
    finally:
        for rule, some in targets.items():
            events.put_targets(Rule=rule, Targets=some)
