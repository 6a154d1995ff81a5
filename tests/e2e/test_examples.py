"""The examples, each started as a user would start it, against a deployed stack and the tests' own oracle."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nbformat
import pytest
from nbclient import NotebookClient

from tests.e2e.example_runs import EXAMPLES, STACK, bars_of, be_a_user, running, started
from tests.e2e.market import DAY, FIELDS, MINUTE_NS, OPEN_NS, expected_bars, trades
from tests.e2e.market import csv as as_csv
from tests.patience import wait_until_true
from tests.vendor_samples import SAMPLES, UPDATES
from tickstream_client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.targets.embedded import EmbeddedTarget
    from tests.e2e.market import MarketStack

SHARED: Final = Path(__file__).parents[2] / "../shared/data"
_LISTENER: Final = "listener-of-the-examples"


@pytest.fixture(autouse=True)
def _user(monkeypatch: pytest.MonkeyPatch, market: MarketStack) -> None:
    """Whatever is started is a user's of the shared stack."""
    be_a_user(monkeypatch, market)


@pytest.fixture
def client() -> Iterator[Client]:
    """The user's own client."""
    with Client.from_stack(STACK) as client:
        yield client


# The notebook -----------------------------------------------------------------------------------------------------


def notebook_of(tmp_path: Path, **parameters: str) -> Any:
    """Run the notebook with parameters of one's own, as papermill would, in a kernel."""
    notebook = nbformat.read(EXAMPLES / "real_day.ipynb", as_version=4)
    [place] = [number for number, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ())]
    given = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(given))
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path)}
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(EXAMPLES)}}).execute(env=environment)
    return notebook


def said_by(notebook: Any) -> str:
    """All that it printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def drawn_by(notebook: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The candles and the columns of volume in its picture."""
    [output] = notebook.cells[-1].outputs
    candles, volume = output.data["application/vnd.plotly.v1+json"]["data"]
    return candles, volume


