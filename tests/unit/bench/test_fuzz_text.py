"""The fuzzing of the text paths: they agree, and where one is broken it is found, made small and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from bench.__main__ import main
from bench.fuzz import text_paths
from bench.fuzz.text_paths import Compared, compare_paths
from tickstream.decoding import outcome
from tickstream.rows import parse_json_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream.ticks import Tick


def test_the_text_paths_agree() -> None:
    """Fast and strict paths see the same in a hundred objects, and these have all that they should have."""
    compared = compare_paths(100, seed=2)
    assert compared.disagreement is None
    assert compared.inputs == 100
    assert compared.ticks > 1_000
    assert compared.rejects > 100
    assert compared.refused > 3


def everything_is_plausible() -> pl.Expr:
    """A fast path that looks at no number."""
    return pl.col("price").is_not_null() & pl.col("timestamp").is_not_null()


def without_blanks(raw: bytes, _: int = 0) -> Tick:
    """A strict path that lets blanks pass."""
    return parse_json_row(raw.replace(b" ", b""))


def kept(made: list[Compared], one: Compared) -> Compared:
    """Keep what the command has found, and give it back."""
    made.append(one)
    return one


@pytest.mark.parametrize(
    ("where", "name", "broken"),
    [(outcome, "plausible", everything_is_plausible), ("bench.fuzz.text_paths", "parse_json_row", without_blanks)],
)
def test_a_broken_path_is_found_and_shown(
    where: object,
    name: str,
    broken: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command ends in status 1 and shows an object of a few rows at most."""
    if isinstance(where, str):
        monkeypatch.setattr(f"{where}.{name}", broken)
    else:
        monkeypatch.setattr(where, name, broken)
    made: list[Compared] = []
    monkeypatch.setattr(text_paths, "compare_paths", lambda *asked: kept(made, compare_paths(*asked)))
    assert main(["fuzz-text", "--inputs", "600", "--seed", "2"]) == 1
    shown = capsys.readouterr().out
    assert "is read in two ways" in shown
    assert "strict: " in shown
    assert "FAILED" in shown
    small = made[0].disagreement
    assert small is not None
    assert len(small.found.text) < 150
