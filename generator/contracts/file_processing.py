"""File processing's API: how far each file is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator.contracts import lists
from generator.contracts.operation import (
    COUNT,
    DECIMAL,
    REASON,
    TEXT,
    UTC,
    Contract,
    Operation,
    Parameter,
    Refused,
    choice_of,
    record,
    refer,
    whole,
)
from tickstream.promises import MAX_BAD_ROWS, MAX_FILE_ID_BYTES, MAX_LISTED

if TYPE_CHECKING:
    from generator.contracts.operation import Schema

_FILE_ID: Schema = {
    "type": "string",
    "pattern": whole(r"[^/]+/[\s\S]+"),
    "maxLength": MAX_FILE_ID_BYTES,
    "example": "file-processing-dev/feeds/2026-01-05.csv",
}

# `tickstream.file_status.Status` and `Stage`, which cost too much to import here; a test compares them.
_STATUSES = ("validated", "processed", "completed", "failed")
_STAGES = ("validator", "processor", "aggregator")
# `tickstream.ingests.FeedChoice`, likewise.
_FEED_CHOICES = ("named", "own", "built_in", "native")

_FILE: dict[str, Schema] = {
    "fileId": TEXT,
    "status": choice_of(_STATUSES),
    "stage": choice_of(_STAGES),
    "lastUpdated": refer("Utc"),
    "bucketName": TEXT,
    "objectKey": TEXT,
}
_OF_SOME_FILES: dict[str, Schema] = {
    "reason": REASON,
    "badRows": {"type": "array", "items": refer("BadRow"), "maxItems": MAX_BAD_ROWS},
    "rejected": COUNT,
    "totals": refer("Totals"),
}

_GET_STATUS = Operation(
    "GET",
    "/status/{fileId+}",
    "getStatus",
    "Tell how far a file is.",
    "Statuses are forgotten 30 days after the file came.",
    (
        Parameter(
            "fileId",
            "path",
            refer("FileId"),
            f"`bucket/key`, at most {MAX_FILE_ID_BYTES:,} bytes, percent-encoded once: a plus is a plus. "
            "Slashes may stand as they are, but beside `.` or `..`: clients shorten such paths, unless %2F is sent.",
            required=True,
        ),
    ),
    answer=record(_FILE, _OF_SOME_FILES),
    refused={400: Refused(("bad_file_id", "missing_file_id")), 404: Refused(("unknown_file",))},
)
_GET_NO_STATUS = Operation(
    "GET",
    "/status",
    "getStatusOfNothing",
    "Refuse a call that names no file.",
    refused={400: Refused(("missing_file_id",))},
)
_LIST_FILES = Operation(
    "GET",
    "/files",
    "listFiles",
    "Tell what became of files: of one by its key, of a state, or of all; the newest first.",
    "A file is its last upload. Lists are of the last 24 hours, unless `from` and `to` say otherwise, and of 30 days "
    "at most; what moved a moment ago may be missing in them, and first bad rows are told only by the key. What nobody "
    "knows of is an empty list. A page that takes long ends early, at times without any: go on as long as there is a "
    "`nextToken`.",
    lists.parameters(_STATUSES, "Files"),
    answer=record(
        {"files": {"type": "array", "items": refer("File"), "maxItems": MAX_LISTED}}, {"nextToken": lists.TOKEN}
    ),
    refused={400: Refused(lists.REFUSED)},
)

CONTRACT = Contract(
    "Tickstream file processing",
    "How far each file is, and its totals once it is done.",
    (_GET_STATUS, _GET_NO_STATUS, _LIST_FILES),
    {
        "FileId": _FILE_ID,
        "File": record(
            {**_FILE, "receivedAt": refer("Utc"), "versionId": TEXT, "sizeBytes": COUNT, "attempt": COUNT},
            {**_OF_SOME_FILES, "feed": TEXT, "feedChosenBy": choice_of(_FEED_CHOICES)},
        ),
        "Moment": lists.MOMENT,
        "Utc": UTC,
        "Decimal": DECIMAL,
        "BadRow": record({"offset": COUNT, "reason": TEXT, "detail": TEXT}),
        "Totals": record(
            {
                **dict.fromkeys(("ticks", "rejected", "symbols", "bars"), COUNT),
                **dict.fromkeys(("volume", "notional"), refer("Decimal")),
            },
            dict.fromkeys(("firstTick", "lastTick"), refer("Utc")),
        ),
    },
)
