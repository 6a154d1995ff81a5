"""What may import what: no circle between rooms, and no arrow where none belongs (contracts in pyproject.toml)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the code, to plant imports in."""
    for package in ("bench", "generator"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("results", "__pycache__"))
    for package in ("file_processing", "market_analytics", "operations", "services", "tickstream"):
        shutil.copytree(ROOT / "functions" / package, tmp_path / package)
    shutil.copytree(ROOT / "client" / "tickstream_client", tmp_path / "tickstream_client")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _contracts(folder: Path) -> tuple[int, str]:
    """Exit status and words of the check of the code in a folder, and of no other code."""
    command = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as run; run()"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_every_room_imports_only_what_it_may(house: Path) -> None:
    """The code as it stands keeps all contracts."""
    status, words = _contracts(house)
    assert status == 0, words


@pytest.mark.parametrize(
    ("planted", "named"),
    [
        pytest.param(
            {"bench/targets/health.py": "from bench.stack import leftovers"}, "targets -> .stack", id="circle of rooms"
        ),
        pytest.param(
            {"bench/emulator/observed/running.py": "from bench.emulator.functions import outcomes"},
            "No cycles are allowed in bench.emulator",
            id="circle of wings",
        ),
        pytest.param(
            {"bench/file_processing/oracle.py": "from bench.market_analytics import oracle"},
            "bench.file_processing.oracle -> bench.market_analytics.oracle",
            id="one pipeline knows the other",
        ),
        pytest.param(
            {"functions/tickstream/keys.py": "from bench import errors"}, "tickstream.keys -> bench.errors", id="bench"
        ),
        pytest.param(
            {"functions/tickstream/keys.py": "from services import clients"},
            "tickstream.keys -> services.clients",
            id="library knows what lies above",
        ),
        pytest.param(
            {"client/tickstream_client/records.py": "from tickstream import errors"},
            "tickstream_client.records -> tickstream.errors",
            id="client knows the functions",
        ),
        pytest.param(
            {"client/tickstream_client/protocol/bars.py": "from tickstream_client.drivers import threads"},
            "tickstream_client.protocol.bars -> tickstream_client.drivers.threads",
            id="client's protocol does I/O",
        ),
    ],
)
def test_an_import_that_does_not_belong_is_named(house: Path, planted: Mapping[str, str], named: str) -> None:
    """An arrow that is planted turns the check red, and its words say which import it is."""
    for name, line in planted.items():
        path = house / name.removeprefix("functions/").removeprefix("client/")
        path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    status, words = _contracts(house)
    assert status == 1
    assert named in words


def test_five_modules_stand_at_the_bench_s_root() -> None:
    """Whatever is added goes into a room."""
    assert {path.name for path in (ROOT / "bench").glob("*.py")} == {
        "__init__.py",
        "__main__.py",
        "run.py",
        "errors.py",
        "files.py",
    }
