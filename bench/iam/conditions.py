"""Conditions of policy statements: the operators and keys that this project's policies use, and no others.

IAM treats a key that it does not know as absent, in silence. Here an operator or a key that is not listed is an error:
a condition that nobody evaluates must not look like one that was met.
[Operators](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bench.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: In lower case: IAM does not tell the case of keys apart.
KNOWN_KEYS: Final = frozenset(
    {
        "aws:principalaccount",
        "aws:principalisawsservice",
        "aws:securetransport",
        "aws:sourceaccount",
        "aws:sourcearn",
        "events:source",
        "kms:viaservice",
    }
)
_IF_EXISTS: Final = "IfExists"


@lru_cache(maxsize=4_096)
def pattern(text: str) -> re.Pattern[str]:
    """Compile a text with IAM's wildcards: `*` is any text, `?` one character, everything else is itself.

    Raises PolicyError for a policy variable.
    """
    if "${" in text:
        raise PolicyError(f"policy variables are not evaluated: {text}")
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _equal(value: str, wanted: str) -> bool:
    return value == wanted


def _like(value: str, wanted: str) -> bool:
    return pattern(wanted).fullmatch(value) is not None


def _same_truth(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


#: How a value is compared, and whether the operator is the negation of it.
_OPERATORS: Final[Mapping[str, tuple[Callable[[str, str], bool], bool]]] = {
    "ArnEquals": (_like, False),
    "ArnLike": (_like, False),
    "Bool": (_same_truth, False),
    "StringEquals": (_equal, False),
    "StringLike": (_like, False),
    "StringNotEquals": (_equal, True),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key. `values`: any of them will do; of a negated operator none may be equal."""

    operator: str
    key: str
    values: tuple[str, ...]

    def holds(self, facts: Mapping[str, str]) -> bool:
        """Say whether it is met. An absent key meets negated operators and `IfExists`, and nothing else."""
        compare, negated = _OPERATORS[self.operator.removesuffix(_IF_EXISTS)]
        value = facts.get(self.key)
        if value is None:
            return negated or self.operator.endswith(_IF_EXISTS)
        return any(compare(value, wanted) for wanted in self.values) is not negated


def conditions_of(block: Mapping[str, Mapping[str, Any]]) -> tuple[Condition, ...]:
    """Read a statement's `Condition`; all of them must hold. Raises PolicyError for what is not known."""
    return tuple(_condition(operator, key, values) for operator, keys in block.items() for key, values in keys.items())


def _condition(operator: str, key: str, values: Any) -> Condition:
    if operator.removesuffix(_IF_EXISTS) not in _OPERATORS:
        raise PolicyError(f"the condition operator {operator} is not evaluated")
    if key.lower() not in KNOWN_KEYS:
        raise PolicyError(f"the condition key {key} is not evaluated")
    texts = tuple(_text(value) for value in (values if isinstance(values, list) else [values]))
    for text in texts:
        pattern(text)
    return Condition(operator, key.lower(), texts)


def _text(value: Any) -> str:
    # JSON's own true and false mean the same as their texts.
    return str(value).lower() if isinstance(value, bool) else str(value)
