"""The tests' own waiting: as long as what the test has started makes something of its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.waiting import Patience, below_me, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.waiting import Activity

#: Of the awaited processes' own time (see `bench.waiting.patience`), without any move.
PATIENCE_S = 120.0


def wait_until[T](
    what: str,
    look: Callable[[], T | None],
    patience_s: float = PATIENCE_S,
    *,
    awaited: Callable[[], Activity] = below_me,
    poll_s: float = 0.1,
) -> T:
    """Return the first answer of `look` that is not None; fail with what was waited for."""
    found = wait_for(look, Patience(patience_s, awaited), poll_s=poll_s)
    if found is None:
        raise AssertionError(f"waited for {what}, and nothing led there in {patience_s:.0f} s")
    return found


def wait_until_true(
    what: str, true: Callable[[], object], patience_s: float = PATIENCE_S, *, poll_s: float = 0.05
) -> None:
    """Return when `true` says so; fail with what was waited for and its last answer otherwise."""
    last: list[object] = [None]

    def look() -> bool | None:
        last[0] = true()
        return True if last[0] else None

    try:
        wait_until(what, look, patience_s, poll_s=poll_s)
    except AssertionError as error:
        error.add_note(f"last seen: {last[0]!r}")
        raise
