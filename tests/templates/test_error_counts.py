"""What the templates' own metric filters count, line by line, and that a filter which counts something else is noticed.

The patterns are matched as the embedded target matches them (`bench/emulator/observed/filter_patterns.py`, after
CloudWatch's documentation).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger

from bench.emulator.observed.filter_patterns import compiled
from tests.templates.planting import plant
from tests.templates.reading import Template, of_type
from tickstream.counted_lines import FILE_REFUSED, OBJECT_REJECTED

if TYPE_CHECKING:
    from bench.emulator.observed.filter_patterns import Matches

_REPORT = (
    '{"time":"2026-01-05T14:30:00.022Z","type":"platform.report","record":{"requestId":"4b142fc3","status":"%s"%s,'
    '"metrics":{"durationMs":50000.0,"billedDurationMs":50000,"memorySizeMB":512,"maxMemoryUsedMB":512}}}'
)
_INIT = '{"time":"2026-01-05T14:30:00.022Z","type":"platform.initRuntimeDone","record":{"phase":"init","status":"%s"}}'

COUNTED = [
    '{"level": "ERROR", "message": "range not committed"}',
    '{"level": "CRITICAL", "message": "cannot go on"}',
    # Lambda's own client, of an exception that a handler let go.
    '{"timestamp":"2026-01-05T14:30:00Z","log_level":"ERROR","errorMessage":"x","errorType":"ValueError","requestId":"4"}',
    # Lambda itself, of a function that cannot say anything any more.
    _REPORT % ("timeout", ""),
    _REPORT % ("error", ',"errorType":"Runtime.OutOfMemory"'),
    _REPORT % ("error", ',"errorType":"Runtime.ExitError"'),
    _INIT % "timeout",
    _INIT % "error",
    # The interpreter and native code, in words.
    "[ERROR] ValueError: bad event",
    "in the middle an ERROR stands",
    "Exception in thread Thread-1 (decode):",
    "java.lang.NullPointerException: null",
    "ERROR",
]

NOT_COUNTED = [
    "all is well",
    "alone",
    "error, in small letters",
    '{"level": "INFO", "message": "refused", "reason": "an exception to the rule"}',
    r'{"level": "INFO", "message": "tried again", "reason": "ProvisionedThroughputExceededException"}',
    r'{"level": "WARNING", "message": "it said \"ERROR\" and went on"}',
    r'{"level": "WARNING", "exception": "Traceback\nbotocore.errorfactory.QueueDoesNotExistException: gone"}',
    _REPORT % ("success", ""),
    # The line of Lambda's client has counted it.
    _REPORT % ("failure", ',"errorType":"ValueError"'),
    _INIT % "success",
    '{"time":"2026-01-05T14:30:00.019Z","type":"platform.runtimeDone","record":{"requestId":"4b14","status":"timeout"}}',
    "E R R O R",
    "",
]


def counts_errors(template: Template) -> None:
    """Check what the filters of each metric make of the lines above, and of lines that the logger really writes."""
    loud, quiet = _written()
    metrics: dict[str, list[dict[str, Any]]] = {}
    for found in of_type(template, "AWS::Logs::MetricFilter").values():
        metrics.setdefault(found["MetricTransformations"][0]["MetricName"], []).append(found)
    for metric, filters in metrics.items():
        if not metric.endswith("Errors"):
            continue  # counted by a message: `test_m24_f12_a_refusal_is_counted_by_its_own_words`
        patterns = [compiled(found["FilterPattern"]) for found in filters]

        def times(line: str, patterns: list[Matches] = patterns) -> int:
            return sum(matches(line) for matches in patterns)

        assert [line for line in (*COUNTED, *loud) if times(line) != 1] == [], f"{metric} miscounts errors"
        assert [line for line in (*NOT_COUNTED, *quiet) if times(line)] == [], f"{metric} counts what is no error"


def _written() -> tuple[list[str], list[str]]:
    """Return what powertools' logger writes of errors, and of what is none."""
    stream = io.StringIO()
    logger = Logger(service="error-counts")
    logger.registered_handler.setStream(stream)  # type: ignore[attr-defined]  # a StreamHandler
    logger.error("range not committed")
    try:
        int("gone")
    except ValueError:
        logger.exception("range not committed")
    loud = stream.getvalue().splitlines()
    stream.truncate(0)
    stream.seek(0)
    logger.info("range committed", extra={"ticks": 3})
    logger.warning("file refused", extra={"reason": "missing_column"})
    quiet = stream.getvalue().splitlines()
    assert (len(loud), len(quiet)) == (2, 2)
    return loud, quiet


def test_m15_filters_count_errors_and_nothing_else(template: Template, files: Template) -> None:
    """By level and Lambda's reports in JSON, by ERROR and Exception in plain text; once, and never a quotation."""
    counts_errors(template)
    counts_errors(files)


REFUSALS = {
    "ObjectsRejected": (OBJECT_REJECTED, {"DataIngestion", "DataIndexer", "DataProcessor"}),
    "FilesRefused": (FILE_REFUSED, {"FileValidator", "DataProcessor"}),
}


@pytest.mark.parametrize("metric", REFUSALS)
def test_m24_f12_a_refusal_is_counted_by_its_own_words(template: Template, files: Template, metric: str) -> None:
    """The line that a function writes of a refusal counts once, in its own log; a line about one does not."""
    words, functions = REFUSALS[metric]
    filters = [*of_type(template, "AWS::Logs::MetricFilter").values()]
    filters += of_type(files, "AWS::Logs::MetricFilter").values()
    found = [one for one in filters if one["MetricTransformations"][0]["MetricName"] == metric]
    assert {one["LogGroupName"]["Ref"] for one in found} == {f"{function}LogGroup" for function in functions}
    stream = io.StringIO()
    logger = Logger(service="refusals")
    logger.registered_handler.setStream(stream)  # type: ignore[attr-defined]  # a StreamHandler
    logger.warning(words, extra={"reason": "missing_column", "detail": words})
    logger.warning("object ingested", extra={"detail": words})
    logger.warning(f"{words} before")
    for one in found:
        matches = compiled(one["FilterPattern"])
        assert [matches(line) for line in stream.getvalue().splitlines()] == [True, False, False]


@pytest.mark.parametrize(
    "pattern", ["[ERROR]", "?ERROR ?Exception", '{ $.level = "ERROR" }', '{ $.level = "*" }', '"ERROR Exception"', ""]
)
def test_m15_a_filter_that_counts_something_else_is_noticed(template: Template, pattern: str) -> None:
    """The usual mistakes: `[ERROR]` counts every line of one word, the two words count INFO lines that quote one."""
    plant(template, ["Resources", "DataQueryErrorCount", "Properties", "FilterPattern"], pattern)
    with pytest.raises(AssertionError, match="DataQueryErrors"):
        counts_errors(template)
