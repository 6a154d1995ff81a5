from __future__ import annotations

from dataclasses import fields

import pytest

from bench.__main__ import main
from bench.errors import BenchError
from bench.faults import Action
from bench.faults.catalog import LEASE_PARTITION, Fault, fault_of, faults_of, named, names
from bench.faults.scene import VICTIMS, Scene, Victim
from bench.stack.outputs import Outputs
from market_analytics.data_aggregator_election import PARTITION

OUTPUTS = Outputs(**{field.name: field.name for field in fields(Outputs)})
SCENE = Scene(OUTPUTS, seed=7, victims=tuple(Victim(f"object-{place}", f"{place:032d}") for place in range(VICTIMS)))
WANTED = {
    "duplicate-s3-events",
    "duplicate-messages",
    "kill-before-writes",
    "kill-before-receipt",
    "kill-before-event",
    "kill-before-delete",
    "function-timeout",
    "unprocessed-items",
    "throttling",
    "server-errors",
    "partial-sends",
    "partial-events",
    "dropped-events",
    "two-aggregators",
    "two-compactions",
    "aggregator-down",
    "poison-objects",
    "poison-messages",
    "dead-letter-redrive",
    "deadly-object",
    "unseen-object",
    "hostile-objects",
    "lost-index",
    "kill-revision",
    "two-revisions",
    "lost-orders",
}
#: These send something of their own, and have no rules.
WITHOUT_RULES = {"poison-messages", "hostile-objects"}


def fault(name: str) -> Fault:
    """Return one fault."""
    (found,) = faults_of([name])
    return found


def test_the_catalog_has_every_fault_with_a_sentence() -> None:
    """What `--faults` promises is there, once, and says in a sentence what it does."""
    assert set(names()) == WANTED
    assert len(names()) == len(WANTED)
    assert all(fault(name).about.endswith(".") for name in names())


@pytest.mark.parametrize("name", sorted(WANTED - WITHOUT_RULES))
def test_each_fault_has_rules_of_its_own_names(name: str) -> None:
    """Rules of all faults and stacks stand beside each other in one target, each under its own name."""
    one = fault(name)
    rules = [*named(one, one.rules, SCENE), *(named(one, one.then, SCENE) if one.then else ())]
    assert rules
    assert len({rule.name for rule in rules}) == len(rules)
    assert {fault_of(rule) for rule in rules} == {name}
    other = Scene(Outputs(**{field.name: f"other-{field.name}" for field in fields(Outputs)}), 7, SCENE.victims)
    assert {rule.name for rule in rules}.isdisjoint(rule.name for rule in named(one, one.rules, other))


def test_all_rules_go_together() -> None:
    """No two faults have a rule of one name: one would replace the other."""
    rules = [rule.name for one in faults_of(names()) for rule in named(one, one.rules, SCENE)]
    assert len(set(rules)) == len(rules)


def test_what_kills_or_times_out_is_bounded() -> None:
    """A run ends: nothing is killed or held for ever."""
    rules = [rule for one in faults_of(names()) for rule in one.rules(SCENE)]
    hard = {Action.KILL_BEFORE, Action.KILL_AFTER, Action.DELAY}
    assert all(rule.times is not None and rule.times <= 2 for rule in rules if rule.action in hard)


def test_what_hits_everything_stands_behind_what_hits_some() -> None:
    """The first rule that hits decides, so one that always hits would hide those behind it."""
    rules = [rule for one in faults_of(names()) for rule in one.rules(SCENE)]
    always: dict[tuple[str, str, str], str] = {}
    for rule in rules:
        place = (rule.service, rule.operation, rule.function)
        assert place not in always, f"{rule} is never asked: {always[place]} hits first"
        if rule.rate == 1 and rule.times is None and not rule.contains:
            always[place] = rule.name


def test_few_objects_give_fewer_victims_and_no_error() -> None:
    """A workload of POSTs alone has nothing to poison; other faults still hit."""
    nobody = Scene(OUTPUTS, 7, ())
    assert fault("poison-objects").rules(nobody) == ()
    assert fault("aggregator-down").rules(nobody) == ()
    assert len(fault("poison-objects").rules(Scene(OUTPUTS, 7, SCENE.victims[:1]))) == 1


def test_victims_differ() -> None:
    """No object is spoiled by two faults: the second one would never be seen."""
    spoilt = [rule.contains for one in faults_of(names()) if one.held for rule in one.rules(SCENE)]
    others = {rule.contains for name in ("deadly-object", "unseen-object") for rule in fault(name).rules(SCENE)}
    assert len(set(spoilt)) == len(spoilt) == VICTIMS - len(others)
    assert others.isdisjoint(spoilt)
    assert len(others) == 2


def test_the_lease_is_the_pipelines_own() -> None:
    """The partition that is named here is the one in which aggregators elect."""
    assert LEASE_PARTITION == PARTITION


def test_an_unknown_name_is_told_the_known_ones() -> None:
    """A typing error is one line that helps."""
    with pytest.raises(BenchError, match=r"no fault kill-before-lunch: there are kill-before-writes, .* and all"):
        faults_of(["throttling", "kill-before-lunch"])


def test_faults_of_objects_are_not_asked_of_a_workload_without_any() -> None:
    """`all` leaves them out there; by name they are the user's mistake, told before anything runs."""
    without = set(names()) - set(names(objects=False))
    assert without == {
        "poison-objects",
        "dead-letter-redrive",
        "aggregator-down",
        "duplicate-s3-events",
        "deadly-object",
        "unseen-object",
        "hostile-objects",
        "lost-index",
    }
    with pytest.raises(BenchError, match="no objects, so that there is no occasion for poison-objects"):
        faults_of(["throttling", "poison-objects"], objects=False)
    assert main(["run", "--workload", "api", "--faults", "duplicate-s3-events"]) == 2


def test_an_index_is_lost_only_where_there_is_one() -> None:
    """`all` leaves it out without a packed day file; by name that is the user's mistake, told before anything runs."""
    assert set(names()) - set(names(index=False)) == {"lost-index"}
    with pytest.raises(BenchError, match="no large packed object"):
        faults_of(["lost-index"], index=False)
    assert main(["run", "--workload", "smoke", "--day-file", "csv", "--faults", "lost-index"]) == 2


def test_nothing_befalls_retractions_where_there_are_none() -> None:
    """`all` leaves these out where nothing is taken back; by name that is told before anything runs."""
    of_retractions = {"kill-revision", "two-revisions", "lost-orders"}
    assert set(names()) - set(names(retractions=False)) == of_retractions
    with pytest.raises(BenchError, match="takes nothing back"):
        faults_of(["two-revisions"], retractions=False)
    assert main(["run", "--workload", "smoke", "--faults", "two-revisions"]) == 2
