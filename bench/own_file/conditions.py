"""What a trade updates by its sale conditions, decided once for each different text: by Python's own means.

Codes as a frozen description has them: `CODE` or `CODE (by X, Y)`, each with words that say what it lets a trade
update: `high_low volume!, outside: all`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from bench.ledger.truth import EVERYTHING, HIGH_LOW, OPEN_CLOSE, VOLUME

if TYPE_CHECKING:
    from collections.abc import Mapping

BAD: Final = "bad_condition"
_WORDS: Final = {
    "all": EVERYTHING,
    "nothing": 0,
    "open_close": OPEN_CLOSE,
    "high_low": HIGH_LOW,
    "volume": VOLUME,
}
_HOURS: Final = re.compile(r"(?P<begin>[0-9:]{5})-(?P<end>[0-9:]{5}) (?P<zone>.+)")


class Unreadable(Exception):
    """A mask or a list that is none."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """Bits that a code lets a trade update, and those that it updates whatever other codes say."""

    lets: int = EVERYTHING
    always: int = 0

    @classmethod
    def of(cls, words: str) -> Meaning:
        """Read the words."""
        lets = always = 0
        for word in words.split():
            bits = _WORDS[word.rstrip("!")]
            lets |= bits
            always |= bits if word.endswith("!") else 0
        return cls(lets, always)

    def __and__(self, other: Meaning) -> Meaning:
        """Return the stricter of two."""
        return Meaning(self.lets & other.lets, self.always & other.always)

    def joined(self, other: Meaning) -> Meaning:
        """Return what two codes of one trade say together."""
        return Meaning(self.lets & other.lets, self.always | other.always)

    @property
    def updates(self) -> int:
        """The bits that a trade updates."""
        return self.lets | self.always


#: Within regular hours, and outside of them.
type Both = tuple[Meaning, Meaning]


class Conditions:
    """One of a feed's rules. said: its JSON."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.value: str = said["value"]
        self.by: str = said.get("by", "")
        self._split: str = said.get("split", "")
        self._separator: str = said.get("separator", "")
        self._otherwise = _both(said.get("otherwise", "all"))
        #: By code, then by what `by` gives; "*" for a code that means the same whatever that is.
        self._codes: dict[str, dict[str, Both]] = {}
        for written, words in said.get("codes", {}).items():
            code, of = _code(written)
            for one in of:
                self._codes.setdefault(code, {})[one] = _both(words)
        found = _HOURS.fullmatch(said.get("regularHours", ""))
        #: Seconds of the day from which and up to which hours are regular, and the clock's zone; None: all are.
        self.hours = (_seconds(found["begin"]), _seconds(found["end"]), found["zone"]) if found else None

    def updates(self, value: str, by: str) -> tuple[int, int]:
        """Return the bits of a trade, within regular hours and outside of them. Raises Unreadable."""
        within = outside = Meaning()
        for code in self._listed(value):
            inside, other = self._meaning(code, by)
            within, outside = within.joined(inside), outside.joined(other)
        return within.updates, outside.updates

    def _meaning(self, code: str, by: str) -> Both:
        known = self._codes.get(code)
        if not known:
            return self._otherwise
        if by in known or "*" in known:
            return known.get(by) or known["*"]
        # Nobody knows which: the strictest of all.
        within, outside = zip(*known.values(), strict=True)
        return reduce(Meaning.__and__, within), reduce(Meaning.__and__, outside)

    def _listed(self, value: str) -> list[str]:
        match self._split:
            case "characters":
                codes = list(value)
            case "hexBits":
                codes = _bits(value, r"(0x)?[0-9a-f]{1,16}", 16)
            case "bits":
                codes = _bits(value, "[0-9]{1,19}", 10)
            case "list" if value.startswith("["):
                codes = _texts(value)
            case _:
                codes = value.split(self._separator) if self._separator else [value]
        return [code.strip() for code in codes if code.strip()]


def _both(words: str) -> Both:
    within, _, outside = words.partition("outside:")
    inside = Meaning.of(within.strip().rstrip(","))
    return inside, Meaning.of(outside) if outside else inside


def _code(written: str) -> tuple[str, list[str]]:
    """Return a code, and what `by` gives where it means this."""
    code, _, rest = written.rpartition(" (")
    of = ["*"]
    if rest.endswith(")") and rest.startswith("by "):
        of = [one.strip() for one in rest[3:-1].split(",")]
    elif rest.endswith(")") and rest.startswith("tapes "):
        of = list(rest[6:-1])
    else:
        code = written
    words = code.split()
    return (f"bit {int(words[1])}" if words[:1] == ["bit"] and words[1:] else code.strip()), of


def _bits(value: str, pattern: str, base: int) -> list[str]:
    digits = value.strip()
    if digits and not re.fullmatch(pattern, digits, re.IGNORECASE | re.ASCII):
        raise Unreadable
    # From the right: the lowest bit is bit 0.
    return [f"bit {at}" for at, bit in enumerate(reversed(f"{int(digits or '0', base):b}")) if bit == "1"]


def _texts(value: str) -> list[str]:
    try:
        return [str(one) for one in json.loads(value, parse_int=str, parse_float=str) if one is not None]
    except (ValueError, RecursionError) as error:
        raise Unreadable from error


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60
