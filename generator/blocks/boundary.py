"""A permissions boundary on every role, for accounts that let nobody make a role without one: an option.

A boundary allows nothing by itself: a role may do what both it and its own policies allow. One that leaves out what a
function needs breaks that function, and nothing says so before it runs.
"""

from __future__ import annotations

PARAMETER = "PermissionsBoundaryArn"
CONDITION = "WithPermissionsBoundary"
PATTERN = "^(arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+)?$"
"""A managed policy of the account's own, or of AWS's."""
