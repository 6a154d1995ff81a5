"""The promise of the functions' logs: each line of an invocation names the request, and what it is at work on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How a line names what it is about: an ingest, several, the one whose event began a pass; a file; a stack's bucket.
#: Or that nobody can read what it is about.
NAMES: Final = frozenset({"ingest_id", "ingest_ids", "woken_by", "file_id", "file_ids", "stack", "unreadable"})

#: Lines about no particular ingest or file.
ABOUT_NONE: Final = frozenset(
    {
        # What S3 sends when a notification is set up.
        "S3 tested the notification",
        # Calls: a query of bars names symbols, and a refused call began nothing.
        "refused",
        "a service did not answer in time",
        "unexpected failure",
        # The schedule's pass over all that is open or pending, and hours, which have many ingests' ticks.
        "open ingests surveyed",
        "time is up before all open ingests were looked at",
        "rollups lost ranges that they had, or never had them: listed again",
        "an hour's items cannot be read",
        "a receipt names slices that are nowhere",
        "wake-up not counted",
        "event not served",
        # Lanes, and what is listed, have many ingests'.
        "call served",
        "nobody called",
        "retractions visited",
    }
)

#: Lines about what cannot be read, so that nobody knows whose it is.
UNREADABLE: Final = frozenset(
    {
        "message cannot be read",
        "object not processed",
        "an entry of the work list cannot be read",
        "an entry of the open ingests cannot be read",
        "dead letter cannot be read: parked as it is",
    }
)


def parsed(messages: Iterable[str]) -> list[dict[str, Any]]:
    """Return the functions' own lines among a log's messages.

    Lambda writes others: START, END, REPORT, and what it says of an exception that a handler let go, whose function has
    said it before, by name.
    """
    lines = [json.loads(message) for message in messages if message.startswith("{")]
    return [line for line in lines if "errorType" not in line]


def nameless(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines that do not say what they are about, though they should."""
    return [line for line in lines if not line.keys() & NAMES and not _may_be_nameless(line)]


def _may_be_nameless(line: dict[str, Any]) -> bool:
    # Lines with metrics are about all that a pass has seen.
    if "_aws" in line or line["message"] in ABOUT_NONE:
        return True
    # What has a name, or is said to have none, needs no exception.
    return line["message"] in UNREADABLE and line.get("exception_name") == "MalformedItem"
