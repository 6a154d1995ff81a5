"""What a CI run says of itself, as tags of the stack that it deploys.

They are given at deployment and CloudFormation hands them on to the resources, so a template stays the same whoever
deploys it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: tag -> the variables that may hold it, the first one set counts (the plain names first, then GitHub's and GitLab's)
SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "Repository": ("REPOSITORY", "GITHUB_REPOSITORY", "CI_PROJECT_PATH"),
    "Author": ("COMMIT_AUTHOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"),
    "PRNumber": ("PR_NUMBER", "CI_MERGE_REQUEST_IID"),
    "CreatedAt": ("CREATED_AT", "CI_PIPELINE_CREATED_AT"),
}

#: A tag's value may hold these only, and 256 of them.
_REFUSED: Final = re.compile(r"[^\w .:/=+@-]")
_LONGEST: Final = 256


def stack_tags(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that an environment's variables give; what a tag may not hold becomes a hyphen."""
    tags: dict[str, str] = {}
    for tag, variables in SOURCES.items():
        value = next((environment[name] for name in variables if environment.get(name)), "")
        if value:
            tags[tag] = _REFUSED.sub("-", value)[:_LONGEST]
    return tags
