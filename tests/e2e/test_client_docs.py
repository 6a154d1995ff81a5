"""What docs/client.md shows is what the client does: all of it is run, from top to bottom."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.market import csv, trades

if TYPE_CHECKING:
    from bench.targets.embedded import EmbeddedTarget
    from tests.e2e.files import FileStack
    from tests.e2e.market import MarketStack

_PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()


def blocks(language: str) -> list[str]:
    """The page's blocks of a language, for the stacks of the tests."""
    found = re.findall(rf"^```{language}\n(.*?)^```", _PAGE, re.DOTALL | re.MULTILINE)
    return [re.sub(r"(market-analytics|file-processing)-dev", r"\1-e2e", block) for block in found]


@pytest.fixture(autouse=True)
def _vendor(
    monkeypatch: pytest.MonkeyPatch, target: EmbeddedTarget, market: MarketStack, files: FileStack, tmp_path: Path
) -> None:
    """A folder with the files of which the page speaks, and both stacks."""
    assert market.outputs
    assert files.outputs
    monkeypatch.setenv("AWS_ENDPOINT_URL", target.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    for name, symbol in (("a", "SPY"), ("b", "QQQ")):
        Path(f"trades-{name}.csv.gz").write_bytes(gzip.compress(csv(trades(symbol, 500))))


def test_c01_the_library_does_what_the_page_shows(market: MarketStack) -> None:
    """All blocks of Python, one after the other in one session, after some trades came in."""
    for symbol in ("SPY", "QQQ"):
        market.wait_for_state(market.put(f"docs/{symbol}.csv", csv(trades(symbol, 700))))
    session: dict[str, object] = {}
    shown = blocks("python")
    assert len(shown) >= 5
    for block in shown:
        exec(compile(block, "docs/client.md", "exec"), session)  # noqa: S102 - our own page
    assert len(session["frame"]) == 2  # type: ignore[arg-type]
    assert Path("bars.parquet").exists()
    assert session["posted"].accepted == 2  # type: ignore[attr-defined]


def test_c02_the_command_does_what_the_page_shows() -> None:
    """The block of shell, as it stands."""
    (script,) = blocks("sh")
    ran = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)  # noqa: S607
    assert ran.returncode == 0, ran.stderr
    assert Path("spy.parquet").exists()
    assert "candlestick" in Path("spy.html").read_text()
