"""What a result file says of what was sent and how it came through."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.market_analytics.load import Pushed


def pushed_facts(pushed: Pushed) -> dict[str, Any]:
    """What was sent, how fast it came through, what was measured of it, and the last look."""
    entries = pushed.ledger.entries()
    rows = sum(piece.rows for piece in pushed.pieces)
    return {
        "objects": sum(1 for entry in entries if not entry.is_post),
        "posts": sum(1 for entry in entries if entry.is_post),
        "sent_bytes": sum(entry.size_bytes for entry in entries),
        "first_upload_to_last_acknowledgement_s": pushed.last_acknowledgement_s,
        "first_upload_to_last_rollup_s": pushed.last_rollup_s,
        "ticks_per_s": rows / pushed.last_rollup_s if pushed.last_rollup_s else 0.0,
        "aggregator_triggers": pushed.completion.triggers,
        "rounds": pushed.rounds.facts(),
        "progress": asdict(pushed.completion.last),
        **pushed.recorder.facts(),
    }
