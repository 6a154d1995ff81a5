"""Objects that no honest feed sends, planted among those of a run under the fault `hostile-objects`.

Each has one fate that can be told beforehand, however many ranges it is cut into: it counts as a whole or not at all.
They are judged for themselves and then left out of what is compared with the oracle: their ticks are all of one symbol
that no workload has.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from bench.ledger.verdict import Check
from bench.market_analytics.completion import TRIGGER_AFTER_S, trigger_revision, trigger_schedule
from bench.market_analytics.table_reader import TableState, read_table
from tickstream import keys
from tickstream.errors import Reason
from tickstream.revisions import Cause

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
#: Of a file of several row groups: enough for a range each where ranges are of 16 KiB.
_ROWS_A_GROUP: Final = 1_000
_GROUPS: Final = 3
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
        HostileObject("one of three parts damaged.parquet", partly_damaged_parquet(), reason=Reason.CORRUPT_PARQUET),
        HostileObject(
            "a footer of 2 GiB.parquet", parquet[:-8] + b"\xff\xff\xff\x7fPAR1", reason=Reason.CORRUPT_PARQUET
        ),
    )


def _lines(plain: bytes, rows: list[bytes]) -> Iterable[bytes]:
    return (plain[: len(_HEADER)], *(row + b"\n" for row in rows))


def _parquet(rows: int, rows_a_group: int | None = None) -> bytes:
    written = io.BytesIO()
    columns = {
        "symbol": [SYMBOL] * rows,
        "timestamp": [_FIRST_NS + at for at in range(rows)],
        "price": ["1.5"] * rows,
        "size": ["100"] * rows,
    }
    # As they are, where there are several groups: damage at a place is damage of one of them.
    packing: Any = {"row_group_size": rows_a_group, "compression": "uncompressed"} if rows_a_group else {}
    pl.DataFrame(columns).write_parquet(written, **packing)
    return written.getvalue()


def deadly_parquet(parquet: bytes) -> bytes:
    """Flip the sign of the number of values in the first data page: polars allocates 2^61 bytes, and aborts."""
    # Of the page's header, the third field's end, and the first of what is in the next: the number, as a varint.
    at = parquet.index(b"\x2c\x15") + 2
    return parquet[:at] + bytes([parquet[at] ^ 1]) + parquet[at + 1 :]


def partly_damaged_parquet() -> bytes:
    """Make a file of three row groups, of which the middle one cannot be read; the others are whole."""
    whole = _parquet(_GROUPS * _ROWS_A_GROUP, _ROWS_A_GROUP)
    third = len(whole) // _GROUPS
    start, end = third + third // 8, 2 * third - third // 8
    return whole[:start] + b"\xff" * (end - start) + whole[end:]


def _overwritten(parquet: bytes) -> bytes:
    return parquet[:4] + b"\xff" * 200 + parquet[204:]


class HostileObjects:
    """Those of one stack: put, waited for, judged, and left out."""

    def __init__(self, target: Target, outputs: Outputs, make: Callable[[], tuple[HostileObject, ...]]) -> None:
        self._target = target
        self._outputs = outputs
        self._objects = make()
        self._hastened_s = 0.0

    def put(self) -> int:
        """Put them all; return how many."""
        s3 = self._target.client("s3")
        for one in self._objects:
            s3.put_object(Bucket=self._outputs.bucket_name, Key=one.key, Body=one.body)
        return len(self._objects)

    def ingest_ids(self) -> frozenset[str]:
        """Their ingests."""
        return frozenset(one.ingest_id(self._outputs.bucket_name) for one in self._objects)

    def hasten(self, now_s: float) -> None:
        """Call who sees that the rest of an object is to be taken back, and who does it; not too often."""
        if now_s - self._hastened_s > TRIGGER_AFTER_S:
            self._hastened_s = now_s
            trigger_schedule(self._target, self._outputs)
            trigger_revision(self._target, self._outputs)

    def judge(self, table: TableState | None = None) -> Check:
        """Compare the fate of each with what it must be. Raises ReadBackError."""
        table = table or read_table(self._target, self._outputs.table_name)
        wrong = [said for one in self._objects if (said := self._wrong(one, table))]
        counted = sum(bar.ticks for bar in table.bars.get(SYMBOL, {}).values())
        wanted = sum(one.ticks for one in self._objects)
        if counted != wanted:
            wrong.append(f"bars of {SYMBOL} have {counted:,} ticks instead of {wanted:,}")
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
        taken_back = table.is_taken_back(ingest_id, Cause.REFUSED)
        if one.reason and not taken_back and any(receipt.refusal is None for receipt in receipts):
            return f"{one.name}: refused in part, and the rest is not taken back"
        # What was taken back counts nowhere, whatever its receipts have.
        ticks = 0 if taken_back else sum(receipt.ticks for receipt in receipts)
        rejected = 0 if taken_back else sum(each.rejected for each in receipts if each.refusal is None)
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
