"""Capacity that is shared: everybody gets the same, nothing is lost, and whoever runs out of time knows what it got."""

from __future__ import annotations

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from bench.capacity.shared import Shared


def test_two_who_want_the_same_get_half_each() -> None:
    """A thousand units for two take as long as all of it takes, for both."""
    env = simpy.Environment()
    shared = Shared(env, rate=100.0)
    first, second = shared.use(500.0), shared.use(500.0)
    env.run(until=first & second)
    assert env.now == pytest.approx(10.0)


def test_one_alone_is_bound_by_its_own_speed() -> None:
    """What a client cannot ask for, it does not get."""
    env = simpy.Environment()
    env.run(until=Shared(env, rate=100.0, most_each=10.0).use(50.0))
    assert env.now == pytest.approx(5.0)


def test_who_runs_out_of_time_gets_a_part() -> None:
    """Its part is what its share came to, and the other has the rest for itself from then on."""
    env = simpy.Environment()
    shared = Shared(env, rate=100.0)
    late, other = shared.use(1_000.0, until=4.0), shared.use(500.0)
    env.run(until=other)
    assert late.value == pytest.approx(200.0)
    assert env.now == pytest.approx(7.0)


def test_more_of_it_counts_from_then_on() -> None:
    """A table that doubles while it is written takes the rest twice as fast."""
    env = simpy.Environment()
    shared = Shared(env, rate=100.0)
    use = shared.use(1_000.0)
    env.run(until=5.0)
    shared.set_rate(200.0)
    env.run(until=use)
    assert env.now == pytest.approx(7.5)


@given(
    st.lists(
        st.tuples(st.floats(0.1, 500), st.integers(1, 20), st.floats(0.1, 50), st.floats(0, 20)),
        min_size=1,
        max_size=12,
    )
)
def test_what_all_got_is_what_was_served(wanted: list[tuple[float, int, float, float]]) -> None:
    """Whoever comes and leaves when: the sum is right, and never more than the rate allows."""
    env = simpy.Environment()
    shared = Shared(env, rate=40.0, most_each=15.0)
    got: list[float] = []

    def client(amount: float, alike: int, patience_s: float, comes_s: float) -> simpy.events.ProcessGenerator:
        yield env.timeout(comes_s)
        each = yield shared.use(amount, alike=alike, until=env.now + patience_s)
        assert 0.0 <= each <= amount + 1e-6
        got.append(each * alike)

    for one in wanted:
        env.process(client(*one))
    env.run()
    assert len(got) == len(wanted)
    assert sum(got) == pytest.approx(shared.total(), abs=1e-3)
    assert shared.total() <= 40.0 * env.now + 1e-3