def session_of(ticks: list[dict[str, str]], opening: datetime, closing: datetime) -> dict[str, list[Any]]:
    """Columns of the picture: bars of five minutes of a sample's ticks, by the flags of its feed."""
    groups: dict[int, list[dict[str, str]]] = defaultdict(list)
    for tick in ticks:
        at_ns = int(tick["timestamp_ns"])
        if opening.timestamp() <= at_ns // 10**9 < closing.timestamp():
            groups[at_ns // (5 * MINUTE_NS)].append(tick)
    columns: dict[str, list[Any]] = defaultdict(list)
    for _, group in sorted(groups.items()):
        ends, extremes, counted = ([tick for tick in group if tick[update] == "true"] for update in UPDATES)
        columns["open"].append(float(ends[0]["price"]) if ends else None)
        columns["close"].append(float(ends[-1]["price"]) if ends else None)
        prices = [Decimal(tick["price"]) for tick in extremes]
        columns["high"].append(float(max(prices)) if prices else None)
        columns["low"].append(float(min(prices)) if prices else None)
        columns["y"].append(float(sum(Decimal(tick["size"]) for tick in counted)))
    return columns


def test_c05_the_notebook_draws_the_day_of_the_repository(tmp_path: Path) -> None:
    """The cut of IBM's day that the repository has: each candle and each column is that of its ticks."""
    sample = next(one for one in SAMPLES if one.sample == "lean-equity-tick")
    notebook = notebook_of(tmp_path, symbol="IBM.NOTEBOOK", file=str(sample.path))
    assert "ibm.notebook/20131007_trade.zip: complete, 471 ticks by feed lean-equity-tick, 0 rows" in said_by(notebook)

    candles, volume = drawn_by(notebook)
    opening, closing = (datetime(2013, 10, 7, hour, minute, tzinfo=UTC) for hour, minute in ((13, 30), (20, 0)))
    expected = session_of(sample.ticks(), opening, closing)
    assert len(expected["y"]) > 20
    assert {name: candles[name] for name in ("open", "high", "low", "close")} | {"y": volume["y"]} == expected
    assert (candles["x"][0], candles["x"] == volume["x"]) == ("2013-10-07 09:30", True)


def test_c05_the_notebook_draws_a_whole_day(tmp_path: Path) -> None:
    """All trades of SPY on that day: the session is the one that the vendor publishes."""
    file = SHARED / "equity/usa/tick/spy/20131007_trade.zip"
    if not file.is_file():
        pytest.skip(f"the real trades are not part of the project, they would be {file}")
    with (SHARED / "published-20131007.csv").open(encoding="utf-8", newline="") as published:
        [row] = [row for row in csv.DictReader(published) if (row["symbol"], row["day"]) == ("SPY", "2013-10-07")]
    notebook = notebook_of(tmp_path, symbol="SPY.NOTEBOOK", file=str(file.resolve()))
    assert f"2013-10-07: {int(row['filtered_volume']):,} shares" in said_by(notebook)
    candles, volume = drawn_by(notebook)
    assert len(candles["x"]) == 78
    found = (candles["open"][0], max(candles["high"]), min(candles["low"]), candles["close"][-1], sum(volume["y"]))
    assert found == tuple(float(row[f"filtered_{name}"]) for name in ("open", "high", "low", "close", "volume"))


# Backfill ---------------------------------------------------------------------------------------------------------


def fates_in(table: str) -> dict[str, tuple[str, str, str]]:
    """What a table says of each key: what was done, the state, how many ticks."""
    rows = [line.split() for line in table.splitlines() if line.startswith("backfill/")]
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def test_c05_a_backfill_goes_on_where_it_was(client: Client, market: MarketStack, tmp_path: Path) -> None:
    """One file of many is refused and named; started again, no file is put that is there; all bars are right."""
    made = {f"EX.FILL{number}": trades(f"EX.FILL{number}", 30 + number) for number in range(6)}
    for number, some in enumerate(made.values()):
        folder = tmp_path / f"year {number % 2}"
        folder.mkdir(exist_ok=True)
        (folder / f"day{number}.csv").write_bytes(as_csv(some))
    # No blanks in keys, so that the table's columns can be read back.
    for folder in sorted(tmp_path.iterdir()):
        folder.rename(folder.with_name(folder.name.replace(" ", "-")))
    (tmp_path / "year-0/bad.csv").write_text("date,remark\n2026-01-05,no ticks\n")
    (tmp_path / "year-0/notes.txt").write_text("not asked for\n")
    call = ("backfill.py", tmp_path, "--prefix", "backfill", "--match", "*.csv", "--at-once", "3")

    first = started(*call)
    keys = {f"backfill/year-{number % 2}/day{number}.csv": len(some) for number, some in enumerate(made.values())}
    expected = {key: ("put", "complete", str(ticks)) for key, ticks in keys.items()}
    assert fates_in(first.stdout) == {**expected, "backfill/year-0/bad.csv": ("put", "rejected", "0")}
    assert "no column symbol, timestamp, price, size; found: date, remark" in first.stdout
    assert "6 of 7 files complete, 195 ticks" in first.stdout
    assert first.returncode == 1
    assert bars_of(client, *made) == {symbol: expected_bars(some) for symbol, some in made.items()}

    (tmp_path / "year-0/bad.csv").unlink()
    made["EX.FILL6"] = trades("EX.FILL6", 7)
    (tmp_path / "day6.csv").write_bytes(as_csv(made["EX.FILL6"]))
    again = started(*call)
    there = {key: ("there", "complete", str(ticks)) for key, ticks in keys.items()}
    assert fates_in(again.stdout) == {**there, "backfill/day6.csv": ("put", "complete", "7")}
    assert again.returncode == 0, again.stderr
    listed = market.s3.list_object_versions(Bucket=market.outputs["bucketName"], Prefix="backfill/year-")["Versions"]
    assert len(listed) == len({one["Key"] for one in listed}) == 7
    assert bars_of(client, *made) == {symbol: expected_bars(some) for symbol, some in made.items()}


def test_c05_a_backfill_puts_again_what_was_taken_back(client: Client, tmp_path: Path) -> None:
    """A file whose ingest was taken back is in no bar, and so is not there."""
    made = trades("EX.BACK", 12)
    (tmp_path / "day.csv").write_bytes(as_csv(made))
    call = ("backfill.py", tmp_path, "--prefix", "backfill/back")
    assert started(*call).returncode == 0
    [ingest] = client.ingests(key="backfill/back/day.csv")
    client.retract(ingest.ingest_id, wait=True)
    again = started(*call)
    assert fates_in(again.stdout) == {"backfill/back/day.csv": ("put", "complete", "12")}, again
    assert bars_of(client, "EX.BACK") == {"EX.BACK": expected_bars(made)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((".", "--match", "*.none"), "no file *.none in ."),
        ((".", "--stack", "nobody-has-it"), "nobody-has-it"),
    ],
)
def test_c05_a_wrong_call_is_one_line(arguments: tuple[str, ...], says: str) -> None:
    """Exit status 2, and no traceback."""
    ended = started("backfill.py", *arguments)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


# The listener -----------------------------------------------------------------------------------------------------


