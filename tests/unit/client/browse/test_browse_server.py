"""The page's server: who may read from it, what it answers, and what it says when the API does not."""

from __future__ import annotations

import json
import socket
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.stub import Stubber

from tests.unit.client.browse.fake_stack import (
    OPEN_S,
    QUEUE_OUTPUTS,
    TOKEN,
    FakeApi,
    ingest,
    minutes,
    served,
    stack,
)
from tickstream_client.browse import app
from tickstream_client.browse.guard import API, HEADERS, TOKEN_HEADER
from tickstream_client.browse.queues import Queues, queues_of
from tickstream_client.command import main
from tickstream_client.commands import browse
from tickstream_client.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTIONS = ("stack", "symbols", "bars", "ingests", "queues")


@pytest.fixture
def api() -> FakeApi:
    """An API with a symbol."""
    return FakeApi(bars={("SPY", "1m"): minutes(5)}, ingests=[ingest(2, "rejected"), ingest(1)])


@pytest.fixture
def page(api: FakeApi) -> Iterator[httpx.Client]:
    """A page that was given the token."""
    with served(api) as address, asking(address, TOKEN) as client:
        yield client


def asking(address: str, token: str) -> httpx.Client:
    """Whoever asks with a token."""
    headers = [(TOKEN_HEADER.encode(), token.encode())]
    # Five seconds, which it has by itself, are little where others use the machine too.
    return httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=120)


def lines_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The lines of an answer of bars."""
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def bars_of(page: httpx.Client, **asked: str) -> list[dict[str, Any]]:
    """Ask for bars of the day."""
    return lines_of(page.get("/api/bars", params={"from": "2026-01-05", "to": "2026-01-06", **asked}))


# Who may read ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("token", ["", "another", TOKEN[:-1], "ü"])
def test_c04_nobody_reads_without_the_token(api: FakeApi, question: str, token: str) -> None:
    """Another user of the machine, who reaches the port, is told nothing, and nothing is asked in the caller's name."""
    with served(api) as address, asking(address, token) as page:
        answer = page.get(API + question)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (401, "token")
    assert api.asked == []


