"""What workers decide without a network: whose a piece is, how far clocks are, what is put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import WorkersError
from bench.ledger.truth import PostBody
from bench.measure.latencies import Latencies
from bench.synthetic.factory import Factory
from bench.workers.clocks import RoundTrip, difference
from bench.workers.identity import differences, identity
from bench.workers.split import fingerprint, shares
from bench.workloads import load

if TYPE_CHECKING:
    from pathlib import Path


@given(workers=st.integers(1, 50), ordinals=st.sets(st.integers(0, 10_000)))
def test_each_piece_is_in_one_share(workers: int, ordinals: set[int]) -> None:
    """None is sent by two, and none by nobody."""
    owners = {ordinal: [one.index for one in shares(workers) if one.owns(ordinal)] for ordinal in ordinals}
    assert all(len(found) == 1 for found in owners.values())


@pytest.mark.parametrize(
    ("name", "figures"), [("streams", {"streams": 30}), ("dirty", {"replaced_share": 0.0}), ("api", {})]
)
def test_shares_that_are_made_apart_are_the_run_that_is_made_at_once(
    tmp_path: Path, name: str, figures: dict[str, Any]
) -> None:
    """Byte by byte, repeated uploads and planted faults among them: each worker makes its own."""
    workload = load(name, range_bytes=65_536, ticks=3_000, **figures)

    def made(folder: str, **more: object) -> tuple[object, ...]:
        place = tmp_path / folder
        place.mkdir()
        return tuple(Factory(workload, place, None, **more).make())  # type: ignore[arg-type]

    whole = made("whole")
    assert whole
    for share in shares(3):
        own = made(f"share {share.index}", owns=share.owns)
        assert fingerprint(own) == fingerprint(share.of(whole))  # type: ignore[arg-type]


def test_other_bytes_have_another_fingerprint() -> None:
    """As of another seed, or another library."""
    one, other = (PostBody(0, body, 1) for body in (b"1", b"2"))
    assert fingerprint([one]) != fingerprint([other])
    assert fingerprint([one, other]) != fingerprint([other, one])


@given(
    ahead_s=st.floats(-1e6, 1e6),
    ways=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=10),
)
def test_a_clock_is_within_what_it_is_uncertain_by(ahead_s: float, ways: list[tuple[float, float]]) -> None:
    """However unequal the two ways of each question were."""
    trips = [RoundTrip(1e6, 1e6 + there_s + ahead_s, 1e6 + there_s + back_s) for there_s, back_s in ways]
    found = difference(trips)
    assert abs(found.ahead_s - ahead_s) <= found.uncertainty_s + 1e-6
    assert found.uncertainty_s <= min(there_s + back_s for there_s, back_s in ways) / 2 + 1e-6
    assert found.there(5.0) == 5.0 + found.ahead_s


def test_clocks_that_nobody_could_read_are_told() -> None:
    """Of no question, and of answers from before they were asked for."""
    for trips in ([], [RoundTrip(2.0, 5.0, 1.0)]):
        with pytest.raises(WorkersError, match="clocks"):
            difference(trips)


@given(st.lists(st.floats(0, 80_000), max_size=50), st.lists(st.floats(0, 80_000), max_size=50))
def test_histograms_put_together_are_those_of_everything(one: list[float], other: list[float]) -> None:
    """Counts and percentiles, also with one that has nothing."""
    whole, first, second = Latencies(), Latencies(), Latencies()
    for histogram, values in ((first, one), (second, other), (whole, one + other)):
        for value in values:
            histogram.record(value)
    assert Latencies().add(first.encoded()).add(second.encoded()).facts() == whole.facts()


def test_what_is_not_the_same_in_a_worker_is_named() -> None:
    """Another version, and a library that is missing, by name."""
    here = identity()
    assert differences(here, identity()) == []
    assert differences(here, {**here, "polars": "0.1"}) == [f"polars {here['polars']} here, 0.1 there"]
    assert differences({"numpy": "1"}, {}) == ["numpy 1 here, none there"]
