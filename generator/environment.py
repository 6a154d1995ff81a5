"""The environment a stack is generated for: one name, checked once against every service that carries it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from generator.errors import EnvironmentNameError

LONGEST_BUCKET_PREFIX = "market-data-rejected"
"""Of all names that carry the environment, the bucket `PREFIX-ENV-ACCOUNT-REGION` has the least room."""

_BUCKET_NAME_LIMIT = 63
_ACCOUNT_DIGITS = 12
_LONGEST_REGION = len("ap-southeast-1")
_SEPARATORS = 3

MAX_ENVIRONMENT_LENGTH = (
    _BUCKET_NAME_LIMIT - len(LONGEST_BUCKET_PREFIX) - _ACCOUNT_DIGITS - _LONGEST_REGION - _SEPARATORS
)
"""Characters left for the environment's name; every other limit (64 for a role, 80 for a queue) is wider."""

_COLLISIONS = {
    "rejected": "bucket market-data-rejected-{other}-ACCOUNT-REGION",
    "dead-letter": "queue data-processor-dead-letter-{other}.fifo",
}
"""Words that stand between a name and the environment in one resource, where another resource has the name alone.

An environment that begins with one, `rejected-dev`, would give `market-data-ENV` the name that the other has for `dev`.
"""

_ALLOWED = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Environment:
    """A deployment environment such as `dev`.

    Attributes:
        name: 1 to `MAX_ENVIRONMENT_LENGTH` lower-case ASCII letters, digits and single inner hyphens, which is
            what S3 bucket names allow; every physical name in the stack carries it, and no two environments share one.

    Raises:
        EnvironmentNameError: the name breaks a limit, or takes another environment's names; the message says which.

    """

    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise EnvironmentNameError("environment name is empty; give 1 character or more, for example dev")
        if not _ALLOWED.fullmatch(self.name):
            raise EnvironmentNameError(
                f"environment name {self.name!r} breaks S3's limit on bucket names: only lower-case letters a-z, "
                "digits and single hyphens between them"
            )
        if len(self.name) > MAX_ENVIRONMENT_LENGTH:
            raise EnvironmentNameError(
                f"environment name {self.name!r} has {len(self.name)} characters, the limit is "
                f"{MAX_ENVIRONMENT_LENGTH}: bucket {LONGEST_BUCKET_PREFIX}-ENV-ACCOUNT-REGION may have "
                f"{_BUCKET_NAME_LIMIT}"
            )
        for word, taken in _COLLISIONS.items():
            if self.name.startswith(f"{word}-"):
                other = self.name.removeprefix(f"{word}-")
                raise EnvironmentNameError(
                    f"environment name {self.name!r} collides with environment {other!r}: both would have the "
                    f"{taken.format(other=other)}; begin the name with another word than {word!r}"
                )
