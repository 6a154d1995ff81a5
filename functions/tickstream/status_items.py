"""The items of `processing-status` as DynamoDB stores them, and a status as a caller of the API sees it.

| item | `fileId` | holds |
|---|---|---|
| status | `BUCKET/KEY` | what became of the file's last upload so far |
| statistics | `statistics#HASH` | of one upload, by symbol, packed |

The hash has no slash, so that no file, and no path of the API, is called like statistics.

**The index** (`INDEX`) lists files by the day that they came, those that failed apart from the others, in shards. It is
no list that a stage writes: DynamoDB keeps it, with the status, so that a move to `failed` and its entry are one write
and nobody can die in between. It is sparse in what it holds (keys alone), and no status changes its entry but `failed`:
a good file costs one write unit for it, however often it moves; one that fails two more, and two more where it is
driven again. It lags behind the table by moments: what an entry leads to is read from the table itself. The hottest of
its keys takes 1,000 files a second of the day's 16,000.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any, Final

from tickstream.errors import MalformedItem
from tickstream.file_status import RETENTION_SECONDS, BadRow, Failure, FileStatus, Move, Stage, Status
from tickstream.ingests import FeedChoice, Source
from tickstream.keys import MS_PER_DAY, activity_sort_key
from tickstream.symbol_statistics import Totals
from tickstream.ticks import format_scaled
from tickstream.times import iso_8601, iso_8601_ms

if TYPE_CHECKING:
    from tickstream.files import FilePointer
    from tickstream.items import Item

EXPIRY_ATTRIBUTE: Final = "expirationTime"
#: The index, and its keys.
INDEX: Final = "Arrivals"
INDEX_SHARD: Final = "listed"
INDEX_PLACE: Final = "arrival"
#: As many as those of market analytics' lists of a day.
SHARDS: Final = 16
_STATISTICS: Final = "statistics#"


def status_item(status: FileStatus) -> Item:
    """Build the item of a status."""
    last = status.last
    item: Item = {
        **status_key(status.file_id),
        INDEX_SHARD: {"S": shard_of(status)},
        INDEX_PLACE: _number(activity_sort_key(last.received_ms, status.file_id)),
        "status": {"S": last.status.value},
        "stage": {"S": last.stage.value},
        "stageRank": _number(last.status.rank),
        "sequencer": {"S": last.sequencer},
        "attempt": _number(last.attempt),
        "lastUpdated": {"S": iso_8601_ms(last.at_ms)},
        "updatedMs": _number(last.at_ms),
        "receivedMs": _number(last.received_ms),
        EXPIRY_ATTRIBUTE: _number(status.expires_at_s),
        "bucketName": {"S": last.source.bucket},
        "objectKey": {"S": last.source.key},
        "versionId": {"S": last.source.version_id},
        "etag": {"S": last.source.etag},
        "sizeBytes": _number(last.source.size_bytes),
        "history": {"L": [{"S": entry} for entry in status.history]},
    }
    if last.reason is not None:
        item["reason"] = {"M": {"code": {"S": last.reason.code}, "message": {"S": last.reason.message}}}
    if last.bad_rows is not None:
        item["badRows"] = {"L": [_bad_row_item(row) for row in last.bad_rows]}
    if last.rejected is not None:
        item["rejected"] = _number(last.rejected)
    if last.totals is not None:
        item["totals"] = {"M": _totals_item(last.totals)}
    if last.feed is not None:
        item["feed"] = {"S": last.feed}
    if last.feed_choice is not None:
        item["feedChosenBy"] = {"S": last.feed_choice.value}
    return item


def shard_of(status: FileStatus) -> str:
    """Return the shard of the index that lists a file."""
    day = status.last.received_ms // MS_PER_DAY
    return _shard(day, zlib.crc32(status.file_id.encode()) % SHARDS, failed=status.last.status is Status.FAILED)


def shards_of(day: int, *, failed: bool) -> tuple[str, ...]:
    """Return all shards of the files that came on a day (whole days since 1970), and failed, or did not."""
    return tuple(_shard(day, shard, failed=failed) for shard in range(SHARDS))


def _shard(day: int, shard: int, *, failed: bool) -> str:
    return f"{'failed' if failed else 'files'}#{day}#{shard}"


def status_key(file_id: str) -> Item:
    """Build the primary key of a status."""
    return {"fileId": {"S": file_id}}


def status_from(item: Item) -> FileStatus:
    """Read what `status_item` wrote. Raises MalformedItem."""
    try:
        reason = item["reason"]["M"] if "reason" in item else None
        last = Move(
            source=Source(
                bucket=item["bucketName"]["S"],
                key=item["objectKey"]["S"],
                version_id=item["versionId"]["S"],
                etag=item["etag"]["S"],
                size_bytes=int(item["sizeBytes"]["N"]),
            ),
            sequencer=item["sequencer"]["S"],
            attempt=int(item["attempt"]["N"]),
            received_ms=int(item["receivedMs"]["N"]),
            stage=Stage(item["stage"]["S"]),
            status=Status(item["status"]["S"]),
            at_ms=int(item["updatedMs"]["N"]),
            reason=None if reason is None else Failure(reason["code"]["S"], reason["message"]["S"]),
            bad_rows=tuple(_bad_row_from(row["M"]) for row in item["badRows"]["L"]) if "badRows" in item else None,
            rejected=int(item["rejected"]["N"]) if "rejected" in item else None,
            totals=_totals_from(item["totals"]["M"]) if "totals" in item else None,
            feed=item["feed"]["S"] if "feed" in item else None,
            feed_choice=FeedChoice(item["feedChosenBy"]["S"]) if "feedChosenBy" in item else None,
        )
        return FileStatus(last, tuple(entry["S"] for entry in item["history"]["L"]))
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not the status of a file: {error!r}") from error


def statistics_key(pointer: FilePointer) -> Item:
    """Build the primary key of an upload's statistics: another attempt at the upload has the same ones."""
    names = "\0".join((pointer.file_id, pointer.sequencer, pointer.source.version_id))
    return {"fileId": {"S": _STATISTICS + hashlib.sha256(names.encode()).hexdigest()}}


