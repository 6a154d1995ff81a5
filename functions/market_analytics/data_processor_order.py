"""In which order the messages of a batch are worked on, and which go back first: so that none hurts its neighbours.

Whoever was received before without success is **doubtful**: the function may have died of it, of a neighbour, or the
services were busy; nobody can tell which. What is doubtful is begun last and alone: everything else is finished by
then, its events are sent and its messages are deleted, and other doubtful messages were put back. So a message that
kills the function costs its first batch one receive each, and from then on only itself.

One that had to wait too often, because the others took all the time, has its turn first and alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tickstream.ingests import Format
from tickstream.messages import InlineTicks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.queue import History
    from tickstream.messages import Message

#: A doubtful message that was put back so often is begun before its neighbours.
PATIENCE: Final = 10


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record of SQS's event that could be read, and what is known of it."""

    record: Mapping[str, Any]
    message: Message
    history: History

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""
        return str(self.record["messageId"])

    @property
    def is_doubtful(self) -> bool:
        """Whether it was received before without success."""
        return self.history.tries > 0

    def is_small(self, small_bytes: int) -> bool:
        """Whether it may be written together with others."""
        if isinstance(self.message, InlineTicks):
            return True  # the API takes 10,000 ticks at most
        # What a packed object or a row group of Parquet unpacks to is not known before.
        layout, span = self.message.layout, self.message.span
        is_plain = not layout.whole and not layout.indexed and layout.format is not Format.PARQUET
        return is_plain and span.end - span.start <= small_bytes


@dataclass(frozen=True, slots=True)
class Order:
    """What becomes of a batch.

    back: put back before anything is begun. small: worked on first and written together: that a large one runs out of
    time, or dies, costs them little. large: each by itself. alone: the doubtful one, begun when all else is finished.
    """

    back: tuple[Arrived, ...]
    small: tuple[Arrived, ...] = ()
    large: tuple[Arrived, ...] = ()
    alone: Arrived | None = None


def order_of(batch: Sequence[Arrived], small_bytes: int) -> Order:
    """Decide the order; small_bytes: up to which size a range of text is small."""
    # Who cannot be put back any more, and who waited longest, before others; else as they came.
    doubtful = sorted(
        (one for one in batch if one.is_doubtful),
        key=lambda one: (one.history.may_be_put_back, -one.history.put_backs),
    )
    fresh = [one for one in batch if not one.is_doubtful]
    alone, back = (doubtful[0], doubtful[1:]) if doubtful else (None, [])
    if alone is not None and alone.history.put_backs >= PATIENCE:
        return Order((*back, *fresh), alone=alone)
    small = tuple(one for one in fresh if one.is_small(small_bytes))
    large = tuple(one for one in fresh if not one.is_small(small_bytes))
    return Order(tuple(back), small, large, alone)
