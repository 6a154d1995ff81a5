from __future__ import annotations

from pathlib import Path

import pytest

from bench.own_file.asked import OwnFile


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("trades.csv", "ticks/input/trades.csv"),
        (
            "../shared/data/equity/usa/tick/spy/20131007_trade.zip",
            "ticks/input/shared/data/equity/usa/tick/spy/20131007_trade.zip",
        ),
        ("/data/./a.csv", "ticks/input/data/a.csv"),
    ],
)
def test_m26_the_key_of_a_file_has_the_folders_that_say_what_it_is_of(path: str, key: str) -> None:
    """A vendor's file that is sent as it lies there is read as the vendor's: symbol and day may stand in its path."""
    assert OwnFile.of(Path(path), None, None, None).key == key


def test_m26_a_key_that_is_given_is_the_key() -> None:
    """A feed that is named stands before it."""
    assert OwnFile.of(Path("x/a.csv"), "mine/a.csv", "own", None).key == "feed=own/mine/a.csv"
