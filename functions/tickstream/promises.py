"""What the APIs promise their callers in figures and words; the published documents are made of it.

It imports nothing, so that the generator may read it at no cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# --- POST /ingest ----------------------------------------------------------------------------------------------------

MAX_TICKS: Final = 10_000
MAX_INGEST_BYTES: Final = 900 * 1024
#: Below the 1 MiB that SQS takes. A request that says in few characters what a message says in many (exponents, no
#: timestamps) may be too long for it, and is refused like one that is too long itself.
MAX_MESSAGE_BYTES: Final = 1000 * 1024
MAX_IDEMPOTENCY_KEY_CHARACTERS: Final = 255
#: An answer lists so many refused ticks and counts the others: 10,000 of them would be longer than the request.
MAX_REASONS: Final = 100

# --- GET /ingest/{ingestId} ------------------------------------------------------------------------------------------

INGEST_ID_PATTERN: Final = "[0-9a-f]{32}"

# --- GET /ingests, GET /files ----------------------------------------------------------------------------------------

#: The states that one may ask for, in the words of `tickstream.ingests.IngestState`; those in which an ingest stays for
#: long come first.
ASKED_STATES: Final = (
    "processing", "complete", "rejected", "overdue", "retracted", "replaced",
    "indexing", "partly_rejected", "retracting",
)  # fmt: skip
DEFAULT_LISTED: Final = 50
#: Each at most some 25 KB: a sentence of a thousand characters, which JSON may write in twelve each, and a key twice.
#: Together that is 5 MB, below Lambda's 6.
MAX_LISTED: Final = 200
#: What S3 allows.
MAX_KEY_BYTES: Final = 1_024
BUCKET_PATTERN: Final = "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"

# --- GET /symbols ----------------------------------------------------------------------------------------------------

#: Characters that a symbol may begin with; none is one too.
PREFIX_PATTERN: Final = r"[\x21\x24-\x2b\x2d-\x5b\x5d-\x7e]{0,64}"
DEFAULT_SYMBOLS: Final = 100
#: Each is two reads of the table at least.
MAX_LISTED_SYMBOLS: Final = 500

# --- GET /bars/{symbol+}, POST /bars ---------------------------------------------------------------------------------

#: Minutes by the name of the interval. All are aligned to 1970, so days are UTC days, unless a session is asked for.
INTERVALS: Final[Mapping[str, int]] = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}
#: Intervals whose bars may be those of sessions.
SESSION_INTERVALS: Final = ("4h", "1d")
#: An exchange or a zone; before a zone the time of day of a roll may stand.
SESSION_PATTERN: Final = (
    "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9] )?[A-Z][A-Za-z0-9_+-]{1,31}(?:/[A-Z][A-Za-z0-9_+-]{1,31}){0,2}"
)
#: Which hours of an exchange: `tickstream.sessions.days.Wanted`.
SESSION_HOURS: Final = ("regular", "extended", "all")
#: What stands where nothing was traded, unless nothing is to stand there: the close of the bar before.
FILLS: Final = ("previous",)
#: How far before `from` that close is looked for: longer than any holidays of a market.
FILL_REACH_DAYS: Final = 10
DEFAULT_INTERVAL: Final = "1m"
DEFAULT_LIMIT: Final = 1_000
MAX_LIMIT: Final = 5_000
MAX_SYMBOLS: Final = 100
#: A page token is some 200 characters, a body of 100 symbols some 5,000.
MAX_TOKEN_CHARACTERS: Final = 1_000
MAX_QUESTION_BYTES: Final = 64 * 1024

# --- GET /status/{fileId+} -------------------------------------------------------------------------------------------

#: A bucket's name has 63 characters, a key 1,024 bytes.
MAX_FILE_ID_BYTES: Final = 63 + 1 + 1024
#: What is shown of the bad rows; all of them are counted.
MAX_BAD_ROWS: Final = 10
