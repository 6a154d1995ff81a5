"""CloudWatch Logs' filter patterns, as far as this project's filters and their traps need them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html: terms, optional
(`?ERROR ?Exception`), excluded (`-Retry`) and quoted ones; and space-delimited patterns (`[ip, user, ...]`), which
match lines of so many fields: `[ERROR]` means "a line of one field". JSON patterns: `json_patterns`.
"""

import re
from collections.abc import Callable
from typing import Final

from bench.emulator.observed import json_patterns

type Matches = Callable[[str], bool]

_TERM: Final = re.compile(r'(?P<sign>[?-]?)(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))')
# What CloudWatch takes for one field: a word, or whatever stands between brackets or quotes.
_FIELD: Final = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')
_NAME: Final = re.compile(r"\w+")


def compiled(pattern: str) -> Matches:
    """Return what says whether a message matches. Raises ValueError for a pattern of a kind that is not emulated."""
    text = pattern.strip()
    if text.startswith("{"):
        return json_patterns.compiled(text)
    if text.startswith("["):
        return _of_fields(text, pattern)
    return _of_terms(text)


def _of_terms(text: str) -> Matches:
    wanted: dict[str, list[str]] = {"": [], "?": [], "-": []}
    for term in _TERM.finditer(text):
        wanted[term["sign"]].append(term["quoted"] if term["quoted"] is not None else term["plain"])
    needed, optional, excluded = wanted[""], wanted["?"], wanted["-"]
    if needed:
        # As CloudWatch does it: beside a needed term the optional ones mean nothing.
        optional = []

    def matches(message: str) -> bool:
        return (
            all(term in message for term in needed)
            and (not optional or any(term in message for term in optional))
            and not any(term in message for term in excluded)
        )

    return matches


def _of_fields(text: str, pattern: str) -> Matches:
    if not text.endswith("]"):
        raise ValueError(f"a space-delimited filter pattern ends with a bracket: {pattern}")
    fields = [field.strip() for field in text[1:-1].split(",")]
    if any(field != "..." and not _NAME.fullmatch(field) for field in fields):
        raise ValueError(f"conditions on fields are not emulated: {pattern}")
    open_ended = "..." in fields
    count = len([field for field in fields if field != "..."])

    def matches(message: str) -> bool:
        found = len(_FIELD.findall(message))
        return found >= count if open_ended else found == count

    return matches
