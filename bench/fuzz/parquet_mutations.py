"""What is done to a Parquet file: bits, bytes and slices, in its footer as often as before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

_TRAILER_BYTES: Final = 8
#: Lengths, signs and varints as they stand at their bounds.
_ODD_BYTES: Final = (
    *(b"\0", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xfe", b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\x80"),
    *(
        b"\xff\xff\xff\xff\x0f",
        b"\xff" * 9 + b"\x01",
        b"\x80" * 9 + b"\x01",
        b"\xfe" * 8 + b"\x7f",
        bytes(8),
        bytes(64),
    ),
)


def mutate(data: bytes, others: Sequence[bytes], random: random.Random) -> bytes:
    """Return the file with one to four things wrong with it; now and then a slice is another file's."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        start, end = _region(found, random)
        at = random.randrange(start, end)
        kind = random.choice(("bit", "bit", "bit", "byte", "byte", "odd", "odd", "slice"))
        if kind == "bit":
            found[at] ^= 1 << random.randrange(8)
        elif kind == "byte":
            found[at] = random.randrange(256)
        elif kind == "odd":
            odd = random.choice(_ODD_BYTES)
            found[at : at + len(odd)] = odd
        else:
            found = _with_slice(found, at, random.choice((data, data, *others)), random)
    return bytes(found)


def _region(data: bytes | bytearray, random: random.Random) -> tuple[int, int]:
    """Choose the footer or what stands before it, the first magic and often the last excepted."""
    footer = len(data) - _TRAILER_BYTES - int.from_bytes(data[-_TRAILER_BYTES:-4], "little")
    last = len(data) if random.random() < 0.02 else len(data) - _TRAILER_BYTES
    if not 4 < footer < last:
        return (4, len(data)) if len(data) > 4 else (0, len(data))
    return (4, footer) if random.random() < 0.5 else (footer, last)


def _with_slice(data: bytearray, at: int, other: bytes, random: random.Random) -> bytearray:
    """Cut bytes out, double them, put others in their place, or end the file; the trailer stays most of the time."""
    size = random.choice((1, 2, 4, 8, 16, random.randrange(1, 400)))
    end = min(at + size, len(data))
    from_at = random.randrange(len(other))
    match random.choice(("out", "double", "other", "other", "end")):
        case "out":
            return data[:at] + data[end:]
        case "double":
            return data[:end] + data[at:]
        case "other":
            return data[:at] + other[from_at : from_at + end - at] + data[end:]
        case _:
            return data[: max(at, 4)] + (data[-_TRAILER_BYTES:] if random.random() < 0.5 else b"")
