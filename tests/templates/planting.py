"""Planted faults: one line of a good template is changed, and the check that should notice must turn red."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.templates.reading import Json, Template, at

if TYPE_CHECKING:
    from collections.abc import Callable


class _Gone:
    """Stands for a line that is taken out."""


GONE = _Gone()


@dataclass(frozen=True, slots=True)
class Fault:
    """One changed line.

    Attributes:
        says: what is wrong with the template then.
        check: what must turn red.
        path: resource, then where in its properties; a text step into a list chooses by Sid or Id.
        value: what stands there instead, or GONE.

    """

    says: str
    check: Callable[[Template], None]
    path: tuple[str | int, ...]
    value: Json


def notice(template: Template, fault: Fault) -> None:
    """Check that a fault's check passes on the good template, and fails on the one with the fault."""
    fault.check(template)
    title, *path = fault.path
    plant(template, ["Resources", title, "Properties", *path], fault.value)
    with pytest.raises((AssertionError, KeyError, ValueError)):
        fault.check(template)


def plant(template: Template, path: list[str | int], value: Json) -> None:
    """Put `value` at a path of the template, or take out what is there."""
    *above, last = path
    parent = at(template, *above)
    if isinstance(parent, list):
        index = parent.index(at(parent, last))
        if isinstance(value, _Gone):
            del parent[index]
        else:
            parent[index] = value
    elif isinstance(value, _Gone):
        assert last in parent, "nothing to take out"
        del parent[last]
    else:
        parent[last] = value
