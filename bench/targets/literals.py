"""A template whose number parameters are written where they are used, for an emulator that makes texts of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def with_literals(template: str, given: Mapping[str, str]) -> str:
    """Return a template (JSON text) with each Ref to a Number replaced by its value: a given one, or its default.

    Where CloudFormation makes text of it (Fn::Join, Fn::Sub, a function's variables) it stays a Ref; so does one
    without any value.
    """
    found = json.loads(template)
    values = {
        name: _number(given.get(name, one.get("Default")))
        for name, one in found.get("Parameters", {}).items()
        if one["Type"] == "Number" and (name in given or "Default" in one)
    }
    found["Resources"] = _replaced(found["Resources"], values)
    return json.dumps(found)


def _replaced(node: Any, values: Mapping[str, int | float]) -> Any:
    match node:
        case {"Ref": str(name)} if len(node) == 1 and name in values:
            return values[name]
        case {"Fn::Join": _} | {"Fn::Sub": _}:
            return node
        case dict():
            # A function's variables are texts: MiniStack hands a number among them to the process as it is.
            return {key: value if key == "Variables" else _replaced(value, values) for key, value in node.items()}
        case list():
            return [_replaced(value, values) for value in node]
    return node


def _number(text: Any) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value
