"""Mutants in what takes the place of what was put before under its key."""

from __future__ import annotations

from typing import Final

from bench.mutants import conditions
from bench.mutants.mutant import Edit, Mutant

_STORED: Final = "bars in DynamoDB"
_POSTED: Final = "bars through POST /bars"
_REPLACED: Final = "replaced"
_PUBLISHING: Final = "market_analytics/data_revision_publishing.py"

REPLACING: Final = (
    Mutant(
        "old-bytes-stay",
        "new bytes under an old key are published beside the old ones, which stay",
        (Edit(_PUBLISHING, "if one.place < this.place and one.is_to_go)", "if False)"),),
        (_STORED, _POSTED, _REPLACED),
        conditions.REPLACED,
    ),
    Mutant(
        "complete-and-never-published",
        "an object is said to be complete, and what counts of the hours is still what was there before",
        (Edit(_PUBLISHING, "        self._revise(this.manifest, [one.manifest for one in older])\n", ""),),
        (_STORED, _POSTED),
        conditions.REPLACED,
    ),
    Mutant(
        "replaced-in-its-rollups-only",
        "what is replaced is marked, and nobody is told to take what is left of it out of its hours",
        (Edit(_PUBLISHING, "[*own, *(self._places.replaced_by(this) if may_let_go else ())]", "own"),),
        (_REPLACED,),
        conditions.REPLACED,
    ),
)
