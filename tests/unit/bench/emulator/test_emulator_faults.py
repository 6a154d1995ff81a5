from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import pytest

from bench.emulator.faults.injection import Receives
from bench.emulator.faults.matching import MAX_MARKS, Faults
from bench.errors import BenchError
from bench.faults import Action, FaultRule
from bench.faults.rules import INVOCATION

RULE = FaultRule("rule", "s3", "GetObject", "data-processor-x", "a b%20.csv")
REQUEST = {"Bucket": "bucket", "Key": "feeds/a b%20.csv", "Range": "bytes=0-1"}


def _faults(*rules: FaultRule) -> Faults:
    faults = Faults()
    faults.add(rules)
    return faults


def test_a_rule_refuses_what_it_names_and_counts_it() -> None:
    """Service, operation, function and a text of the request, all of them."""
    faults = _faults(RULE)
    assert faults.hit("s3", "GetObject", "data-processor-x", REQUEST) == RULE
    assert faults.hits() == {"rule": 1}


@pytest.mark.parametrize(
    ("service", "operation", "function", "key"),
    [
        ("sqs", "GetObject", "data-processor-x", "a b%20.csv"),
        ("s3", "HeadObject", "data-processor-x", "a b%20.csv"),
        ("s3", "GetObject", "", "a b%20.csv"),
        ("s3", "GetObject", "file-validator-x", "a b%20.csv"),
        ("s3", "GetObject", "data-processor-x", "a b .csv"),
    ],
)
def test_a_rule_leaves_other_requests_alone(service: str, operation: str, function: str, key: str) -> None:
    """Another service, operation, caller or file is none of its business, and not counted."""
    faults = _faults(RULE)
    assert faults.hit(service, operation, function, {"Key": key}) is None
    assert faults.hits() == {"rule": 0}


def test_a_fault_is_over_after_its_times() -> None:
    """Two times are two refusals; the third request gets through."""
    faults = _faults(replace(RULE, times=2))
    got = [faults.hit("s3", "GetObject", "data-processor-x", REQUEST) is not None for _ in range(4)]
    assert got == [True, True, False, False]


def test_a_fault_begins_after_what_it_skips() -> None:
    """Two requests pass, two are hit, and it is over; other requests are not counted as skipped."""
    faults = _faults(replace(RULE, skip=2, times=2))
    assert faults.hit("s3", "GetObject", "data-processor-x", {"Key": "another"}) is None
    got = [faults.hit("s3", "GetObject", "data-processor-x", REQUEST) is not None for _ in range(6)]
    assert got == [False, False, True, True, False, False]


def test_rate_and_seed_decide_the_same_again() -> None:
    """A fifth of the requests is hit: the same ones with the same seed, others with another."""

    def hits(seed: int) -> list[bool]:
        faults = _faults(replace(RULE, rate=0.2, seed=seed))
        return [faults.hit("s3", "GetObject", "data-processor-x", REQUEST) is not None for _ in range(1000)]

    assert hits(1) == hits(1) != hits(2)
    assert 140 < sum(hits(1)) < 260
    assert not any(hit for hit in [_faults(replace(RULE, rate=0.0)).hit("s3", "GetObject", "f", REQUEST)])


def test_a_rule_that_passes_leaves_the_request_to_the_next() -> None:
    """A rule that is over does not shield requests from another."""
    other = replace(RULE, name="other")
    faults = _faults(replace(RULE, times=1), other)
    got = [faults.hit("s3", "GetObject", "data-processor-x", REQUEST) for _ in range(2)]
    assert [rule.name for rule in got if rule] == ["rule", "other"]


def test_a_rule_without_text_hits_requests_without_text() -> None:
    """A request without parameters is a request too."""
    faults = _faults(FaultRule("rule", "s3", "ListBuckets"))
    assert faults.hit("s3", "ListBuckets", "", {}) is not None


def test_who_cannot_be_killed_is_left_alone() -> None:
    """A request of nobody's invocation is neither hit nor counted by a rule that kills."""
    faults = _faults(replace(RULE, function="", action=Action.KILL_BEFORE, times=1))
    assert faults.hit("s3", "GetObject", "", REQUEST, killable=False) is None
    assert faults.hits() == {"rule": 0}
    assert faults.hit("s3", "GetObject", "", REQUEST) is not None


