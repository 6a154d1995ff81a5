"""Putting back to work what rests in the dead-letter and parked queues of a stack, once what stopped it is cured."""

from bench.redrive.pace import Pace
from bench.redrive.queues import DeadQueue, file_queues, market_queues, queues_of
from bench.redrive.work import Redriven, Survey, look, redrive

__all__ = [
    "DeadQueue",
    "Pace",
    "Redriven",
    "Survey",
    "file_queues",
    "look",
    "market_queues",
    "queues_of",
    "redrive",
]
