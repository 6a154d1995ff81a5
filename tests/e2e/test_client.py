"""The client against a deployed stack: what goes in comes out, whatever the network and the functions do in between."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest

from bench.faults import Action, FaultInjector, FaultRule
from bench.faults.rules import INVOCATION
from bench.perf.reading import day_of_bars, day_of_ticks
from bench.stack import deployment
from tests.e2e.client_world import Trouble, TroubledNetwork
from tests.e2e.market import DAY, FIELDS, OPEN_NS, csv, expected_bars, trades
from tickstream_client import AsyncClient, Client, NotFoundError, RefusedError, Tick, UnknownSymbolWarning, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.targets.embedded import EmbeddedTarget
    from tests.e2e.files import FileStack
    from tests.e2e.market import MarketStack, Trade

_STACK = "market-analytics-e2e"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch, target: EmbeddedTarget) -> None:
    """What `bench up` says to set."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", target.endpoint_url)


@pytest.fixture
def client(market: MarketStack) -> Iterator[Client]:
    """A client that knows the stack's name and no more."""
    assert market.outputs
    with Client.from_stack(_STACK) as client:
        yield client


@pytest.fixture
def faults(target: EmbeddedTarget) -> Iterator[FaultInjector]:
    """The bench's faults, none before and after."""
    injector = FaultInjector(target)
    injector.clear()
    yield injector
    injector.clear()


def ticks_of(some: list[Trade]) -> list[Tick]:
    """As a caller has them."""
    return [Tick(one.symbol, Decimal(one.price), Decimal(one.size), one.timestamp_ns) for one in some]


def test_c01_bars_of_many_symbols_are_those_of_the_oracle(client: Client, market: MarketStack, tmp_path: Path) -> None:
    """Thirty symbols put as one file: each bar is the oracle's, as objects, as columns, in files, in order."""
    made = {f"C01/{number:02d}": trades(f"C01/{number:02d}", 300 + number, step_ns=10**9) for number in range(30)}
    file = tmp_path / "c01 day.csv"
    file.write_bytes(csv(one for some in made.values() for one in some))
    (upload,) = client.upload(file, prefix="client", wait=True)
    assert (upload.key, upload.state) == ("client/c01 day.csv", "complete")
    market.wait_until_closed(*made)

    bars = client.bars(made, *DAY)
    listed = list(bars)
    assert list(dict.fromkeys(bar.symbol for bar in listed)) == list(made)
    for symbol, some in made.items():
        found = [{name: getattr(bar, name) for name in FIELDS} for bar in listed if bar.symbol == symbol]
        assert found == expected_bars(some)
    assert all(bar.start.utcoffset() is not None for bar in listed)

    frame = bars.to_polars()
    assert frame.schema["notional"] == pl.Decimal(38, 18)
    assert frame.select("symbol", *FIELDS).rows() == [
        (bar.symbol, *(getattr(bar, name) for name in FIELDS)) for bar in listed
    ]
    assert bars.to_parquet(tmp_path / "bars.parquet") == len(listed)
    assert pl.read_parquet(tmp_path / "bars.parquet").equals(frame)
    assert bars.to_csv(tmp_path / "bars.csv") == len(listed)
    assert [Decimal(one) for one in pl.read_csv(tmp_path / "bars.csv", infer_schema=False)["notional"]] == [
        bar.notional for bar in listed
    ]
    assert bars.to_jsonl(tmp_path / "bars.jsonl") == len(listed)
    assert json.loads((tmp_path / "bars.jsonl").read_text().splitlines()[-1])["symbol"] == "C01/29"
    assert bars.to_pandas(floats=True)["close"].dtype == "float64"
    assert bars.to_arrow().num_rows == len(listed)


def test_c01_symbols_gaps_and_closed_bars_are_told(client: Client, market: MarketStack) -> None:
    """Symbols by prefix with their first and last bar; a minute without a trade carries the close; all is closed."""
    some = [trades("C01S.A", 1)[0], *trades("C01S.A", 1, start_ns=OPEN_NS + 3 * 60 * 10**9)]
    posted = client.ingest(ticks_of([*some, *trades("C01S/B", 1), *trades("C01T", 1)]))
    market.wait_for_state(posted.ingest_ids[0])
    market.wait_until_closed("C01S.A")

    listed = list(client.symbols("C01S"))
    assert [one.symbol for one in listed] == ["C01S.A", "C01S/B"]
    first, last = (datetime(2026, 1, 5, 14, minute, tzinfo=UTC) for minute in (30, 33))
    assert (listed[0].first_bar, listed[0].last_bar) == (first, last)

    bars = list(client.bars("C01S.A", first, last + timedelta(minutes=1), fill="previous"))
    assert [(bar.ticks, bar.filled, bar.closed) for bar in bars] == [
        (1, False, True),
        (0, True, True),
        (0, True, True),
        (1, False, True),
    ]
    assert {bar.close for bar in bars[:3]} == {Decimal(some[0].price)}
    assert {bar.volume for bar in bars[1:3]} == {Decimal(0)}


