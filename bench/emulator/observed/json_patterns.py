"""CloudWatch Logs' filter patterns for JSON, as far as this project's filters need them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html: comparisons of a field
with a text (`$.level = "ERROR"`, `!=`, with `*` for any characters), joined by `&&`, `||` and parentheses. A line that
is no JSON object, and a field that is not there, match nothing. Numbers, `IS NULL` and the rest are refused, not
guessed.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

type Matches = Callable[[str], bool]
type _Holds = Callable[[Any], bool]

_TOKEN: Final = re.compile(r'\s*(?:(?P<word>\$(?:\.\w+)+|&&|\|\||!=|=|\(|\))|"(?P<text>[^"]*)")')


def compiled(pattern: str) -> Matches:
    """Return what says whether a message matches `{ ... }`. Raises ValueError for what is not emulated."""
    if not pattern.endswith("}"):
        raise ValueError(f"a JSON filter pattern ends with a brace: {pattern}")
    holds = _Parser(pattern[1:-1], pattern).whole()

    def matches(message: str) -> bool:
        try:
            document = json.loads(message)
        except ValueError:
            return False
        return isinstance(document, dict) and holds(document)

    return matches


class _Parser:
    """Reads an expression, in which `&&` binds more closely than `||`."""

    def __init__(self, text: str, pattern: str) -> None:
        self._pattern = pattern
        self._tokens = [*self._split(text.strip()), ""]

    def whole(self) -> _Holds:
        holds = self._any()
        if self._tokens != [""]:
            raise self._refused()
        return holds

    def _split(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._refused()
            yield found["word"] or f'"{found["text"]}'
            at = found.end()

    def _any(self) -> _Holds:
        parts = [self._all()]
        while self._took("||"):
            parts.append(self._all())
        return lambda document: any(part(document) for part in parts)

    def _all(self) -> _Holds:
        parts = [self._one()]
        while self._took("&&"):
            parts.append(self._one())
        return lambda document: all(part(document) for part in parts)

    def _one(self) -> _Holds:
        if self._took("("):
            inner = self._any()
            if not self._took(")"):
                raise self._refused()
            return inner
        field, operator, text = (self._tokens.pop(0) if len(self._tokens) > 1 else "" for _ in range(3))
        if not (field.startswith("$.") and operator in {"=", "!="} and text.startswith('"')):
            raise self._refused()
        names = field.removeprefix("$.").split(".")
        wanted = re.compile(".*".join(map(re.escape, text[1:].split("*"))), re.DOTALL)

        def holds(document: Any) -> bool:
            for name in names:
                if not isinstance(document, dict) or name not in document:
                    return False
                document = document[name]
            return isinstance(document, str) and bool(wanted.fullmatch(document)) is (operator == "=")

        return holds

    def _took(self, token: str) -> bool:
        if self._tokens[0] != token:
            return False
        self._tokens.pop(0)
        return True

    def _refused(self) -> ValueError:
        return ValueError(f"of JSON filter patterns only comparisons of texts are emulated: {self._pattern}")
