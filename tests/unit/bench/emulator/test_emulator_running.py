from __future__ import annotations

from bench.emulator.observed.running import RunningInvocations

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def test_invocations_of_one_trace_are_told_apart() -> None:
    """Two environments that an event of one trace brought to run have senders of their own, while they run."""
    running, killed = RunningInvocations(), list[str]()

    def kill(name: str) -> bool:
        killed.append(name)
        return True

    with (
        running.running(TRACE, lambda: kill("first")) as first,
        running.running(TRACE, lambda: kill("second")) as second,
    ):
        for trace_id in (second, first):
            sender = running.sender(trace_id)
            assert sender is not None
            assert sender()
        assert first.startswith("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=")
        assert first.endswith(";Sampled=1")
    assert killed == ["second", "first"]
    assert running.sender(first) is None


def test_what_no_invocation_sent_has_no_sender() -> None:
    """A request without a trace, of a foreign trace, or of one that only begins the same way."""
    running = RunningInvocations()
    with running.running(TRACE, lambda: True) as trace_id:
        parent = trace_id.split(";")[1]
        assert running.sender(None) is None
        assert running.sender("") is None
        assert running.sender(TRACE) is None
        assert running.sender(parent[:-1]) is None
