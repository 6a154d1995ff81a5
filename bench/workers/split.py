"""Whose a piece is: a pure function of its ordinal, so that nobody hands anything out.

Neighbours in the schedule go to different workers: each sends all the time, at its part of the whole rate. All uploads
of one object have one ordinal, and so one worker.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.ledger.truth import ObjectFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.ledger.truth import PostBody


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a run that one worker has: `index` of `workers`, from 0."""

    index: int
    workers: int

    def owns(self, ordinal: int) -> bool:
        """Say whether the piece of an ordinal is this worker's."""
        return ordinal % self.workers == self.index

    def of(self, pieces: Iterable[ObjectFile | PostBody]) -> tuple[ObjectFile | PostBody, ...]:
        """Return its pieces, in their order."""
        return tuple(piece for piece in pieces if self.owns(piece.ordinal))


def shares(workers: int) -> tuple[Share, ...]:
    """Cut a run into one part for each worker: each piece is in one of them."""
    return tuple(Share(index, workers) for index in range(workers))


def fingerprint(pieces: Iterable[ObjectFile | PostBody]) -> str:
    """Return what tells pieces from others (64 hex digits): which they are, their bytes, when they are to be sent."""
    digest = hashlib.sha256()
    for piece in pieces:
        if isinstance(piece, ObjectFile):
            content, repeat = f"{piece.key} {piece.etag}", piece.repeat
        else:
            content, repeat = hashlib.sha256(piece.body).hexdigest(), 0
        digest.update(f"{piece.ordinal} {repeat} {piece.rows} {piece.intended_s!r} {content}\n".encode())
    return digest.hexdigest()
