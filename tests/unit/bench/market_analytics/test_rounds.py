from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.ledger.truth import ObjectFile
from bench.market_analytics.completion import Progress
from bench.market_analytics.rounds import Rounds, judge_list

if TYPE_CHECKING:
    from bench.ledger.verdict import Check

STREAMS = 400
NOTHING = Progress(
    ingests=0, manifests=0, ranges=0, ranges_done=0, ticks=0, rejected=0, pending=0,
    hours=0, hours_rolled_up=0, queued=0, in_flight=0, dead_letters=0,
)  # fmt: skip


def pieces(rounds: int, streams: int = STREAMS) -> list[ObjectFile]:
    """Objects of so many streams, one a round each."""
    path = Path("unread.csv")
    return [
        ObjectFile(number, f"{number}.csv", path, 1, 1, "", path, round=number // streams)
        for number in range(rounds * streams)
    ]


def committed(objects: int, pending: int = 0) -> Progress:
    """A look that finds so many objects sent and all of them committed."""
    return replace(
        NOTHING, ingests=objects, manifests=objects, ranges=objects, ranges_done=objects, pending=pending
    )  # fmt: skip


def judged(pending: list[int]) -> Check:
    """What a run says whose list was so long at the end of each round."""
    rounds = Rounds(pieces(len(pending)))
    for round_, length in enumerate(pending):
        assert rounds.may_begin(round_)
        rounds.look(committed((round_ + 1) * STREAMS, length), sending=True)
    (check,) = rounds.checks()
    return check


def test_a_round_begins_when_everything_of_the_one_before_is_committed() -> None:
    """Not when it is sent, nor when half of it is committed, nor when less than all of it is known."""
    rounds = Rounds(pieces(3))
    assert rounds.may_begin(0)
    assert not rounds.may_begin(1)
    half_done = replace(committed(STREAMS), ranges_done=STREAMS // 2)
    without_manifests = replace(committed(STREAMS), manifests=STREAMS // 2, ranges=10, ranges_done=10)
    for look in (NOTHING, half_done, without_manifests, committed(STREAMS - 1)):
        assert rounds.look(look, sending=True) == "round 1 of 3"
        assert rounds.is_awaited
        assert not rounds.may_begin(1)
    assert rounds.look(committed(STREAMS, 17), sending=False) == "round 2 of 3"
    assert not rounds.is_awaited
    assert rounds.may_begin(1)
    assert not rounds.may_begin(2)
    assert rounds.facts() == [{"round": 0, "pending": 17}]


def test_nothing_is_waited_for_once_the_last_round_is_committed() -> None:
    """The look that finds it ends the run, and not the one that let it begin."""
    rounds = Rounds(pieces(2))
    assert rounds.look(committed(STREAMS), sending=False) == "round 2 of 2"
    assert rounds.look(committed(STREAMS), sending=True) == "round 2 of 2"
    assert rounds.look(committed(2 * STREAMS), sending=False) == ""
    assert rounds.look(committed(2 * STREAMS), sending=False) == ""
    assert [one["round"] for one in rounds.facts()] == [0, 1]


def test_a_workload_without_rounds_is_judged_by_none() -> None:
    """One round is none: there is no growth to be seen."""
    rounds = Rounds(pieces(1))
    assert rounds.look(NOTHING, sending=True)
    assert (rounds.checks(), rounds.facts()) == ((), [])


@pytest.mark.parametrize(
    "pending",
    [
        [0] * 10,
        [5, 90, 40, 0, 130, 20, 60, 110, 30, 80],
        # One slow look is no growth.
        [0, 0, 0, 0, 0, 0, 0, 0, 0, STREAMS],
        # High from the first round on, but no higher at the end.
        [300, 350, 320, 340, 360, 310, 330, 350, 300, 340],
    ],
)
def test_a_list_of_what_is_under_way_does_not_grow(pending: list[int]) -> None:
    """What is committed just before a look is on the list, more or less of it."""
    check = judged(pending)
    assert check.passed
    assert ", ".join(map(str, pending)) in check.detail


@pytest.mark.parametrize("rolled_up_share", [0.0, 0.5, 0.9])
def test_an_aggregator_that_falls_behind_is_seen(rolled_up_share: float) -> None:
    """Where a tenth of each round stays on the list, or more, ten rounds show it."""
    left = round(STREAMS * (1 - rolled_up_share))
    check = judged(list(accumulate([left] * 10)))
    assert not check.passed
    assert f"{left * 7:,} more at the end" in check.detail


def test_rounds_that_did_not_end_have_shown_nothing() -> None:
    """A run that stalled in its second round is no run of a list that did not grow."""
    check = judge_list([0], [STREAMS] * 3)
    assert not check.passed
    assert "1 of 3 rounds came to their end" in check.detail
