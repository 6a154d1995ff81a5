from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.client.scripted import API, failed, in_turn, ok, stack
from tickstream_client import Client, NotFoundError, StackError, UsageError, WaitError
from tickstream_client.connection.http import proxied
from tickstream_client.connection.signing import Signer
from tickstream_client.connection.stack import stack_of_file, stack_of_url
from tickstream_client.protocol.steps import Request, path_of
from tickstream_client.protocol.uploads import checked_files, key_of

if TYPE_CHECKING:
    from pathlib import Path

_OUTPUTS = {"apiUrl": API, "restApiId": "abcdef", "bucketName": "market-data-dev"}
_DESCRIBED = [{"OutputKey": name, "OutputValue": value} for name, value in _OUTPUTS.items()]


@pytest.fixture(autouse=True)
def _no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's account, region or files."""
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.parametrize("document", [_OUTPUTS, _DESCRIBED, {"Stacks": [{"StackName": "x", "Outputs": _DESCRIBED}]}])
def test_c06_outputs_are_read_as_aws_and_the_bench_write_them(tmp_path: Path, document: Any) -> None:
    """A flat object, a list, or all that `describe-stacks` prints; the region is the address's."""
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(document))
    found = stack_of_file(path)
    assert (found.api_url, found.bucket, found.region) == (API, "market-data-dev", "us-east-1")
    assert (found.pipeline, found.endpoint_url) == ("market-analytics", None)


def test_c06_localstack_has_the_api_below_its_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By argument, or by AWS's own variable; no slash is doubled."""
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({"apiEndpoint": API + "/", "restApiId": "abcdef", "bucketName": "files"}))
    expected = "http://127.0.0.1:4566/_aws/execute-api/abcdef/dev"
    assert stack_of_file(path, endpoint_url="http://127.0.0.1:4566/").api_url == expected
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    found = stack_of_file(path)
    assert (found.api_url, found.pipeline, found.region) == (expected, "file-processing", "us-east-1")


_NO_OUTPUTS = ["", "[1]", "{}", '{"a": 1}', '{"Stacks": []}', '{"Stacks": [{"StackName": "x"}]}', "\udcff"]


@pytest.mark.parametrize("text", _NO_OUTPUTS)
def test_c06_a_file_that_is_no_outputs_is_told(tmp_path: Path, text: str) -> None:
    """With its name."""
    path = tmp_path / "outputs.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StackError):
        stack_of_file(path)
    with pytest.raises(StackError, match="nowhere"):
        stack_of_file(tmp_path / "nowhere.json")


def test_c06_a_url_alone_is_enough_for_the_api(tmp_path: Path) -> None:
    """The region is in AWS's addresses; elsewhere it is asked for. Nothing can be put."""
    assert stack_of_url(API.replace("us-east-1", "eu-west-3") + "/").region == "eu-west-3"
    assert stack_of_url("http://localhost:4566/_aws/execute-api/abcdef/dev").region == "us-east-1"
    assert stack_of_url(API, region="us-west-2").region == "us-west-2"
    for url in ("", "abc", "ftp://x/y", "https://", API + "?x=1"):
        with pytest.raises(StackError):
            stack_of_url(url)
    file = tmp_path / "x.csv"
    file.write_text("x")
    with Client.from_url(API) as client, pytest.raises(StackError, match="bucket"):
        client.upload(file)


def test_c06_without_credentials_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """And which to set."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StackError, match="AWS_ACCESS_KEY_ID"):
        Client.from_url(API)
    with pytest.raises(StackError, match="nobody"):
        Client.from_url(API, profile="nobody")


@example(".", {})
@example("..", {})
@given(st.text(min_size=1, max_size=40), st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3))
def test_c01_what_is_signed_is_what_is_sent(text: str, query: dict[str, str]) -> None:
    """Whatever characters path and query have, httpx sends the address that was signed."""
    try:
        text.encode()
        "".join((*query, *query.values())).encode()
    except UnicodeEncodeError:
        return
    signer = Signer(stack())
    request = Request("GET", path_of("status", text), query)
    url = signer.url_of(request)
    assert (
        httpx.Request("GET", url).url.raw_path
        == url.removeprefix("https://abcdef.execute-api.us-east-1.amazonaws.com").encode()
    )
    assert signer.headers_of(request)["Authorization"].startswith("AWS4-HMAC-SHA256")


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, API, "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, API, "http://proxy:3128"),
        ({"ALL_PROXY": "http://proxy:3128"}, API, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, API, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "localhost,[::1],::1,.amazonaws.com"}, API, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "[::1],10.0.0.0/8,*x,a b"}, API, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://127.0.0.1:4566/x", None),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://[::1]/x", None),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://localhost:1/x", None),
    ],
)
def test_c01_the_proxy_is_the_environments(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, expected: str | None
) -> None:
    """Whatever stands in NO_PROXY; none is asked for this machine, by number and by name."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    asked: list[str | None] = []

    def make(proxy: str | None) -> httpx.HTTPTransport:
        asked.append(proxy)
        return httpx.HTTPTransport(proxy=proxy)

    proxied(make, url).close()
    assert asked == [expected]


