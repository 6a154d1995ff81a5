"""What is put right of MiniStack: ranges of versions, what it unpacks, and nothing else."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from bench.targets.ministack_server import UnpackedOnce, ranged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BODY = b"0123456789"


def whole(
    _bucket: str, key: str, headers: Mapping[str, str], _query: Mapping[str, Any] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Answers as MiniStack 1.5.33 does a version, with a checksum where one is asked for."""
    if key != "k":
        return 404, {}, b"NoSuchVersion"
    checksum = {"x-amz-checksum-crc32": "c"} if "x-amz-checksum-mode" in headers else {}
    return 200, {"ETag": "e", "Content-Length": "10", **checksum}, BODY


def bounds(asked: str, total: int) -> tuple[int, int] | None:
    """Reads `bytes=FIRST-LAST`."""
    first, last = (int(one) for one in asked.removeprefix("bytes=").split("-"))
    return (first, min(last, total - 1)) if first < total else None


get = ranged(whole, bounds)
VERSION = {"versionId": ["v"]}


@pytest.mark.parametrize(("asked", "part", "said"), [("2-4", b"234", "bytes 2-4/10"), ("8-99", b"89", "bytes 8-9/10")])
def test_a_versions_range_is_cut(asked: str, part: bytes, said: str) -> None:
    """206, the bytes that were asked for, and no checksum of the others."""
    status, headers, body = get("b", "k", {"range": f"bytes={asked}", "x-amz-checksum-mode": "ENABLED"}, VERSION)
    assert (status, body, headers["Content-Range"], headers["Content-Length"]) == (206, part, said, str(len(part)))
    assert headers["ETag"] == "e"
    assert not any(name.startswith("x-amz-checksum") for name in headers)


def test_what_is_no_range_of_it_is_refused() -> None:
    """As S3 does: 416."""
    status, headers, body = get("b", "k", {"range": "bytes=10-12"}, VERSION)
    assert (status, headers["Content-Range"]) == (416, "bytes */10")
    assert b"InvalidRange" in body


@pytest.mark.parametrize(
    ("headers", "query"), [({"range": "bytes=2-4"}, {}), ({"range": "bytes=2-4"}, None), ({}, VERSION)]
)
def test_everything_else_is_its_own(headers: dict[str, str], query: dict[str, Any] | None) -> None:
    """Without a version, or without a range, nothing is changed; nor where there is no such version."""
    assert get("b", "k", headers, query) == whole("b", "k", headers, query)
    assert get("b", "gone", {"range": "bytes=2-4"}, VERSION)[0] == 404


@pytest.fixture(name="code")
def _code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The zip file of a function, and a folder of the test's own for what is unpacked."""
    passing = tmp_path / "passing"
    passing.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(passing))
    monkeypatch.setattr(UnpackedOnce, "_unpacked", {})
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("handler.py", "answer = 42")
        archive.writestr("package/__init__.py", "")
    return tmp_path / "code.zip"


def _unpack(archive: Path, folder: Path) -> dict[str, str]:
    folder.mkdir()
    copy = shutil.copyfile(archive, folder / "code.zip")
    code = folder / "code"
    code.mkdir()
    with UnpackedOnce(copy) as opened:
        opened.extractall(code)
    return {name: (code / name).read_text() for name in ("handler.py", "package/__init__.py")}


def test_the_same_code_is_unpacked_once(code: Path, tmp_path: Path) -> None:
    """However many processes begin at the same time, and whatever their copy of it is called."""
    wanted = {"handler.py": "answer = 42", "package/__init__.py": ""}
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda number: _unpack(code, tmp_path / str(number)), range(8))) == [wanted] * 8
    assert len(list((tmp_path / "passing").iterdir())) == 1


def test_other_code_is_other_code(code: Path, tmp_path: Path) -> None:
    """Also under the same name: what a function was updated to is unpacked."""
    _unpack(code, tmp_path / "before")
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "answer = 43")
        archive.writestr("package/__init__.py", "")
    assert _unpack(code, tmp_path / "after")["handler.py"] == "answer = 43"


def test_removing_the_folder_of_a_process_leaves_the_others(code: Path, tmp_path: Path) -> None:
    """One that has timed out is ended, and its folder goes; the next one unpacks nothing and has all."""
    before = _unpack(code, tmp_path / "first")
    shutil.rmtree(tmp_path / "first")
    assert _unpack(code, tmp_path / "second") == before
