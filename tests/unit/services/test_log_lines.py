"""Log lines: one entry, one line of ASCII, whatever a caller chose to be called."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from file_processing import data_processor as file_processor
from file_processing import file_validator, result_aggregator, status_query
from market_analytics import (
    data_aggregator,
    data_indexer,
    data_ingestion,
    data_processor,
    data_query,
    data_revision,
)
from operations import bucket_emptier, dead_letter_recorder
from services.log_lines import one_line

FORGED = '{"level":"ERROR","message":"forged"}'
#: Ends of lines, for one reader of logs or another, and commands to a terminal.
BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\x1b[2K\r", "\x9b2J", "\x00", "\ud800"]

MODULES = [
    bucket_emptier,
    data_aggregator,
    data_indexer,
    data_ingestion,
    data_processor,
    data_query,
    data_revision,
    dead_letter_recorder,
    file_processor,
    file_validator,
    result_aggregator,
    status_query,
]


@pytest.mark.parametrize("breaking", BREAKS, ids=repr)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_m21_nothing_forges_a_log_line(monkeypatch: pytest.MonkeyPatch, module: Any, breaking: str) -> None:
    """A key or a message that holds line ends and a forged entry stays one line, and itself, in each log."""
    stream = io.StringIO()
    monkeypatch.setattr(module.logger.registered_handler, "stream", stream)
    key = f"feeds/a{breaking}{FORGED}{breaking}b.csv"
    error = ValueError(key)
    module.logger.error("object %s not processed", key, extra={"key": key}, exc_info=error)
    text = stream.getvalue()
    assert text.isascii()
    assert len(text.splitlines()) == 1
    assert not any(character < " " or character == "\x7f" for character in text.removesuffix("\n"))
    entry = json.loads(text)
    assert (entry["key"], entry["level"]) == (key, "ERROR")


def test_every_logger_of_the_functions_writes_such_lines() -> None:
    """No function makes a logger of its own kind; children use their parent's."""
    functions = Path(__file__).resolve().parents[3] / "functions"
    makers = [
        line.strip()
        for path in sorted(functions.rglob("*.py"))
        for line in path.read_text().splitlines()
        if " = Logger(" in line
    ]
    assert len([line for line in makers if line == "logger = Logger(json_serializer=one_line)"]) == len(MODULES)
    assert set(makers) <= {"logger = Logger(json_serializer=one_line)", "logger = Logger(child=True)"}


def test_a_child_writes_its_parents_lines() -> None:
    """A module's child logger has no serializer of its own."""
    stream = io.StringIO()
    parent = Logger(service="log-lines", stream=stream, json_serializer=one_line)
    Logger(service="log-lines", child=True).info("a\u2028b")
    assert json.loads(stream.getvalue())["message"] == "a\u2028b"
    assert stream.getvalue().isascii()
    assert parent.name == "log-lines"
