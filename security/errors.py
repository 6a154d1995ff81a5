"""The errors of the security check."""

from __future__ import annotations


class SecurityCheckError(Exception):
    """The check could not be made: a checker is missing or broke, or the suppressions cannot be read; one line."""

    exit_status = 2
