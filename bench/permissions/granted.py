"""What a deployed stack's roles are granted, read back from IAM: names are resolved there, conditions decided."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.iam.policies import Grant, statements_of
from bench.stack import deployment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.targets import Target


def granted_by(target: Target, environment: str, pipeline: str) -> dict[str, frozenset[Grant]]:
    """Return each role's grants by the role's name: every action with every resource that some statement allows it on.

    Raises PolicyError for a policy that the bench's IAM does not evaluate.
    """
    roles = (entry["PhysicalResourceId"] for entry in resources(target, environment, pipeline, "AWS::IAM::Role"))
    return {
        role: frozenset(
            grant
            for document in _documents(target, role)
            for statement in statements_of(document)
            if not statement.denies
            for grant in statement.grants()
        )
        for role in roles
    }


def resources(target: Target, environment: str, pipeline: str, kind: str) -> Iterator[Mapping[str, Any]]:
    """Yield the summaries of a stack's resources of one type."""
    pages = (
        target.client("cloudformation")
        .get_paginator("list_stack_resources")
        .paginate(StackName=deployment.stack_name(environment, pipeline))
    )
    for page in pages:
        yield from (entry for entry in page["StackResourceSummaries"] if entry["ResourceType"] == kind)


def inline_policies(target: Target, role: str) -> dict[str, str]:
    """Return the documents of a role's own policies by their names."""
    client = target.client("iam")
    names = client.list_role_policies(RoleName=role)["PolicyNames"]
    return {
        name: json.dumps(client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]) for name in names
    }


def _documents(target: Target, role: str) -> Iterator[str]:
    client = target.client("iam")
    yield from inline_policies(target, role).values()
    for attached in client.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = client.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
        yield json.dumps(found["Document"])
