"""Whether an installed tree is whole: every requirement, all that these need, in the versions that are pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from generator.closure import closure_of

if TYPE_CHECKING:
    from pathlib import Path


def install(tree: Path, name: str, version: str, *needs: str, files: tuple[str, ...] = ()) -> None:
    """Write what pip leaves of a distribution; `files`: more of its files, which are not there."""
    info = tree / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in needs)]
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
    (tree / f"{name}.py").write_text("")
    names = [f"{name}.py", f"{info.name}/METADATA", "../../bin/script", *files]
    (info / "RECORD").write_text("".join(f"{one},,\n" for one in names))


def missing(tree: Path, *requirements: str, pins: tuple[str, ...] = ()) -> list[str]:
    """Ask for Lambda on arm64."""
    return list(closure_of(tree, requirements, pins, python_version="3.13", machine="aarch64").missing)


def test_a_whole_tree_lacks_nothing(tmp_path: Path) -> None:
    """Names count in any spelling, circles end, scripts beside the tree are not asked for."""
    install(tmp_path, "First_One", "1.0", "second>=2")
    install(tmp_path, "second", "2.1", "first.one")
    assert missing(tmp_path, "first-one", pins=("first-one==1.0", "mypy==1.0")) == []


@pytest.mark.parametrize(
    ("needs", "lacks"),
    [
        ("third", ["third"]),
        ('third; sys_platform == "linux" and platform_machine == "aarch64"', ["third"]),
        ('third; python_version >= "3.13"', ["third"]),
        ('third; sys_platform == "win32"', []),
        ('third; platform_machine == "x86_64"', []),
        ('third; extra == "more"', []),
        ("first[more]", ["third"]),
        ("first>=2", ["first>=2"]),
    ],
)
def test_what_a_distribution_needs_is_looked_for(needs: str, lacks: list[str], tmp_path: Path) -> None:
    """What it needs in Lambda, with its extras and versions; not what it needs elsewhere."""
    install(tmp_path, "first", "1.0", "second", 'third; extra == "more"')
    install(tmp_path, "second", "1.0", needs)
    assert missing(tmp_path, "first") == lacks


def test_an_empty_tree_lacks_what_was_asked_for(tmp_path: Path) -> None:
    """A dry run leaves no tree at all."""
    assert missing(tmp_path / "nowhere", "first", "second") == ["first", "second"]


def test_another_version_than_the_pinned_one_is_missing(tmp_path: Path) -> None:
    """The pin is what is said to be missing."""
    install(tmp_path, "first", "1.1")
    assert missing(tmp_path, "first", pins=("first==1.0",)) == ["first==1.0"]


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    """A distribution that is there in name alone is named with the file."""
    install(tmp_path, "first", "1.0", files=("first_data.bin",))
    assert missing(tmp_path, "first") == ["first_data.bin of first"]


def test_files_of_what_was_not_asked_for_are_foreign(tmp_path: Path) -> None:
    """A tree may hold more than one asks for: what only others say is theirs is told, what both do is not."""
    install(tmp_path, "first", "1.0", "second", files=("shared.py",))
    install(tmp_path, "second", "1.0")
    install(tmp_path, "third", "1.0", files=("shared.py",))
    (tmp_path / "shared.py").write_text("")
    found = closure_of(tmp_path, ["first"], (), python_version="3.13", machine="aarch64")
    assert found.missing == ()
    assert found.foreign == {"third.py", "third-1.0.dist-info/METADATA"}
