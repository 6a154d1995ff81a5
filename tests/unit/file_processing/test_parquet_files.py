"""Parquet through file processing: what a file does to its decoder is its status, and nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.market_analytics.hostile_objects import deadly_parquet
from file_processing import data_processor, data_processor_files, file_validator
from tests.unit.file_processing.test_handlers import CONTEXT, Stack, stack
from tests.unit.tickstream.parquet_bytes import of_groups
from tests.unit.tickstream.test_parquet_objects import GOOD, packed
from tickstream.file_status import Status

if TYPE_CHECKING:
    import pytest

__all__ = ["stack"]

PARQUET = packed(GOOD)


def test_i5_a_file_that_ends_its_decoder_is_failed_and_its_neighbours_are_processed(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One invocation with three files: the damaged one is `corrupt_parquet`, and none comes back."""
    monkeypatch.setenv("QUEUE_URL", stack.urls["data-processor-test.fifo"])
    monkeypatch.setenv("MAX_FILE_BYTES", "100000")
    bodies = {"feeds/a.parquet": PARQUET, "feeds/b.parquet": deadly_parquet(PARQUET), "feeds/c.parquet": PARQUET}
    records: list[dict[str, Any]] = []
    for key, body in bodies.items():
        file_validator.handler(stack.upload(body, key), CONTEXT)
        records += stack.received("data-processor-test.fifo")["Records"]
    monkeypatch.setenv("QUEUE_URL", stack.urls["result-aggregator-test.fifo"])
    assert data_processor.handler({"Records": records}, CONTEXT) == {"batchItemFailures": []}
    said = {key: stack.status(key) for key in bodies}
    assert [one["status"] for one in said.values()] == ["processed", "failed", "processed"]
    assert said["feeds/b.parquet"]["reason"]["code"] == "corrupt_parquet"


def test_the_rows_of_a_parquet_file_are_bounded(world: Any) -> None:
    """Rows may take no bytes: a file of too many is refused before any is decoded."""
    rows = data_processor_files.MAX_PARQUET_ROWS + 1
    world.validate(world.upload("many.parquet", of_groups(1, rows)))
    world.process(world.to_processor.pop())
    last = world.status("many.parquet").last
    assert (last.status, last.reason.code) == (Status.FAILED, "too_large")
    assert str(rows) in last.reason.message
