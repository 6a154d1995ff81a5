"""What metric filters count in the embedded target."""

from __future__ import annotations

import pytest

from bench.emulator.observed.filter_patterns import compiled
from bench.emulator.observed.metric_counts import counts


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("?ERROR ?Exception", '{"level":"ERROR"}', True),
        ("?ERROR ?Exception", "java.lang.NullPointerException: x", True),
        ("?ERROR ?Exception", "error, in small letters", False),
        ("[ERROR]", '{"level": "ERROR", "message": "x"}', False),
        ("[ERROR]", "anything", True),
        ("[level, message]", "ERROR gone", True),
        ("[level, message]", 'ERROR "two words"', True),
        ("[level, ...]", "ERROR a b c", True),
        ("[level, message]", "ERROR gone for good", False),
        ("ERROR gone", "gone: ERROR", True),
        ("ERROR gone", "ERROR", False),
        ('"ERROR gone"', "gone ERROR", False),
        ("ERROR -Retry", "ERROR Retry", False),
        ("ERROR ?gone", "ERROR", True),
        ("", "anything", True),
        ('{ $.level = "ERROR" }', '{"level": "ERROR"}', True),
        ('{ $.level = "ERROR" }', '{"message": "ERROR", "level": "INFO"}', False),
        ('{ $.level = "ERROR" }', '{"message": "no level: ERROR"}', False),
        ('{ $.level = "ERROR" }', "level ERROR", False),
        ('{ $.level = "ERROR" }', '"ERROR"', False),
        ('{ $.level != "ERROR" }', '{"level": "INFO"}', True),
        ('{ $.level != "ERROR" }', "{}", False),
        ('{ $.a.b = "x*z" }', '{"a": {"b": "xyyz"}}', True),
        ('{ $.a.b = "x*z" }', '{"a": "xyz"}', False),
        ('{ $.a = "1" && $.b = "2" || $.c = "3" }', '{"a": "1", "c": "3"}', True),
        ('{ $.a = "1" && ($.b = "2" || $.c = "3") }', '{"b": "2", "c": "3"}', False),
        ('ERROR -"{"', "ERROR gone", True),
        ('ERROR -"{"', '{"message": "ERROR"}', False),
    ],
)
def test_a_pattern_matches_as_cloudwatch_documents_it(pattern: str, message: str, *, matches: bool) -> None:
    """Terms, optional and excluded and quoted ones, and lines by their number of fields."""
    assert compiled(pattern)(message) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "{ $.level = 1 }",
        '{ $.level = "ERROR" ',
        "{ $.level IS NULL }",
        '{ $.a = "1" $.b }',
        "[level = ERROR]",
        "[level",
    ],
)
def test_a_pattern_that_is_not_emulated_is_refused(pattern: str) -> None:
    """Better no stack than a count that means nothing."""
    with pytest.raises(ValueError, match=r"emulated|brace|bracket"):
        compiled(pattern)


def test_filters_add_up_by_metric() -> None:
    """Two filters of one metric add up; one that matches nothing publishes nothing, as on AWS."""

    def filter_of(pattern: str, metric: str, value: str) -> dict[str, object]:
        transformation = {"metricNamespace": "N", "metricName": metric, "metricValue": value}
        return {"filterPattern": pattern, "metricTransformations": [transformation]}

    filters = [filter_of("ERROR", "Errors", "1"), filter_of("fatal", "Errors", "10"), filter_of("none", "None", "1")]
    assert counts(filters, ["ERROR a", "ERROR b", "fatal"]) == {("N", "Errors"): 12.0}