@pytest.mark.parametrize("proxy", ["gopher://proxy", "http://proxy:port", "socks5://proxy:1"])
def test_c01_a_proxy_that_cannot_be_one_is_told(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """In one line that names the variable."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(StackError, match="HTTPS_PROXY"):
        Client(stack())


def test_c01_keys_of_files(tmp_path: Path) -> None:
    """`feed=NAME/`, the prefix and the name; two of one key, none, and what S3 refuses are told before."""
    assert key_of(tmp_path / "a b.csv", "", None) == "a b.csv"
    assert key_of(tmp_path / "a.csv", "/trades/2026/", "my-feed") == "feed=my-feed/trades/2026/a.csv"
    with pytest.raises(UsageError, match="feed"):
        key_of(tmp_path / "a.csv", "", "My Feed")
    with pytest.raises(UsageError, match="1024 bytes"):
        key_of(tmp_path / "a.csv", "ü" * 600, None)
    one, other = tmp_path / "x" / "a.csv", tmp_path / "y" / "a.csv"
    for path in (one, other):
        path.parent.mkdir()
        path.write_text("x")
    assert checked_files(one) == checked_files(str(one)) == [one]
    mistakes: list[tuple[list[Path], str]] = [
        ([one, other], "same key"),
        ([], "no file"),
        ([tmp_path / "z"], "not there"),
        ([tmp_path], "is no file"),
    ]
    for files, said in mistakes:
        with pytest.raises(UsageError, match=said):
            checked_files(files)


def test_c01_what_another_pipeline_does_is_told() -> None:
    """Bars are not file processing's, files are not market analytics'; where nothing is known all may be asked."""
    files = Client(stack("file-processing"), transport=None)
    for ask in (lambda: files.bars("S"), lambda: files.ingest([]), files.symbols, lambda: files.retract("0" * 32)):
        with pytest.raises(UsageError, match="market-analytics"):
            ask()
    with pytest.raises(UsageError, match="file-processing"):
        Client(stack()).files()
    server = in_turn(ok({"ingests": []}))
    assert list(server.client().ingests()) == []


def test_c01_lists_go_on_behind_empty_pages() -> None:
    """Until there is no token; the question stays the same."""
    server = in_turn(
        ok({"symbols": [{"symbol": "A"}], "nextToken": "1"}),
        ok({"symbols": [], "nextToken": "2"}),
        ok(
            {
                "symbols": [
                    {"symbol": "B", "firstBar": "2026-01-05T14:30:00Z", "lastBar": "2026-01-06T14:30:00Z", "x": 1}
                ]
            }
        ),
    )
    found = list(server.client().symbols("BTC/+"))
    assert [(one.symbol, one.first_bar is None) for one in found] == [("A", True), ("B", False)]
    assert [one.url.query for one in server.requests] == [
        b"limit=500&prefix=BTC%2F%2B",
        b"limit=500&prefix=BTC%2F%2B&nextToken=1",
        b"limit=500&prefix=BTC%2F%2B&nextToken=2",
    ]


def test_c01_waiting_for_a_retraction_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is retracted, when it cannot be, or when the time is over."""
    asked = {"ingestId": "0" * 32, "state": "retracting", "askedAt": "2026-01-05T14:30:00Z"}
    counts = dict.fromkeys(("rows", "ticks", "rejected", "skipped", "cancelled"), 1)
    ingest: dict[str, Any] = {
        "ingestId": "0" * 32, "state": "retracting", "ranges": {"total": 1, "done": 1}, **counts,
        "receivedAt": "2026-01-05T14:30:00Z", "retraction": {"cause": "asked", "askedAt": "2026-01-05T14:30:00Z"},
    }  # fmt: skip
    refused = {**ingest, "state": "complete", "retraction": {**ingest["retraction"], "refused": "too late"}}
    monkeypatch.setattr("time.sleep", lambda _: None)
    client = in_turn(ok(asked), ok(ingest), ok(ingest), ok({**ingest, "state": "retracted"})).client()
    assert client.retract("0" * 32, wait=True).state == "retracted"
    found = in_turn(ok(asked), ok(ingest), ok(refused)).client().retract("0" * 32, wait=True)
    assert found.retraction is not None
    assert found.retraction.refused == "too late"
    with pytest.raises(WaitError, match="retracting after 0 seconds"):
        in_turn(ok(asked), ok(ingest)).client().retract("0" * 32, wait=0.0)
    with pytest.raises(NotFoundError):
        in_turn(failed(404, "unknown_ingest")).client().retract("0" * 32)
