"""Reading through the client: what it adds to the server's own work for the same answers."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import polars as pl

from bench.perf.figures import Better, Figure, Unit
from bench.perf.runs import RunFailedError
from bench.stack import deployment
from bench.targets import Kind, TargetChoice, open_target
from bench.waiting import Patience, below_me, wait_for
from tickstream_client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENVIRONMENT: Final = "perf"
_SYMBOLS: Final = tuple(f"R{number:03}" for number in range(500))
_OPEN: Final = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
_MINUTES: Final = 390
_DAY: Final = ("2026-01-05", "2026-01-06")
#: As many as the client itself has under way.
_AT_ONCE: Final = 8
_GOAL: Final = 1.3
_PATIENCE_S: Final = 120.0


@dataclass(slots=True)
class Recorder(httpx.BaseTransport):
    """Sends requests on, and keeps them, to be sent once more by somebody else."""

    below: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)
    sent: list[httpx.Request] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it on."""
        request.read()
        self.sent.append(request)
        return self.below.handle_request(request)

    def close(self) -> None:
        """Close what is below."""
        self.below.close()


def day_of_ticks() -> pl.DataFrame:
    """Make a tick a minute of a session of 500 symbols, symbol by symbol: 195,000 bars of one tick each."""
    minutes = pl.DataFrame({"minute": range(_MINUTES)})
    ticks = pl.DataFrame({"symbol": _SYMBOLS, "number": range(len(_SYMBOLS))}).join(minutes, how="cross")
    cents = 1_000 + (pl.col("number") * 7_919 + pl.col("minute") * 104_729) % 90_000
    return ticks.select(
        "symbol",
        timestamp=pl.lit(_OPEN).dt.epoch("ns") + pl.col("minute").cast(pl.Int64) * 60 * 10**9,
        price=(cents // 100).cast(pl.String) + "." + (cents % 100).cast(pl.String).str.zfill(2),
        size=1 + pl.col("minute") % 100,
    )


def day_of_bars(ticks: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of these ticks as the client's table has them: each is its one tick."""
    price, size = pl.col("price").cast(pl.Decimal(38, 9)), pl.col("size").cast(pl.Decimal(38, 9))
    return ticks.select(
        "symbol", pl.from_epoch("timestamp", "ns").alias("start").dt.replace_time_zone("UTC"),
        price.alias("open"), price.alias("high"), price.alias("low"), price.alias("close"), size.alias("volume"),
        pl.lit(1, pl.Int64).alias("ticks"),
    )  # fmt: skip


def client(repeats: int) -> tuple[Figure, ...]:
    """Read 195,000 bars into polars through the client, and by turns send its requests bare. Raises RunFailedError."""
    template = deployment.generate(_ENVIRONMENT)
    with open_target(TargetChoice(Kind.EMBEDDED)) as target, _environment(target.endpoint_url or ""):
        build = deployment.assemble(_ENVIRONMENT, template, architecture=target.architecture)
        deployment.create(target, _ENVIRONMENT, build)
        recorder, ticks = Recorder(), day_of_ticks()
        with Client.from_stack(deployment.stack_name(_ENVIRONMENT), transport=recorder) as reader:
            _put(reader, ticks)
            wanted = day_of_bars(ticks)
            ratios, rows_per_s = [], []
            # The first round does not count: functions are cold.
            for index in range(repeats + 1):
                recorder.sent.clear()
                began = time.perf_counter()
                bars = reader.bars(_SYMBOLS, *_DAY).to_polars()
                ours_s = time.perf_counter() - began
                if not bars.select(wanted.columns).cast(wanted.schema).equals(wanted):
                    raise RunFailedError("the bars that the client read are not those that were put")
                theirs_s = _sent_bare(recorder.sent)
                if index:
                    ratios.append(ours_s / theirs_s)
                    rows_per_s.append(bars.height / ours_s)
    speed = f"{sum(rows_per_s) / repeats:,.0f} bars a second"
    about = f"{ticks.height:,} bars of {len(_SYMBOLS)} symbols in {len(recorder.sent)} requests, {speed}"
    return (
        Figure(
            name="bars read into polars by the client, against its requests sent bare", unit=Unit.RATIO,
            better=Better.LESS, samples=tuple(ratios), goal=_GOAL, about=about,
        ),
    )  # fmt: skip


@contextmanager
def _environment(endpoint_url: str) -> Iterator[None]:
    """What the client needs to know of LocalStack, for as long as it is there."""
    wanted = {"AWS_ENDPOINT_URL": endpoint_url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _put(reader: Client, ticks: pl.DataFrame) -> None:
    """Put them, and wait until all bars are rolled up: from then on each answer is the same."""
    with tempfile.TemporaryDirectory(prefix="tickstream-perf-") as folder:
        path = Path(folder, "day.csv")
        ticks.write_csv(path)
        (upload,) = reader.upload(path, wait=True)
    if upload.state != "complete":
        raise RunFailedError(f"the day was not taken: {upload.state}")

    def closed() -> bool | None:
        return bool(reader.bars(_SYMBOLS, *_DAY, interval="1h").to_polars()["closed"].all()) or None

    if wait_for(closed, Patience(_PATIENCE_S, below_me), poll_s=0.5) is None:
        raise RunFailedError("the day's bars are not rolled up")


def _sent_bare(requests: list[httpx.Request]) -> float:
    """Send requests again, as many at once, and do nothing with their answers; return the seconds."""
    with httpx.Client(trust_env=False, timeout=60) as bare, ThreadPoolExecutor(_AT_ONCE) as threads:

        def send(one: httpx.Request) -> int:
            made = bare.build_request(one.method, one.url, headers=one.headers, content=one.content)
            return bare.send(made).status_code

        began = time.perf_counter()
        statuses = set(threads.map(send, requests))
        took_s = time.perf_counter() - began
    if statuses != {200}:
        raise RunFailedError(f"requests that were sent again were answered {sorted(statuses)}")
    return took_s