@pytest.mark.parametrize("path", ["/", "/api/stack", "/plotly.js"])
@pytest.mark.parametrize("host", ["evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "[", ""])
def test_c04_a_name_that_was_bent_to_loopback_is_refused(page: httpx.Client, path: str, host: str) -> None:
    """DNS rebinding: a site whose name leads here is refused by its name, whatever it sends."""
    assert page.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:9999", "[::1]:8000", "LOCALHOST"])
def test_c04_every_name_of_loopback_is_the_pages(page: httpx.Client, host: str) -> None:
    """Also behind a forwarded port."""
    assert page.get("/api/stack", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_c04_another_sites_page_is_refused(page: httpx.Client, headers: dict[str, str]) -> None:
    """Also that of another port of this machine, and even with the token."""
    answer = page.get("/api/stack", headers=headers)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (403, "origin")
    assert "access-control-allow-origin" not in answer.headers


def test_c04_every_answer_has_the_headers(page: httpx.Client) -> None:
    """The page, its script, what is asked and what is refused: none may load from elsewhere or be read from there."""
    paths = ("/", "/main.js", "/plotly.js", "/api/stack", "/nothing")
    for answer in (*map(page.get, paths), page.get("/api/stack", headers={TOKEN_HEADER: "another"})):
        assert HEADERS.items() <= {**answer.headers, **{name: answer.headers.get(name) for name in HEADERS}}.items()
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "http" not in policy
    assert "*" not in policy
    assert page.get("/api/stack").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_c04_nothing_can_be_changed(page: httpx.Client, method: str) -> None:
    """There is nothing but GET."""
    for question in QUESTIONS:
        assert page.request(method, API + question).status_code == 405


def test_c04_nothing_beside_the_page_is_served(page: httpx.Client) -> None:
    """The folder of the page alone."""
    assert page.get("/").headers["content-type"].startswith("text/html")
    assert page.get("/main.js").headers["content-type"].startswith("text/javascript")
    for path in ("/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "//etc/passwd"):
        assert page.get(path).status_code == 404


# What it answers ------------------------------------------------------------------------------------------------------


def test_c04_bars_are_the_apis_to_the_last_digit(page: httpx.Client, api: FakeApi) -> None:
    """Columns of texts, in order, and an end."""
    columns, end = bars_of(page, symbol="SPY")
    some = api.bars["SPY", "1m"]
    assert columns["bars"]["start"] == [OPEN_S + 60 * place for place in range(5)]
    for name in ("open", "high", "low", "close", "volume", "notional", "vwap"):
        assert columns["bars"][name] == [one[name] for one in some]
    assert columns["bars"]["ticks"] == [one["ticks"] for one in some]
    assert "closed" not in columns["bars"]
    assert end["end"]["bars"] == 5


def test_c04_marks_are_sent_where_the_server_has_them(page: httpx.Client, api: FakeApi) -> None:
    """Forming, filled, and the date of a session; a price that no tick may set is null."""
    api.bars["SPY", "1d"] = minutes(1, session="2026-01-05", closed=False, filled=False, open=None)
    columns, _ = bars_of(page, symbol="SPY", interval="1d", session="XNYS", hours="all", fill="previous")
    found = columns["bars"]
    assert (found["session"], found["closed"], found["filled"], found["open"]) == (
        ["2026-01-05"],
        [False],
        [False],
        [None],
    )
    (asked,) = api.asked
    assert (asked["session"], asked["hours"], asked["fill"]) == ("XNYS", "all", "previous")


def test_c04_bars_come_in_pages_and_end_somewhere(
    page: httpx.Client, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands come as they are read; beyond the bound it is said that there are more."""
    api.bars["SPY", "1m"] = minutes(12_345, start_s=1_767_571_200)
    asked = {"from": "2026-01-05", "to": "2026-01-20", "symbol": "SPY"}
    *chunks, end = lines_of(page.get("/api/bars", params=asked))
    assert [len(one["bars"]["start"]) for one in chunks] == [5_000, 5_000, 2_345]
    assert (end["end"]["bars"], "hasMore" in end) == (12_345, False)
    monkeypatch.setattr(app, "MAX_BARS", 6_000)
    api.asked.clear()
    *chunks, end = lines_of(page.get("/api/bars", params=asked))
    assert sum(len(one["bars"]["start"]) for one in chunks) == 6_000
    assert (end["end"]["bars"], end["hasMore"]) == (6_000, True)


def test_c04_a_figure_is_written_out(page: httpx.Client, api: FakeApi) -> None:
    """No exponent: a tiny price and a huge volume are digits."""
    api.bars["SPY", "1m"] = minutes(1, low="0.000000001", volume="100000000000000000000000")
    columns, _ = bars_of(page, symbol="SPY")
    assert (columns["bars"]["low"], columns["bars"]["volume"]) == (["0.000000001"], ["100000000000000000000000"])
    assert Decimal(columns["bars"]["low"][0]) == Decimal("1e-9")


def test_c04_symbols_by_prefix(page: httpx.Client, api: FakeApi) -> None:
    """With what is known of their bars, fifty at most."""
    api.bars.update({(f"S{number:02}", "1m"): minutes(2) for number in range(60)})
    answer = page.get("/api/symbols", params={"prefix": "SP"}).json()
    assert answer == {
        "symbols": [{"symbol": "SPY", "first": OPEN_S, "last": OPEN_S + 240}],
        "hasMore": False,
        "isKnown": True,
    }
    many = page.get("/api/symbols").json()
    assert (len(many["symbols"]), many["hasMore"]) == (50, True)


def test_c04_a_server_without_a_list_of_symbols_is_no_error(page: httpx.Client, api: FakeApi) -> None:
    """Symbols are typed then."""
    api.has_symbols = False
    assert page.get("/api/symbols").json() == {"symbols": [], "hasMore": False, "isKnown": False}


def test_c04_ingests_have_their_state_and_sentence(page: httpx.Client, api: FakeApi) -> None:
    """The newest first, two hundred at most; in a state, where one is asked for."""
    api.ingests[0]["reason"] = {"code": "missing_column", "message": "no column symbol " + "x" * 500}
    answer = page.get("/api/ingests").json()
    assert [(one["state"], one["reason"]) for one in answer["ingests"]] == [
        ("rejected", "missing_column"),
        ("complete", None),
    ]
    assert answer["ingests"][0]["why"].startswith("no column symbol xxx")
    assert len(answer["ingests"][0]["why"]) == 300
    assert [one["state"] for one in page.get("/api/ingests", params={"state": "complete"}).json()["ingests"]] == [
        "complete"
    ]
    api.ingests = [ingest(number) for number in range(300, 0, -1)]
    answer = page.get("/api/ingests").json()
    assert (len(answer["ingests"]), answer["hasMore"]) == (200, True)


def test_c04_queues_are_those_of_the_outputs(page: httpx.Client, api: FakeApi) -> None:
    """Those of work first, by a name in words."""
    api.resting = {"largeRangeDeadLetterQ": 2}
    answer = page.get("/api/queues").json()["queues"]
    assert [(one["queue"], one["is_dead_letter"], one["waiting"]) for one in answer] == [
        ("processing", False, 0),
        ("large range", False, 0),
        ("processing", True, 0),
        ("large range", True, 2),
    ]
    assert queues_of({"bucketName": "a", "parkedQueueUrl": "https://sqs.test/parked"})[0].is_dead_letter


def test_c04_what_sqs_counts_and_refuses() -> None:
    """Waiting, worked on and delayed; where SQS refuses it is said of which queue."""
    queues = Queues(stack())
    with Stubber(queues._client) as sqs:
        attributes = {
            "ApproximateNumberOfMessages": "3",
            "ApproximateNumberOfMessagesNotVisible": "2",
            "ApproximateNumberOfMessagesDelayed": "1",
        }
        sqs.add_response("get_queue_attributes", {"Attributes": attributes})
        sqs.add_client_error("get_queue_attributes", "AccessDenied", "no identity-based policy allows it")
        found = queues._read(queues.queues[0])
        assert (found.waiting, found.in_flight, found.delayed) == (3, 2, 1)
        with pytest.raises(StackError, match="queue processing: no identity-based policy allows it"):
            queues._read(queues.queues[0])


# What can be wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "status", "kind"),
    [
        (0, 504, "unanswered"),
        (400, 400, "question"),
        (403, 403, "credentials"),
        (429, 429, "throttled"),
        (500, 502, "failing"),
        (503, 502, "failing"),
    ],
)
def test_c04_trouble_has_a_name(page: httpx.Client, api: FakeApi, trouble: int, status: int, kind: str) -> None:
    """One word that the page knows, and one sentence; of bars, which may be under way by then, in their last line."""
    api.trouble = trouble
    answer = page.get("/api/ingests")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (status, kind)
    (end,) = bars_of(page, symbol="SPY")
    assert end["error"]["kind"] == kind
    assert end["error"]["message"]


def test_c04_a_question_that_cannot_be_is_told(page: httpx.Client) -> None:
    """What the client refuses is told as what the API refuses."""
    answer = page.get("/api/bars", params={"symbol": "SPY", "interval": "3m"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "question")
    assert page.get("/api/bars").json()["error"]["message"] == "symbols are texts, and not empty"
    (end,) = bars_of(page, symbol="NONE")
    assert end["error"] == {"kind": "unknown", "message": "no tick of NONE was ever ingested"}


# The command ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


@pytest.mark.usefixtures("_credentials")
def test_c04_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever installed only the client is told what to install."""
    monkeypatch.setattr(browse, "_LIBRARIES", ("starlette", "no_such_library"))
    assert main(["browse", "--url", "https://api.test/x", "--region", "us-east-1", "--no-open"]) == 2
    assert capsys.readouterr().err == "tickstream: browse needs no_such_library: pip install 'tickstream[browse]'\n"


@pytest.mark.usefixtures("_credentials")
def test_c04_a_port_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """And says how to name another one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["browse", "--url", "https://api.test/x", "--region", "us-east-1", "--port", port]) == 2
    assert f"port {port} of 127.0.0.1" in capsys.readouterr().err


def test_c04_queues_are_found_by_name_alone() -> None:
    """A stack that is known by its API's address has none."""
    assert queues_of({}) == ()
    assert len(queues_of({**QUEUE_OUTPUTS, "apiUrl": "https://api.test"})) == 4
