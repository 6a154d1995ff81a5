"""Tags from CI."""

from __future__ import annotations

from bench.stack.tags import stack_tags


def test_f10_tags_come_from_the_ci_environment_where_it_says_them() -> None:
    """Each tag takes the first of its variables that is set; what nobody says is no tag."""
    environment = {
        "GITHUB_REPOSITORY": "team/tickstream",
        "COMMIT_AUTHOR": "Ada",
        "GITHUB_ACTOR": "bot",
        "PR_NUMBER": "",
    }
    assert stack_tags(environment) == {"Repository": "team/tickstream", "Author": "Ada"}
    assert stack_tags({}) == {}


def test_f10_a_value_that_no_tag_may_have_is_made_one() -> None:
    """CloudFormation refuses some characters and long values; a strange author must not stop a deployment."""
    tags = stack_tags({"COMMIT_AUTHOR": "Ada <ada@example.org>", "REPOSITORY": "x" * 300})
    assert tags == {"Author": "Ada -ada@example.org-", "Repository": "x" * 256}
