"""Sends a workload: objects through S3, requests through the API, a few at a time, and keeps the books.

The schedule is open-loop: each piece has a time at which it is meant to go, which does not move when the system is
slow. Without a rate everything is meant to go at once.
"""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from bench.errors import ApiError, BenchError
from bench.ledger import Ledger, Sent
from bench.truth import ObjectFile
from tickstream.keys import object_ingest_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.api_client import ApiClient
    from bench.truth import PostBody

_SENDERS: Final = 4
#: Pieces in the senders' hands at a time: enough that none of them waits, few enough that memory is bounded.
_IN_HAND: Final = 32


class Driver:
    """Sends pieces and records each in the ledger.

    s3: a boto3 client; bucket: where objects go; ticks_a_second: the schedule, None for all at once.
    """

    def __init__(
        self, s3: Any, bucket: str, api: ApiClient, ledger: Ledger, ticks_a_second: float | None = None
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._api = api
        self._ledger = ledger
        self._rate = ticks_a_second
        self._start = time.monotonic()
        self._stop = threading.Event()

    def send(self, pieces: Iterable[ObjectFile | PostBody]) -> None:
        """Send everything and return when the last piece is answered. Raises what a sender raised.

        The clock of the ledger starts here.
        """
        self._start = time.monotonic()
        scheduled_rows = 0
        waiting = iter(pieces)
        with ThreadPoolExecutor(_SENDERS, thread_name_prefix="sender") as pool:
            running: set[Future[None]] = set()
            try:
                while True:
                    for piece in itertools.islice(waiting, _IN_HAND - len(running)):
                        intended_s = scheduled_rows / self._rate if self._rate else 0.0
                        scheduled_rows += piece.rows
                        running.add(pool.submit(self._send_one, piece, intended_s))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
            finally:
                # On an interrupt or an error nobody starts another piece.
                self._stop.set()
                for future in running:
                    future.cancel()

    def stop(self) -> None:
        """Have `send` start nothing more and end, with an error, as soon as what is under way is answered."""
        self._stop.set()

    def _send_one(self, piece: ObjectFile | PostBody, intended_s: float) -> None:
        # An interrupt ends the wait for the time to send, not only the sending.
        if self._stop.wait(max(0.0, intended_s - self.elapsed_s())):
            raise BenchError("sending was stopped")
        if isinstance(piece, ObjectFile):
            self._put(piece, intended_s)
        else:
            self._post(piece, intended_s)

    def _put(self, piece: ObjectFile, intended_s: float) -> None:
        sent_s, version_id, fault = self.elapsed_s(), "", ""
        try:
            with piece.path.open("rb") as body:
                answer = self._s3.put_object(Bucket=self._bucket, Key=piece.key, Body=body)
            version_id = answer.get("VersionId", "")
            if (etag := answer["ETag"].strip('"')) != piece.etag:
                fault = f"stored with ETag {etag}, sent with {piece.etag}"
        except (ClientError, BotoCoreError) as error:
            fault = str(error)
        self._ledger.record(
            Sent(
                ordinal=piece.ordinal,
                key=piece.key,
                etag=piece.etag,
                version_id=version_id,
                ingest_id=object_ingest_id(self._bucket, piece.key, piece.etag, piece.size_bytes),
                rows=piece.rows,
                size_bytes=piece.size_bytes,
                intended_s=intended_s,
                sent_s=sent_s,
                acknowledged_s=self.elapsed_s(),
                acknowledged=not fault,
                fault=fault,
            )
        )

    def _post(self, piece: PostBody, intended_s: float) -> None:
        sent_s, ingest_id, fault = self.elapsed_s(), "", ""
        refused: dict[int, str] = {}
        try:
            answer = self._api.post("/ingest", piece.body)
            ingest_id, refused = accounted(answer.status, answer.body, piece.rows)
        except ApiError as error:
            fault = str(error)
        self._ledger.record(
            Sent(
                ordinal=piece.ordinal,
                key="",
                etag="",
                version_id="",
                ingest_id=ingest_id,
                rows=piece.rows,
                size_bytes=len(piece.body),
                intended_s=intended_s,
                sent_s=sent_s,
                acknowledged_s=self.elapsed_s(),
                acknowledged=not fault,
                fault=fault,
                refused=refused,
            )
        )

    def elapsed_s(self) -> float:
        """Seconds since `send` began."""
        return time.monotonic() - self._start


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
