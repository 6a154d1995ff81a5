"""The words in which an invocation's end is reported."""

import json

import pytest

from bench.emulator.functions import outcomes


def test_emulator_returned_payload_is_passed_on() -> None:
    """What a handler returned reaches the caller unchanged, up to the limit itself."""
    payload = b"x" * outcomes.MAX_RESPONSE_BYTES

    assert outcomes.returned(payload) == outcomes.Outcome(payload)


def test_emulator_response_one_byte_too_large() -> None:
    """One byte beyond the limit is Lambda's error and ends the process."""
    outcome = outcomes.returned(b"x" * (outcomes.MAX_RESPONSE_BYTES + 1))

    assert outcome.error_type == "Function.ResponseSizeTooLarge"
    assert outcome.dead


@pytest.mark.parametrize(
    ("return_code", "reason"),
    [
        (1, "Runtime exited with error: exit status 1"),
        (-9, "Runtime exited with error: signal: killed"),
        (-15, "Runtime exited with error: signal: terminated"),
        (0, "Runtime exited without providing a reason"),
    ],
)
def test_emulator_exit_reasons(return_code: int, reason: str) -> None:
    """An exit is told apart from a signal, and from an exit that claims success."""
    outcome = outcomes.exited("the-id", return_code)

    assert json.loads(outcome.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: the-id Error: {reason}",
    }


@pytest.mark.parametrize("payload", [b"", b"[]", b'"text"', b'{"other": 1}'])
def test_emulator_error_without_a_type(payload: bytes) -> None:
    """An error document that is not the client's usual one is still an error, passed on as it is."""
    outcome = outcomes.raised(payload)

    assert (outcome.error_type, outcome.payload) == ("Unhandled", payload)


def test_emulator_report_bills_the_start_too() -> None:
    """A first invocation is billed for its start, rounded up to a millisecond."""
    line = outcomes.report(
        "the-id", outcomes.returned(b"1"), duration_ms=1.2, init_duration_ms=100.1, memory_mb=3072, peak_memory_mb=55
    )

    assert line.split("\t") == [
        "REPORT RequestId: the-id",
        "Duration: 1.20 ms",
        "Billed Duration: 102 ms",
        "Memory Size: 3072 MB",
        "Max Memory Used: 55 MB",
        "Init Duration: 100.10 ms",
    ]
