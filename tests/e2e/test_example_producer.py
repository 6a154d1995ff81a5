"""The example of a producer: whatever is lost, broken or killed, each tick counts once."""

from __future__ import annotations

import contextlib
import re
import signal
import sqlite3
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bench.faults import Action, FaultInjector, FaultRule
from bench.faults.rules import INVOCATION
from tests.e2e.example_runs import STACK, bars_of, be_a_user, command, running, started
from tests.e2e.market import OPEN_NS, expected_bars, trades
from tests.patience import wait_until, wait_until_true
from tickstream_client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.market import MarketStack, Trade


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch, market: MarketStack) -> None:
    """Whatever is started is a user's of the shared stack."""
    be_a_user(monkeypatch, market)


@pytest.fixture
def client() -> Iterator[Client]:
    """The user's own client."""
    with Client.from_stack(STACK) as client:
        yield client


@pytest.fixture
def faults(market: MarketStack) -> Iterator[FaultInjector]:
    """The bench's faults, none before and after."""
    injector = FaultInjector(market.target)
    injector.clear()
    yield injector
    injector.clear()


def json_lines(some: list[Trade]) -> bytes:
    """Ticks as a feed writes them: figures as numbers."""
    rows = (f'{{"symbol":"{t.symbol}","price":{t.price},"size":{t.size},"timestamp":{t.timestamp_ns}}}\n' for t in some)
    return "".join(rows).encode()


def settled_ticks(client: Client, since: datetime) -> int | None:
    """How many ticks came in posts since then and count; None while any is under way."""
    ingests = [one for one in client.ingests(start=since) if one.key is None]
    return sum(one.ticks for one in ingests) if all(one.is_final for one in ingests) else None


def open_batch(outbox: Path) -> tuple[int, int, int]:
    """What an outbox says: batches that may have been sent, their ticks, and lines of sources that were taken."""
    with contextlib.closing(sqlite3.connect(outbox)) as file:
        [batches] = file.execute("SELECT count(*) FROM batch").fetchone()
        [ticks] = file.execute("SELECT count(*) FROM tick WHERE key IS NOT NULL").fetchone()
        [lines] = file.execute("SELECT coalesce(sum(lines), 0) FROM source").fetchone()
    return batches, ticks, lines


def test_c05_a_producer_counts_each_tick_once(
    client: Client, market: MarketStack, faults: FaultInjector, tmp_path: Path
) -> None:
    """Answers are lost, the stack is busy and broken, and the producer is killed with kill -9 in two moments.

    The moments are known: behind a post that was carried out and not answered, and before one that was not carried out.
    """
    symbol, since = "EX.PRODUCER", datetime.now(UTC)
    made = trades(symbol, 4_000)
    source, outbox = tmp_path / "day.jsonl", tmp_path / "day.outbox"
    source.write_bytes(json_lines(made))
    call = ("producer.py", source, "--outbox", outbox, "--batch", "250", "--backlog", "1500")
    ingestion = market.outputs["ingestionFunctionName"]

    def killed_at(name: str, *rules: FaultRule) -> None:
        """Start the producer and kill it when the rule of a name has hit; then the rule is over."""
        faults.add(rules)
        with running(*call, output=tmp_path / "said.txt") as process:
            wait_until_true(f"fault {name}", lambda: faults.hits()[name] and process.poll() is None)
            process.kill()
            assert process.wait() == -signal.SIGKILL
        faults.remove(name)

    killed_at(
        "held behind a post",
        FaultRule("answers lost", *INVOCATION, ingestion, symbol, times=2, action=Action.KILL_AFTER),
        FaultRule("busy", "dynamodb", "PutItem", ingestion, code="ThrottlingException", status=400, times=4, skip=6),
        FaultRule("held behind a post", "sqs", "SendMessageBatch", ingestion,
                  times=1, skip=6, action=Action.DELAY, delay_s=3_600.0),
    )  # fmt: skip
    assert (faults.hits()["answers lost"], faults.hits()["busy"]) == (2, 4)
    batches, ticks, first_lines = open_batch(outbox)
    assert (batches, ticks) == (1, 250)
    assert 250 < first_lines < len(made)

    killed_at("down", FaultRule("down", *INVOCATION, ingestion, symbol, action=Action.REFUSE))
    assert open_batch(outbox) == (1, 250, first_lines)

    last = started(*call)
    assert (last.returncode, last.stderr) == (0, "")
    posted, skipped = re.findall(r"([\d,]+) (?:ticks posted|lines posted before)", last.stdout)
    assert int(skipped.replace(",", "")) == first_lines
    assert 250 < int(posted.replace(",", "")) < len(made)
    assert open_batch(outbox) == (0, 0, len(made))
    assert wait_until("all posts to be done", lambda: settled_ticks(client, since)) == len(made)
    assert bars_of(client, symbol) == {symbol: expected_bars(made)}

    once_more = started(*call)
    assert once_more.stdout == "0 ticks posted, 0 refused, 4,000 lines posted before\n"


