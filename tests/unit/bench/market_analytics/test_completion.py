from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.ledger.waiting import Clock
from bench.market_analytics.completion import TRIGGER_AFTER_S, Processed, Progress, wait_until_processed

DONE = Progress(
    ingests=2,
    manifests=2,
    ranges=5,
    ranges_done=5,
    ticks=100,
    rejected=1,
    pending=0,
    hours=4,
    hours_rolled_up=4,
    queued=0,
    in_flight=0,
    dead_letters=0,
)
STALL_S = 30.0
VISIBILITY_S = 300.0
INDEX_VISIBILITY_S = 5_400.0


@dataclass
class Script:
    """Looks that show one look after the other, the last one for ever, on a clock that only sleeping moves."""

    looks: list[Progress]
    lag_ms: int = 0
    time_s: float = 0.0
    triggered_at: list[float] = field(default_factory=list)

    def look(self) -> Progress:
        """Show the next look."""
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def trigger_schedule(self) -> None:
        """Remember when it happened."""
        self.triggered_at.append(self.time_s)

    def visibility_timeouts_s(self) -> dict[str, float]:
        """Return constants."""
        return {"processing": VISIBILITY_S, "index": INDEX_VISIBILITY_S}

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.time_s += seconds


@dataclass
class Operator:
    """Somebody who waits for something until a time, and then for nothing."""

    script: Script
    until_s: float
    seen_sending: list[bool] = field(default_factory=list)

    def look(self, _progress: Progress, *, sending: bool) -> str:
        """Say whether it is over."""
        self.seen_sending.append(sending)
        return "the cure" if self.script.time_s < self.until_s else ""


def wait(script: Script, sending_until_s: float = -1.0, operator: Operator | None = None) -> Processed:
    """Wait on the script's own clock."""
    return wait_until_processed(
        script,
        lambda _progress, _lag_ms: None,
        is_sending=lambda: script.time_s < sending_until_s,
        stall_s=STALL_S,
        operator=operator,
        clock=Clock(lambda: script.time_s, script.sleep),
    )


def test_complete_looks_end_the_wait_at_once() -> None:
    """Nothing left to do is the end."""
    completion = wait(Script([DONE]))
    assert completion.complete
    assert completion.triggers == 0


def test_each_open_figure_keeps_the_wait_open() -> None:
    """A missing manifest, an open range, a pending rollup, a queued or hidden message: none of these is complete."""
    for change in ({"manifests": 1}, {"ranges_done": 4}, {"pending": 1}, {"queued": 1}, {"in_flight": 1}):
        assert not replace(DONE, **change).complete
    assert DONE.complete


def test_nothing_is_complete_while_sending() -> None:
    """Looks that are complete between two uploads are not the end."""
    script = Script([DONE])
    assert wait(script, sending_until_s=100.0).complete
    assert script.time_s >= 100.0


def test_a_stall_is_proven_after_the_stated_time_and_explained() -> None:
    """A range that nobody processes ends the wait, with the last thing seen."""
    script = Script([replace(DONE, ranges_done=4)])
    completion = wait(script)
    assert not completion.complete
    assert STALL_S < script.time_s < STALL_S + 2
    assert "4 of 5 ranges" in completion.explanation


def test_progress_starts_the_patience_anew() -> None:
    """As long as any figure moves there is no stall."""
    looks = [replace(DONE, ranges_done=0, ticks=tick) for tick in range(400)]
    script = Script([*looks, DONE])
    assert wait(script).complete
    assert script.time_s > 3 * STALL_S


def test_a_hidden_message_may_still_come_back() -> None:
    """A failed message is redelivered after its visibility timeout: until then nothing is proven."""
    script = Script([replace(DONE, ranges_done=4, in_flight=1)])
    assert not wait(script).complete
    assert INDEX_VISIBILITY_S > script.time_s > STALL_S + VISIBILITY_S


def test_a_hidden_order_to_index_may_still_come_back() -> None:
    """It is hidden for longer than a range's message, because it may be worked on for longer."""
    script = Script([replace(DONE, manifests=1, in_flight=2, indexing=1)])
    completion = wait(script)
    assert not completion.complete
    assert script.time_s > STALL_S + INDEX_VISIBILITY_S
    assert "2 in flight (1 to be indexed)" in completion.explanation


def test_dead_letters_with_nothing_else_to_do_end_soon() -> None:
    """A range whose message is in a dead-letter queue will not be processed by waiting."""
    script = Script([replace(DONE, ranges_done=4, dead_letters=1)])
    assert not wait(script).complete
    assert script.time_s < STALL_S / 2


def test_what_events_left_pending_is_given_to_the_schedule() -> None:
    """A lost event does not stall a run, and how often the schedule had to help is told."""
    script = Script([*[replace(DONE, pending=2)] * 30, DONE])
    completion = wait(script)
    assert completion.complete
    assert completion.triggers == len(script.triggered_at) >= 1
    assert script.triggered_at[0] > TRIGGER_AFTER_S


def test_complete_looks_wait_for_who_acts_on_the_run() -> None:
    """A plan that has something left to do keeps the run open, and hears whether more is being sent."""
    script = Script([DONE])
    operator = Operator(script, until_s=20.0)
    assert wait(script, sending_until_s=5.0, operator=operator).complete
    assert script.time_s >= 20.0
    assert operator.seen_sending[0] is True
    assert operator.seen_sending[-1] is False


def test_who_waits_for_ever_stalls_the_run_and_is_named() -> None:
    """A cure that never comes ends the wait too, and the explanation says what was waited for."""
    script = Script([DONE])
    completion = wait(script, operator=Operator(script, until_s=1e9))
    assert not completion.complete
    assert STALL_S < script.time_s < STALL_S + 2
    assert completion.explanation.endswith("still waiting for the cure")


def test_dead_letters_of_a_plan_are_not_the_end() -> None:
    """What is a dead letter now may be put back to work: the whole patience applies."""
    script = Script([*[replace(DONE, ranges_done=4, dead_letters=1)] * 80, DONE])
    assert wait(script, operator=Operator(script, until_s=0.0)).complete


def test_under_faults_rolling_up_has_the_time_of_one_more_aggregator() -> None:
    """One that was killed while it rolled up keeps the others away until its lease ends."""
    script = Script([replace(DONE, pending=2)])
    assert not wait(script, operator=Operator(script, until_s=0.0)).complete
    assert STALL_S + 60 < script.time_s < STALL_S + 62
