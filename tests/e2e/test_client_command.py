"""`tickstream` as its user types it, against deployed stacks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from bench.stack import deployment
from bench.stack.dev_stack import how_to_try
from tests.e2e.market import OPEN_NS, Trade, csv, trades
from tickstream_client.command import main

if TYPE_CHECKING:
    from bench.targets.embedded import EmbeddedTarget
    from tests.e2e.files import FileStack
    from tests.e2e.market import MarketStack

_WINDOW = ("--from", "2026-01-05", "--to", "2026-01-06")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, target: EmbeddedTarget, tmp_path: Path) -> None:
    """What `bench up` says to set."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": target.endpoint_url,
        "TICKSTREAM_STACK": "market-analytics-e2e",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """The JSON lines that were printed."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_c02_a_day_is_put_read_written_and_drawn(market: MarketStack, capsys: pytest.CaptureFixture[str]) -> None:
    """`upload --wait`, `bars` as JSON lines, Parquet, CSV and a page that needs nothing from outside."""
    assert market.outputs
    Path("c02.csv").write_bytes(csv(trades("C02/X", 700)))
    assert main(["upload", "c02.csv", "--prefix", "cmd", "--wait"]) == 0
    (put,) = lines(capsys)
    assert (put["key"], put["fate"]["state"]) == ("cmd/c02.csv", "complete")  # type: ignore[index]

    assert main(["bars", "C02/X", *_WINDOW, "--interval", "5m"]) == 0
    (bar,) = lines(capsys)
    assert (bar["symbol"], bar["start"], bar["ticks"]) == ("C02/X", "2026-01-05T14:30:00Z", 700)
    assert bar["open"] == "100"
    assert main(["bars", "C02/X", *_WINDOW, "--out", "x.parquet", "--plot", "x.html"]) == 0
    assert pl.read_parquet("x.parquet")["ticks"].sum() == 700
    page = Path("x.html").read_text()
    assert "C02" in page
    assert "candlestick" in page
    assert '<script src="http' not in page
    assert main(["bars", "C02/X", *_WINDOW, "--out", "x.csv"]) == 0
    assert Path("x.csv").read_text().startswith("symbol,start,open,high,low,close,volume,ticks,notional,vwap,session,")
    assert main(["status", "cmd/c02.csv"]) == 0
    assert lines(capsys)[-1]["ticks"] == 700


@pytest.mark.skipif(not shutil.which("chromium"), reason="no browser is here")
def test_c02_a_picture_is_taken_by_a_browser(market: MarketStack) -> None:
    """A PNG of some size, not one colour."""
    posted = market.post({"ticks": [{"symbol": "C02P", "timestamp": str(OPEN_NS), "price": "1.5", "size": "1"}]})
    market.wait_for_state(posted.body["ingestId"])
    assert main(["bars", "C02P", *_WINDOW, "--plot", "p.png"]) == 0
    picture = Path("p.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5_000


def test_c02_what_is_refused_is_status_1(market: MarketStack, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no ticks, and a tick that is none: told, and 1."""
    assert market.outputs
    Path("bad.csv").write_text("date,remark\n2026-01-05,no ticks\n")
    assert main(["upload", "bad.csv", "--prefix", "cmd", "--wait"]) == 1
    (put,) = lines(capsys)
    assert put["fate"]["reason"]["code"] == "missing_column"  # type: ignore[index]
    assert main(["status", "cmd/bad.csv"]) == 1
    Path("ticks.jsonl").write_text(
        '{"symbol": "C02J", "timestamp": "2026-01-05T14:30:00Z", "price": 187.500000001, "size": 1}\n'
        '{"symbol": "C02J", "timestamp": "2026-01-05T14:30:01Z", "price": "none", "size": 1}\n'
    )
    capsys.readouterr()
    assert main(["post", "ticks.jsonl"]) == 1
    (posted,) = lines(capsys)
    assert (posted["accepted"], posted["rejected"]) == (1, 1)
    market.wait_for_state(posted["ingest_ids"][0])  # type: ignore[index]
    assert main(["bars", "C02J", *_WINDOW]) == 0
    assert lines(capsys)[0]["open"] == "187.500000001"
    assert main(["retract", posted["ingest_ids"][0], "--wait"]) == 0  # type: ignore[index]
    assert lines(capsys)[0]["state"] == "retracted"
    assert main(["bars", "C02NOBODY", *_WINDOW]) == 2
    assert capsys.readouterr().err == "tickstream: no tick of C02NOBODY was ever ingested (404 unknown_symbol)\n"


def test_c02_ticks_come_from_a_pipe_and_bars_go_into_one(market: MarketStack) -> None:
    """CSV on standard input; a reader that has seen enough is no error that anybody hears of."""
    assert market.outputs
    some = [Trade("C02PIPE", OPEN_NS + minute * 60 * 10**9, "1.25", "2") for minute in range(2_000)]
    posted = subprocess.run(["tickstream", "post", "-"], input=csv(some), capture_output=True, check=True)  # noqa: S607
    market.wait_for_state(json.loads(posted.stdout)["ingest_ids"][0])
    command = "tickstream bars C02PIPE --from 2026-01-05 --to 2026-01-08 | head -n 1"
    read = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)  # noqa: S607
    assert json.loads(read.stdout)["volume"] == "2"
    assert read.stderr == ""


@pytest.mark.parametrize("pipeline", [deployment.PIPELINE, deployment.FILE_PROCESSING])
def test_c02_what_bench_up_prints_works(
    pipeline: str, target: EmbeddedTarget, market: MarketStack, files: FileStack, tmp_path: Path
) -> None:
    """Its lines, typed one after the other into a shell, end well."""
    assert market.outputs
    assert files.outputs
    (tmp_path / "ticks.csv").write_bytes(csv(trades("AAPL", 50)))
    said = how_to_try(target, pipeline, "e2e")
    script = "\n".join(line.strip() for line in said.partition("try:\n")[2].splitlines())
    assert script.count("tickstream ") >= 3
    ran = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)  # noqa: S607
    assert ran.returncode == 0, ran.stderr
    assert "feeds/ticks.csv" in ran.stdout
