"""The parts that are simulated."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """A part of the system that is simulated by itself."""

    #: Market analytics from objects and posts to bars.
    WHOLE = "pipeline"
    #: Its aggregators, over ranges that are committed one after the other.
    AGGREGATORS = "aggregators"
    #: File processing.
    FILES = "files"
