"""Objects that no honest feed sends, planted among those of a run under the fault `hostile-objects`.

Each has one fate that can be told beforehand. They are judged for themselves and then left out of what is compared with
the oracle: their ticks are all of one symbol that no workload has.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from bench.ledger.verdict import Check
from bench.market_analytics.table_reader import TableState, read_table
from tickstream import keys
from tickstream.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.market_analytics.table_reader import RecordedReject
    from bench.stack.outputs import Outputs
    from bench.targets import Target

NAME: Final = "hostile-objects"
CHECK: Final = "hostile objects"
SYMBOL: Final = "HOSTILE"
_HEADER: Final = b"symbol,timestamp,price,size\n"
_ROWS: Final = 2_000
#: A logger that packs each row by itself.
_MEMBERS: Final = 8_000
_FIRST_NS: Final = 1_767_623_400_000_000_000


@dataclass(frozen=True, slots=True)
class HostileObject:
    """What lies under a key, and what must become of it: ticks and rejected rows, or why it is refused whole."""

    name: str
    body: bytes
    ticks: int = 0
    rejected: int = 0
    reason: Reason | None = None

    @property
    def key(self) -> str:
        """Its key."""
        return f"hostile/{self.name}"

    def ingest_id(self, bucket: str) -> str:
        """The id of its ingest: it is put whole, so S3's ETag is the digest of its bytes."""
        etag = hashlib.md5(self.body, usedforsecurity=False).hexdigest()
        return keys.object_ingest_id(bucket, self.key, etag, len(self.body))


def hostile_objects() -> tuple[HostileObject, ...]:
    """Make them all; it takes a moment."""
    rows = [f"{SYMBOL},{_FIRST_NS + at},1.5,100".encode() for at in range(_MEMBERS)]
    plain = _HEADER + b"".join(row + b"\n" for row in rows[:_ROWS])
    windows = plain.replace(b"\n", b"\r\n")
    packed, parquet = gzip.compress(plain), _parquet(len(rows[:_ROWS]))
    spoiled = rows[_ROWS // 2] + b"\r"
    return (
        HostileObject("one row ends in CR CR LF.csv", windows.replace(rows[_ROWS // 2], spoiled), _ROWS - 1, 1),
        HostileObject("a member for each row.csv.gz", b"".join(map(gzip.compress, _lines(plain, rows))), _MEMBERS),
        HostileObject("zeros at its end.csv.gz", packed + bytes(1_000), _ROWS),
        HostileObject("cut off.csv.gz", packed[:-20], reason=Reason.CORRUPT_GZIP),
        HostileObject("no price.csv", plain.replace(b"price", b"cost"), reason=Reason.MISSING_COLUMN),
        HostileObject("nothing known.bin", bytes(range(256)) * 40, reason=Reason.UNKNOWN_FORMAT),
        HostileObject("cut off.parquet", parquet[:-4], reason=Reason.CORRUPT_PARQUET),
        HostileObject("its pages overwritten.parquet", _overwritten(parquet), reason=Reason.CORRUPT_PARQUET),
        HostileObject("one bit flipped.parquet", deadly_parquet(parquet), reason=Reason.CORRUPT_PARQUET),
        HostileObject(
            "a footer of 2 GiB.parquet", parquet[:-8] + b"\xff\xff\xff\x7fPAR1", reason=Reason.CORRUPT_PARQUET
        ),
    )


def _lines(plain: bytes, rows: list[bytes]) -> Iterable[bytes]:
    return (plain[: len(_HEADER)], *(row + b"\n" for row in rows))


def _parquet(rows: int) -> bytes:
    written = io.BytesIO()
    columns = {
        "symbol": [SYMBOL] * rows,
        "timestamp": [_FIRST_NS + at for at in range(rows)],
        "price": ["1.5"] * rows,
        "size": ["100"] * rows,
    }
    pl.DataFrame(columns).write_parquet(written)
    return written.getvalue()


def deadly_parquet(parquet: bytes) -> bytes:
    """Flip the sign of the number of values in the first data page: polars allocates 2^61 bytes, and aborts."""
    # Of the page's header, the third field's end, and the first of what is in the next: the number, as a varint.
    at = parquet.index(b"\x2c\x15") + 2
    return parquet[:at] + bytes([parquet[at] ^ 1]) + parquet[at + 1 :]


def _overwritten(parquet: bytes) -> bytes:
    return parquet[:4] + b"\xff" * 200 + parquet[204:]


class HostileObjects:
    """Those of one stack: put, waited for, judged, and left out."""

    def __init__(self, target: Target, outputs: Outputs, make: Callable[[], tuple[HostileObject, ...]]) -> None:
        self._target = target
        self._outputs = outputs
        self._objects = make()

    def put(self) -> int:
        """Put them all; return how many."""
        s3 = self._target.client("s3")
        for one in self._objects:
            s3.put_object(Bucket=self._outputs.bucket_name, Key=one.key, Body=one.body)
        return len(self._objects)

    def ingest_ids(self) -> frozenset[str]:
        """Their ingests."""
        return frozenset(one.ingest_id(self._outputs.bucket_name) for one in self._objects)

    def judge(self, table: TableState | None = None) -> Check:
        """Compare the fate of each with what it must be. Raises ReadBackError."""
        table = table or read_table(self._target, self._outputs.table_name)
        wrong = [said for one in self._objects if (said := self._wrong(one, table))]
        detail = f"{len(self._objects)} planted, {len(wrong)} with another fate than theirs"
        return Check(CHECK, not wrong, detail + (f"; {wrong[0]}" if wrong else ""))

    def _wrong(self, one: HostileObject, table: TableState) -> str:
        ingest_id = one.ingest_id(self._outputs.bucket_name)
        manifest = table.manifests.get(ingest_id)
        if manifest is None:
            return f"{one.name}: not known"
        receipts = [receipt for (owner, _), receipt in table.receipts.items() if owner == ingest_id]
        if len(receipts) < manifest.ranges:
            return f"{one.name}: {len(receipts)} of {manifest.ranges} ranges processed"
        reasons = {manifest.rejected, *(one.refusal.reason for one in receipts if one.refusal)} - {None}
        ticks = sum(receipt.ticks for receipt in receipts)
        rejected = sum(receipt.rejected for receipt in receipts if receipt.refusal is None)
        got: Any = (ticks, rejected, *reasons)
        want: Any = (one.ticks, one.rejected, *((one.reason,) if one.reason else ()))
        return "" if got == want else f"{one.name}: {got} instead of {want}"


def without(table: TableState, ingests: frozenset[str]) -> TableState:
    """Return what was read but for these ingests, and the symbol of theirs."""
    if not ingests:
        return table
    return replace(
        table,
        bars={symbol: bars for symbol, bars in table.bars.items() if symbol != SYMBOL},
        manifests={name: one for name, one in table.manifests.items() if name not in ingests},
        receipts={place: one for place, one in table.receipts.items() if place[0] not in ingests},
    )


def rejects_without(rejects: Iterable[RecordedReject], ingests: frozenset[str]) -> list[RecordedReject]:
    """Return the rejected rows but for those of these ingests."""
    return [one for one in rejects if one.ingest_id not in ingests]