def test_c01_the_async_client_reads_the_same(market: MarketStack, client: Client, tmp_path: Path) -> None:
    """`await` and `async for` give what the blocking client gives."""
    made = {f"C01A{number}": trades(f"C01A{number}", 40) for number in range(5)}
    posted = client.ingest(ticks_of([one for some in made.values() for one in some]))
    market.wait_for_state(posted.ingest_ids[0])
    market.wait_until_closed(*made)

    async def read() -> tuple[list[object], pl.DataFrame, int]:
        async with AsyncClient.from_stack(_STACK) as other:
            bars = other.bars(made, *DAY)
            listed: list[object] = [bar async for bar in bars]
            return listed, await bars.to_polars(), await bars.to_parquet(tmp_path / "a.parquet")

    listed, frame, written = asyncio.run(read())
    assert listed == list(client.bars(made, *DAY))
    assert frame.equals(client.bars(made, *DAY).to_polars())
    assert written == len(listed) > 0


def test_c01_unknown_symbols_are_told(client: Client, market: MarketStack) -> None:
    """One among others is a warning; where none is known it is an error with the server's code."""
    market.wait_for_state(client.ingest(ticks_of(trades("C01KNOWN", 3))).ingest_ids[0])
    bars = client.bars(["C01NONE", "C01KNOWN"], *DAY)
    with pytest.warns(UnknownSymbolWarning, match="C01NONE"):
        assert {bar.symbol for bar in bars} == {"C01KNOWN"}
    assert bars.unknown == ("C01NONE",)
    with pytest.raises(NotFoundError) as caught:
        client.bars("C01NONE", *DAY).to_polars()
    assert (caught.value.status, caught.value.code) == (404, "unknown_symbol")


def test_c01_a_refused_file_says_why(client: Client, tmp_path: Path) -> None:
    """Of two files the one that is no ticks is refused with its sentence; put again it has the same fate."""
    good, bad = tmp_path / "c01 good.csv", tmp_path / "c01 bad.csv"
    good.write_bytes(csv(trades("C01GOOD", 20)))
    bad.write_text("date,remark\n2026-01-05,no ticks\n")
    told: list[tuple[str, int, int]] = []
    uploads = list(
        client.upload([good, bad], wait=True, progress=lambda path, sent, size: told.append((path.name, sent, size)))
    )
    assert [one.state for one in uploads] == ["complete", "rejected"]
    fate = uploads[1].fate
    assert fate is not None
    assert fate.reason is not None
    assert fate.reason.code == "missing_column"
    assert "date, remark" in fate.reason.message
    assert ("c01 good.csv", good.stat().st_size, good.stat().st_size) in told
    (again,) = client.upload(good, wait=True)
    assert again.version_id != uploads[0].version_id
    assert again.fate == uploads[0].fate
    assert [one.state for one in client.ingests(key="c01 bad.csv")] == ["rejected"]


def test_c01_every_post_counts_once_and_every_page_comes(market: MarketStack) -> None:
    """Lost requests, lost answers, throttling and failures: no tick is missing, none is there twice."""
    made = trades("C01NET", 25_000, step_ns=10**6)
    posts = Trouble("/ingest", ["unanswered", "429", "lost", "503", "unanswered"])
    pages = Trouble("/bars", ["503", "unanswered", "429"])
    with Client.from_stack(_STACK, transport=TroubledNetwork(posts, pages), at_once=1) as client:
        posted = client.ingest(ticks_of(made))
        assert (posted.accepted, posted.rejected, len(posted.ingest_ids)) == (25_000, 0, 3)
        assert (posts.seen, posts.kinds) == (8, [])
        for ingest_id in posted.ingest_ids:
            market.wait_for_state(ingest_id)
        found = [{name: getattr(bar, name) for name in FIELDS} for bar in client.bars("C01NET", *DAY)]
    assert found == expected_bars(made)
    assert (pages.seen, pages.kinds) == (4, [])


def test_c01_a_function_that_dies_behind_its_work_is_asked_again(
    market: MarketStack, client: Client, faults: FaultInjector
) -> None:
    """The ticks are queued and the answer is lost, DynamoDB throttles: the post counts once, the bars come."""
    made = trades("C01DIES", 50)
    faults.add(
        [
            FaultRule(
                "answer lost", *INVOCATION, market.outputs["ingestionFunctionName"], times=1, action=Action.KILL_AFTER
            ),
            FaultRule(
                "throttled", "dynamodb", "Query", market.outputs["queryFunctionName"], "C01DIES",
                code="ThrottlingException", status=400, times=12,
            ),
        ]
    )  # fmt: skip
    posted = client.ingest(ticks_of(made))
    market.wait_for_state(posted.ingest_ids[0])
    found = [{name: getattr(bar, name) for name in FIELDS} for bar in client.bars("C01DIES", *DAY)]
    assert found == expected_bars(made)
    assert faults.hits()["answer lost"] == 1
    assert faults.hits()["throttled"] > 0


