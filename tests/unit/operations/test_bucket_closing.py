"""The policy that keeps writers out of a bucket while it is emptied."""

from __future__ import annotations

from operations.bucket_contents import closed_policy


def test_closing_keeps_the_statements_of_others_and_is_idempotent() -> None:
    """The stack's own denial of unencrypted transport stays; closing twice adds nothing."""
    theirs = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    once = closed_policy({"Version": "2012-10-17", "Statement": theirs}, "arn:aws:s3:::b")
    assert theirs in once["Statement"]
    assert {"Theirs", "DenyOutsideTls", "DenyWritesWhileEmptying"} == {one["Sid"] for one in once["Statement"]}
    assert closed_policy(once, "arn:aws:s3:::b") == once
