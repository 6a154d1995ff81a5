from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from bench.emulator.faults import Faults, Receives
from bench.faults import FaultRule

RULE = FaultRule("rule", "s3", "GetObject", "data-processor-x", "a b%20.csv")
REQUEST = {"Bucket": "bucket", "Key": "feeds/a b%20.csv", "Range": "bytes=0-1"}


def _faults(*rules: FaultRule) -> Faults:
    faults = Faults()
    faults.add(rules)
    return faults


def test_a_rule_refuses_what_it_names_and_counts_it() -> None:
    """Service, operation, function and a text of the request, all of them."""
    faults = _faults(RULE)
    assert faults.refusal_of("s3", "GetObject", "data-processor-x", REQUEST) == RULE
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
    assert faults.refusal_of(service, operation, function, {"Key": key}) is None
    assert faults.hits() == {"rule": 0}


def test_a_fault_is_over_after_its_times() -> None:
    """Two times are two refusals; the third request gets through."""
    faults = _faults(replace(RULE, times=2))
    got = [faults.refusal_of("s3", "GetObject", "data-processor-x", REQUEST) is not None for _ in range(4)]
    assert got == [True, True, False, False]


def test_texts_are_found_at_any_depth() -> None:
    """A key of DynamoDB stands several levels down."""
    faults = _faults(FaultRule("rule", "dynamodb", "GetItem", "", "a b%20.csv"))
    request = {"TableName": "t", "Key": {"fileId": {"S": "bucket/feeds/a b%20.csv"}}}
    assert faults.refusal_of("dynamodb", "GetItem", "anybody", request) is not None
    assert faults.refusal_of("dynamodb", "GetItem", "anybody", {"a b%20.csv": [{"S": b"a b%20.csv"}]}) is None


def test_rules_come_and_go() -> None:
    """A rule put again counts from 0; one can be taken away, or all."""
    faults = _faults(RULE, replace(RULE, name="other", contains="nothing"))
    faults.refusal_of("s3", "GetObject", "data-processor-x", REQUEST)
    faults.add([RULE])
    assert faults.hits() == {"rule": 0, "other": 0}
    faults.remove("rule")
    faults.remove("unknown")
    assert faults.refusal_of("s3", "GetObject", "data-processor-x", REQUEST) is None
    assert bool(faults)
    faults.remove(None)
    assert not faults


def test_a_rule_survives_its_journey() -> None:
    """What the bench sends is what the emulator reads; other fields are refused."""
    assert FaultRule.from_fields(asdict(RULE)) == RULE
    with pytest.raises(TypeError):
        FaultRule.from_fields({"name": "rule", "colour": "red"})


def test_the_largest_receive_count_of_each_group_is_kept() -> None:
    """A later, first message of the group does not hide that another came three times."""
    receives = Receives()
    for count in (1, 3, 1):
        receives.note("q.fifo", [{"Attributes": {"MessageGroupId": "g", "ApproximateReceiveCount": str(count)}}])
    receives.note("q.fifo", [{"MessageId": "without attributes"}])
    assert receives.counts() == {"q.fifo": {"g": 3}}
