"""In which order tests run, and which of them on one worker: long modules first, those with one stack together.

pytest-xdist gives each worker modules, one after another. A session's LocalStack and its stacks exist once a worker, so
that modules that share a stack share a worker: each stack is deployed once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Modules of `tests/e2e` that one worker runs, longest first; what is not named here follows, module by module.
_TOGETHER: Final = (
    ("test_bench_command",),
    # These ask for `market`.
    (
        "test_redrive",
        "test_attacks",
        "test_retraction",
        "test_client",
        "test_examples",
        "test_example_producer",
        "test_client_command",
        "test_client_docs",
        "test_browse",
        "test_fate",
        "test_observability",
        "test_stack_lifecycle",
        "test_market_analysts",
        "test_market_backfill",
        "test_market_bad_input",
        "test_market_ingest",
        "test_market_packed",
        "test_market_sessions",
        "test_measures",
        "test_published_day",
        "test_real_day",
    ),
    # These ask for `files`.
    ("test_file_failures", "test_file_processing", "test_differences"),
    ("test_mutants",),
    ("test_fault_runs",),
    ("test_permissions",),
    ("test_bench_can_fail",),
    ("test_embedded_lifecycle",),
)
#: Modules below `tests` whose tests take longest of those that need no LocalStack, longest first.
_LONG_UNITS: Final = (
    "unit/generator/test_session_table",
    "unit/generator/test_bundles",
    "unit/tickstream/test_range_splits",
    "templates/test_lint",
    "unit/bench/own_file/test_effects_alike",
    "unit/bench/own_file/test_feed_files_alike",
    "unit/bench/capacity/test_capacity_model",
    "unit/bench/test_fuzz_text",
    "unit/services/test_decoder_process",
    "unit/bench/report/test_report_in_browser",
    "unit/client/browse/test_page_in_browser",
    "unit/client/browse/test_page_live",
    "unit/market_analytics/test_data_processor_neighbours",
)
_GROUPS: Final = {
    **{
        f"tests/e2e/{module}.py": (rank, place)
        for rank, modules in enumerate(_TOGETHER)
        for place, module in enumerate(modules)
    },
    **{f"tests/{module}.py": (rank, 0) for rank, module in enumerate(_LONG_UNITS, len(_TOGETHER) + 1)},
}


def module_of(node_id: str) -> str:
    """Return the file that a test is in."""
    return node_id.partition("::")[0]


def rank_of(node_id: str) -> tuple[int, int, str]:
    """Return what tests are sorted by; tests of one module have the same rank, and stay in their order."""
    module = module_of(node_id)
    rest = len(_TOGETHER) if module.startswith("tests/e2e/") else len(_TOGETHER) + len(_LONG_UNITS) + 1
    return *_GROUPS.get(module, (rest, 0)), module


def in_order(node_ids: Iterable[str]) -> list[str]:
    """Sort tests into the order in which they are handed out."""
    return sorted(node_ids, key=rank_of)


class ByStack(LoadScopeScheduling):  # type: ignore[misc] # xdist's base is typed by itself
    """Hands out modules whole, and those that share a stack as one."""

    def _split_scope(self, nodeid: str) -> str:
        module = module_of(nodeid)
        rank = _GROUPS.get(module)
        return module if rank is None else f"group {rank[0]}"