def statistics_item(pointer: FilePointer, packed: bytes) -> Item:
    """Build the item of an upload's statistics. It expires with the upload's status."""
    return {
        **statistics_key(pointer),
        "of": {"S": pointer.file_id},
        "versionId": {"S": pointer.source.version_id},
        EXPIRY_ATTRIBUTE: _number(statistics_expire_at_s(pointer)),
        "statistics": {"B": packed},
    }


def statistics_expire_at_s(pointer: FilePointer) -> int:
    """Return the epoch second from which the statistics of an upload are forgotten, as its status is."""
    return pointer.received_ms // 1000 + RETENTION_SECONDS


def is_statistics(item: Item) -> bool:
    """Say whether an item of the table is an upload's statistics; all others are statuses."""
    return str(item["fileId"]["S"]).startswith(_STATISTICS)


def statistics_from(item: Item) -> bytes:
    """Read what `statistics_item` wrote. Raises MalformedItem."""
    try:
        return bytes(item["statistics"]["B"])
    except (KeyError, TypeError) as error:
        raise MalformedItem(f"not the statistics of a file: {error!r}") from error


def status_fields(status: FileStatus) -> dict[str, Any]:
    """Plain JSON for a caller: decimals and moments as text, nothing that is only ours."""
    last = status.last
    fields: dict[str, Any] = {
        "fileId": status.file_id,
        "status": last.status.value,
        "stage": last.stage.value,
        "lastUpdated": iso_8601_ms(last.at_ms),
        "bucketName": last.source.bucket,
        "objectKey": last.source.key,
    }
    if last.reason is not None:
        fields["reason"] = {"code": last.reason.code, "message": last.reason.message}
    if last.bad_rows is not None:
        fields["badRows"] = [
            {"offset": row.offset, "reason": row.reason, "detail": row.detail} for row in last.bad_rows
        ]
    if last.rejected is not None:
        fields["rejected"] = last.rejected
    if last.totals is not None:
        fields["totals"] = totals_fields(last.totals)
    return fields


def file_fields(status: FileStatus) -> dict[str, Any]:
    """Plain JSON for a caller who asked what became of files: the same, and which version of which size it was."""
    last = status.last
    fields = {
        **status_fields(status),
        "receivedAt": iso_8601_ms(last.received_ms),
        "versionId": last.source.version_id,
        "sizeBytes": last.source.size_bytes,
        "attempt": last.attempt,
    }
    if last.feed:
        fields["feed"] = last.feed
    if last.feed_choice is not None:
        fields["feedChosenBy"] = last.feed_choice.value
    return fields


def totals_fields(totals: Totals) -> dict[str, int | str]:
    """Plain JSON for totals: counts as numbers, decimals and moments as text; no moments where there is no tick."""
    fields: dict[str, int | str] = {
        "ticks": totals.ticks,
        "rejected": totals.rejected,
        "symbols": totals.symbols,
        "bars": totals.bars,
        "volume": format_scaled(totals.volume_e9),
        "notional": format_scaled(totals.notional_e18, 18),
    }
    if totals.first_ns is not None and totals.last_ns is not None:
        fields["firstTick"] = iso_8601(totals.first_ns)
        fields["lastTick"] = iso_8601(totals.last_ns)
    return fields


def _totals_item(totals: Totals) -> Item:
    # What people and the API read stands beside what is exact to compute with.
    shown = {
        name: _number(value) if isinstance(value, int) else {"S": value}
        for name, value in totals_fields(totals).items()
    }
    scaled = {"volumeE9": {"S": str(totals.volume_e9)}, "notionalE18": {"S": str(totals.notional_e18)}}
    moments = {"firstNs": totals.first_ns, "lastNs": totals.last_ns}
    return shown | scaled | {name: _number(value) for name, value in moments.items() if value is not None}


def _totals_from(fields: Item) -> Totals:
    return Totals(
        ticks=int(fields["ticks"]["N"]),
        rejected=int(fields["rejected"]["N"]),
        symbols=int(fields["symbols"]["N"]),
        bars=int(fields["bars"]["N"]),
        volume_e9=int(fields["volumeE9"]["S"]),
        notional_e18=int(fields["notionalE18"]["S"]),
        first_ns=int(fields["firstNs"]["N"]) if "firstNs" in fields else None,
        last_ns=int(fields["lastNs"]["N"]) if "lastNs" in fields else None,
    )


def _bad_row_item(row: BadRow) -> Item:
    return {"M": {"offset": _number(row.offset), "reason": {"S": row.reason}, "detail": {"S": row.detail}}}


def _bad_row_from(fields: Item) -> BadRow:
    return BadRow(int(fields["offset"]["N"]), fields["reason"]["S"], fields["detail"]["S"])


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