def test_c05_a_producer_reads_a_pipe_and_names_what_is_no_tick(client: Client, tmp_path: Path) -> None:
    """Lines of a pipe that are no ticks are named, by the producer or by the stack, and the others count, exactly."""
    since = datetime.now(UTC)
    made = trades("EX.PIPE", 40)
    bad = b'not json\n{"symbol":"EX.PIPE","price":1}\n{"symbol":"EX.PIPE","price":NaN,"size":1,"timestamp":%d}\n'
    ended = subprocess.run(
        command("producer.py", "-", "--outbox", tmp_path / "outbox"),
        input=json_lines(made[:20]) + bad % OPEN_NS + json_lines(made[20:]).removesuffix(b"\n"),
        capture_output=True,
        check=False,
    )
    said = ended.stderr.decode()
    assert (ended.returncode, ended.stdout) == (1, b"40 ticks posted, 3 refused, 0 lines posted before\n"), said
    assert "-, line 21 is no tick" in said
    assert "-, line 22 is no tick: KeyError('size')" in said
    assert "'price': 'NaN'" in said
    wait_until("all posts to be done", lambda: settled_ticks(client, since))
    assert bars_of(client, "EX.PIPE") == {"EX.PIPE": expected_bars(made)}


def test_c05_a_key_that_is_too_old_is_not_used(tmp_path: Path, faults: FaultInjector, market: MarketStack) -> None:
    """A batch that may have been sent a day ago is set aside and named: nobody knows whether it counts."""
    outbox, source = tmp_path / "outbox", tmp_path / "ticks.jsonl"
    source.write_bytes(json_lines(trades("EX.OLD", 5)))
    rule = FaultRule("down", *INVOCATION, market.outputs["ingestionFunctionName"], "EX.OLD", action=Action.REFUSE)
    faults.add([rule])
    down = started("producer.py", source, "--outbox", outbox, "--patience", "0")
    assert (down.returncode, "start this again" in down.stderr) == (1, True), down
    faults.clear()
    with contextlib.closing(sqlite3.connect(outbox)) as file, file:
        file.execute("UPDATE batch SET begun = begun - 86400")
    ended = started("producer.py", source, "--outbox", outbox)
    assert (ended.returncode, ended.stdout) == (1, "0 ticks posted, 5 refused, 5 lines posted before\n")
    assert "its key is too old" in ended.stderr


def test_c05_a_walk_is_posted_and_an_outbox_has_one_producer(client: Client, tmp_path: Path) -> None:
    """A walk goes on where it was; a second producer at the same outbox is one line."""
    since = datetime.now(UTC)
    call = ("producer.py", "--walk", "EX.WALK", "--outbox", tmp_path / "outbox")
    assert started(*call, "--ticks", "30").stdout == "30 ticks posted, 0 refused, 0 lines posted before\n"
    assert started(*call, "--ticks", "50").stdout == "20 ticks posted, 0 refused, 30 lines posted before\n"
    wait_until("all posts to be done", lambda: settled_ticks(client, since))
    assert sum(bar.ticks for bar in client.bars("EX.WALK")) == 50
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox")) as file:
        file.execute("BEGIN EXCLUSIVE")
        second = started(*call)
    assert second.returncode == 2
    assert "is another producer at it?" in second.stderr
    assert "Traceback" not in second.stderr


def test_c05_a_producer_that_waits_for_a_pipe_hears_of_ctrl_c(client: Client, tmp_path: Path) -> None:
    """It posts what has come, and ends when it is told to, however long the pipe says nothing."""
    since = datetime.now(UTC)
    call = command("producer.py", "-", "--outbox", tmp_path / "outbox", "--linger", "0")
    with subprocess.Popen(call, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(json_lines(trades("EX.WAITS", 5)))
        process.stdin.flush()
        wait_until_true("the five to count", lambda: settled_ticks(client, since) == 5)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 1
