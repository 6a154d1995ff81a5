"""What the APIs answer, typed.

A field that a server does not send is None; one that is not known here is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from tickstream_client.errors import AnswerError
from tickstream_client.moments import moment_from

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime
    from decimal import Decimal
    from pathlib import Path

#: States of an ingest in which nothing happens any more by itself.
FINAL_STATES: Final = frozenset({"complete", "partly_rejected", "rejected", "retracted", "replaced", "overdue"})
#: Of these all that is good is in the bars.
GOOD_STATES: Final = frozenset({"complete"})
#: Statuses of a file of file processing in which nothing happens any more.
FINAL_STATUSES: Final = frozenset({"completed", "failed"})


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. Figures are exact.

    Attributes:
        symbol: as it was asked for.
        start: in UTC; a bar has what happened from then to the next bar.
        open, high, low, close: None where no trade of the bar may set a price.
        volume: sum of sizes.
        ticks: how many trades.
        notional: sum of price times size.
        vwap: volume-weighted average price, of nine digits; None where the volume is 0.
        session: the date that names its session, where sessions were asked for.
        closed: whether it is whole; None where the server does not say.
        filled: whether nothing was traded and it carries the close before it; only where `fill` was asked for.

    """

    symbol: str
    start: datetime
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal
    ticks: int
    notional: Decimal
    vwap: Decimal | None
    session: date | None = None
    closed: bool | None = None
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """One trade to be posted.

    Attributes:
        symbol: 1 to 64 printable ASCII characters.
        price, size: a Decimal, an int, or a text such as `"187.50"`; no float, which would not be what was meant.
        timestamp: Unix nanoseconds, an aware datetime or ISO 8601 with an offset; None: the time of receipt.

    """

    symbol: str
    price: Decimal | int | str
    size: Decimal | int | str
    timestamp: int | datetime | str | None = None


@dataclass(frozen=True, slots=True)
class RefusedTick:
    """A posted tick that was not taken. position: from 0, in all that were posted together."""

    position: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of posted ticks.

    Attributes:
        ingest_ids: one a request; none of a request whose ticks were all refused.
        accepted, rejected: how many ticks.
        reasons: of the first refused ones.
        reasons_omitted: how many more were refused.

    """

    ingest_ids: tuple[str, ...] = ()
    accepted: int = 0
    rejected: int = 0
    reasons: tuple[RefusedTick, ...] = ()
    reasons_omitted: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was refused: a stable code and a sentence."""

    code: str
    message: str

    @classmethod
    def of(cls, fields: Mapping[str, Any] | None) -> Self | None:
        """Read it; None where there is none."""
        return None if fields is None else cls(str(fields["code"]), str(fields["message"]))


