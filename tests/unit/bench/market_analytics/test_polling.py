"""A reader that polls throughout: what it notes of its reads, and what no read may show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ApiUnansweredError
from bench.ledger.api_client import Answer
from bench.ledger.truth import write_part
from bench.market_analytics.oracle import LoneTick, Oracle
from bench.market_analytics.polling import (
    CHECK,
    CHECK_REPLACED,
    PollingReader,
    Reads,
    judge_reads,
    sums_of,
    watched_hours,
)
from bench.market_analytics.retraction_moments import Moment
from bench.market_analytics.retractions import Due, Retraction
from tickstream.ingests import Manifest, Span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.ledger.api_client import ApiClient
    from bench.ledger.verdict import Check
    from bench.market_analytics.polling import Content

HOUR = 490_000
FIRST = HOUR * 60
#: Two ranges of one object, which meet in a minute.
TICKS = (
    LoneTick(3, 10, "A", FIRST, 5),
    LoneTick(3, 90, "A", FIRST + 1, 6),
    LoneTick(3, 110, "A", FIRST + 1, 7),
    LoneTick(3, 150, "A", FIRST + 2, 8),
)
(WATCHED,) = watched_hours(TICKS)
MANIFEST = Manifest("i", 0, 2, (Span(0, 0, 100), Span(1, 100, 200)))
NOTHING: Content = {}
ONE: Content = {FIRST: (1, 5), FIRST + 1: (1, 6)}
OTHER: Content = {FIRST + 1: (1, 7), FIRST + 2: (1, 8)}
BOTH: Content = {FIRST: (1, 5), FIRST + 1: (2, 13), FIRST + 2: (1, 8)}


def judged(history: Sequence[Content], retracted_s: float | None = None, manifest: Manifest = MANIFEST) -> Check:
    """What is said of reads that began at 0, 1, 2 ... seconds."""
    reads = Reads()
    for began_s, content in enumerate(history):
        reads.note(0, {"A": content}, float(began_s))
    reader = PollingReader(cast("ApiClient", None), [WATCHED])
    reader.reads = reads
    retraction = Retraction(Due(3, "k", "i", Moment.SENDING), retracted_s=retracted_s)
    (check,) = judge_reads(reader, {3: manifest}, [retraction])
    assert check.name == CHECK
    return check


@pytest.mark.parametrize(
    "history",
    [
        [NOTHING, ONE, BOTH, BOTH, OTHER, NOTHING, NOTHING],
        [BOTH, NOTHING],
        [NOTHING],
        # Its second range is committed when its first is gone.
        [ONE, NOTHING, OTHER, NOTHING],
    ],
)
def test_ranges_come_and_go_whole(history: list[Content]) -> None:
    """Any set of whole ranges may be there, and each may go once."""
    check = judged(history, retracted_s=len(history) - 1.5)
    assert check.passed, check.detail
    assert f"{len(history)} reads of 1 objects" in check.detail


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([{FIRST: (1, 5)}], "1 ticks, which no set of whole ranges has"),
        ([{FIRST: (1, 5), FIRST + 1: (2, 13)}], "3 ticks, which no set of whole ranges has"),
        ([{FIRST: (2, 10), FIRST + 1: (2, 12)}], "4 ticks, which no set of whole ranges has"),
        ([{FIRST: (1, 6), FIRST + 1: (1, 5)}], "2 ticks, which no set of whole ranges has"),
        ([BOTH, OTHER, BOTH], "range 0 was gone and is back"),
        ([ONE, NOTHING, ONE], "range 0 was gone and is back"),
    ],
)
def test_what_is_there_in_part_twice_or_again_is_seen(history: list[Content], said: str) -> None:
    """Each is told with the symbol, the hour and the source."""
    check = judged(history)
    assert not check.passed
    assert f"A, hour {HOUR}, of source 3: {said}" in check.detail


def test_after_it_is_retracted_no_read_shows_any_of_it() -> None:
    """A read that began before may; one that found the same as others before is still one that began after."""
    assert judged([BOTH, BOTH, NOTHING], retracted_s=1.5).passed
    check = judged([BOTH, BOTH, NOTHING], retracted_s=0.5)
    assert not check.passed
    assert "4 ticks 0.5 s after it was retracted" in check.detail


def test_ranges_that_cannot_be_told_apart_are_not_taken_for_each_other() -> None:
    """One of two equal ranges goes and the other is there: nobody may call that a return."""
    (watched,) = watched_hours([LoneTick(3, 10, "A", FIRST, 5), LoneTick(3, 110, "A", FIRST, 5)])
    sums = sums_of(watched, "A", [0, 100])
    assert sums is not None
    assert sums[frozenset({(FIRST, (1, 5))})] == [frozenset({0}), frozenset({1})]
    reader = PollingReader(cast("ApiClient", None), [watched])
    for began_s, number in enumerate([1, 2, 1, 0]):
        reader.reads.note(0, {"A": {FIRST: (number, 5 * number)} if number else {}}, began_s)
    (check,) = judge_reads(reader, {3: MANIFEST}, [])
    assert check.passed, check.detail
    reader.reads.note(0, {"A": {FIRST: (2, 10)}}, 9)
    assert not judge_reads(reader, {3: MANIFEST}, [])[0].passed


def test_what_was_never_read_has_shown_nothing() -> None:
    """A reader whose every request failed does not pass; one that had nothing to read says nothing."""
    assert not judged([]).passed
    assert judge_reads(PollingReader(cast("ApiClient", None), []), {}, []) == ()


def test_an_object_whose_ranges_are_not_known_is_not_judged_and_told() -> None:
    """Of an indexed object the manifest has no spans; of an hour of very many ranges the sets are too many."""
    assert "1 not judged" in judged([{FIRST: (9, 9)}], manifest=Manifest("i", 0, 2)).detail
    many = Manifest("i", 0, 20, tuple(Span(number, 10 * number, 10 * number + 10) for number in range(20)))
    (watched,) = watched_hours([LoneTick(3, 10 * number, "A", FIRST, 5) for number in range(20)])
    assert sums_of(watched, "A", [span.start for span in many.spans]) is None


@given(st.lists(st.tuples(st.integers(0, 199), st.integers(0, 3), st.integers(1, 9)), min_size=1), st.data())
def test_every_set_of_ranges_is_known(rows: list[tuple[int, int, int]], data: st.DataObject) -> None:
    """Whatever the rows, what some of the ranges have together is found to be theirs."""
    starts = sorted({0, *data.draw(st.lists(st.integers(1, 199), max_size=4))})
    ticks = [LoneTick(3, offset, "A", FIRST + minute, volume) for offset, minute, volume in rows]
    (watched,) = watched_hours(ticks)
    some = data.draw(st.sets(st.sampled_from(range(len(starts)))))
    minutes: dict[int, tuple[int, int]] = {}
    for tick in ticks:
        if max(place for place, start in enumerate(starts) if start <= tick.offset) in some:
            number, volume = minutes.get(tick.minute, (0, 0))
            minutes[tick.minute] = (number + 1, volume + tick.volume_e9)
    sums = sums_of(watched, "A", starts)
    assert sums is not None
    assert any(found <= some for found in sums[frozenset(minutes.items())])


class Bars:
    """An API that answers in turn."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[Mapping[str, Any]] = []

    def post_json(self, path: str, fields: Mapping[str, Any]) -> Answer:
        """Answer the next answer."""
        assert path == "/bars"
        self.asked.append(fields)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def bar(minute: str, ticks: int, volume: str) -> dict[str, Any]:
    """A bar as the API answers it."""
    return {
        "start": minute, "open": "1", "high": "1", "low": "1", "close": "1", "volume": volume, "ticks": ticks,
        "notional": "1", "vwap": "1", "closed": False,
    }  # fmt: skip


