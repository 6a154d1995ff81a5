"""The fuzzing of Parquet: nothing is found in a few hundred files, and what there is would be found and shown."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench.__main__ import main
from bench.fuzz import parquet_decoding
from bench.fuzz.parquet_decoding import fuzz_decoding
from bench.fuzz.parquet_files import write_files
from bench.fuzz.parquet_mutations import mutate
from bench.market_analytics.hostile_objects import deadly_parquet
from services.decoder_process import DecoderProcess
from tickstream.errors import ServiceIncomplete

if TYPE_CHECKING:
    from pathlib import Path


def test_damaged_parquet_costs_itself_only() -> None:
    """Every writer's file is read right by both pipelines, and so are those after damage of every kind."""
    seen = fuzz_decoding(150, seed=2)
    assert seen.finding is None
    assert seen.inputs == 150
    assert seen.read > 40
    assert seen.reasons["corrupt_parquet"] > 40
    assert seen.most_cpu_s < parquet_decoding.MOST_CPU_S
    assert seen.most_memory_mb < parquet_decoding.MOST_MEMORY_MB


def test_inputs_are_made_again_by_their_number_and_are_all_damaged() -> None:
    """Equal seeds make equal bytes, of which hardly any are those that a writer wrote."""
    files = [one.data for one in write_files()]

    def damaged(number: int) -> bytes:
        chance = random.Random(number)  # noqa: S311 - no secret depends on it
        return mutate(files[number % len(files)], files, chance)

    made = [damaged(number) for number in range(300)]
    assert made == [damaged(number) for number in range(300)]
    assert sum(one in files for one in made) < 10
    assert sum(len(one) not in map(len, files) for one in made) > 10
    assert {one[:4] for one in made} == {b"PAR1"}


def test_a_file_that_ends_the_child_is_counted_and_its_successor_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadly one is no finding: it is refused, and a good file is read after it."""
    monkeypatch.setattr(parquet_decoding, "mutate", lambda _data, others, _random: deadly_parquet(others[0]))
    seen = fuzz_decoding(2, seed=1)
    assert (seen.finding, seen.ended, seen.reasons) == (None, 2, {"corrupt_parquet": 2})


class FailingDecoder(DecoderProcess):
    """A decoder that takes a damaged file for a passing fault."""

    def decode(self, job: Any, *rest: Any) -> Any:
        """Fail where the file is longer than any good one."""
        if job.source.size_bytes > 10_000:
            raise ServiceIncomplete("come again")
        return super().decode(job, *rest)


class ForgetfulDecoder(DecoderProcess):
    """A decoder that loses a tick of each piece."""

    def decode(self, *work: Any) -> Any:
        """Lose one."""
        return (replace(piece, ticks=piece.ticks - 1) for piece in super().decode(*work))


@pytest.mark.parametrize(
    ("broken", "said"),
    [(FailingDecoder, ("come again", "input 0")), (ForgetfulDecoder, ("rows are neither", "as it was"))],
)
def test_what_does_more_than_it_may_is_shown(
    broken: type[DecoderProcess],
    said: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The command ends in status 1, says which file it was and what it did, and keeps it."""
    monkeypatch.setattr(parquet_decoding, "DecoderProcess", broken)
    monkeypatch.setattr(parquet_decoding, "mutate", lambda data, *_: data[:4] + bytes(10_000) + data[4:])
    kept = tmp_path / "found.parquet"
    assert main(["fuzz-parquet", "--inputs", "3", "--keep", str(kept)]) == 1
    shown = capsys.readouterr().out
    assert "FAILED" in shown
    assert all(one in shown for one in said)
    assert kept.read_bytes().startswith(b"PAR1")
