"""What a result file and a verdict say of workers: who they were, how far their clocks were, who was lost with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.ledger.verdict import Check
from bench.measure.latencies import Latencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.ledger.sent import Sent
    from bench.workers.fleet import Part

CHECK: Final = "workers"


def judge_workers(parts: Sequence[Part], outcomes: Iterable[Sent]) -> tuple[Check, ...]:
    """Name the workers that were lost, and say what became of what was lost with them; nothing without workers.

    outcomes: after what is in doubt was looked for in the table. A lost worker fails nothing: what it had counts as a
    whole or not at all, which the other checks judge. Where all are lost nothing was left to be shown.
    """
    if not parts:
        return ()
    lost = [part for part in parts if part.lost]
    doubted = [one for one in outcomes if one.lost_with]
    said = [f"{len(parts):,} sent, {len(lost):,} of them lost"]
    for part in lost:
        of_it = [one for one in doubted if one.lost_with == part.name]
        there = sum(one.acknowledged for one in of_it)
        said.append(
            f"{part.name} ({part.lost}): it told of {part.known:,} of {len(part.pieces):,} pieces; of {len(of_it):,} "
            f"nobody knew: {there:,} are there as a whole, {len(of_it) - there:,} are indeterminate and not there"
        )
    return (Check(CHECK, len(lost) < len(parts), "; ".join(said)),)


def worker_facts(parts: Sequence[Part]) -> dict[str, Any] | None:
    """Return `workers` of a result file, in plain JSON; None without workers.

    Latencies are put together from the workers' own histograms; of a lost one as far as it told.
    """
    if not parts:
        return None
    together = {"send_delay": Latencies(), "acknowledged": Latencies()}
    for part in parts:
        if part.told:
            together["send_delay"].add(part.told.send_delay)
            together["acknowledged"].add(part.told.acknowledged)
    return {
        "each": [_facts(part) for part in parts],
        "latency_ms": {stage: latencies.facts() for stage, latencies in together.items()},
    }


def _facts(part: Part) -> dict[str, Any]:
    clock, told = part.clock, part.told
    return {
        "name": part.member.name,
        "address": part.member.address,
        "host": part.member.host,
        "clock_ahead_ms": clock and round(clock.ahead_s * 1000, 3),
        "clock_uncertainty_ms": clock and round(clock.uncertainty_s * 1000, 3),
        "pieces": len(part.pieces),
        "pieces_told_of": part.known,
        "lost": part.lost,
        "processor_s": told and round(told.processor_s, 3),
        "latency_ms": told
        and {
            "send_delay": Latencies().add(told.send_delay).facts(),
            "acknowledged": Latencies().add(told.acknowledged).facts(),
        },
    }
