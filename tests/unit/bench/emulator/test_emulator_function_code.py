"""The folders of functions' code: there for whoever may still run a version, and no longer."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.emulator.functions.code_folders import CodeFolders


class Code:
    """Stands in for LocalStack's code of a version that lies in a folder."""

    def __init__(self, folder: Path, error: Exception | None = None) -> None:
        self._folder, self._error = folder, error

    def prepare_for_execution(self) -> None:
        """Unpack, or fail."""
        if self._error:
            raise self._error
        self._folder.mkdir(exist_ok=True)
        (self._folder / "module.py").write_text("1", encoding="utf-8")

    def get_unzipped_code_location(self) -> Path:
        """Return where it was unpacked."""
        return self._folder


def version(revision: str, code: Code) -> Any:
    """Return what of LocalStack's version matters here."""
    return SimpleNamespace(
        id=SimpleNamespace(function_name="f"), config=SimpleNamespace(code=code, internal_revision=revision)
    )


def test_emulator_code_outlives_its_version_by_one(tmp_path: Path) -> None:
    """An event may still be on its way to the version that was just replaced; the one before that is gone."""
    folders = CodeFolders(tmp_path / "tasks")
    versions = [version(str(number), Code(tmp_path / f"unpacked-{number}")) for number in range(3)]
    paths = [folders.of(one) for one in versions]
    for one in versions:
        folders.prepare(one)
    with folders.in_use(paths[0], "environment"):
        folders.retire(versions[0])
        folders.retire(versions[1])
        with folders.in_use(paths[1], "another"):
            assert [(path / "module.py").exists() for path in paths[:2]] == [True, True]

    assert [path.exists() for path in paths[:2]] == [False, True]


def test_emulator_code_that_cannot_be_unpacked_is_told_to_the_invocation(tmp_path: Path) -> None:
    """What went wrong beside the deployment is the invocation's error, and no half of a folder is left."""
    folders = CodeFolders(tmp_path / "tasks")
    broken = version("1", Code(tmp_path / "unpacked", OSError("no space left")))
    folders.prepare(broken)

    with pytest.raises(OSError, match="no space left"), folders.in_use(folders.of(broken), "environment"):
        pass
    assert list((tmp_path / "tasks").iterdir()) == []
