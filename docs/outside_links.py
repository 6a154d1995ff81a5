"""What the site does with links that leave `docs/`: they name files of the checkout, which the site does not have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

_OUTSIDE: Final = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")
_ROOT: Final = Path(__file__).parents[1]


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Leave of such a link what it says, with the file's name. Raises ValueError for a file that is not there."""

    def named(link: re.Match[str]) -> str:
        said, path = link.groups()
        if not (_ROOT / path).exists():
            raise ValueError(f"{page.file.src_uri}: there is no {path}")
        return said if path.endswith(said.strip("`")) else f"{said} (`{path}`)"

    return _OUTSIDE.sub(named, markdown)
