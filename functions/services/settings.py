"""Reading a function's environment variables, with an error that names the one that is missing or wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tickstream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


def text(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a variable that must be there and not empty. Raises ConfigurationError."""
    value = environment.get(name, "")
    if not value:
        raise ConfigurationError(f"the environment variable {name} is missing: is this function deployed by its stack?")
    return value


def whole_number(name: str, environment: Mapping[str, str] = os.environ, *, minimum: int = 0) -> int:
    """Return a variable that must be a whole number of at least `minimum`. Raises ConfigurationError."""
    value = text(name, environment)
    if not (value.isascii() and value.isdigit()) or int(value) < minimum:
        raise ConfigurationError(
            f"the environment variable {name} must be a whole number from {minimum}, not {value!r}"
        )
    return int(value)
