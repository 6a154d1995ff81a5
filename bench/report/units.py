"""Numbers in words, with their unit: what the page and the comparison print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KIB: Final = 1024


def said_number(value: float) -> str:
    """Thousands separated; decimals only where the number is small."""
    if isinstance(value, int) or value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def said_bytes(value: float) -> str:
    """In B, KiB, MiB or GiB."""
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < _KIB:
            return f"{said_number(value)} {unit}"
        value /= _KIB
    return f"{said_number(value)} GiB"


def said_ms(value_ms: float) -> str:
    """In milliseconds below a second, in seconds from there; three digits or more."""
    return f"{_three_digits(value_ms)} ms" if abs(value_ms) < 1000 else said_seconds(value_ms / 1000)


def said_seconds(value_s: float) -> str:
    """In seconds, three digits or more; from two minutes on in minutes and seconds."""
    if abs(value_s) < 120:
        return f"{_three_digits(value_s)} s"
    minutes, rest_s = divmod(round(value_s), 60)
    return f"{minutes:,} min {rest_s} s"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def said_setting(name: str, value: object) -> str:
    """A value of a workload, a host or a target; the unit is in its name."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if name.endswith("_bytes"):
            return said_bytes(value)
        # A seed is a name, not a quantity.
        return str(value) if name == "seed" else f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each leaf of nested fields as its dotted name and its value in words."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, said_setting(name, value)
