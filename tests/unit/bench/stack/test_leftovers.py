from __future__ import annotations

from bench.stack.leftovers import of_stack


def test_leftovers_of_a_shared_account_are_only_the_stacks_own() -> None:
    """What others make meanwhile is not the stack's; a short id that is in another name by chance is not either."""
    names = {"DataIngestion-bench", "abc123", "9d1f0c1e-aaaa", "market-data-bench-1"}
    entries = [
        "log group /aws/lambda/DataIngestion-bench",
        "function DataIngestion-bench",
        "function DataIngestion-prod",
        "API abc123",
        "role someone-abc123-else",
        "event source mapping 9d1f0c1e-aaaa",
        "bucket market-data-other-1",
    ]
    assert of_stack(entries, names) == [
        "API abc123",
        "event source mapping 9d1f0c1e-aaaa",
        "function DataIngestion-bench",
        "log group /aws/lambda/DataIngestion-bench",
    ]