def test_hits_are_marked_with_their_time_up_to_a_limit() -> None:
    """Each has the time at which it was hit; beyond the limit they are only counted."""
    faults = _faults(RULE, replace(RULE, name="other", contains="other"))
    before_ms = time.time_ns() // 1_000_000
    for _ in range(MAX_MARKS + 1):
        faults.hit("s3", "GetObject", "data-processor-x", REQUEST)
    faults.hit("s3", "GetObject", "data-processor-x", {"Key": "other"})
    marks = faults.marks()
    assert faults.hits() == {"rule": MAX_MARKS + 1, "other": 1}
    assert [name for name, _ in marks] == ["rule"] * MAX_MARKS + ["other"]
    assert all(before_ms <= at_ms <= time.time_ns() // 1_000_000 for _, at_ms in marks)


def test_threads_never_exceed_the_times() -> None:
    """Of requests at once exactly as many are hit as ordered, each counted once."""
    faults = _faults(replace(RULE, times=50))
    with ThreadPoolExecutor(8) as pool:
        hits = list(pool.map(lambda _: faults.hit("s3", "GetObject", "data-processor-x", REQUEST), range(400)))
    assert sum(hit is not None for hit in hits) == 50
    assert faults.hits() == {"rule": 50}


@pytest.mark.parametrize(
    "changes",
    [
        {"action": Action.PARTIAL},
        {"action": Action.TWICE, "operation": "PutObject"},
        {"action": Action.DROP, "service": INVOCATION[0], "operation": INVOCATION[1]},
        {"rate": 1.5},
        {"delay_s": -1.0},
        {"skip": -1},
    ],
    ids=["partial GetObject", "streamed twice", "dropped invocation", "rate", "delay", "skip"],
)
def test_a_rule_that_cannot_be_carried_out_is_refused(changes: dict[str, Any]) -> None:
    """Whoever writes it learns so at once, rather than from a fault that does nothing."""
    with pytest.raises(BenchError, match="fault rule:"):
        replace(RULE, **changes)


def test_texts_are_found_at_any_depth() -> None:
    """A key of DynamoDB stands several levels down."""
    faults = _faults(FaultRule("rule", "dynamodb", "GetItem", "", "a b%20.csv"))
    request = {"TableName": "t", "Key": {"fileId": {"S": "bucket/feeds/a b%20.csv"}}}
    assert faults.hit("dynamodb", "GetItem", "anybody", request) is not None
    assert faults.hit("dynamodb", "GetItem", "anybody", {"a b%20.csv": [{"S": b"a b%20.csv"}]}) is None


def test_rules_come_and_go() -> None:
    """A rule put again counts from 0; one can be taken away, its hits stay; all can, with their hits."""
    faults = _faults(RULE, replace(RULE, name="other", contains="nothing"))
    faults.hit("s3", "GetObject", "data-processor-x", REQUEST)
    faults.add([RULE])
    assert faults.hits() == {"rule": 0, "other": 0}
    faults.remove("rule")
    faults.remove("unknown")
    assert faults.hit("s3", "GetObject", "data-processor-x", REQUEST) is None
    assert faults.hits() == {"rule": 0, "other": 0}
    assert faults.concern("s3", "GetObject")
    faults.clear()
    assert not faults.concern("s3", "GetObject")
    assert faults.hits() == {}


def test_a_rule_survives_its_journey() -> None:
    """What the bench sends is what the emulator reads; other fields are refused."""
    rule = replace(RULE, action=Action.DELAY, delay_s=0.5, rate=0.25, seed=7, skip=3, times=2)
    sent = json.loads(json.dumps(asdict(rule)))
    assert FaultRule.from_fields(sent) == rule
    assert FaultRule.from_fields(sent).action is Action.DELAY
    with pytest.raises(ValueError, match="explode"):
        FaultRule.from_fields({**sent, "action": "explode"})
    with pytest.raises(TypeError):
        FaultRule.from_fields({"name": "rule", "colour": "red"})


def test_the_largest_receive_count_of_each_group_is_kept() -> None:
    """A later, first message of the group does not hide that another came three times."""
    receives = Receives()
    for count in (1, 3, 1):
        receives.note("q.fifo", [{"Attributes": {"MessageGroupId": "g", "ApproximateReceiveCount": str(count)}}])
    receives.note("q.fifo", [{"MessageId": "without attributes"}])
    assert receives.counts() == {"q.fifo": {"g": 3}}
