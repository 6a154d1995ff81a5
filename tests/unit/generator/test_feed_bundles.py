"""Feeds of a user's own in the bundles of functions."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from generator import bundles
from generator.bundles import build_bundles
from tests.unit.generator.test_bundles import PIPELINE, READERS, make_wheels


def test_m23_own_feeds_are_in_the_bundles_that_read_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--feeds` puts the user's feeds where the functions look for them, under another prefix."""
    feeds = Path(__file__).parents[2] / "feeds" / "own"
    constraints = make_wheels(tmp_path / "wheels", monkeypatch) / "constraints.txt"
    built = build_bundles(PIPELINE, "arm64", tmp_path / "out", cache=tmp_path, constraints=constraints, feeds=feeds)
    plain = build_bundles(PIPELINE, "arm64", tmp_path / "out", cache=tmp_path, constraints=constraints)
    assert built.prefix != plain.prefix
    for name, path in built.files.items():
        with zipfile.ZipFile(path) as archive:
            own = {entry for entry in archive.namelist() if entry.startswith("tickstream/feeds/own/")}
        wanted = {f"tickstream/feeds/own/{feed.name}" for feed in feeds.glob("*.json")}
        assert own == (wanted if (PIPELINE, name.removesuffix(".zip")) in READERS else set())


def test_m26_own_tables_are_in_the_bundles_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with nothing but a table of sale conditions is enough; it lies beside where own feeds do."""
    table = tmp_path / "mine" / "conditions" / "massive.csv"
    table.parent.mkdir(parents=True)
    table.write_text("code,updates_open_close,updates_high_low,updates_volume\n37,true,true,true\n")
    constraints = make_wheels(tmp_path / "wheels", monkeypatch) / "constraints.txt"
    built = build_bundles(
        PIPELINE, "arm64", tmp_path / "out", cache=tmp_path / "cache", constraints=constraints, feeds=tmp_path / "mine"
    )
    with zipfile.ZipFile(built.files["DataProcessor.zip"]) as archive:
        assert "tickstream/feeds/builtin/conditions/massive.csv" in archive.namelist()
        assert archive.read("tickstream/feeds/own/conditions/massive.csv") == table.read_bytes()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"name": "other"}', "its name must be 'mine'"),
        ('{"name": "mine", "extends": "nobody"}', "extends: there is no feed 'nobody'"),
        ('{"name": "mine", "extends": "kraken-trades", "tick": {"price": {"scal": 1}}}', "tick.price: "),
        (
            '{"name": "mine", "extends": "kraken-trades", "tick": {"timestamp": {"zone": "Mars"}}}',
            "tick.timestamp.zone",
        ),
        ("{", "cannot be read"),
    ],
)
def test_m23_a_wrong_feed_is_one_line_that_names_the_key(
    document: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A feed is checked when it is bundled: the line names feed and key, and the exit status is 2."""
    (tmp_path / "mine.json").write_text(document)
    assert bundles.main(["--feeds", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
