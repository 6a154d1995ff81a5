"""One test for each M row of the requirements, against the committed template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.templates import market_analytics_checks as checks

if TYPE_CHECKING:
    from tests.templates.reading import Template


def test_m01_buckets(template: Template) -> None:
    """The buckets are encrypted, versioned, private, TLS only, and empty themselves."""
    checks.m01_buckets(template)


def test_m02_table(template: Template) -> None:
    """The table has the right keys, on-demand billing, recovery and encryption."""
    checks.m02_table(template)


def test_m03_ingestion(template: Template) -> None:
    """Created objects and signed calls invoke DataIngestion."""
    checks.m03_ingestion(template)


def test_m04_processor(template: Template) -> None:
    """SQS invokes DataProcessor, which returns only what failed."""
    checks.m04_processor(template)


def test_m05_aggregator(template: Template) -> None:
    """Events and the schedule invoke DataAggregator."""
    checks.m05_aggregator(template)


def test_m06_functions(template: Template) -> None:
    """Every function runs Python 3.13 with 3 GB and active tracing, from its own bundle."""
    checks.m06_functions(template)


def test_m07_queue(template: Template) -> None:
    """The queue keeps, hides, encrypts and gives up messages as required."""
    checks.m07_queue(template)


def test_m08_dead_letters(template: Template) -> None:
    """Every asynchronous delivery that fails for good ends in a dead-letter queue."""
    checks.m08_dead_letters(template)


def test_m09_event_rule(template: Template) -> None:
    """DataProcessor's events are captured, retried and kept."""
    checks.m09_event_rule(template)


def test_m24_fate(template: Template) -> None:
    """What came in may be asked for, and refused objects are counted and call."""
    checks.m24_fate(template)


def test_m25_retraction(template: Template) -> None:
    """DELETE /ingest reaches DataRevision alone, which goes on by event and schedule, with what that takes."""
    checks.m25_retraction(template)


def test_m29_lanes(template: Template) -> None:
    """DataAggregator calls others for help, by an event that it alone may put and it alone hears."""
    checks.m29_lanes(template)


def test_m10_schedule(template: Template) -> None:
    """DataAggregator runs every five minutes."""
    checks.m10_schedule(template)


def test_m11_api(template: Template) -> None:
    """POST /ingest is signed, validated and throttled."""
    checks.m11_api(template)


def test_m12_results(template: Template) -> None:
    """Bars and ingests are served by GET and POST."""
    checks.m12_results(template)


def test_m13_roles(template: Template) -> None:
    """Each function's role allows exactly what it needs, and denies destruction and plain HTTP."""
    checks.m13_roles(template)


def test_m14_log_groups(template: Template) -> None:
    """The stack owns a log group a function, for seven days."""
    checks.m14_log_groups(template)


def test_m15_metric_filters(template: Template) -> None:
    """Errors are counted in every function's log group."""
    checks.m15_metric_filters(template)


def test_m16_tags(template: Template) -> None:
    """Whatever can be tagged has both tags."""
    checks.m16_tags(template)


def test_m17_names(template: Template) -> None:
    """Every name carries the environment."""
    checks.m17_names(template)


def test_m18_destroyable(template: Template) -> None:
    """One deletion leaves nothing and needs no hand."""
    checks.m18_destroyable(template)


def test_m19_outputs(template: Template) -> None:
    """The outputs have the keys that scripts read."""
    checks.m19_outputs(template)


def test_m20_encryption(template: Template) -> None:
    """Everything is encrypted at rest and in transit."""
    checks.m20_encryption(template)


def test_m21_errors(template: Template) -> None:
    """Logs are structured and refusals clear, in one form, giving nothing away."""
    checks.m21_errors(template)


def test_m22_cost(template: Template) -> None:
    """An idle stack costs nothing by the hour or month."""
    checks.m22_cost(template)
