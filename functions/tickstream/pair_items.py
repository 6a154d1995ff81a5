"""What the ranges of one object tell each other about pairs (`tickstream.pairs`), as DynamoDB stores it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.ingests import expires_at_s
from tickstream.items import EXPIRY_ATTRIBUTE, Item, key_of, sort_key_of
from tickstream.pairs import NAME_BYTES, Balance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: A name, and its balance: 15,000 of them are 300 KB, of the 400 KB of an item.
_BALANCE: Final = struct.Struct(f">{NAME_BYTES}sII")


def pair_names_item(ingest_id: str, index: int, names: Iterable[bytes], received_ms: int) -> Item:
    """Build the item of the names that rows of a range take back."""
    return _item(ingest_id, keys.pair_names_sort_key(index), b"".join(sorted(names)), received_ms)


def pair_names_from(item: Item) -> frozenset[bytes]:
    """Read the names that rows of a range take back. Raises MalformedItem."""
    packed = _packed(item)
    if len(packed) % NAME_BYTES:
        raise MalformedItem("not the names of pairs")
    return frozenset(packed[at : at + NAME_BYTES] for at in range(0, len(packed), NAME_BYTES))


def pair_balances_item(ingest_id: str, index: int, balances: Mapping[bytes, Balance], received_ms: int) -> Item:
    """Build the item of what a range has of each name."""
    packed = b"".join(_BALANCE.pack(name, *balances[name]) for name in sorted(balances))
    return _item(ingest_id, keys.pair_balances_sort_key(index), packed, received_ms)


def pair_balances_from(item: Item) -> dict[bytes, Balance]:
    """Read what a range has of each name. Raises MalformedItem."""
    try:
        return {name: Balance(*counts) for name, *counts in _BALANCE.iter_unpack(_packed(item))}
    except struct.error as error:
        raise MalformedItem(f"not the balances of pairs: {error}") from error


def index_of(item: Item) -> int:
    """Return the range that an item is of."""
    return sort_key_of(item) % keys.PAIR_KIND_SPAN


def _item(ingest_id: str, sort_key: int, packed: bytes, received_ms: int) -> Item:
    return {
        **key_of(keys.pairs_partition(ingest_id), sort_key),
        "pairs": {"B": packed},
        EXPIRY_ATTRIBUTE: {"N": str(expires_at_s(received_ms))},
    }


def _packed(item: Item) -> bytes:
    try:
        return bytes(item["pairs"]["B"])
    except (KeyError, TypeError) as error:
        raise MalformedItem(f"not an item of pairs: {error!r}") from error
