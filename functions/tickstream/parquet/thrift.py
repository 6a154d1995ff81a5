"""Thrift's compact protocol, as far as Parquet's metadata need it: a reader with a budget, and a writer.

A footer comes from outside, and eight megabytes of it may be eight million empty structs. So the reader builds nothing
that nobody asked for: a struct is read by the fields that are wanted, each of the one kind that it must have, and
everything else is stepped over. Each value, wanted or not, costs one of the budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

#: Parquet's own structs are six deep; nested deeper is an attack on the stack.
MAX_DEPTH: Final = 16
#: As Thrift writes them: 7 bits a byte.
_MAX_VARINT_BITS: Final = 64


class Kind(IntEnum):
    """What a value is, by the protocol's numbers."""

    TRUE = 1
    FALSE = 2
    BYTE = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    MAP = 11
    STRUCT = 12


# Plain numbers for what is done millions of times: a member of an enumeration takes longer to find than to compare.
_BOOLEANS: Final = (1, 2)
_BYTE: Final = 3
_I16: Final = 4
_I64: Final = 6
_DOUBLE: Final = 7
_BINARY: Final = 8
_LISTS: Final = (9, 10)
_MAP: Final = 11
_STRUCT: Final = 12


class Unreadable(Exception):
    """The bytes are not what the protocol or the schema allows; the message says what is wrong."""


class OverBudget(Exception):
    """There are more values than anybody is willing to look at."""


@dataclass(frozen=True, slots=True)
class Field:
    """How a wanted field is read. kind: the one that it must have."""

    kind: Kind
    read: Callable[[CompactReader], Any]


