"""A permissions boundary on every role, for accounts that ask for one: an option, off by default."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.templates.reading import ref

if TYPE_CHECKING:
    from pathlib import Path


def test_every_role_has_the_boundary_that_is_given(committed: Path) -> None:
    """Each role of both stacks, that of API Gateway's logs too: where there is a boundary that, otherwise none."""
    raw = json.loads(committed.read_text(encoding="utf-8"))
    roles = {title: one for title, one in raw["Resources"].items() if one["Type"] == "AWS::IAM::Role"}
    assert len(roles) >= 7
    bounded = {"Fn::If": ["WithPermissionsBoundary", ref("PermissionsBoundaryArn"), ref("AWS::NoValue")]}
    assert {title for title, one in roles.items() if one["Properties"].get("PermissionsBoundary") != bounded} == set()
    assert raw["Parameters"]["PermissionsBoundaryArn"]["Default"] == ""
    assert raw["Conditions"]["WithPermissionsBoundary"] == {
        "Fn::Not": [{"Fn::Equals": [ref("PermissionsBoundaryArn"), ""]}]
    }


@pytest.mark.parametrize(
    ("arn", "taken"),
    [
        ("", True),
        ("arn:aws:iam::123456789012:policy/team/Bounds", True),
        ("arn:aws-us-gov:iam::aws:policy/PowerUserAccess", True),
        ("arn:aws:iam::123456789012:role/Bounds", False),
        ("Bounds", False),
    ],
)
def test_a_boundary_is_a_managed_policy(committed: Path, arn: str, *, taken: bool) -> None:
    """CloudFormation refuses what is none before it makes anything."""
    pattern = json.loads(committed.read_text(encoding="utf-8"))["Parameters"]["PermissionsBoundaryArn"][
        "AllowedPattern"
    ]
    assert (re.fullmatch(pattern, arn) is not None) is taken
