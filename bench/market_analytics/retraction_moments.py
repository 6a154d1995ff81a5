"""When ingests of a run are taken back. Apart from what takes them back: it loads nothing of the functions.

A fault is planted in the functions before they are loaded (`bench.simulation.planting`), and the catalog of mutants,
which says when, is read before that.
"""

from __future__ import annotations

from enum import StrEnum


class Moment(StrEnum):
    """When an ingest is asked to be taken back: by rows sent, by rows processed, or when all is rolled up."""

    SENDING = "while sending"
    PROCESSING = "while processing"
    ROLLED_UP = "when rolled up"
