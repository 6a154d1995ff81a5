"""What the templates' own metric filters count, line by line, and that a filter which counts something else is noticed.

The patterns are matched as the embedded target matches them (`bench/emulator/observed/filter_patterns.py`, after
CloudWatch's documentation).
"""

from __future__ import annotations

import io

import pytest
from aws_lambda_powertools import Logger

from bench.emulator.observed.filter_patterns import compiled
from tests.templates.planting import plant
from tests.templates.reading import Template, of_type

COUNTED = [
    '{"level": "ERROR", "message": "range not committed"}',
    '{"log_level":"ERROR","errorMessage":"x","errorType":"ValueError"}',
    "[ERROR] ValueError: bad event",
    "in the middle an ERROR stands",
    "java.lang.NullPointerException: null",
    r'{"level": "WARNING", "message": "it said \"ERROR\" and went on"}',
    r'{"level": "WARNING", "exception": "Traceback\nbotocore.errorfactory.QueueDoesNotExistException: gone"}',
    "ERROR",
]

NOT_COUNTED = [
    "all is well",
    "alone",
    "error, in small letters",
    '{"level": "INFO", "message": "refused", "reason": "an exception to the rule"}',
    "E R R O R",
    "",
]


def counts_errors(template: Template) -> None:
    """Check what each filter of a template makes of the lines above, and of lines that the logger really writes."""
    loud, quiet = _written()
    for title, found in of_type(template, "AWS::Logs::MetricFilter").items():
        matches = compiled(found["FilterPattern"])
        assert [line for line in (*COUNTED, *loud) if not matches(line)] == [], f"{title} misses errors"
        assert [line for line in (*NOT_COUNTED, *quiet) if matches(line)] == [], f"{title} counts what is no error"


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
    """ERROR and Exception anywhere in a line, in JSON and in plain text; small letters and other words never."""
    counts_errors(template)
    counts_errors(files)


@pytest.mark.parametrize(
    "pattern", ["[ERROR]", "ERROR Exception", "?error ?exception", '"ERROR Exception"', "?ERROR", ""]
)
def test_m15_a_filter_that_counts_something_else_is_noticed(template: Template, pattern: str) -> None:
    """The usual mistakes, first of all `[ERROR]`, which counts every line of one word."""
    plant(template, ["Resources", "DataQueryErrorCount", "Properties", "FilterPattern"], pattern)
    with pytest.raises(AssertionError, match="DataQueryErrorCount"):
        counts_errors(template)
