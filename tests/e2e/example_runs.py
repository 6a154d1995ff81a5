"""Examples as a user starts them: programs of their own, beside the test, in the user's environment."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.market import DAY, FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.e2e.market import MarketStack
    from tickstream_client import Client

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
STACK: Final = "market-analytics-e2e"


def be_a_user(monkeypatch: pytest.MonkeyPatch, market: MarketStack) -> None:
    """Set what a user of this stack has set; programs that are started have it too."""
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": str(market.target.endpoint_url),
        "TICKSTREAM_STACK": STACK,
        "PYTHONUNBUFFERED": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def command(example: str, *arguments: str | Path) -> list[str]:
    """The command that starts an example."""
    return [sys.executable, str(EXAMPLES / example), *map(str, arguments)]


def started(example: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run an example to its end."""
    return subprocess.run(command(example, *arguments), capture_output=True, text=True, check=False)


@contextmanager
def running(example: str, *arguments: str | Path, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have an example run beside the test, and ended with it, whatever happens."""
    with output.open("wb") as file:
        process = subprocess.Popen(command(example, *arguments), stdout=file, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


def bars_of(client: Client, *symbols: str) -> dict[str, list[dict[str, Any]]]:
    """The bars that there are, as the oracle has them."""
    found: dict[str, list[dict[str, Any]]] = {symbol: [] for symbol in symbols}
    for bar in client.bars(symbols, *DAY):
        found[bar.symbol].append({name: getattr(bar, name) for name in FIELDS})
    return found
