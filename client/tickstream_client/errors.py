"""The errors of the command: each becomes one line and an exit status."""

from __future__ import annotations


class UsageError(Exception):
    """The user's mistake, in one sentence: exit status 2."""