class CompactReader:
    """Reads values one after the other. budget: how many values may be looked at, over all.

    Every method raises Unreadable, also where the bytes end too early, and OverBudget.
    """

    def __init__(self, data: bytes, budget: int, at: int = 0) -> None:
        self._data = data
        self.at = at
        self.left = budget
        self._depth = 0

    def struct(self, wanted: Mapping[int, Field]) -> dict[int, Any]:
        """Read a struct; return the wanted fields that it has. A field that stands twice is unreadable."""
        found: dict[int, Any] = {}
        self._enter()
        number = 0
        while header := self._byte():
            kind, step = header & 15, header >> 4
            number = number + step if step else self.integer()
            self._spend(1)
            field = wanted.get(number)
            if field is None:
                self._skip(kind)
                continue
            if kind != field.kind:
                raise Unreadable(f"field {number} is of kind {kind}, wanted is {field.kind.name}")
            if number in found:
                raise Unreadable(f"field {number} stands twice")
            found[number] = field.read(self)
        self._depth -= 1
        return found

    def items(self, kind: Kind) -> int:
        """Read the head of a list of values of this kind; return how many follow."""
        header = self._byte()
        found, size = header & 15, header >> 4
        if size == 15:
            size = self._varint()
        # An empty list may say anything of its values.
        if size and found != kind:
            raise Unreadable(f"a list of kind {found}, wanted is {kind.name}")
        self._take(size)
        return size

    def integer(self) -> int:
        """Read a signed integer of any width."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def binary(self) -> bytes:
        """Read bytes."""
        size = self._varint()
        value = self._data[self.at : self.at + size]
        if len(value) != size:
            raise Unreadable("a text goes on beyond the end")
        self.at += size
        return value

    def since(self, at: int) -> bytes:
        """Return the bytes that were read from there on."""
        return self._data[at : self.at]

    def _skip(self, kind: int) -> None:
        if _I16 <= kind <= _I64:
            self._varint()
        elif kind == _BINARY:
            self._step(self._varint())
        elif kind == _BYTE:
            self._step(1)
        elif kind == _DOUBLE:
            self._step(8)
        elif kind not in _BOOLEANS:  # the value of a boolean field is its kind
            self._enter()
            self._skip_compound(kind)
            self._depth -= 1

    def _skip_compound(self, kind: int) -> None:
        if kind == _STRUCT:
            try:
                self._skip_fields()
            except IndexError:
                raise Unreadable("it ends too early") from None
        elif kind in _LISTS:
            header = self._byte()
            size = self._varint() if header >> 4 == 15 else header >> 4
            self._skip_items(header & 15, size)
        elif kind == _MAP:
            if size := self._varint():
                kinds = self._byte()
                self._take(2 * size)
                for _ in range(size):
                    self._skip_item(kinds >> 4)
                    self._skip_item(kinds & 15)
        else:
            raise Unreadable(f"no such kind of value: {kind}")

    def _skip_fields(self) -> None:
        # Most of a footer is stepped over here: no calls for the kinds that are common.
        data, at = self._data, self.at
        while header := data[at]:
            at += 1
            if header < 16:
                self.at = at
                self._varint()
                at = self.at
            kind = header & 15
            self.left -= 1
            if self.left < 0:
                raise OverBudget
            if _I16 <= kind <= _I64:
                while data[at] > 127:
                    at += 1
                at += 1
            elif kind == _BINARY and data[at] < 128:
                at += 1 + data[at]
            elif kind not in _BOOLEANS:
                self.at = at
                self._skip(kind)
                at = self.at
        self.at = at + 1

    def _skip_items(self, kind: int, size: int) -> None:
        self._take(size)
        for _ in range(size):
            self._skip_item(kind)

    def _skip_item(self, kind: int) -> None:
        # In a list a boolean is a byte.
        self._skip(_BYTE if kind in _BOOLEANS else kind)

    def _byte(self) -> int:
        try:
            value = self._data[self.at]
        except IndexError:
            raise Unreadable("it ends too early") from None
        self.at += 1
        return value

    def _step(self, size: int) -> None:
        self.at += size
        if self.at > len(self._data):
            raise Unreadable("it ends too early")

    def _varint(self) -> int:
        value = self._byte()
        if value < 128:
            return value
        value &= 127
        shift = 7
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift >= _MAX_VARINT_BITS:
                raise Unreadable("an integer of more than 64 bits")
        if value >> _MAX_VARINT_BITS:
            raise Unreadable("an integer of more than 64 bits")
        return value

    def _take(self, size: int) -> None:
        """Spend a list's values before they are read: each has a byte at least."""
        if size > len(self._data) - self.at:
            raise Unreadable("a list goes on beyond the end")
        self._spend(size)

    def _spend(self, values: int) -> None:
        self.left -= values
        if self.left < 0:
            raise OverBudget

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable("nested too deep")


INTEGER_32: Final = Field(Kind.I32, CompactReader.integer)
INTEGER_64: Final = Field(Kind.I64, CompactReader.integer)
BINARY: Final = Field(Kind.BINARY, CompactReader.binary)


# --- writing -------------------------------------------------------------------------------------------------------


def packed_varint(value: int) -> bytes:
    """Write an integer that is not negative."""
    packed = bytearray()
    while value > 127:
        packed.append(value & 127 | 128)
        value >>= 7
    packed.append(value)
    return bytes(packed)


def packed_integer(value: int) -> bytes:
    """Write a signed integer of 64 bits."""
    return packed_varint((value << 1) ^ (value >> 63))


def packed_binary(value: bytes) -> bytes:
    """Write bytes."""
    return packed_varint(len(value)) + value


def packed_list(kind: Kind, items: Sequence[bytes]) -> bytes:
    """Write a list of values that are written already."""
    size = len(items)
    head = bytes([size << 4 | kind]) if size < 15 else bytes([15 << 4 | kind]) + packed_varint(size)
    return head + b"".join(items)


def packed_struct(fields: Iterable[tuple[int, Kind, bytes]]) -> bytes:
    """Write a struct of values that are written already; numbers ascend, by 15 at most."""
    packed = bytearray()
    last = 0
    for number, kind, value in fields:
        packed.append((number - last) << 4 | kind)
        packed += value
        last = number
    packed.append(0)
    return bytes(packed)
