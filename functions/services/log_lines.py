"""How a log entry becomes text: one line, of ASCII alone.

JSON escapes line feeds, but not what else some readers of logs take for the end of a line (U+0085, U+2028) or for a
command to the terminal (U+009B). Callers choose keys, symbols and whole rows; none of them can forge a line.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

one_line: Final[Callable[[Any], str]] = partial(json.dumps, default=str, separators=(",", ":"), ensure_ascii=True)
"""For `Logger(json_serializer=...)`."""
