"""Files on which a stage fails, twice or for good, and their neighbours, who must not notice.

Every trouble begins at once, in one fixture: what takes time is that failed messages stay out of sight for seconds.
How often a message was received is LocalStack's own count, noted in its request chain from the answers that the event
source mappings get (`FileStack.receives`); a message that no longer exists cannot be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bench.redrive import file_queues, redrive
from tests.e2e.market import csv, trades
from tests.patience import wait_until
from tickstream.files import group_of

if TYPE_CHECKING:
    from tests.e2e.files import FileStack

_STAGES = ["validator", "processor", "aggregator"]
_ROWS = 25


@dataclass(frozen=True, slots=True)
class Troubles:
    """Ids of files, all put at the same time. poison, curable: by the stage that fails."""

    poison: dict[str, str]
    curable: dict[str, str]
    neighbours: tuple[str, ...]
    cures: dict[str, str]


@pytest.fixture(scope="module")
def troubles(files: FileStack) -> Troubles:
    """Put poison, curable and good files in turn, as fast as it goes, and wait for none of them."""
    poison, curable, neighbours, cures = {}, {}, [], {}
    content = csv(trades("F.TROUBLE", _ROWS))
    for number, stage in enumerate(_STAGES):
        cures[stage] = files.fail(stage, f"trouble/poison {stage}.csv", None)
        files.fail(stage, f"trouble/curable {stage}.csv", 2)
        poison[stage] = files.put(f"trouble/poison {stage}.csv", content)
        neighbours.append(files.put(f"trouble/good {number}a.csv", content))
        curable[stage] = files.put(f"trouble/curable {stage}.csv", content)
        neighbours.append(files.put(f"trouble/good {number}b.csv", content))
    return Troubles(poison, curable, tuple(neighbours), cures)


def _history(files: FileStack, file_id: str) -> dict[str, str]:
    """When each stage made its last move on a file, by what it did."""
    return dict(entry.split(" at ") for entry in files.stored(file_id).history)


def test_f04_neighbours_of_failing_files_are_not_delayed(files: FileStack, troubles: Troubles) -> None:
    """Good files are completed while the failing ones still wait for their next attempt; each was received once."""
    for file_id in troubles.neighbours:
        files.at(file_id, "completed")
    # A curable file needs two more attempts, each seconds away: its neighbours were done before.
    ends = [_history(files, file_id)["aggregator"] for file_id in troubles.neighbours]
    for stage in ("processor", "aggregator"):
        files.at(troubles.curable[stage], "completed")
        assert max(ends) < _history(files, troubles.curable[stage])[stage]
    for file_id in troubles.neighbours:
        assert [files.receives(stage, file_id) for stage in ("processor", "aggregator")] == [1, 1], file_id


@pytest.mark.parametrize("stage", _STAGES)
def test_f04_a_file_that_fails_twice_for_a_curable_reason_is_completed(
    files: FileStack, troubles: Troubles, stage: str
) -> None:
    """The third attempt succeeds, each stage is entered once, and no message dies."""
    file_id = troubles.curable[stage]
    assert files.at(file_id, "completed")["totals"]["ticks"] == _ROWS
    assert files.entered(file_id) == _STAGES
    if stage != "validator":
        assert files.receives(stage, file_id) == 3
    assert files.parked(file_id) == files.dead(file_id) == []


@pytest.mark.parametrize("stage", _STAGES)
def test_f07_a_file_whose_message_died_is_failed_and_parked(files: FileStack, troubles: Troubles, stage: str) -> None:
    """A stage that fails for good makes the file `failed`, with stage and reason; its message is parked, once."""
    file_id = troubles.poison[stage]
    body = files.at(file_id, "failed")
    assert (body["stage"], body["reason"]["code"]) == (stage, "dead_lettered")
    assert files.entered(file_id) == [*_STAGES[: _STAGES.index(stage)], f"{stage} failed"]
    # The status is written before the message is parked.
    (message,) = wait_until("the parked message", lambda: files.parked(file_id) or None)
    assert message.stage == stage
    if stage != "validator":
        assert message.group == group_of(file_id)


@pytest.mark.parametrize("stage", ["processor", "aggregator"])
def test_f04_one_group_that_fails_for_good_leaves_the_others_alone(
    files: FileStack, troubles: Troubles, stage: str
) -> None:
    """The poison message is received three times and given up; the other groups' receive counts stay at 1."""
    files.at(troubles.poison[stage], "failed")
    assert files.receives(stage, troubles.poison[stage]) == 3
    for file_id in troubles.neighbours:
        files.at(file_id, "completed")
        assert files.receives(stage, file_id) == 1, file_id
        assert files.parked(file_id) == files.dead(file_id) == []


@pytest.mark.parametrize("stage", _STAGES)
def test_f07_redriving_a_parked_message_completes_its_file(files: FileStack, troubles: Troubles, stage: str) -> None:
    """With its cause cured, the parked message is put back and the file goes on from where it failed."""
    file_id = troubles.poison[stage]
    files.at(file_id, "failed")
    wait_until("the parked message", lambda: files.parked(file_id) or None)
    files.faults.remove(troubles.cures[stage])
    parked = {"parked": file_queues(files.outputs)["parked"]}
    (redriven,) = redrive(files.target, parked, {file_id})
    assert (redriven.put_back, redriven.stay) == (1, ())
    body = files.at(file_id, "completed")
    assert body["totals"]["ticks"] == _ROWS
    assert "reason" not in body
    failed = f"{stage} failed"
    place = _STAGES.index(stage)
    assert files.entered(file_id) == [*_STAGES[:place], failed, *_STAGES[place:]]
    assert files.parked(file_id) == []


def test_f05_last_updated_moves_with_the_stages(files: FileStack) -> None:
    """While the aggregator fails a file is `processed` since then; completed later, it was updated later."""
    key = "moving/on.csv"
    files.fail("aggregator", key, 1)
    file_id = files.put(key, csv(trades("F.MOVING", 5)))
    processed = files.at(file_id, "processed")
    completed = files.at(file_id, "completed")
    assert processed["lastUpdated"] == _history(files, file_id)["processor"]
    assert completed["lastUpdated"] == _history(files, file_id)["aggregator"]
    assert completed["lastUpdated"] > processed["lastUpdated"]
