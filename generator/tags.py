"""Tags of the user's own: on every resource of the stack, beside the ones that the requirements ask for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from generator.errors import TagError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 40
"""Of the 50 that a resource may have: some are the stack's, and a CI run's of the deployment come on top."""

_LONGEST_NAME = 128
_LONGEST_VALUE = 256
_ALLOWED = re.compile(r"[\w .:/=+@-]*")
"""What every service takes that the stack uses; EC2 and Lambda take more."""


def own_tags(texts: Iterable[str], stacks: Mapping[str, str]) -> dict[str, str]:
    """Read `NAME=VALUE` texts; the value may have further equals signs, or be empty.

    stacks: the tags that the stack has already. Raises TagError.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise TagError(f"{text!r} is no tag: write NAME=VALUE")
        if name in stacks:
            raise TagError(f"tag {name!r} is the stack's own: it is {stacks[name]}")
        if name in found:
            raise TagError(f"tag {name!r} is given twice")
        if name.lower().startswith("aws:"):
            raise TagError(f"tag {name!r}: names that begin with aws: are AWS's own")
        if len(name) > _LONGEST_NAME or len(value) > _LONGEST_VALUE:
            raise TagError(f"tag {name[:32]!r} is too long: at most {_LONGEST_NAME} and {_LONGEST_VALUE} characters")
        if not (_ALLOWED.fullmatch(name) and _ALLOWED.fullmatch(value)):
            raise TagError(
                f"tag {text[:64]!r}: letters, digits, blanks and . : / = + - @ _ are what every service takes"
            )
        found[name] = value
    if len(found) > MOST:
        raise TagError(f"{len(found)} tags: a resource of the stack may have {MOST} of your own")
    return found
