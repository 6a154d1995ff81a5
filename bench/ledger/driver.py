"""Sends a workload: objects through S3, requests through the API, many at a time, and keeps the ledger.

The schedule is open-loop: each piece has a time at which it is meant to go, which does not move when the system is
slow. A try that ends without an answer is made again, which is safe: an object is put again under its key, a POST
carries an Idempotency-Key.
"""

from __future__ import annotations

import secrets
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from tenacity import (
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from bench.errors import ApiError, ApiThrottledError, ApiUnansweredError, BenchError
from bench.ledger.sent import Ledger, Outcome, Sent
from bench.ledger.truth import ObjectFile
from tickstream.keys import object_ingest_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.ledger.api_client import ApiClient
    from bench.ledger.truth import PostBody

#: Sends under way at a time: many small ones, or as many large ones as this many bytes are.
_SENDERS: Final = 16
_UNDER_WAY_BYTES: Final = 64 * 1024 * 1024
#: No new try of a piece later than this after its first one.
_TRY_AGAIN_S: Final = 120.0
_LONGEST_PAUSE_S: Final = 5.0
#: How soon it is seen that a round may begin.
_GATE_LOOK_S: Final = 0.05


class Gate(Protocol):
    """Who says when a round may begin, such as `bench.market_analytics.rounds.Rounds`."""

    def may_begin(self, round_: int) -> bool:
        """Say so; asked once everything of the rounds before it was sent and answered, and again while it says no."""

    @property
    def is_closed(self) -> bool:
        """Whether no round will begin any more."""


class Sender(Protocol):
    """Who sends the pieces of a run: this process (`Driver`), or workers (`bench.workers.fleet.Fleet`)."""

    def send(self, pieces: Iterable[ObjectFile | PostBody]) -> None:
        """Send everything; return when of each piece it is known what became of it, or that nobody will know."""

    def stop(self) -> None:
        """Have `send` start nothing more and end, with an error."""

    def elapsed_s(self) -> float:
        """Seconds since the run's first piece was meant to be sent."""


class Driver:
    """Sends pieces and records each in the ledger.

    s3: a boto3 client; bucket: where objects go; ticks_a_second: a schedule in place of the pieces' own. gate: without
    one, rounds follow each other at once.
    """

    def __init__(
        self,
        s3: Any,
        bucket: str,
        api: ApiClient,
        ledger: Ledger,
        ticks_a_second: float | None = None,
        *,
        gate: Gate | None = None,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._api = api
        self._ledger = ledger
        self._rate = ticks_a_second
        self._gate = gate
        self._start = time.monotonic()
        self._stop = threading.Event()
        # Two runs against one stack must not send the same keys.
        self._run = secrets.token_hex(8)

    def send(self, pieces: Iterable[ObjectFile | PostBody], *, start_s: float | None = None) -> None:
        """Send everything and return when the last piece is answered. Raises what a sender raised.

        pieces: in the order of their `intended_s`. The clock of the ledger starts here, or at `start_s` of the
        monotonic clock, which may be ahead. Where no further round will begin, what is left is not sent.
        """
        self._start = time.monotonic() if start_s is None else start_s
        scheduled_rows, began, round_s = 0, 0, 0.0
        under_way: dict[Future[None], int] = {}
        with ThreadPoolExecutor(_SENDERS, thread_name_prefix="sender") as pool:
            try:
                for piece in pieces:
                    round_ = piece.round if isinstance(piece, ObjectFile) else 0
                    if self._gate and round_ > began:
                        while under_way:
                            _take_answered(under_way)
                        if not self._wait_for(self._gate, round_):
                            break
                        began, round_s = round_, self.elapsed_s()
                    intended_s = scheduled_rows / self._rate if self._rate else round_s + piece.intended_s
                    scheduled_rows += piece.rows
                    while under_way and not _has_room(under_way, piece.size_bytes):
                        _take_answered(under_way)
                    self._wait_until(intended_s, under_way)
                    future = pool.submit(self._send_one, piece, intended_s)
                    under_way[future] = piece.size_bytes
                    future.add_done_callback(self._ended)
                while under_way:
                    _take_answered(under_way)
            finally:
                # On an interrupt or an error nobody starts another piece or another try.
                self._stop.set()

    def stop(self) -> None:
        """Have `send` start nothing more and end, with an error, as soon as what is under way is answered."""
        self._stop.set()

    def elapsed_s(self) -> float:
        """Seconds since `send` began."""
        return time.monotonic() - self._start

    def _wait_until(self, intended_s: float, under_way: dict[Future[None], int]) -> None:
        if self._stop.wait(max(0.0, intended_s - self.elapsed_s())):
            for future in under_way:
                if future.done():
                    future.result()
            raise BenchError("sending was stopped")

    def _wait_for(self, gate: Gate, round_: int) -> bool:
        """Wait until a round may begin; say whether it does."""
        while not gate.may_begin(round_):
            if gate.is_closed:
                return False
            if self._stop.wait(_GATE_LOOK_S):
                raise BenchError("sending was stopped")
        return True

    def _ended(self, future: Future[None]) -> None:
        # An error ends the wait for the next piece's time too.
        if not future.cancelled() and future.exception() is not None:
            self._stop.set()

    def _send_one(self, piece: ObjectFile | PostBody, intended_s: float) -> None:
        doubts: list[Exception] = []

        def attempt() -> Sent:
            try:
                return self._put(piece) if isinstance(piece, ObjectFile) else self._post(piece)
            except _FAILURES as error:
                if is_indeterminate(error):
                    doubts.append(error)
                raise

        sent_s = self.elapsed_s()
        tries = Retrying(
            retry=retry_if_exception(lambda error: is_indeterminate(error) or isinstance(error, ApiThrottledError)),
            stop=stop_after_delay(_TRY_AGAIN_S) | stop_when_event_set(self._stop),
            wait=wait_random_exponential(multiplier=0.2, max=_LONGEST_PAUSE_S),
            sleep=sleep_using_event(self._stop),
            reraise=True,
        )
        try:
            sent = tries(attempt)
        except _FAILURES as error:
            # Where one try may have arrived, a later refusal does not undo it.
            outcome = Outcome.INDETERMINATE if doubts else Outcome.REFUSED
            sent = replace(blank(piece, self._bucket), outcome=outcome, fault=str(error) or type(error).__name__)
        recovered = sent.acknowledged and (sent.recovered or bool(doubts))
        self._ledger.record(
            replace(sent, intended_s=intended_s, sent_s=sent_s, acknowledged_s=self.elapsed_s(), recovered=recovered)
        )

    def _put(self, piece: ObjectFile) -> Sent:
        with piece.path.open("rb") as body:
            answer = self._s3.put_object(Bucket=self._bucket, Key=piece.key, Body=body)
        sent = replace(
            blank(piece, self._bucket),
            outcome=Outcome.ACKNOWLEDGED,
            version_id=answer.get("VersionId", ""),
            # The client tries again by itself after what this calls indeterminate.
            recovered=answer.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0,
        )
        if (etag := answer.get("ETag", "").strip('"')) != piece.etag:
            fault = f"stored with ETag {etag or 'none'}, sent with {piece.etag}"
            return replace(sent, outcome=Outcome.REFUSED, fault=fault)
        return sent

    def _post(self, piece: PostBody) -> Sent:
        answer = self._api.post("/ingest", piece.body, {"Idempotency-Key": f"{self._run}-{piece.ordinal}"})
        if answer.status == 429:
            raise ApiThrottledError(f"POST /ingest was answered 429: {str(answer.body)[:200]}")
        if answer.status >= 500:
            raise ApiUnansweredError(f"POST /ingest was answered {answer.status}: {str(answer.body)[:200]}")
        ingest_id, refused = accounted(answer.status, answer.body, piece.rows)
        return replace(blank(piece, self._bucket), outcome=Outcome.ACKNOWLEDGED, ingest_id=ingest_id, refused=refused)


def blank(piece: ObjectFile | PostBody, bucket: str) -> Sent:
    """Return what is known of a piece before it is sent: that nobody knows what became of it."""
    key, etag, ingest_id, repeat = "", "", "", 0
    if isinstance(piece, ObjectFile):
        key, etag, repeat = piece.key, piece.etag, piece.repeat
        ingest_id = object_ingest_id(bucket, key, etag, piece.size_bytes)
    return Sent(
        ordinal=piece.ordinal,
        key=key,
        etag=etag,
        version_id="",
        ingest_id=ingest_id,
        rows=piece.rows,
        size_bytes=piece.size_bytes,
        intended_s=0.0,
        sent_s=0.0,
        acknowledged_s=0.0,
        outcome=Outcome.INDETERMINATE,
        repeat=repeat,
    )


_FAILURES: Final = (ClientError, BotoCoreError, ResponseParserError, ApiError)


def is_indeterminate(error: BaseException) -> bool:
    """Whether a failed try may have arrived all the same: no answer, or one that does not say."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)) >= 500
    return isinstance(error, (HTTPClientError, BotoConnectionError, ResponseParserError, ApiUnansweredError))


def _has_room(under_way: dict[Future[None], int], size_bytes: int) -> bool:
    return len(under_way) < _SENDERS and sum(under_way.values()) + size_bytes <= _UNDER_WAY_BYTES


def _take_answered(under_way: dict[Future[None], int]) -> None:
    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
        del under_way[future]
        future.result()


def accounted(status: int, body: Any, rows: int) -> tuple[str, dict[int, str]]:
    """Ingest id and refused positions of an answer. Raises ApiError if it does not account for every tick."""
    if not isinstance(body, dict) or status not in {200, 400}:
        raise ApiError(f"POST /ingest was answered {status}: {str(body)[:200]}")
    error = body.get("error")
    entries = body.get("reasons") or (error.get("reasons") if isinstance(error, dict) else None) or []
    try:
        refused = {int(entry["position"]): str(entry["reason"]) for entry in entries}
    except (KeyError, TypeError, ValueError) as fault:
        raise ApiError(f"POST /ingest gave reasons that cannot be read: {str(entries)[:200]}") from fault
    accepted = int(body.get("accepted", 0))
    if accepted + len(refused) != rows:
        raise ApiError(
            f"POST /ingest took {rows} ticks and answered for {accepted} + {len(refused)}: {str(body)[:200]}"
        )
    return str(body.get("ingestId", "")) if accepted else "", refused
