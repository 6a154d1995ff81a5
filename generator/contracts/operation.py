"""One call of an API as a fact: its template's method, its request model and its description all come from here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

type Schema = Mapping[str, Any]
"""A schema object of OpenAPI 3.0: JSON schema with `nullable` and without lists of types."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the path, the query string or the header.

    Attributes:
        name: as it is sent.
        place: `path`, `query` or `header`.
        schema: of its one value.
        does: one sentence.
        required: whether the gateway refuses a call without it.

    """

    name: str
    place: str
    schema: Schema
    does: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The JSON that a call takes.

    Attributes:
        schema: of the whole body, which the function checks.
        max_bytes: beyond which the answer is 413.
        example: one that is taken.

    """

    schema: Schema
    max_bytes: int
    example: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer of the function's that is no 200.

    Attributes:
        codes: every `error.code` that this status may have.
        details: what stands beside code and message, by name.

    """

    codes: tuple[str, ...]
    details: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path.

    Attributes:
        method: HTTP method.
        path: as the gateway has it, such as `/bars/{symbol+}`.
        name: unique in its API.
        does: one sentence.
        more: what else its caller must know.
        parameters: all that it takes.
        body: None where it takes none.
        answer: schema of the 200's body; None where no call succeeds.
        refused: the function's refusals by status; the gateway's own are the same for all calls.

    """

    method: str
    path: str
    name: str
    does: str
    more: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    answer: Schema | None = None
    refused: Mapping[int, Refused] = field(default_factory=dict)

    @property
    def open_path(self) -> str:
        """The path as OpenAPI has it, which knows no greedy parameters."""
        return self.path.replace("+}", "}")

    @property
    def request_parameters(self) -> dict[str, bool]:
        """The gateway's names of the parameters of path and query, and whether they must be there."""
        places = {"path": "path", "query": "querystring"}
        return {
            f"method.request.{places[one.place]}.{one.name}": one.required
            for one in self.parameters
            if one.place in places
        }

    def __post_init__(self) -> None:
        """Check that the path's parameters are described, and required, as they are wherever the path fits."""
        named = {one.name for one in self.parameters if one.place == "path" and one.required}
        if named != set(re.findall(r"\{(\w+)\+?\}", self.path)):
            raise ValueError(f"{self.method} {self.path}: the path's parameters are not those that are described")


@dataclass(frozen=True, slots=True)
class Contract:
    """All calls of one API.

    Attributes:
        title: of the document.
        does: one sentence.
        operations: its calls.
        schemas: what the operations' schemas refer to, by name.

    """

    title: str
    does: str
    operations: tuple[Operation, ...]
    schemas: Mapping[str, Schema]

    def operation(self, method: str, path: str) -> Operation:
        """Return one of the calls. Raises KeyError."""
        for one in self.operations:
            if (one.method, one.path) == (method, path):
                return one
        raise KeyError(f"{method} {path}")

    def envelope(self, body: Body) -> dict[str, Any]:
        """Return the request model: the body's type and no more.

        One bad tick must not refuse the others, and only the function can say which is bad, and why.
        """
        return {"type": self._type_of(body.schema)}

    def _type_of(self, schema: Schema) -> str:
        if "$ref" in schema:
            return self._type_of(self.schemas[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            (only,) = {self._type_of(one) for one in schema["anyOf"]}
            return only
        return str(schema["type"])


def refer(name: str) -> Schema:
    """Refer to one of the contract's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def whole(pattern: str) -> str:
    """Return a pattern that a text must fit from its first to its last character."""
    return f"^(?:{pattern})$"


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object with these fields and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


def choice_of(values: Iterable[str]) -> Schema:
    """Return the schema of one of these texts."""
    return {"type": "string", "enum": [str(value) for value in values]}


TEXT: Schema = {"type": "string"}
UTC: Schema = {
    "type": "string",
    "pattern": whole(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z"),
    "example": "2026-01-05T14:30:00Z",
}
DECIMAL: Schema = {"type": "string", "pattern": whole(r"-?[0-9]+(?:\.[0-9]{1,18})?"), "example": "187.5"}
COUNT: Schema = {"type": "integer", "minimum": 0}
REASON: Schema = record({"code": TEXT, "message": TEXT})
