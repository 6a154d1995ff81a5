"""DynamoDB's conditions, as far as the functions write any: compiled once, then as fast as Python is.

    or        := and (OR and)*
    and       := not (AND not)*
    not       := [NOT] primary
    primary   := "(" or ")" | function "(" name ")" | operand comparator operand | operand BETWEEN operand AND operand

Values of different types are not equal, and neither is before the other; nor is what an item does not have
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html).
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tickstream.items import Item

#: Told whether an item (none is an empty one) meets a condition, with the names and values of the request.
type Condition = Callable[[Item, Mapping[str, str], Mapping[str, Any]], bool]
type _Operand = Callable[[Item, Mapping[str, str], Mapping[str, Any]], Any]

_TOKEN: Final = re.compile(r"\s*(?:([#:]?[A-Za-z_][A-Za-z0-9_]*)|(<>|<=|>=|[()=<>,]))")
_CLAUSE: Final = re.compile(r"\b(ADD|SET|REMOVE) (.*?)(?= (?:ADD|SET|REMOVE) |$)")
_NAME: Final = re.compile(r"[#:]\w+")
_COMPARATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ExpressionError(BenchError):
    """An expression of a kind that the simulation's table does not know."""


@cache
def condition(text: str) -> Condition:
    """Compile a condition. Raises ExpressionError."""
    parser = _Parser(text)
    compiled = parser.any_of()
    if parser.tokens:
        raise ExpressionError(f"not a condition that the simulation knows: {text!r} at {parser.tokens[0]!r}")
    return compiled


@dataclass(frozen=True, slots=True)
class Update:
    """What an UpdateItem does: names with the values that are added to them, or set, and names that are removed."""

    adds: tuple[tuple[str, str], ...]
    sets: tuple[tuple[str, str], ...]
    removes: tuple[str, ...]


@cache
def update(text: str) -> Update:
    """Read `ADD name value, ...`, `SET name = value, ...` and `REMOVE name, ...`. Raises ExpressionError."""
    clauses: dict[str, list[tuple[str, ...]]] = {"ADD": [], "SET": [], "REMOVE": []}
    for verb, rest in _CLAUSE.findall(text):
        clauses[verb] += [tuple(_NAME.findall(part)) for part in rest.split(",")]
    pairs = [*clauses["ADD"], *clauses["SET"]]
    if (
        any(len(pair) != 2 for pair in pairs)
        or any(len(name) != 1 for name in clauses["REMOVE"])
        or not _CLAUSE.match(text)
    ):
        raise ExpressionError(f"not an update that the simulation knows: {text!r}")
    return Update(
        tuple((name, value) for name, value in clauses["ADD"]),
        tuple((name, value) for name, value in clauses["SET"]),
        tuple(name for (name,) in clauses["REMOVE"]),
    )


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise ExpressionError(f"not an expression: {text!r} at {text[at:]!r}")
            self.tokens.append(found.group(1) or found.group(2))
            at = found.end()

    def any_of(self) -> Condition:
        first = self._all_of()
        while self._takes("OR"):
            first = _either(first, self._all_of())
        return first

    def _all_of(self) -> Condition:
        first = self._perhaps_not()
        while self._takes("AND"):
            first = _both(first, self._perhaps_not())
        return first

    def _perhaps_not(self) -> Condition:
        if self._takes("NOT"):
            inner = self._perhaps_not()
            return lambda item, names, values: not inner(item, names, values)
        return self._primary()

    def _primary(self) -> Condition:
        if self._takes("("):
            inner = self.any_of()
            self._expect(")")
            return inner
        if self._takes("attribute_not_exists"):
            name = self._name_in_parentheses()
            return lambda item, names, _: names.get(name, name) not in item
        if self._takes("attribute_exists"):
            name = self._name_in_parentheses()
            return lambda item, names, _: names.get(name, name) in item
        left = _operand(self._next())
        if self._takes("BETWEEN"):
            low = _operand(self._next())
            self._expect("AND")
            high = _operand(self._next())
            return _both(_compared(low, operator.le, left), _compared(left, operator.le, high))
        comparator = _COMPARATORS.get(sign := self._next())
        if comparator is None:
            raise ExpressionError(f"not a comparison that the simulation knows: {sign!r}")
        return _compared(left, comparator, _operand(self._next()))

    def _name_in_parentheses(self) -> str:
        self._expect("(")
        name = self._next()
        self._expect(")")
        return name

    def _takes(self, word: str) -> bool:
        if self.tokens and self.tokens[0] == word:
            self.tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise ExpressionError(f"{word!r} is missing before {self.tokens[:1]}")

    def _next(self) -> str:
        if not self.tokens:
            raise ExpressionError("an expression that ends too early")
        return self.tokens.pop(0)


def _either(first: Condition, second: Condition) -> Condition:
    return lambda item, names, values: first(item, names, values) or second(item, names, values)


def _both(first: Condition, second: Condition) -> Condition:
    return lambda item, names, values: first(item, names, values) and second(item, names, values)


def _operand(token: str) -> _Operand:
    if token.startswith(":"):
        return lambda _, __, values: values[token]
    return lambda item, names, _: item.get(names.get(token, token))


def _compared(left: _Operand, comparator: Callable[[Any, Any], bool], right: _Operand) -> Condition:
    def holds(item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
        one, other = left(item, names, values), right(item, names, values)
        if one is None or other is None:
            return False
        ((kind, first),), ((other_kind, second),) = one.items(), other.items()
        if kind != other_kind:
            return comparator is operator.ne
        return comparator(_comparable(kind, first), _comparable(kind, second))

    return holds


def _comparable(kind: str, value: Any) -> Any:
    if kind == "N":
        return Decimal(value)
    if kind == "S":
        return value.encode()
    return frozenset(value) if kind in {"SS", "NS", "BS"} else value
