"""Reading JSON that anybody may have written: one strict reader for messages and events.

Types are as they must be, numbers are whole and within bounds, texts are UTF-8 and not too long. Everything else is a
MalformedItem whose sentence quotes little of it, so that it can be logged; no other exception leaves this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from tickstream.errors import MalformedItem

#: As SQS and asynchronous invocations have it.
MAX_JSON_BYTES: Final = 1024 * 1024
#: A bound for names that AWS gives: version ids, ETags, buckets. Keys are the longest, with 1,024 bytes.
MAX_NAME_BYTES: Final = 1024
#: Milliseconds of 2286: beyond any clock, and within what sort keys hold.
MAX_EPOCH_MS: Final = 10**13
#: More than any object of S3 has.
MAX_OBJECT_BYTES: Final = 10**15
_QUOTED_CHARACTERS: Final = 80


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one JSON object. what: what it is, for the sentence of an error."""

    what: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, value: object, what: str) -> Fields:
        """Take a value that was parsed already. Raises MalformedItem for anything but a mapping."""
        if not isinstance(value, Mapping):
            raise MalformedItem(f"{what}: a JSON object is expected, not {quoted(value)}")
        return cls(what, value)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def refuse(self, name: str, wanted: str) -> NoReturn:
        """Raise MalformedItem about a field."""
        found = quoted(self.values[name]) if name in self.values else "nothing"
        raise MalformedItem(f"{self.what}: {name} must be {wanted}, not {found}")

    def fields(self, name: str) -> Fields:
        """Return an object within the object."""
        value = self.values.get(name)
        if not isinstance(value, Mapping):
            self.refuse(name, "an object")
        return Fields(f"{self.what}: {name}", value)

    def text(self, name: str, most_bytes: int = MAX_NAME_BYTES) -> str:
        """Return a text of valid characters."""
        value = self.values.get(name)
        if not is_text(value, most_bytes):
            self.refuse(name, f"a text of at most {most_bytes} bytes")
        return str(value)

    def whole(self, name: str, least: int, most: int) -> int:
        """Return a whole number: no float, not even 1.0, and no boolean."""
        value = self.values.get(name)
        if type(value) is not int or not least <= value <= most:
            self.refuse(name, f"a whole number of {least} to {most}")
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            self.refuse(name, "true or false")
        return value

    def items(self, name: str, most: int) -> list[Any]:
        """Return a list of anything, at most so long."""
        value = self.values.get(name)
        if not isinstance(value, list) or len(value) > most:
            self.refuse(name, f"a list of at most {most}")
        return value

    def wholes(self, name: str, least: int, most: int, most_items: int) -> list[int]:
        """Return a list of whole numbers. It looks at each, and yet at 10,000 in less than a millisecond."""
        values = self.items(name, most_items)
        if values and (set(map(type, values)) != {int} or min(values) < least or max(values) > most):
            self.refuse(name, f"a list of whole numbers of {least} to {most}")
        return values

    def texts(self, name: str, most_bytes: int, most_items: int) -> list[str]:
        """Return a list of texts of valid characters."""
        values = self.items(name, most_items)
        if not all(is_text(value, most_bytes) for value in values):
            self.refuse(name, f"a list of texts of at most {most_bytes} bytes")
        return values


def read_fields(text: object, what: str) -> Fields:
    """Read the text of a JSON object.

    Raises MalformedItem also for what Python reads and JSON does not have (NaN, Infinity), for fractions and exponents
    (nobody here writes one; 1e999 would become infinite), and for what is nested deeper than the parser goes.
    """
    if not is_text(text, MAX_JSON_BYTES):
        raise MalformedItem(f"{what}: not a text of at most {MAX_JSON_BYTES} bytes")
    try:
        value = json.loads(str(text), parse_constant=_refuse_number, parse_float=_refuse_number)
    except ValueError as error:
        # Also of a number of more than 4,300 digits.
        raise MalformedItem(f"{what}: not JSON: {str(error)[:_QUOTED_CHARACTERS]}") from None
    except RecursionError:
        raise MalformedItem(f"{what}: nested too deep") from None
    return Fields.of(value, what)


def is_text(value: object, most_bytes: int) -> bool:
    """Say whether something is a text that UTF-8 can write (half a surrogate pair is not), and how long at most."""
    if not isinstance(value, str) or len(value) > most_bytes:
        return False
    try:
        return len(value.encode()) <= most_bytes
    except UnicodeEncodeError:
        return False


def quoted(value: object) -> str:
    """Return little of what came from outside, fit for a log: the beginning of a text, of all else its type."""
    if isinstance(value, str):
        return ascii(value[:_QUOTED_CHARACTERS])
    if type(value) is int and abs(value) < MAX_OBJECT_BYTES:
        return str(value)
    return f"a {type(value).__name__}"


def _refuse_number(text: str) -> NoReturn:
    raise MalformedItem(f"a number that is not whole: {quoted(text)}")
