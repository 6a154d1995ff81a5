"""What is sent in a schedule in which keys are put again with other bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.simulation.market_inputs import LAST_MS, MAX_COMPACTED, Do, Input, Scenario, looks
from bench.simulation.market_stock import DAMAGED_VERSION, HOT, KEYS, VERSIONS_A_KEY

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


def versions_of_keys(rng: random.Random, *, length_ms: int) -> Scenario:
    """Draw keys that are put again and again, what is taken back of them, and what else the same hours get."""
    inputs: list[Input] = []
    for key in rng.sample(range(len(KEYS)), rng.choice((1, 1, 1, 2))):
        inputs += _of_key(rng, key, length_ms)
    puts = [one for one in inputs if one.do in {Do.PUT, Do.PUT_ADDING}]
    inputs += [Input(rng.randrange(length_ms), Do.UPLOAD, rng.randrange(HOT)) for _ in range(rng.choice((0, 0, 1)))]
    inputs += [Input(rng.randrange(length_ms), Do.POST, rng.randrange(HOT)) for _ in range(rng.choice((0, 1)))]
    for _ in range(rng.choice((2, 4, 6))):
        # A version takes its place some tenths of a second after it was put, where nothing is in the way.
        after_ms = rng.choice((rng.randrange(200, 700), rng.randrange(3_000), rng.randrange(70_000)))
        inputs.append(Input(rng.choice(puts).at_ms + after_ms, Do.READ, rng.randrange(2)))
    inputs += looks(rng, length_ms, rng.randint(1, 3))
    if rng.random() < 0.3:
        inputs += _delivered_again(rng, puts)
    max_compacted = rng.choice((MAX_COMPACTED, MAX_COMPACTED, MAX_COMPACTED, MAX_COMPACTED, 3))
    return Scenario(
        tuple(sorted(replace(one, at_ms=min(one.at_ms, LAST_MS)) for one in inputs)),
        threshold=rng.choice((2, 3, 4, 500)),
        range_bytes=rng.choice((60, 100, 10**6)),
        batch_size=rng.choice((1, 2, 5)),
        max_compacted=max_compacted,
    )


def _of_key(rng: random.Random, key: int, length_ms: int) -> list[Input]:
    """Draw the versions of a key, the same bytes among them again, in quick succession or long after each other."""
    versions = rng.sample(range(DAMAGED_VERSION), rng.randint(2, DAMAGED_VERSION))
    if rng.random() < 0.3:
        versions.insert(rng.randrange(1, len(versions) + 1), rng.choice(versions))
    if rng.random() < 0.15:
        versions.insert(rng.randrange(len(versions) + 1), DAMAGED_VERSION)
    is_added_first = rng.random() < 0.25 and versions[0] != DAMAGED_VERSION
    pauses_ms = rng.choice(((7, 50), (50, 300), (300, 2_000, 20_000), (20_000, 110_000)))
    at_ms = rng.randrange(length_ms)
    inputs: list[Input] = []
    for number, version in enumerate(versions):
        do = Do.PUT_ADDING if is_added_first and number == 0 else Do.PUT
        inputs.append(Input(at_ms, do, key * VERSIONS_A_KEY + version))
        at_ms += rng.choice(pauses_ms) + number
    # Never two at one time: which of them is the last nobody could say.
    late_ms = max(0, inputs[-1].at_ms - LAST_MS)
    inputs = [replace(one, at_ms=one.at_ms - late_ms) for one in inputs]
    if rng.random() < 0.3:
        after_ms = rng.choice((30, 300, rng.randrange(200, 700), 2_000, 65_000, 110_000))
        inputs.append(Input(rng.choice(inputs).at_ms + after_ms, Do.RETRACT_KEY, key))
    return inputs


def _delivered_again(rng: random.Random, puts: Sequence[Input]) -> list[Input]:
    """Draw what comes once more: soon, or when all is over."""
    at_ms = rng.choice((rng.choice(puts).at_ms + rng.randrange(5_000), rng.randrange(LAST_MS)))
    if rng.random() < 0.5:
        return [Input(at_ms, Do.ANNOUNCE_AGAIN, rng.randrange(len(puts)))]
    return [Input(at_ms, Do.REDELIVER, rng.randrange(8))]
