"""The model's data files: each figure has its source, and what is wrong in them is said in one line."""

from __future__ import annotations

import pytest

from bench.capacity.figures import figures, figures_of
from bench.capacity.quotas import quotas, quotas_of
from bench.errors import CapacityError

_QUOTA = """
region = "us-east-1"
as_of = 2026-11-27
[lambda_concurrency]
service = "Lambda"
what = "invocations at a time"
value = 1_000
source = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
read = "a stored copy"
adjustable = true
remedy = "ask"
"""
_FIGURE = """
as_of = 2026-11-27
[dynamodb_s]
value = 0.005
unit = "seconds, a request"
page = "https://docs.aws.amazon.com/"
"""


def test_each_quota_says_where_it_is_from_and_what_to_do() -> None:
    """AWS's page, where it was seen, and what to raise, for every one."""
    table = quotas()
    assert all(quota.source and quota.read and quota.remedy for quota in table.by_name.values())
    assert table["dynamodb_new_writes"] == 4_000


def test_each_figure_says_what_measured_it() -> None:
    """A command of the bench, or a page; never both, never neither."""
    assert all(bool(figure.measured) != bool(figure.page) for figure in figures().by_name.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("region = ", "no TOML"),
        (_QUOTA.replace("1_000", '"many"'), "lambda_concurrency.value"),
        (_QUOTA.replace("https://docs.aws.amazon.com", "https://example.com"), "lambda_concurrency.source"),
        (_QUOTA.replace('region = "us-east-1"\n', ""), "no region"),
        (_QUOTA.replace("adjustable = true\n", ""), "lambda_concurrency.adjustable"),
    ],
)
def test_a_table_of_quotas_that_is_wrong_is_refused(text: str, said: str) -> None:
    """The message names the row and the field."""
    with pytest.raises(CapacityError, match=said):
        quotas_of(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("as_of = ", "no TOML"),
        (_FIGURE.replace("0.005", "-1"), "dynamodb_s.value"),
        (_FIGURE.replace("page", "nobody"), "dynamodb_s"),
        (_FIGURE + 'measured = "bench perf"\n', "one of the two"),
    ],
)
def test_a_table_of_figures_that_is_wrong_is_refused(text: str, said: str) -> None:
    """The message names the row, and a figure has one source."""
    with pytest.raises(CapacityError, match=said):
        figures_of(text)
