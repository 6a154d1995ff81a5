"""Waiting until everything is processed, or until it is proven that it will not be: one loop for every pipeline.

Complete: nothing is left to do. Stalled: no figure has moved for as long as anything could still move it. How fast the
machine is does not matter: while anything moves, the wait goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable  # noqa: TC003 - dataclass fields
from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """One look at a pipeline, to be compared with the next: two equal looks say that nothing moved between them."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""

    def describe(self) -> str:
        """Say what is done and what is open, in one line."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, so that a test need not wait for it."""

    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Completion[P]:
    """How a wait ended. last: the last look. explanation: why nothing more is to be expected, in one line."""

    complete: bool
    last: P
    explanation: str


def _nothing_awaited(_progress: object, _sending: object) -> str:
    return ""


def _nothing_done(_progress: object, _still_s: float) -> None:
    return None


def wait_until_complete[P: Progress](
    look: Callable[[], P],
    *,
    is_sending: Callable[[], bool],
    patience_s: Callable[[P], float],
    poll_s: float,
    awaits: Callable[[P, bool], str] = _nothing_awaited,
    on_stillness: Callable[[P, float], None] = _nothing_done,
    clock: Clock | None = None,
) -> Completion[P]:
    """Look every `poll_s` seconds until all is processed, or nothing has moved for longer than anything can take.

    is_sending: while it says so, nothing is complete or stalled yet. patience_s: how long nothing may move after a
    look. awaits: gets each look and whether sending goes on; returns what else is waited for, empty when nothing is; a
    change of it counts as a move. on_stillness: gets each look and for how many seconds nothing has moved.
    """
    clock = clock or Clock()
    sending, last = is_sending(), look()
    moved_at_s = clock.now_s()
    awaited = ""
    while True:
        was_awaited, awaited = awaited, awaits(last, sending)
        if sending or awaited != was_awaited:
            moved_at_s = clock.now_s()
        elif last.complete and not awaited:
            return Completion(complete=True, last=last, explanation="everything is processed")
        still_s = clock.now_s() - moved_at_s
        if still_s > patience_s(last):
            open_ = f"; still waiting for {awaited}" if awaited else ""
            explanation = f"nothing moved for {still_s:.0f} s: {last.describe()}{open_}"
            return Completion(complete=False, last=last, explanation=explanation)
        on_stillness(last, still_s)
        clock.sleep(poll_s)
        # Asked before the look: what ends between the two is then not taken for complete without its last pieces.
        sending = is_sending()
        found = look()
        if found != last:
            moved_at_s = clock.now_s()
        last = found