def test_an_hour_is_one_question_and_only_lone_minutes_are_noted() -> None:
    """An answer that is no page of its own, or none at all, is counted; before its first tick a symbol is not known."""
    bars = [bar("2025-11-24T16:00:00Z", 1, "0.000000005"), bar("2025-11-24T16:09:00Z", 4, "9")]
    api = Bars(
        Answer(404, {"error": {"code": "unknown_symbol"}}),
        Answer(502, {"message": "no"}),
        ApiUnansweredError("lost"),
        Answer(200, {"bars": {"A": bars[:1]}, "nextToken": "t"}),
        Answer(200, {"bars": {"A": bars}}),
        Answer(200, {"bars": {"A": bars}}),
    )
    reader = PollingReader(cast("ApiClient", api), [WATCHED])
    for _ in range(6):
        reader.read(0)
    assert {(one["symbols"][0], one["from"], one["to"]) for one in api.asked} == {
        ("A", "2025-11-24T16:00:00Z", "2025-11-24T17:00:00Z")
    }
    assert (reader.reads.number, reader.reads.unanswered) == (3, 3)
    assert [seen.contents for seen in reader.reads.seen[0]] == [{"A": {}}, {"A": {FIRST: (1, 5)}}]
    last = reader.reads.seen[0][-1]
    assert last.first_s < last.last_s


