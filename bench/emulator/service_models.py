"""The SDK's descriptions of services, read quickly: an eighth of what LocalStack computes until a stack is deployed.

botocore reads each with `json`, object by object into an OrderedDict, and LocalStack asks a new session, which reads
all endpoints anew, for the regions of each service. The same text gives equal objects, in the same order.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.loaders import JSONFileLoader

if TYPE_CHECKING:
    from collections.abc import Callable


def install() -> None:
    """Have botocore read so in this process; called once, while LocalStack starts."""
    JSONFileLoader._load_file = _load_file  # type: ignore[attr-defined] # noqa: SLF001 - botocore has no place for another


def _load_file(_self: JSONFileLoader, full_path: str, open_method: Callable[..., Any]) -> Any:
    if not Path(full_path).is_file():
        return None
    with open_method(full_path, "rb") as file:
        return msgspec.json.decode(file.read())
