"""Waiting for another's work: how long follows from what it had of the processors and made nothing of.

Knows processes and time, and nothing of pipelines or targets. A run waits by its figures, see `bench.ledger.waiting`.
"""

from bench.waiting.activity import Activity, activity_of, below_me, processes_of
from bench.waiting.patience import Patience, wait_for

__all__ = ["Activity", "Patience", "activity_of", "below_me", "processes_of", "wait_for"]
