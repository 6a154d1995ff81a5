"""What works in a worker: it makes its share of a run, sends it, and tells what became of each piece when it is asked.

Dask calls these functions between its own work, so that each returns at once: making and sending have threads of their
own. Nothing secret comes from the one who asks: credentials are those of the worker's own environment. A worker that
nobody has asked for `SILENCE_S` stops sending: whoever started the run is gone, or takes it for lost.
"""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3

from bench.errors import BenchError, WorkersError
from bench.ledger.api_client import ApiClient
from bench.ledger.driver import Driver
from bench.ledger.sent import Ledger
from bench.measure.latencies import Latencies
from bench.synthetic.factory import Factory
from bench.targets.clients import Clients, aws_clients, emulator_clients
from bench.workers.identity import identity
from bench.workers.split import fingerprint
from bench.workloads.schema import WORKLOAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.ledger.sent import Sent
    from bench.ledger.truth import ObjectFile, PostBody
    from bench.workers.split import Share

#: So long a worker goes on sending without being asked, and so long the one who asks takes no answer for a pause.
SILENCE_S: Final = 15.0
_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run's pieces go: a server's address (None for AWS itself), and its region."""

    endpoint_url: str | None
    region: str

    def clients(self) -> Clients:
        """Return clients with this process's own credentials; a server that is not AWS takes any."""
        if self.endpoint_url is not None:
            return emulator_clients(self.endpoint_url)
        return aws_clients(boto3.session.Session(), self.region)

    def account(self) -> str:
        """Return the account that the credentials are of, as the place itself says."""
        clients = self.clients()
        try:
            return str(clients.get("sts").get_caller_identity()["Account"])
        finally:
            clients.close()


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is to make and where it will go.

    run: a name that no other run has. workload: as JSON. ticks_a_second: of this worker, in place of the schedule.
    """

    run: str
    workload: str
    share: Share
    place: Place
    ticks_a_second: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a worker has made. account: whose credentials it has, as the target says."""

    pieces: int
    fingerprint: str
    account: str


@dataclass(frozen=True, slots=True)
class Go:
    """Where pieces go now that the stack stands, and when the run starts: Unix seconds by the worker's own clock."""

    bucket: str
    api_url: str
    start_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """What became of pieces since the last time. fault: why it has ended before its end, empty where it has not.

    send_delay, acknowledged: histograms of everything so far, from the time at which a piece was meant to be sent.
    processor_s: what the process had of its processors since the start.
    """

    entries: tuple[Sent, ...]
    is_over: bool
    fault: str
    send_delay: bytes
    acknowledged: bytes
    processor_s: float


@dataclass(frozen=True, slots=True)
class _Signing:
    """What an `ApiClient` wants to know of a target."""

    region: str
    clients: Clients

    def client(self, service: str) -> Any:
        return self.clients.get(service)


