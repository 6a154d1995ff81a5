"""`tickstream feed`: which feeds there are, what one makes of a file, and a draft of a new one. It needs no AWS."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from tickstream.feeds.catalogue import Catalogue

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, writable=True, path_type=Path)
_FEEDS = click.option(
    "--feeds", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR", help="Feeds of your own."
)


#: Lambda's, which the functions are written for.
_PYTHON: Final = (3, 13)


@click.group()
def feed() -> None:
    """Vendors' files: how they are read. It asks no stack."""
    if sys.version_info[:2] != _PYTHON:
        wanted, here = (".".join(map(str, one[:2])) for one in (_PYTHON, sys.version_info))
        raise click.ClickException(f"feed runs the functions' own code, which needs Python {wanted}: this is {here}")


@feed.command("list")
@_FEEDS
def list_feeds(feeds: Path | None) -> None:
    """List the feeds, a line each."""
    catalogue = _catalogue(feeds)
    for kind, some in (("own", catalogue.own), ("built in", catalogue.built_in)):
        for name, one in sorted(some.items()):
            click.echo(f"{name:36} {kind:9} {'/'.join(one.formats):12} {one.title}")


@feed.command()
@click.argument("name")
@_FEEDS
def show(name: str, feeds: Path | None) -> None:
    """Print a feed's description, resolved."""
    import msgspec  # noqa: PLC0415 - `--help` is to be quick

    found = _catalogue(feeds).named(name)
    if found is None:
        raise click.UsageError(f"there is no feed {name}: see `tickstream feed list`")
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


@feed.command("try")
@click.argument("file", type=_FILE)
@click.option("--key", help="The key that it would have in the bucket. By default its path as given.")
@click.option("--feed", "name", metavar="NAME", help="The feed that is to read it.")
@_FEEDS
@click.option("--ticks", type=_OUT, metavar="OUT.csv", help="Write all ticks.")
@click.option("--counts", type=_OUT, metavar="OUT.json", help="Write the counts.")
@click.option("--all", "whole", is_flag=True, help="Read all of a file that is larger than 256 MiB.")
def try_(
    *,
    file: Path,
    key: str | None,
    name: str | None,
    feeds: Path | None,
    ticks: Path | None,
    counts: Path | None,
    whole: bool,
) -> None:
    """Show what the pipeline would make of FILE: its feed, counts, first rows and first bars.

    Exit status 1: it would be refused as a whole.
    """
    from tickstream.errors import ObjectRejected, TickstreamError  # noqa: PLC0415
    from tickstream_client.feeds.report import show_refusal, show_trial  # noqa: PLC0415 - polars takes half a second
    from tickstream_client.feeds.trial import try_file  # noqa: PLC0415

    catalogue = _catalogue(feeds)
    if name is not None and name != "native" and catalogue.named(name) is None:
        raise click.UsageError(f"there is no feed {name}: see `tickstream feed list`")
    under = _key(file, key, name)
    try:
        if ticks is None:
            trial = try_file(file, under, catalogue, whole=whole)
        else:
            with ticks.open("w", encoding="utf-8", newline="") as out:
                trial = try_file(file, under, catalogue, out, whole=whole)
        if counts is not None:
            counts.write_text(json.dumps(trial.counts) + "\n", encoding="utf-8")
    except ObjectRejected as refusal:
        if ticks is not None:
            ticks.unlink(missing_ok=True)
        show_refusal(under, refusal)
        raise click.exceptions.Exit(1) from refusal
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror}") from error
    except TickstreamError as error:
        raise click.ClickException(str(error)) from error
    show_trial(under, trial)


@feed.command()
def schema() -> None:
    """Print the JSON Schema of feeds, for editors."""
    from tickstream.feeds.documents import json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema(), indent=2))


@feed.command()
@click.argument("file", type=_FILE)
@click.option("--name", help="The new feed's name. By default made of the file's.")
def new(file: Path, name: str | None) -> None:
    """Draft a feed from FILE's head and print it, for you to complete."""
    from tickstream.errors import ObjectRejected  # noqa: PLC0415
    from tickstream_client.feeds.draft import draft_of  # noqa: PLC0415

    try:
        draft = draft_of(file, name)
    except ObjectRejected as refusal:
        raise click.ClickException(f"{file}: {refusal.detail}") from refusal
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(json.dumps(draft, indent=2, ensure_ascii=False))


def _key(file: Path, key: str | None, name: str | None) -> str:
    under = key if key is not None else file.as_posix().lstrip("/")
    while under.startswith("../"):
        under = under[3:]
    return f"feed={name}/{under}" if name is not None else under


def _catalogue(feeds: Path | None) -> Catalogue:
    from tickstream.errors import TickstreamError  # noqa: PLC0415
    from tickstream.feeds.catalogue import catalogue_of, installed  # noqa: PLC0415

    try:
        return installed() if feeds is None else catalogue_of(feeds)
    except TickstreamError as error:
        raise click.ClickException(str(error)) from error
