"""How an invocation ended, and the words in which Lambda reports it to the caller and to the log."""

import json
import math
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

# 6 MB and a little: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_RESPONSE_BYTES: Final = 6_291_556


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one invocation.

    ``payload`` is the body for the caller. ``error_type`` is None for a handler that returned; ``platform_line`` is
    what the platform itself adds to the log (a timeout, a crash). ``dead`` says that the process that ran it is
    not used again.
    """

    payload: bytes
    error_type: str | None = None
    platform_line: str | None = None
    dead: bool = False


def returned(payload: bytes) -> Outcome:
    """Return the outcome of a handler that returned ``payload``, which may be larger than Lambda allows."""
    if len(payload) <= MAX_RESPONSE_BYTES:
        return Outcome(payload)
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
    # The client is told 413 and gives up, so its process is not used again: on AWS too.
    return _failed("Function.ResponseSizeTooLarge", message, dead=True)


def raised(payload: bytes, *, during_init: bool = False) -> Outcome:
    """Return the outcome of a handler (or of an import) that raised; ``payload`` is the client's error document."""
    try:
        error_type = str(json.loads(payload)["errorType"])
    except (ValueError, KeyError, TypeError):
        error_type = "Unhandled"
    return Outcome(payload, error_type=error_type, dead=during_init)


def timed_out(request_id: str, timeout_s: float) -> Outcome:
    """Return the outcome of an invocation that was killed at the function's timeout."""
    said = f"Task timed out after {timeout_s:.2f} seconds"
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _failed(
        "Sandbox.Timedout",
        f"RequestId: {request_id} Error: {said}",
        platform_line=f"{now} {request_id} {said}",
        dead=True,
    )


def exited(request_id: str, return_code: int) -> Outcome:
    """Return the outcome of an invocation whose process ended; a negative return code is a signal's number."""
    if return_code < 0:
        # "signal: killed", as the Go runtime of AWS prints a signal.
        reason = f"Runtime exited with error: signal: {(signal.strsignal(-return_code) or '').lower()}"
    elif return_code > 0:
        reason = f"Runtime exited with error: exit status {return_code}"
    else:
        reason = "Runtime exited without providing a reason"
    message = f"RequestId: {request_id} Error: {reason}"
    return _failed("Runtime.ExitError", message, platform_line=message, dead=True)


def report(
    request_id: str,
    outcome: Outcome,
    *,
    duration_ms: float,
    init_duration_ms: float | None,
    memory_mb: int,
    peak_memory_mb: int,
) -> str:
    """Return the REPORT line of an invocation."""
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {math.ceil(duration_ms + (init_duration_ms or 0.0))} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {peak_memory_mb} MB",
    ]
    if init_duration_ms is not None:
        parts.append(f"Init Duration: {init_duration_ms:.2f} ms")
    if outcome.error_type == "Sandbox.Timedout":
        parts.append("Status: timeout")
    elif outcome.error_type is not None and outcome.dead:
        parts += ["Status: error", f"Error Type: {outcome.error_type}"]
    return "\t".join(parts)


def _failed(error_type: str, message: str, *, platform_line: str | None = None, dead: bool) -> Outcome:
    payload = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
    return Outcome(payload, error_type=error_type, platform_line=platform_line, dead=dead)
