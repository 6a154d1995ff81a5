"""What became of a run of the model, in a few figures: whether it settles, when bars are visible, what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from bench.capacity.limits import OF_THE_DESIGN, SETTLING, SURVEY_LANES
from bench.cost.bill import bill_of, sampled_traces
from bench.cost.prices import prices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.capacity.model import Look, Run

_ARCHITECTURE: Final = "arm64"
#: What stands in the last third of a load above the middle third's by this much grows; so few are no growth.
_GROWS_BY: Final = 1.15
_FEW: Final = 500
#: Of API Gateway.
_LONGEST_ANSWER_S: Final = 29
_GROWING: Final = {
    "queued": "the queue",
    "listed": "the work list",
    "open_ingests": "open ingests",
    "waiting_events": "events that wait for concurrency",
}


@dataclass(frozen=True, slots=True)
class Held:
    """A limit that held things up. remedy: what to raise, or to do."""

    name: str
    what: str
    first_s: float
    held_s: float
    remedy: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scenario on one design. Seconds from sending; None where nothing came so far.

    growing: what grows as long as the load lasts. shares are of all ranges sent; refused ones their sender knows of.
    usd: of all that was run; usd_a_day where it goes on like this. slow_read_s: what reading the hour with most loose
    slices takes, at worst. limits: that held something up, the one that did for longest first.
    """

    scenario: str
    design: str
    sent: int
    settles: bool
    rest_s: float | None
    growing: tuple[str, ...]
    unsettled: int
    visible_p50_s: float | None
    visible_p99_s: float | None
    rolled_up_p50_s: float | None
    rolled_up_p99_s: float | None
    committed: int
    rolled_up: int
    refused: int
    dead: int
    wasted_write_units: int
    slow_read_s: float
    usd: Decimal
    usd_a_day: Decimal | None
    limits: tuple[Held, ...]
    looks: tuple[Look, ...]

    @property
    def verdict(self) -> str:
        """Say in a few words whether it settles, and what else to know."""
        said = []
        if self.growing:
            said.append(f"grows: {', '.join(self.growing)}")
        elif self.rest_s is None and not self.settles:
            said.append("not done when the model stopped")
        elif not self.dead:
            said.append("settles")
        if self.dead:
            said.append(f"{self.dead / self.sent:.1%} dead-lettered")
        if self.refused:
            said.append(f"{self.refused / self.sent:.0%} refused")
        if self.slow_read_s > _LONGEST_ANSWER_S:
            said.append(f"an hour takes {self.slow_read_s:.0f} s to read")
        return "; ".join(said)

    @property
    def holds(self) -> Held | None:
        """Return what held things up for longest; None where nothing did. Settling holds up no bar."""
        of_bars = (held for held in self.limits if held.name not in {SETTLING, SURVEY_LANES})
        return next(of_bars, self.limits[0] if self.limits else None)

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain JSON; dollars as text."""
        day = None if self.usd_a_day is None else str(self.usd_a_day)
        return asdict(self) | {"verdict": self.verdict, "usd": str(self.usd), "usd_a_day": day}


def outcome_of(run: Run) -> Outcome:
    """Put a run into figures."""
    books, scenario = run.books, run.scenario
    growing = _growing(run.looks) if scenario.is_steady else _unsettled(run)
    seconds, invocations = Decimal(str(round(run.ended_s, 3))), Decimal(str(round(run.world.used["lambda_requests"])))
    usd = dollars_of({**run.world.used, "xray_traces": float(sampled_traces(invocations, seconds))})
    share = Decimal(str(scenario.day_share))
    return Outcome(
        scenario=scenario.name,
        design=run.design.name,
        sent=books.sent,
        settles=not growing and not books.dead and (scenario.is_steady or run.rest_s is not None),
        rest_s=run.rest_s,
        growing=growing,
        unsettled=run.open_ingests,
        visible_p50_s=books.visible.percentile(0.5),
        visible_p99_s=books.visible.percentile(0.99),
        rolled_up_p50_s=books.rolled.percentile(0.5),
        rolled_up_p99_s=books.rolled.percentile(0.99),
        committed=books.committed,
        rolled_up=books.rolled_up,
        refused=books.refused,
        dead=books.dead,
        wasted_write_units=round(books.wasted_units),
        slow_read_s=_slow_read_s(run),
        usd=usd,
        usd_a_day=usd / share if share else None,
        limits=tuple(_held(run)),
        looks=run.looks,
    )


def _growing(looks: Sequence[Look]) -> tuple[str, ...]:
    """Return what grew over the load: in its last third there was more than in the middle one."""
    third = len(looks) // 3
    found = []
    for name, said in _GROWING.items():
        middle = max((getattr(look, name) for look in looks[third : 2 * third]), default=0)
        last = max((getattr(look, name) for look in looks[2 * third :]), default=0)
        if last > _FEW and last > _GROWS_BY * middle:
            found.append(said)
    return tuple(found)


def _unsettled(run: Run) -> tuple[str, ...]:
    return () if run.rest_s is not None else _growing(run.looks)


def _held(run: Run) -> list[Held]:
    table = run.world.quotas.by_name
    found = []
    for name, met in run.world.limits.by_weight().items():
        if name in table:
            what, remedy = f"{table[name].service}: {table[name].value:,} {table[name].what}", table[name].remedy
        else:
            what, remedy = OF_THE_DESIGN[name]
        found.append(Held(name, what, met.first_s, met.held_s, remedy))
    return found


def _slow_read_s(run: Run) -> float:
    """Return what DataQuery takes for the hour with most loose slices, at worst."""
    scenario, shape = run.scenario, run.scenario.shape
    if not shape.symbol_hours:
        return 0.0
    of_an_hour = shape.slices / shape.symbol_hours
    if shape.together:
        # No hour has more than the ranges of its object.
        loose = shape.together * of_an_hour
    else:
        # ... and none more than come in an hour.
        of_hour = max(scenario.at_once, scenario.objects_a_second * 3_600.0) * shape.ranges
        loose = min(of_hour, max((look.listed for look in run.looks), default=0)) * of_an_hour
    return loose / run.world.figures["loose_slices_a_second"] + run.world.figures["dynamodb_s"]


def dollars_of(used_of: Mapping[str, float]) -> Decimal:
    """Price what was used, by key of the price table; bytes of log are among it."""
    used = {key: Decimal(str(round(amount, 6))) for key, amount in used_of.items() if amount}
    if log_bytes := used.pop("log_bytes", None):
        used["logs_gb"] = log_bytes / 10**9
    return bill_of(used, prices()).total(_ARCHITECTURE)
