"""LocalStack's index of services is built once a user, and nothing that lies there keeps it from starting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.emulator import service_index
from bench.engine import spec

NAME = "service-catalog-1_2-3_4.dill"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Have an index of a few words built, kept below the test's folder; where each was built."""
    paths: list[str] = []

    def build(path: str) -> dict[str, str]:
        paths.append(path)
        Path(path).write_text("words", encoding="utf-8")
        return {"index": "words"}

    def load(path: str) -> dict[str, str]:
        text = Path(path).read_text(encoding="utf-8")
        if text != "words":
            raise EOFError(text)
        return {"index": text}

    monkeypatch.setattr(spec, "build_service_index_cache", build)
    monkeypatch.setattr(spec, "load_service_index_cache", load)
    monkeypatch.setenv(service_index.VARIABLE, str(tmp_path / "kept"))
    return paths


def started(run: Path) -> Any:
    """Start in a folder of the run's own and return the index that LocalStack has."""
    run.mkdir()
    service_index.install()
    return spec.build_service_index_cache(str(run / NAME))


def test_the_second_start_reads_what_the_first_one_built(built: list[str], tmp_path: Path) -> None:
    """One build for two runs, and of its making nothing else is left."""
    assert started(tmp_path / "first") == started(tmp_path / "second") == {"index": "words"}
    assert built == [str(tmp_path / "first" / NAME)]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [NAME]


def test_a_damaged_index_is_built_and_kept_anew(built: list[str], tmp_path: Path) -> None:
    """A file that cannot be read costs one build, not every one from now on."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / NAME).write_text("wor", encoding="utf-8")
    assert started(tmp_path / "first") == started(tmp_path / "second") == {"index": "words"}
    assert len(built) == 1


def test_where_nothing_can_be_kept_each_run_builds_its_own(
    built: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that cannot be made is a line in the log."""
    (tmp_path / "kept").write_text("a file", encoding="utf-8")
    assert started(tmp_path / "first") == {"index": "words"}
    assert len(built) == 1
    assert "is not kept" in caplog.text


def test_a_user_without_a_home_keeps_none(built: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder LocalStack's own way stands."""
    monkeypatch.delenv(service_index.VARIABLE)
    own = spec.build_service_index_cache
    started(tmp_path / "first")
    assert spec.build_service_index_cache is own
    assert len(built) == 1