def test_c01_the_same_key_counts_once_for_two_processes(client: Client, market: MarketStack) -> None:
    """A producer that died and posts the same ticks under its key again is told the same ingest."""
    made = ticks_of(trades("C01KEY", 10))
    first, again = client.ingest(made, key="c01 batch of today"), client.ingest(made, key="c01 batch of today")
    assert first == again
    with pytest.raises(RefusedError) as caught:
        client.ingest(made[1:], key="c01 batch of today")
    assert caught.value.code == "idempotency_key_reused"
    market.wait_for_state(first.ingest_ids[0])
    assert sum(bar.ticks for bar in client.bars("C01KEY", *DAY)) == 10


def test_c01_refused_ticks_are_counted_with_their_places(client: Client) -> None:
    """Each bad tick of many requests is named by its place among all; a request of bad ones alone is no error."""
    ticks = [Tick("C01BAD", "1.5", "1", OPEN_NS)] * 10_000 + [Tick("C01 BAD", "1", "1", OPEN_NS)] * 3
    posted = client.ingest(ticks)
    assert (posted.accepted, posted.rejected, len(posted.ingest_ids)) == (10_000, 3, 1)
    assert [(one.position, one.reason) for one in posted.reasons] == [
        (10_000 + place, "bad_symbol") for place in range(3)
    ]


def test_c01_an_ingest_is_taken_back(client: Client, market: MarketStack) -> None:
    """With `wait` no bar has it any more when `retract` returns."""
    posted = client.ingest(ticks_of(trades("C01BACK", 5)))
    market.wait_for_state(posted.ingest_ids[0])
    assert list(client.bars("C01BACK", *DAY))
    taken = client.retract(posted.ingest_ids[0], wait=True)
    assert taken.state == "retracted"
    assert taken.retraction is not None
    assert taken.retraction.cause == "asked"
    assert list(client.bars("C01BACK", *DAY)) == []
    with pytest.raises(NotFoundError) as caught:
        client.retract("0" * 32)
    assert caught.value.code == "unknown_ingest"


def test_c01_files_of_file_processing(files: FileStack, tmp_path: Path) -> None:
    """The same client puts files there, waits for them and asks how far they are; bars are not its."""
    good, bad = tmp_path / "c01 +ü.csv", tmp_path / "c01 broken.csv"
    good.write_bytes(csv(trades("C01F", 30)))
    bad.write_text("nothing,of,it\n1,2,3\n")
    with Client.from_stack("file-processing-e2e") as client:
        uploads = list(client.upload([good, bad], prefix="c01", wait=True))
        assert [one.state for one in uploads] == ["completed", "failed"]
        status = client.status("c01/c01 +ü.csv")
        assert status == client.status(f"{files.outputs.bucket_name}/c01/c01 +ü.csv")
        assert status.totals is not None
        assert status.totals["ticks"] == 30
        (listed,) = client.files(key="c01/c01 broken.csv")
        assert (listed.status, listed.reason is not None) == ("failed", True)
        with pytest.raises(UsageError, match="file-processing"):
            client.bars("SPY")


def test_c06_a_stack_is_known_by_name_outputs_and_url(
    client: Client, market: MarketStack, target: EmbeddedTarget, tmp_path: Path
) -> None:
    """All ways lead to the same API."""
    described = target.client("cloudformation").describe_stacks(StackName=_STACK)
    flat, printed = tmp_path / "flat.json", tmp_path / "described.json"
    deployment.write_flat_outputs(market.outputs, flat)
    printed.write_text(json.dumps(described, default=str))
    for other in (
        Client.from_outputs(flat),
        Client.from_outputs(printed, endpoint_url=target.endpoint_url + "/"),
        Client.from_url(client.stack.api_url),
    ):
        with other:
            assert other.stack.api_url == client.stack.api_url
            assert list(other.ingests(key="nobody has put it")) == []


def test_c01_a_day_of_500_symbols_is_the_oracles(client: Client, market: MarketStack, tmp_path: Path) -> None:
    """195,000 bars into polars, each equal in all figures, symbols in the order asked for; unknown ones are named."""
    ticks = day_of_ticks().with_columns("C01D/" + pl.col("symbol"))
    ticks.write_csv(tmp_path / "day.csv")
    (upload,) = client.upload(tmp_path / "day.csv", prefix="client", wait=True)
    assert upload.state == "complete"
    wanted = day_of_bars(ticks)
    symbols = ticks["symbol"].unique(maintain_order=True).to_list()
    market.wait_until_closed("C01D/R499")
    with pytest.warns(UnknownSymbolWarning, match="C01D/NONE"):
        bars = client.bars([*symbols, "C01D/NONE"], *DAY).to_polars()
    assert bars.height == 195_000
    assert bars.select(wanted.columns).cast(wanted.schema).equals(wanted)
