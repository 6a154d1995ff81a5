from __future__ import annotations

import json
import tomllib
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import WorkloadError
from bench.stack.deployment import generate
from bench.workloads import DEFAULT, RANGE_BYTES, Volume, load, names, workload_of

SMOKE = resources.files("bench.workloads").joinpath("smoke.toml").read_text(encoding="utf-8")
GIVEN = {"range_bytes": 1_024}


def test_every_workload_of_the_issue_can_be_loaded() -> None:
    """Each file is a whole workload under its own name, and says what it is for."""
    of_issues = {"smoke", "trading-day", "burst", "streams", "api", "soak", "dirty", "reference", "trickle", "live"}
    assert set(names()) == of_issues | {DEFAULT}
    for name in names():
        assert load(name).name == name
        text = resources.files("bench.workloads").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        assert text.startswith("# ")


def test_workloads_are_what_their_names_promise() -> None:
    """The figures that users choose a workload for stand in the files."""
    assert (load("trading-day").market.volume, load("trading-day").symbols) == (Volume.U_SHAPED, 500)
    assert load("burst").market.volume is Volume.PEAKS
    assert (load("streams").streams, load("streams").ticks) == (2_000, 1_000_000)
    trickle = load("trickle")
    assert (trickle.streams, trickle.rounds, trickle.round_s, trickle.symbols) == (2_000, 10, 60.0, 2_000)
    assert load("api").posts.share == 1
    assert (load("soak").market.volume, load("soak").duration_s >= 120) == (Volume.CONSTANT, True)
    live = load("live")
    assert (live.ticks / live.objects.at_least, live.duration_s / live.objects.at_least) == (200, 0.2)
    reference = load("reference")
    assert (reference.ticks, reference.symbols, reference.attempted) == (10_000_000, 500, 10_000_000)
    dirty = load("dirty")
    market = dirty.market
    assert min(market.late_share, market.displaced_share, market.tied_share, market.repeated_share) >= 0.1
    assert min(dirty.corrupt_fraction, dirty.objects.uploaded_twice_share) >= 0.1
    assert {name: load(name).retracted_share for name in names() if load(name).retracted_share} == {"dirty": 0.1}
    assert {name: load(name).replaced_share for name in names() if load(name).replaced_share} == {"dirty": 0.1}
    assert dirty.conditions.cancelled_share > 10 * load("trading-day").conditions.cancelled_share > 0
    assert {name for name in names() if load(name).duration_s == 0} == {
        "smoke", "dirty", "reference", "trickle", DEFAULT,
    }  # fmt: skip


def test_rounds_fit_the_day() -> None:
    """A session has 390 minutes and no more."""
    assert load("trickle", rounds=390).window(389)[1] == pytest.approx(1)
    assert load("trickle", rounds=4, round_s=0.0).window(1) == (0.25, 0.5)
    with pytest.raises(WorkloadError, match="longer than the day"):
        load("trickle", rounds=391)
    with pytest.raises(WorkloadError, match="no schedule, and no requests"):
        load("trickle", single_posts=1)


@pytest.mark.parametrize("share", ["retracted_share", "replaced_share"])
def test_requests_are_neither_taken_back_nor_replaced(share: str) -> None:
    """Objects are: a workload of POSTs alone has none."""
    shares: dict[str, Any] = {share: 0.5}
    assert getattr(load("streams", **shares), share) == 0.5
    with pytest.raises(WorkloadError, match="there are only requests"):
        load("api", **shares)


def test_ranges_are_as_large_as_the_templates() -> None:
    """Objects are cut for the range size that is deployed, and the help says it."""
    template = json.loads(generate("dev"))
    assert template["Parameters"]["RangeBytes"]["Default"] == RANGE_BYTES == load(DEFAULT).range_bytes


def test_options_override_the_file_and_nothing_else() -> None:
    """A figure from the command line takes the place of the file's; the rest is the file's."""
    changed = load("streams", ticks=20_000, seed=7).facts()
    assert changed == load("streams").facts() | {"ticks": 20_000, "seed": 7}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("late_share", "lat_share", ["unknown key market.lat_share", "no key market.late_share"]),
        ("ticks = 2_000", "", ["no key ticks"]),
        ("[posts]", "[post]", ["unknown key post", "no key posts"]),
        ("ticks = 2_000", 'ticks = "2000"', ["ticks: ", "integer"]),
        ("ticks = 2_000", "ticks = 2000.5", ["ticks: ", "integer"]),
        ("ticks = 2_000", "ticks = true", ["ticks: ", "integer"]),
        ("late_share = 0.005", "late_share = 1.1", ["market.late_share: ", "less than or equal to 1"]),
        ("late_share = 0.005", "late_share = nan", ["market.late_share: "]),
        ("duration_s = 0.0", "duration_s = inf", ["duration_s: "]),
        ('volume = "u-shaped"', 'volume = "flat"', ["market.volume: ", "peaks"]),
        ("jsonl_share = 0.1", "jsonl_share = 0.8", ["together at most 1"]),
        ("ticks_a_request = 20", "ticks_a_request = 101", ["posts.ticks_a_request: ", "100"]),
        ("[conditions]\nshare = 0.0", "[conditions]\nshare = 0.9", ["vendors' files", "together at most 1"]),
        ("sweep_share = 0.0\nextended_share = 0.0", "sweep_share = 0.6\nextended_share = 0.6", ["together at most 1"]),
        ("cancelled_share = 0.0", "cancelled_share = 0.2", ["together at most 0.5"]),
        ("rounds = 1", "rounds = 2", ["rounds are of streams"]),
        ("round_s = 0.0", "round_s = 23_401.0", ["round_s: "]),
        ("retracted_share = 0.0", "retracted_share = 1.5", ["retracted_share: ", "less than or equal to 1"]),
        ("[market]", "[market", ["is no TOML"]),
    ],
)
def test_a_file_that_is_no_workload_is_refused(old: str, new: str, said: list[str]) -> None:
    """One line names the file and the key that is unknown, missing, of the wrong type or out of bounds."""
    assert old in SMOKE
    with pytest.raises(WorkloadError) as refused:
        workload_of("mine", SMOKE.replace(old, new, 1), GIVEN)
    message = str(refused.value)
    assert message.startswith("mine.toml")
    assert "\n" not in message
    assert all(part in message for part in said)


@given(st.data())
def test_each_key_is_needed(data: st.DataObject) -> None:
    """No key has a silent default: leaving out any one of them is refused by its name."""
    described = tomllib.loads(SMOKE)
    lines = SMOKE.splitlines()
    keys = [line.split(" = ")[0] for line in lines if " = " in line]
    assert len(keys) > len(described)
    key = data.draw(st.sampled_from(keys))
    without = "\n".join(line for line in lines if not line.startswith(f"{key} = "))
    with pytest.raises(WorkloadError, match=rf"mine\.toml: .*{key}"):
        workload_of("mine", without, GIVEN)


def test_an_override_out_of_bounds_does_not_blame_the_file() -> None:
    """Who gave the figure on the command line is told so, and not sent to a file."""
    with pytest.raises(WorkloadError, match=r"^workload: ticks: .*got -1"):
        load("smoke", ticks=-1)


def test_an_unknown_workload_is_refused_with_those_that_there_are() -> None:
    """A typing error is answered with the names to choose from."""
    with pytest.raises(WorkloadError, match="trading-day"):
        load("tradingday")
