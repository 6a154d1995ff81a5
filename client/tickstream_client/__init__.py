"""Tickstream for those who use it: bars in one line, files and ticks in, and what became of them.

::

    from tickstream_client import Client

    client = Client.from_stack("market-analytics-dev")
    frame = client.bars(["SPY", "QQQ"], "2026-01-05", "2026-01-06", "5m").to_polars()

What is named here is loaded when it is first asked for, so that the `tickstream` command starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tickstream_client.async_client import AsyncClient
    from tickstream_client.bars import AsyncBars, Bars
    from tickstream_client.client import Client
    from tickstream_client.connection.stack import Stack
    from tickstream_client.errors import (
        AnswerError,
        ApiError,
        ExportError,
        NotAllowedError,
        NotFoundError,
        RefusedError,
        ServerError,
        StackError,
        ThrottledError,
        TickstreamError,
        UnansweredError,
        UnknownSymbolWarning,
        UploadError,
        UsageError,
        WaitError,
    )
    from tickstream_client.protocol.retries import Retries
    from tickstream_client.records import (
        Bar,
        FileStatus,
        Ingest,
        Posted,
        Reason,
        RefusedTick,
        Retraction,
        Symbol,
        Tick,
        Upload,
    )

__all__ = [
    "AnswerError",
    "ApiError",
    "AsyncBars",
    "AsyncClient",
    "Bar",
    "Bars",
    "Client",
    "ExportError",
    "FileStatus",
    "Ingest",
    "NotAllowedError",
    "NotFoundError",
    "Posted",
    "Reason",
    "RefusedError",
    "RefusedTick",
    "Retraction",
    "Retries",
    "ServerError",
    "Stack",
    "StackError",
    "Symbol",
    "ThrottledError",
    "Tick",
    "TickstreamError",
    "UnansweredError",
    "UnknownSymbolWarning",
    "Upload",
    "UploadError",
    "UsageError",
    "WaitError",
]

_ELSEWHERE: Final = {
    "AsyncClient": "async_client",
    "AsyncBars": "bars",
    "Bars": "bars",
    "Client": "client",
    "Stack": "connection.stack",
    "Retries": "protocol.retries",
    **dict.fromkeys(
        ("Bar", "FileStatus", "Ingest", "Posted", "Reason", "RefusedTick", "Retraction", "Symbol", "Tick", "Upload"),
        "records",
    ),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return __all__
