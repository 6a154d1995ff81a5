"""Moments as text: ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_8601(timestamp_ns: int) -> str:
    """Write Unix nanoseconds as UTC, with as many digits of the second as it takes (none, or up to nine)."""
    seconds, fraction = divmod(timestamp_ns, 10**9)
    # Not strftime, which takes twice as long; without the offset, which is none.
    whole = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
    return f"{whole}.{fraction:09d}".rstrip("0") + "Z" if fraction else f"{whole}Z"


def iso_8601_ms(timestamp_ms: int) -> str:
    """Write Unix milliseconds as UTC, always with three digits of the second, so that texts sort as moments do."""
    seconds, fraction = divmod(timestamp_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:03d}Z"
