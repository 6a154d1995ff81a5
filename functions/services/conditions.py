"""Conditional writes: whether the condition held, or what else went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from services.failures import code_of, explanation

if TYPE_CHECKING:
    from collections.abc import Callable


def condition_holds(doing: str, write: Callable[[], object]) -> bool:
    """Write under a condition and say whether it held; `doing` names the call and the resource.

    False may also mean that this very write went through and its answer was lost: a caller that must know compares.
    Raises ServiceIncomplete and ServiceRefused, as `failures.explained` does.
    """
    try:
        write()
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and code_of(error) == "ConditionalCheckFailedException":
            return False
        raise explanation(error, doing) from error
    return True
