from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
import pytest

from tests.unit.client.scripted import bars_server, ok
from tickstream_client import command
from tickstream_client.command import main, tickstream
from tickstream_client.commands import target

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.client.scripted import Server


@pytest.fixture(autouse=True)
def _nobodys_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack is named by the environment."""
    for name in ("TICKSTREAM_STACK", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def answered_by(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command ask this server."""
    monkeypatch.setattr(target, "_client", lambda **_: server.client())


class _Terminal:
    """A standard output that says that somebody looks at it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bars", "SPY"], "which stack? --stack NAME, TICKSTREAM_STACK, --outputs FILE or --url URL"),
        (["bars", "SPY", "--stack", "x", "--url", "http://x/y"], "give one of them"),
        (["bars"], "Missing argument 'SYMBOLS...'"),
        (["bars", "SPY", "--url", "nowhere"], "'nowhere' is no address of an API"),
        (["upload", "not-there.csv"], "not-there.csv"),
        (["ingests", "--outputs", "not-there.json"], "not-there.json: No such file"),
        (["nothing"], "No such command 'nothing'"),
        (["post", "not-there.csv"], "not-there.csv"),
    ],
)
def test_c02_a_mistake_is_one_line_and_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, no usage text, nothing on standard output."""
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith("tickstream: ")
    assert said in told.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "2026-01-05T14:30"], "has no zone"),
        (["--interval", "2m"], "2m"),
        (["--out", "x.xlsx"], ".parquet, .csv, .jsonl"),
        (["--plot", "x.svg"], ".html, .png"),
    ],
)
def test_c02_what_bars_cannot_do_is_told_before_anything_is_asked(
    options: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names it."""
    server = bars_server({"S": 3})
    answered_by(server, monkeypatch)
    assert main(["bars", "S", *options]) == 2
    assert said in capsys.readouterr().err
    assert server.requests == []


def test_c02_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of many bars the first and the last, and how many there are; with --json lines all the same."""
    answered_by(bars_server({"[b]S[/b]": 100}), monkeypatch)
    monkeypatch.setattr(sys, "stdout", _Terminal(sys.stdout))
    asked = ["bars", "[b]S[/b]", "--from", "1970-01-01", "--to", "1970-01-02"]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "1970-01-01 00:19Z" in told
    assert "1970-01-01 00:20Z" not in told
    assert "1970-01-01 01:39Z" in told
    assert "[b]S[/b]" in told
    assert "100 bars: --out FILE or --json has all of them" in told
    assert main([*asked, "--json"]) == 0
    assert capsys.readouterr().out.count("\n") == 100


def test_c02_an_unknown_symbol_among_others_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error; the others' bars come, and the status is 0."""
    answered_by(bars_server({"S": 2}), monkeypatch)
    assert main(["bars", "S", "T", "--from", "1970-01-01", "--to", "1970-01-02"]) == 0
    told = capsys.readouterr()
    assert told.out.count("\n") == 2
    assert told.err == "tickstream: no tick of T was ever ingested\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing in it"),
        ('{"symbol": 1}\n{', "line 2 is no JSON"),
        ('{"symbol": 1}\n3\n', "line 2 is no JSON object"),
        ("date,remark\nx,y\n", "no column symbol and no price"),
    ],
)
def test_c02_what_is_no_ticks_is_told(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file's name and the line."""
    answered_by(bars_server({}), monkeypatch)
    (tmp_path / "ticks").write_text(text)
    assert main(["post", str(tmp_path / "ticks")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "ticks" in told


def test_c02_ticks_of_a_file_are_posted_as_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CSV in any order of columns, with a BOM; JSON numbers keep their digits."""
    bodies = []

    def respond(request: Any) -> Any:
        bodies.append(request.content)
        return ok({"ingestId": "0" * 32, "accepted": 1, "rejected": 0, "reasons": [], "reasonsOmitted": 0})

    server = bars_server({})
    server.respond = respond
    answered_by(server, monkeypatch)
    (tmp_path / "a.csv").write_text("\ufeffPrice, Symbol ,size,timestamp\n1.50,S,2,\n\n1e-9,T,3,2026-01-05T14:30:00Z\n")
    assert main(["post", str(tmp_path / "a.csv")]) == 0
    (tmp_path / "a.jsonl").write_text('{"symbol": "S", "price": 0.10000000000000000001, "volume": 1}\n')
    assert main(["post", str(tmp_path / "a.jsonl")]) == 0
    assert bodies == [
        (
            b'{"ticks":[{"symbol":"S","price":"1.50","size":"2"},'
            b'{"symbol":"T","timestamp":"2026-01-05T14:30:00Z","price":"1e-9","size":"3"}]}'
        ),
        b'{"ticks":[{"symbol":"S","price":"0.10000000000000000001","volume":"1"}]}',
    ]


def test_c02_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it comes."""

    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(target, "_client", interrupted)
    assert main(["bars", "S"]) == 130


def test_c02_feed_says_which_python_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and 2."""
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert main(["feed", "list"]) == 2
    assert (
        capsys.readouterr().err
        == "tickstream: feed runs the functions' own code, which needs Python 3.13: this is 3.14\n"
    )


def test_c02_every_command_and_option_is_explained() -> None:
    """In a sentence that fits the list."""
    context = click.Context(tickstream)
    for name in tickstream.list_commands(context):
        found = tickstream.get_command(context, name)
        assert found is not None
        assert not found.get_short_help_str().endswith("...")
        assert all(one.help for one in found.params if isinstance(one, click.Option))
    assert command.tickstream is tickstream