@pytest.fixture
def listener(target: EmbeddedTarget) -> Iterator[dict[str, str]]:
    """The outputs of listener.yaml's stack, deployed as it stands and deleted again."""
    cloudformation = target.client("cloudformation")
    body = (EXAMPLES / "listener.yaml").read_text(encoding="utf-8")

    def status() -> str:
        return str(cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])

    stack_id = cloudformation.create_stack(StackName=_LISTENER, TemplateBody=body)["StackId"]
    wait_until_true("the listener's stack", lambda: not status().endswith("_IN_PROGRESS"))
    assert status() == "CREATE_COMPLETE"
    outputs = cloudformation.describe_stacks(StackName=_LISTENER)["Stacks"][0]["Outputs"]
    yield {one["OutputKey"]: one["OutputValue"] for one in outputs}
    cloudformation.delete_stack(StackName=stack_id)
    wait_until_true("the listener's stack to be gone", lambda: status() == "DELETE_COMPLETE")


def lines_of(output: Path, kind: str) -> list[dict[str, Any]]:
    """What a listener has said so far: whole lines that are JSON, of one kind."""
    whole = output.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    said = [json.loads(line) for line in whole if line.startswith("{")]
    return [one[kind] for one in said if kind in one]


def told(output: Path) -> Callable[[str], dict[int, int]]:
    """Ticks of each range of an ingest that a listener has told."""
    return lambda ingest_id: {
        one["range"]: one["ticks"] for one in lines_of(output, "range") if one["ingest"] == ingest_id
    }


def test_c05_a_rule_of_ones_own_hears_what_was_processed(
    client: Client, market: MarketStack, listener: dict[str, str], tmp_path: Path
) -> None:
    """Each range of a file and of a post is named, with its ticks, and the bars that are read then are the oracle's."""
    made = {name: trades(name, 4_000) for name in ("EX.HEARD", "EX.UNHEARD")}
    file, output = tmp_path / "heard.csv", tmp_path / "said.jsonl"
    file.write_bytes(as_csv([one for some in made.values() for one in some]))
    call = ("listen.py", "EX.HEARD", "EX.NEVER", "--listener", _LISTENER, "--from", DAY[0], "--to", DAY[1])
    heard = told(output)
    with running(*call, output=output) as process:
        [upload] = client.upload(file, wait=True)
        [ingest] = client.ingests(key=upload.key)
        assert ingest.ranges_total > 1
        wait_until_true("all ranges to be heard", lambda: len(heard(ingest.ingest_id)) == ingest.ranges_total)
        assert sum(heard(ingest.ingest_id).values()) == ingest.ticks == 8_000

        late = trades("EX.HEARD", 10, start_ns=OPEN_NS + 3_600 * 10**9)
        posted = client.ingest(
            {"symbol": t.symbol, "price": t.price, "size": t.size, "timestamp": t.timestamp_ns} for t in late
        )
        wait_until_true("the post to be heard", lambda: heard(posted.ingest_ids[0]) == {0: 10})
        expected = expected_bars(made["EX.HEARD"] + late)
        wait_until_true("the bars to be read", lambda: latest(output) == expected)
        assert {bar["symbol"] for bar in lines_of(output, "bar")} == {"EX.HEARD"}

        # Again, as EventBridge may: the ranges are told once more, and no bar has changed.
        bars = figures_in(output)
        event = {"range": 0, "ticks": 1, "rejected": 0, "received_ms": 1, "committed_ms": 3}
        market.sqs.send_message(QueueUrl=listener["queueUrl"], MessageBody="no event")
        wait_until_true("what is no event", lambda: "is no event of Tickstream's" in output.read_text())

        def is_heard(name: str) -> bool:
            return heard(name) == {0: 1}

        # When the second one is heard, whatever the first one brought about is done.
        for name in ("once more", "and once more"):
            body = json.dumps({"detail": {"ranges": [{**event, "ingest": name}]}})
            market.sqs.send_message(QueueUrl=listener["queueUrl"], MessageBody=body)
            wait_until_true("the event that comes again", partial(is_heard, name))
        # What was dealt with is deleted; what is no event is left for the dead-letter queue.
        wait_until_true("the queue to have no other", lambda: waiting(market, listener["queueUrl"]) <= 1)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert figures_in(output) == bars


def waiting(market: MarketStack, queue_url: str) -> int:
    """How many messages a queue has, the invisible ones too."""
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = market.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return sum(map(int, attributes.values()))


def figures_in(output: Path) -> list[tuple[str, dict[str, Any]]]:
    """Start and figures of each bar that a listener has told, each time that they are others than before."""
    told: list[tuple[str, dict[str, Any]]] = []
    for bar in lines_of(output, "bar"):
        one = bar["start"], {name: bar[name] if name == "ticks" else Decimal(bar[name]) for name in FIELDS}
        if dict(told).get(one[0]) != one[1]:
            told.append(one)
    return told


def latest(output: Path) -> list[dict[str, Any]]:
    """The bars as a listener told them last."""
    return [figures for _, figures in sorted(dict(figures_in(output)).items())]