class Hand:
    """One run's share in this process. folder: where its files go, below it."""

    def __init__(self, order: Order, folder: Path | None = None) -> None:
        self._order = order
        self._folder = tempfile.TemporaryDirectory(prefix="bench-", dir=folder, ignore_cleanup_errors=True)
        self._clients = order.place.clients()
        self._ledger = Ledger()
        self._pieces: tuple[ObjectFile | PostBody, ...] = ()
        self._made: Made | None = None
        self._driver: Driver | None = None
        self._fault = ""
        self._over = threading.Event()
        self._asked_s = self._processor_s = 0.0
        self._counted = 0
        self._send_delay, self._acknowledged = Latencies(), Latencies()
        _in_thread(self._make)

    @property
    def is_sending(self) -> bool:
        """Whether it is under way."""
        return self._driver is not None and not self._over.is_set()

    def made(self) -> Made | None:
        """Return what was made, None while it is being made. Raises WorkersError where it cannot be."""
        if self._fault:
            raise WorkersError(self._fault)
        return self._made

    def begin(self, go: Go) -> None:
        """Send everything, from the start on."""
        signing = _Signing(self._order.place.region, self._clients)
        api = ApiClient(signing, go.api_url)
        rate = self._order.ticks_a_second
        self._driver = driver = Driver(self._clients.get("s3"), go.bucket, api, self._ledger, rate)
        start_s = time.monotonic() + go.start_s - time.time()
        self._asked_s, self._processor_s = time.monotonic(), time.process_time()
        _in_thread(lambda: self._send(driver, start_s))
        _in_thread(lambda: self._listen(driver))

    def told(self, known: int) -> Told:
        """Return what is new behind so many entries."""
        self._asked_s = time.monotonic()
        # In this order: what is recorded before the end is told with it.
        is_over = self._over.is_set()
        for entry in self._ledger.since(self._counted):
            self._counted += 1
            self._send_delay.record(entry.sent_s - entry.intended_s)
            if entry.acknowledged:
                self._acknowledged.record(entry.acknowledged_s - entry.intended_s)
        return Told(
            self._ledger.since(known),
            is_over,
            self._fault,
            self._send_delay.encoded(),
            self._acknowledged.encoded(),
            time.process_time() - self._processor_s,
        )

    def leave(self) -> None:
        """Start nothing more, and forget everything when what is under way is answered."""
        if self._driver is None:
            self._end()
        else:
            self._driver.stop()

    def _make(self) -> None:
        try:
            account = self._order.place.account()
            order, folder = self._order, Path(self._folder.name)
            workload = WORKLOAD.validate_json(order.workload)
            self._pieces = tuple(Factory(workload, folder, None, owns=order.share.owns).make())
            self._made = Made(len(self._pieces), fingerprint(self._pieces), account)
        except Exception as error:  # noqa: BLE001 - told to the one who asks
            self._fault = _words(error)

    def _send(self, driver: Driver, start_s: float) -> None:
        try:
            driver.send(self._pieces, start_s=start_s)
        except Exception as error:  # noqa: BLE001 - told to the one who asks
            self._fault = self._fault or _words(error)
        finally:
            self._over.set()
            self._end()

    def _listen(self, driver: Driver) -> None:
        while not self._over.wait(_LOOK_S):
            if time.monotonic() - self._asked_s > SILENCE_S:
                self._fault = f"nobody asked for {SILENCE_S:.0f} s"
                driver.stop()
                return

    def _end(self) -> None:
        self._pieces = ()
        self._folder.cleanup()
        self._clients.close()


#: By the names of their runs; touched by Dask's one thread alone.
_hands: Final[dict[str, Hand]] = {}


def who() -> dict[str, str]:
    """Return what must be the same everywhere."""
    return identity()


def clock_s() -> float:
    """Read this machine's clock: Unix seconds."""
    return time.time()


def take(order: Order, dask_worker: Any) -> None:
    """Begin to make a share. Raises WorkersError where another run's is being sent."""
    if any(hand.is_sending for hand in _hands.values()):
        raise WorkersError("it sends for another run")
    # Of a run that nobody has ended: its own process is gone.
    for run in tuple(_hands):
        _hands.pop(run).leave()
    _hands[order.run] = Hand(order, Path(dask_worker.local_directory))


def made(run: str) -> Made | None:
    """See `Hand.made`."""
    return _hand(run).made()


def begin(run: str, go: Go) -> None:
    """See `Hand.begin`."""
    _hand(run).begin(go)


def told(run: str, known: int) -> Told:
    """See `Hand.told`."""
    return _hand(run).told(known)


def leave(run: str) -> None:
    """See `Hand.leave`; a run that is not known has ended."""
    if hand := _hands.pop(run, None):
        hand.leave()


def _hand(run: str) -> Hand:
    if run not in _hands:
        raise WorkersError("it knows nothing of this run: another one took its place, or the worker was started again")
    return _hands[run]


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="bench-hand", daemon=True).start()


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
