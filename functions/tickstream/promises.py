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
