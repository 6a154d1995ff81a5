"""The one trial that every pipeline goes through, the real one and the broken ones."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bench.errors import BenchError
from bench.faults import FaultInjector
from bench.faults.retries import retry_soon
from bench.ledger.truth import ObjectFile
from bench.market_analytics.fault_plan import FaultPlan
from bench.market_analytics.retractions import Due
from bench.market_analytics.table_reader import read_table
from bench.market_analytics.trial import DEFAULT_STALL_S, MarketTrial
from bench.mutants.conditioned import make_conditioned_files
from bench.mutants.edges import HELD_PREFIX, make_edges
from bench.mutants.packed import make_packed_file
from bench.mutants.vendor import make_vendor_file
from bench.stack import deployment
from bench.workloads import market_day
from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.mutants.conditions import Condition
    from bench.report.console import Reporter
    from bench.stack.outputs import Outputs
    from bench.targets import Target
    from bench.workloads import Workload

_TICKS: Final = 1_200
_RANGE_BYTES: Final = 65_536
#: Small objects are cut into several ranges, and an hour that six objects share is compacted.
_PARAMETERS: Final = {"RangeBytes": str(_RANGE_BYTES), "CompactionThreshold": "4"}
#: In a broken pipeline nothing moves for so long only where nothing will: a cold start takes a few seconds.
_STALL_S: Final = 20.0
_LOOK_EVERY_S: Final = 1.0
_SEED: Final = 11


def workload() -> Workload:
    """Return a synthetic day with every format, corrupt rows and POSTs among it."""
    day = market_day(
        ticks=_TICKS, symbols=10, seed=_SEED, corrupt_fraction=0.03, single_posts=3, range_bytes=_RANGE_BYTES
    )
    objects = replace(day.objects, jsonl_share=0.1, gzip_share=0.1, parquet_share=0.15)
    return replace(day, objects=objects, posts=replace(day.posts, share=0.05, ticks_a_request=25))


class MutantTrial(MarketTrial):
    """The synthetic day and the edge objects, under a condition; of the real pipeline (`intact`) or of a broken one.

    updated: what the stack is updated to where the condition wants that.
    """

    def __init__(self, condition: Condition, *, intact: bool, updated: deployment.Build | None = None) -> None:
        plan = FaultPlan.of(condition.faults, _SEED) if condition.faults else None
        parameters = {**_PARAMETERS, **condition.parameters}
        day = replace(workload(), replaced_share=condition.replaced_share)
        super().__init__(day, parameters, stall_s=DEFAULT_STALL_S if intact else _STALL_S, faults=plan)
        self._condition = condition
        self._updated = updated
        self._edges: tuple[ObjectFile, ...] = ()

    def prepare(self, folder: Path) -> None:
        """See Trial."""
        super().prepare(folder)
        first = 1 + max(piece.ordinal for piece in self._pieces)
        edges = tuple(make_edges(folder, self._truth, first))
        vendors = make_vendor_file(folder, self._truth, first + len(edges))
        packed = make_packed_file(folder, self._truth, vendors.ordinal + 1)
        conditioned = make_conditioned_files(folder, self._truth, packed.ordinal + 1)
        self._edges = (*edges, vendors, packed, *conditioned)
        if self._condition.replaced_share:
            # What is put twice with other bytes would count once, whichever S3 had last.
            counts = Counter(edge.key for edge in self._edges)
            self._edges = tuple(edge for edge in self._edges if counts[edge.key] == 1)
        self._pieces += self._edges

    def push(self, target: Target, environment: str, reporter: Reporter) -> None:
        """See Trial."""
        outputs = deployment.outputs_of(target, environment)
        retry_soon(target.client("sqs"), outputs.working_queues().values())
        with self._faults(target, environment, outputs):
            super().push(target, environment, reporter)

    def _to_be_taken_back(self, bucket: str) -> tuple[Due, ...]:
        first = {piece.key: piece for piece in reversed(self._edges)}
        return tuple(
            Due(piece.ordinal, key, keys.object_ingest_id(bucket, key, piece.etag, piece.size_bytes), moment)
            for key, moment in self._condition.taken_back.items()
            for piece in [first[key]]
        )

    @contextmanager
    def _faults(self, target: Target, environment: str, outputs: Outputs) -> Iterator[None]:
        """Have the condition's faults apply while the block runs."""
        rules = self._condition.rules(outputs, {edge.key: edge for edge in self._edges})
        if not rules:
            yield
            return
        injector = FaultInjector(target)
        over = threading.Event()

        def release() -> None:
            if self._updated is not None:
                deployment.update(target, environment, self.parameters, self._updated)
            injector.remove(rules[0].name)

        with ThreadPoolExecutor(1, thread_name_prefix="release") as pool:
            injector.add(rules)
            try:
                if self._condition.until_rolled_up:
                    releasing = pool.submit(self._release, target, outputs, over, release)
                yield
            finally:
                over.set()
                for rule in rules:
                    injector.remove(rule.name)
        if self._condition.until_rolled_up:
            releasing.result()
        hits = injector.hits()
        if idle := [rule.name for rule in rules if not hits.get(rule.name)]:
            raise BenchError(
                f"the condition {self._condition.name!r} did not come to pass: nothing was hit by {idle[0]}"
            )

    def _release(self, target: Target, outputs: Outputs, over: threading.Event, release: Callable[[], None]) -> None:
        """Release what is held back as soon as everything else is rolled up."""
        ingests = {
            keys.object_ingest_id(outputs.bucket_name, piece.key, piece.etag, piece.size_bytes): piece.key
            for piece in self._pieces
            if isinstance(piece, ObjectFile)
        }
        while not over.wait(_LOOK_EVERY_S):
            table = read_table(target, outputs.table_name)
            wanted = {
                (ingest_id, index)
                for ingest_id, key in ingests.items()
                if not key.startswith(HELD_PREFIX) and ingest_id in table.manifests
                for index in range(table.manifests[ingest_id].ranges)
            }
            if ingests.keys() <= table.manifests.keys() and wanted <= table.receipts.keys() and not table.pending:
                release()
                return