def test_the_lone_ticks_of_a_source_are_those_of_its_best_hour(tmp_path: Path) -> None:
    """Not minutes that another source has ticks in, not corrupt rows, and of the hour the symbols with most."""

    def rows(source: int, *of: tuple[str, int, str | None]) -> None:
        frame = {
            "source": source,
            "offset": list(range(len(of))),
            "length": 1,
            "symbol": [symbol for symbol, _, _ in of],
            "timestamp_ns": [minute * 60 * 10**9 for _, minute, _ in of],
            "price_e9": 1,
            "size_e9": 7,
            "reason": [reason for _, _, reason in of],
        }
        write_part(tmp_path, source, pl.DataFrame(frame, schema_overrides={"reason": pl.String}))

    rows(1, ("A", FIRST, None), ("A", FIRST + 1, None), ("B", FIRST, None), ("A", FIRST + 60, None), ("C", FIRST, "x"))
    rows(2, ("A", FIRST + 1, None), ("C", FIRST, None))
    rows(3, ("A", FIRST + 60, "bad"))
    oracle = Oracle(tmp_path, ())
    assert oracle.lone_ticks([1], most=9) == [LoneTick(1, 0, "A", FIRST, 7), LoneTick(1, 2, "B", FIRST, 7)]
    assert [tick.symbol for tick in oracle.lone_ticks([1], most=1)] == ["A"]
    assert [tick.ordinal for tick in oracle.lone_ticks([1, 2, 3], most=9)] == [1, 1, 2]
    assert oracle.lone_ticks([], most=9) == []


def judged_versions(history: Sequence[Content]) -> Check:
    """What is said of reads of an object whose first 100 bytes were put under its key before."""
    reads = Reads()
    for began_s, content in enumerate(history):
        reads.note(0, {"A": content}, float(began_s))
    reader = PollingReader(cast("ApiClient", None), [WATCHED])
    reader.reads = reads
    (check,) = judge_reads(reader, {3: MANIFEST}, [], {3: 100})
    assert check.name == CHECK_REPLACED
    return check


@pytest.mark.parametrize("history", [[NOTHING], [NOTHING, ONE, ONE, BOTH], [BOTH], [NOTHING, BOTH], [ONE, BOTH]])
def test_a_version_that_takes_the_place_of_another_may_be_seen(history: Sequence[Content]) -> None:
    """Nothing, then the first one, then the whole, or the whole at once."""
    assert judged_versions(history).passed


@pytest.mark.parametrize(
    "history",
    [
        [ONE, NOTHING, BOTH],  # neither
        [BOTH, ONE],  # the old one again
        [BOTH, NOTHING],
        [ONE, OTHER],  # a part of the whole
        [ONE, {FIRST: (2, 10), FIRST + 1: (3, 19), FIRST + 2: (1, 8)}],  # both
    ],
)
def test_a_read_of_neither_version_or_of_a_mixture_is_seen(history: Sequence[Content]) -> None:
    """Whatever it is, it is one of the two."""
    assert not judged_versions(history).passed
