"""Which bucket policies close a bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.emulator.access.bucket_denials import denies_writes
from operations.bucket_contents import closed_policy

CLOSED: dict[str, Any] = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:PutObject",
    "Resource": "arn:aws:s3:::ticks/*",
}


def test_the_emptiers_own_policy_closes_its_bucket_and_no_other() -> None:
    """What the emptier puts is what the emulator enforces, for that bucket."""
    policy = json.dumps(closed_policy({}, "arn:aws:s3:::ticks"))
    assert denies_writes(policy, "ticks")
    assert not denies_writes(policy, "other")


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Allow"},
        {"Principal": {"Service": "events.amazonaws.com"}},
        {"Action": "s3:GetObject"},
        {"Resource": "arn:aws:s3:::ticks/private/*"},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ],
)
def test_any_other_statement_leaves_it_open(change: dict[str, Any]) -> None:
    """A denial of something else, to somebody else or under a condition is not enforced."""
    assert denies_writes(json.dumps({"Statement": CLOSED}), "ticks")
    assert not denies_writes(json.dumps({"Statement": [{**CLOSED, **change}]}), "ticks")
