"""What the model foretells of a run that was measured, and whether it is near: seconds, requests, dollars.

What was sent is taken from the result (objects, POSTs, bytes, ticks, symbols, how long it took to send); everything
that the pipeline makes of it is foretold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bench.capacity.designs import QueueDesign
from bench.capacity.emulator import TwoCores, parameters
from bench.capacity.figures import Figures, figures
from bench.capacity.model import Model
from bench.capacity.outcome import dollars_of
from bench.capacity.quotas import quotas
from bench.capacity.sent import scenarios_of
from bench.cost.bill import ARCHITECTURES, bill_of
from bench.cost.prices import prices
from bench.cost.usage import usage_of
from bench.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from bench.capacity.designs import Design
    from bench.capacity.emulator import Parameters
    from bench.capacity.model import Run
    from bench.report.result import Result

#: What is foretold is to be within this share of what was measured.
TOLERANCE: Final = 0.25
#: Of fewer requests of a kind than this one more or less is much, and a kind of a smaller share of all requests, a
#: quarter off, moves all of them by less than a fortieth: such kinds are told, and not judged.
_FEW_REQUESTS: Final = 20
_SMALL_SHARE: Final = 0.10
_ALL: Final = 10**9
#: Between these a machine's slowness is looked for, to within this.
_SLOWNESS: Final = (0.1, 10.0)
_SLOWNESS_STEP: Final = 0.02
#: Not bound by anything on the emulator.
_NO_LIMIT: Final = ("dynamodb_new_writes", "dynamodb_new_reads", "dynamodb_table_writes", "dynamodb_table_reads",
                    "dynamodb_key_writes", "dynamodb_key_reads", "s3_puts", "api_rate", "api_burst")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Foretold:
    """One figure beside the measured one. judged: whether it has to be near."""

    name: str
    measured: float
    foretold: float
    judged: bool

    @property
    def off(self) -> float:
        """By which share it is off, above or below."""
        return self.foretold / self.measured - 1 if self.measured else math.inf

    @property
    def is_near(self) -> bool:
        """Whether it is within the tolerance."""
        return abs(self.off) <= TOLERANCE


def validate(result: Result, design: Design, machine: Parameters | None = None) -> tuple[Foretold, ...]:
    """Hold the model against one run of the embedded target, on a machine (`parameters_of`), or that of the file.

    Raises ResultError for a run that it cannot foretell.
    """
    _refuse_what_is_not_known(result)
    run = foretell(result, design, machine)
    measured_s, ended_s = result.first_upload_to_last_rollup_s or 0.0, run.books.last_rolled_s
    found = [Foretold("seconds to the last rollup", measured_s, ended_s, judged=True)]
    measured, foretold = _requests(result), run.world.requests
    of_all = sum(measured.values())
    found.append(Foretold("requests", of_all, sum(foretold.values()), judged=True))
    from_here = max(_FEW_REQUESTS, of_all * _SMALL_SHARE)
    found += [
        Foretold(f"... {name}", measured.get(name, 0), foretold.get(name, 0.0), measured.get(name, 0) >= from_here)
        for name in sorted(measured.keys() | foretold.keys(), key=lambda name: -measured.get(name, 0))
    ]
    dollars = dollars_of({key: amount for key, amount in run.world.used.items() if key not in _NOT_HELD})
    found.append(
        Foretold("dollars, without Lambda's seconds", float(_measured_usd(result)), float(dollars), judged=True)
    )
    return tuple(found)


def parameters_of(result: Result, design: Design) -> Parameters:
    """Return the parameters of the machine that a run was on: as slow as it takes to foretell its seconds.

    Raises ResultError for a run that the model cannot foretell, or whose seconds no slowness explains: those of one
    that waited for its senders.
    """
    _refuse_what_is_not_known(result)
    measured_s = result.first_upload_to_last_rollup_s or 0.0

    def at(slowness: float) -> Parameters:
        of = parameters()
        return of.model_copy(update={"calibrated": of.calibrated.model_copy(update={"slowness": slowness})})

    low, high = _SLOWNESS
    while high - low > _SLOWNESS_STEP:
        middle = (low + high) / 2
        if foretell(result, design, at(middle)).books.last_rolled_s < measured_s:
            low = middle
        else:
            high = middle
    machine = at((low + high) / 2)
    if not validate(result, design, machine)[0].is_near:
        raise ResultError("its seconds tell nothing of the machine: take a run that never waits for who sends")
    return machine


def _refuse_what_is_not_known(result: Result) -> None:
    if result.pipeline != "market-analytics" or result.target.get("kind") != "embedded":
        raise ResultError("the model knows market analytics on the embedded target: run it there")
    if "ticks" not in result.workload or int(result.workload["ticks"]) < 1 or result.workload["day_file"] != "none":
        raise ResultError(
            "the model foretells the bench's own workloads, in objects of rows: no input of yours, no day file"
        )
    if result.faults is not None and result.faults.names:
        raise ResultError("the model knows no faults: run without --faults")
    if result.first_upload_to_last_rollup_s is None or result.own_requests is None or not result.verdict.passed:
        raise ResultError("a run that did not pass, or measured nothing, is nothing to hold a model against")


#: An emulator's seconds are not Lambda's; its logs and traces follow from its invocations.
_NOT_HELD: Final = frozenset({"lambda_gb_seconds", "log_bytes", "logs_gb", "xray_traces"})


def foretell(result: Result, design: Design, machine: Parameters | None = None) -> Run:
    """Run the model on a machine, by default that of the file, with what the run sent."""
    of = machine or parameters()
    design = replace(
        design,
        small=QueueDesign(design.small.batch, of.settings.batches_at_a_time),
        large=QueueDesign(design.large.batch, of.settings.batches_at_a_time),
    )
    allowed = quotas().with_values(
        [*(f"{name}={_ALL}" for name in _NO_LIMIT), f"lambda_concurrency={of.settings.invocations_at_a_time}"]
    )
    first, *also = scenarios_of(result.workload)
    model = Model(first, design, allowed, _figures(of.calibrated.start_s), also=also, until_settled=False)
    model.world.machine = TwoCores.of(model.world.env, of)
    return model.run()


def _figures(start_s: float) -> Figures:
    """Return figures in which AWS's latencies are the emulator's: its time is in its requests."""
    table = dict(figures().by_name)
    changed = {
        "s3_event_s": start_s,
        "decoder_cold_s": parameters().starting.decoder_s,
        "events_s": 0.01,
        "client_units_a_second": 1e9,
    }
    for name, value in changed.items():
        table[name] = replace(table[name], value=value)
    return Figures(figures().as_of, table)


def _requests(result: Result) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for row in result.own_requests or ():
        if row.caller.startswith("DataQuery") or row.operation == "GetQueueAttributes":
            continue
        found[row.operation] = found.get(row.operation, 0) + row.requests
    return found


def _measured_usd(result: Result) -> Decimal:
    used = {key: amount for key, amount in usage_of(result).work.items() if key not in _NOT_HELD}
    return bill_of(used, prices()).total(ARCHITECTURES[0])
