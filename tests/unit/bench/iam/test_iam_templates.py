"""The templates' policies are such that the IAM check can decide on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bench.iam.policies import statements_of
from bench.stack import deployment

if TYPE_CHECKING:
    from collections.abc import Iterator


def documents(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every policy document of functions, buckets and queues below a node."""
    if isinstance(node, dict):
        if "Statement" in node and "Version" in node:
            yield node
        for child in node.values():
            yield from documents(child)
    elif isinstance(node, list):
        for child in node:
            yield from documents(child)


def resolved(node: Any) -> Any:
    """Put a name in the place of each reference."""
    if isinstance(node, list):
        return [resolved(child) for child in node]
    if isinstance(node, dict):
        if len(node) == 1 and next(iter(node)).startswith(("Ref", "Fn::")):
            return "named"
        return {name: resolved(child) for name, child in node.items()}
    return node


@pytest.mark.parametrize("pipeline", [deployment.PIPELINE, deployment.FILE_PROCESSING])
def test_m13_every_policy_of_the_templates_can_be_decided_on(pipeline: str) -> None:
    """No operator, key or element that the check would refuse; trust policies are nobody's request."""
    found = [
        statements_of(json.dumps(resolved(document)))
        for resource in json.loads(deployment.generate("dev", pipeline))["Resources"].values()
        for name, value in resource["Properties"].items()
        if name in {"Policies", "PolicyDocument"}
        for document in documents(value)
    ]
    assert len(found) > 10
