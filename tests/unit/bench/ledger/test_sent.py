from __future__ import annotations

from bench.ledger.sent import Ledger, Outcome, Sent


def sent(ordinal: int, outcome: Outcome, *, rows: int = 10, repeat: int = 0, recovered: bool = False) -> Sent:
    """One entry of an object."""
    return Sent(
        ordinal=ordinal,
        key=f"key-{ordinal}",
        etag="e",
        version_id="v",
        ingest_id=f"id-{ordinal}",
        rows=rows,
        size_bytes=100,
        intended_s=0.0,
        sent_s=0.0,
        acknowledged_s=1.0,
        outcome=outcome,
        recovered=recovered,
        repeat=repeat,
    )


def ledger_of(*entries: Sent) -> Ledger:
    """Record entries."""
    ledger = Ledger()
    for entry in entries:
        ledger.record(entry)
    return ledger


def test_a_repeated_upload_counts_once() -> None:
    """The second upload of an object adds neither rows nor a second source; both stay in the ledger."""
    ledger = ledger_of(sent(0, Outcome.ACKNOWLEDGED, rows=0, repeat=1), sent(0, Outcome.ACKNOWLEDGED))
    assert ledger.rows_acknowledged == 10
    assert len(ledger.origins()) == 1
    assert [entry.repeat for entry in ledger.entries()] == [0, 1]


def test_a_repeat_that_was_acknowledged_stands_for_an_upload_without_an_answer() -> None:
    """The rows are acknowledged with the repeat, and the source counts as recovered."""
    ledger = ledger_of(sent(0, Outcome.INDETERMINATE), sent(0, Outcome.ACKNOWLEDGED, rows=0, repeat=1))
    (one,) = ledger.acknowledged()
    assert (one.rows, one.recovered) == (10, True)
    assert ledger.rows_acknowledged == 10


def test_a_repeat_without_an_answer_takes_nothing_back() -> None:
    """What was promised stays promised, and nothing had to be recovered."""
    ledger = ledger_of(sent(0, Outcome.ACKNOWLEDGED), sent(0, Outcome.INDETERMINATE, rows=0, repeat=1))
    (one,) = ledger.outcomes()
    assert (one.outcome, one.recovered) == (Outcome.ACKNOWLEDGED, False)


def test_what_may_have_arrived_is_neither_acknowledged_nor_refused() -> None:
    """A timeout is indeterminate, also where a second upload was refused: nothing is expected, nothing excluded."""
    ledger = ledger_of(sent(0, Outcome.INDETERMINATE), sent(0, Outcome.REFUSED, rows=0, repeat=1))
    assert [entry.outcome for entry in ledger.outcomes()] == [Outcome.INDETERMINATE]
    assert ledger.acknowledged() == ()
    assert ledger.origins() == ()
    assert ledger.rows_acknowledged == 0