@dataclass(frozen=True, slots=True)
class Retraction:
    """How far an ingest is taken back.

    Attributes:
        cause: `asked`, `refused` or `replaced`.
        asked_at, done_at: None where it is not done.
        refused: why it cannot be done; None where it can.

    """

    cause: str
    asked_at: datetime
    done_at: datetime | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Ingest:
    """What became of an object or of posted ticks.

    Attributes:
        ingest_id: by which it is asked for and taken back.
        state: `indexing`, `processing`, `complete`, `partly_rejected`, `rejected`, `overdue`, `retracting`,
            `retracted` or `replaced`.
        ranges_total, ranges_done: of the ranges that it is cut into.
        rows: all that were read; ticks: those in bars; rejected, skipped, cancelled: the others.
        received_at, completed_at: when it came, and was done.
        rejected_by_reason: how many rows for what.
        reason: why it was refused.
        key, bucket, version_id, size_bytes: of the object; None for posted ticks.
        feed, feed_chosen_by: how it was read.
        retraction: where it is taken back.

    """

    ingest_id: str
    state: str
    ranges_total: int
    ranges_done: int
    rows: int
    ticks: int
    rejected: int
    skipped: int
    cancelled: int
    received_at: datetime
    completed_at: datetime | None = None
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    reason: Reason | None = None
    key: str | None = None
    bucket: str | None = None
    version_id: str | None = None
    size_bytes: int | None = None
    feed: str | None = None
    feed_chosen_by: str | None = None
    retraction: Retraction | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing happens any more by itself."""
        return self.state in FINAL_STATES

    @property
    def is_good(self) -> bool:
        """Whether it is complete. Single rows of it may be rejected all the same."""
        return self.state in GOOD_STATES

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Read one of the API's. Raises AnswerError."""
        try:
            return cls(
                ingest_id=fields["ingestId"],
                state=fields["state"],
                ranges_total=fields["ranges"]["total"],
                ranges_done=fields["ranges"]["done"],
                **{name: int(fields[name]) for name in ("rows", "ticks", "rejected", "skipped", "cancelled")},
                received_at=moment_from(fields["receivedAt"]),
                completed_at=_moment(fields, "completedAt"),
                rejected_by_reason=fields.get("rejectedByReason", {}),
                reason=Reason.of(fields.get("reason")),
                key=fields.get("source"),
                bucket=fields.get("bucket"),
                version_id=fields.get("versionId"),
                size_bytes=fields.get("sizeBytes"),
                feed=fields.get("feed"),
                feed_chosen_by=fields.get("feedChosenBy"),
                retraction=_retraction(fields.get("retraction")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerError(f"no ingest: {error!r}") from error


@dataclass(frozen=True, slots=True)
class FileStatus:
    """How far a file of file processing is.

    Attributes:
        file_id: bucket and key.
        status: `validated`, `processed`, `completed` or `failed`.
        stage: `validator`, `processor` or `aggregator`.
        bucket, key, version_id, size_bytes: of the file.
        last_updated, received_at: when its status was written; when it came.
        reason: why it failed.
        rejected: how many rows.
        bad_rows: the first of them, each with offset, reason and detail; of a list only where it is of a key.
        totals: ticks, symbols, bars, volume and more, decimals as text; None until it is completed.
        feed: that read it.

    """

    file_id: str
    status: str
    stage: str
    bucket: str
    key: str
    last_updated: datetime
    received_at: datetime | None = None
    version_id: str | None = None
    size_bytes: int | None = None
    reason: Reason | None = None
    rejected: int | None = None
    bad_rows: tuple[Mapping[str, Any], ...] = ()
    totals: Mapping[str, Any] | None = None
    feed: str | None = None

    @property
    def state(self) -> str:
        """Its status, by the word that ingests have for it."""
        return self.status

    @property
    def is_final(self) -> bool:
        """Whether nothing happens any more by itself."""
        return self.status in FINAL_STATUSES

    @property
    def is_good(self) -> bool:
        """Whether it is completed."""
        return self.status == "completed"

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Read one of the API's. Raises AnswerError."""
        try:
            return cls(
                file_id=fields["fileId"],
                status=fields["status"],
                stage=fields["stage"],
                bucket=fields["bucketName"],
                key=fields["objectKey"],
                last_updated=moment_from(fields["lastUpdated"]),
                received_at=_moment(fields, "receivedAt"),
                version_id=fields.get("versionId"),
                size_bytes=fields.get("sizeBytes"),
                reason=Reason.of(fields.get("reason")),
                rejected=fields.get("rejected"),
                bad_rows=tuple(fields.get("badRows", ())),
                totals=fields.get("totals"),
                feed=fields.get("feed"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerError(f"no status of a file: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol of which ticks came. first_bar, last_bar: where its bars begin and end, as far as the server says."""

    symbol: str
    first_bar: datetime | None = None
    last_bar: datetime | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was put.

    Attributes:
        path: here.
        bucket, key, version_id: there; the version is None in a bucket that keeps none.
        size_bytes: of the file.
        fate: what became of it; None where that was not waited for, or nothing is known yet.

    """

    path: Path
    bucket: str
    key: str
    version_id: str | None
    size_bytes: int
    fate: Ingest | FileStatus | None = None

    @property
    def state(self) -> str:
        """Its fate's state; `put` where that is not known."""
        return "put" if self.fate is None else self.fate.state


def _moment(fields: Mapping[str, Any], name: str) -> datetime | None:
    return moment_from(fields[name]) if name in fields else None


def _retraction(fields: Mapping[str, Any] | None) -> Retraction | None:
    if fields is None:
        return None
    done_at = _moment(fields, "doneAt")
    return Retraction(fields["cause"], moment_from(fields["askedAt"]), done_at, fields.get("refused"))
