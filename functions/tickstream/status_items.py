"""The items of `processing-status` as DynamoDB stores them, and a status as a caller of the API sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tickstream.errors import MalformedItem
from tickstream.file_status import BadRow, Failure, FileStatus, Move, Stage, Status
from tickstream.ingests import Source
from tickstream.symbol_statistics import Totals
from tickstream.ticks import format_scaled
from tickstream.times import iso_8601, iso_8601_ms

if TYPE_CHECKING:
    from tickstream.items import Item

EXPIRY_ATTRIBUTE: Final = "expirationTime"


def status_item(status: FileStatus) -> Item:
    """Build the item of a status."""
    last = status.last
    item: Item = {
        **status_key(status.file_id),
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
    if last.statistics is not None:
        item["statistics"] = {"B": last.statistics}
    if last.totals is not None:
        item["totals"] = {"M": _totals_item(last.totals)}
    return item


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
            statistics=bytes(item["statistics"]["B"]) if "statistics" in item else None,
            totals=_totals_from(item["totals"]["M"]) if "totals" in item else None,
        )
        return FileStatus(last, tuple(entry["S"] for entry in item["history"]["L"]))
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not the status of a file: {error!r}") from error


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
