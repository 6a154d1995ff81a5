"""The parts that are simulated, one by one."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """A part of the system that is simulated by itself."""

    #: Market analytics from objects and posts to bars.
    WHOLE = "market-analytics"
    #: Its aggregators, over ranges that are committed one after the other.
    AGGREGATORS = "aggregators"
    #: Market analytics, with keys that are put again with other bytes.
    REPLACEMENTS = "replacements"
    #: File processing.
    FILES = "file-processing"
