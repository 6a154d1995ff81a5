"""Log lines that a stack counts, by their very words; the functions and the generator have them from here.

It imports nothing, so that the generator may read it at no cost.
"""

from __future__ import annotations

from typing import Final

#: Of an object of ticks that is refused as a whole, by whoever refuses it.
OBJECT_REJECTED: Final = "object rejected"
#: The same in file processing, by the stage that finds out.
FILE_REFUSED: Final = "file refused"
