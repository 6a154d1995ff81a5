"""`tickstream bars`: read bars, show them, write them, draw them."""

from __future__ import annotations

from collections import deque
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tickstream_client.commands.output import as_json, echo_line, is_table, show_table
from tickstream_client.commands.target import asks_a_stack

if TYPE_CHECKING:
    from tickstream_client.bars import Bars
    from tickstream_client.client import Client
    from tickstream_client.records import Bar

_WRITTEN: Final = (".parquet", ".csv", ".jsonl")
_DRAWN: Final = (".html", ".png")
#: Of more bars the first and the last are shown.
_SHOWN: Final = 20
_HEADINGS: Final = ("symbol", "start", "open", "high", "low", "close", "volume", "ticks", "vwap")

_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("symbols", nargs=-1, required=True)
@click.option("--from", "start", metavar="TIME", help="Bars that start then or later; by default 24 hours before --to.")
@click.option("--to", "end", metavar="TIME", help="Bars that start before; by default now.")
@click.option("--interval", default="1m", show_default=True, help="1m, 5m, 15m, 1h, 4h or 1d.")
@click.option("--session", help="Sessions of an exchange (XNYS), a zone or a roll (17:00 America/Chicago); 4h and 1d.")
@click.option("--hours", help="Of an exchange: regular, extended or all.")
@click.option("--fill", help="previous: bars also where nothing was traded.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="A .parquet, .csv or .jsonl."
)
@click.option("--floats", is_flag=True, help="Floats in Parquet, for tools without decimals.")
@click.option("--plot", type=_FILE, metavar="FILE", help="Draw them: a .html or .png.")
@as_json
@asks_a_stack
def bars(
    *,
    client: Client,
    symbols: tuple[str, ...],
    start: str | None,
    end: str | None,
    interval: str,
    session: str | None,
    hours: str | None,
    fill: str | None,
    out: Path | None,
    floats: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Read bars: show, write or draw them.

    Those of SYMBOLS that start in [--from, --to).
    """
    import warnings  # noqa: PLC0415 - see `tickstream_client.command`

    _check(out, plot)
    if plot is not None:
        from tickstream_client.plots import require  # noqa: PLC0415

        # Before anything is read.
        require(plot, len(set(symbols)))
    asked = client.bars(symbols, start, end, interval, session=session, hours=hours, fill=fill)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if plot is not None:
            _draw(asked, plot, out, floats=floats)
        elif out is not None:
            click.echo(f"{_write(asked, out, floats=floats):,} bars in {out}", err=True)
        elif is_table(as_json):
            _show(asked)
        else:
            for bar in asked:
                echo_line(bar)
    for one in told:
        click.echo(f"tickstream: {one.message}", err=True)


def _check(out: Path | None, plot: Path | None) -> None:
    for path, known in ((out, _WRITTEN), (plot, _DRAWN)):
        if path is not None and path.suffix not in known:
            raise click.UsageError(f"{path}: its name ends with none of {', '.join(known)}")


def _write(asked: Bars, out: Path, *, floats: bool) -> int:
    if out.suffix == ".parquet":
        return asked.to_parquet(out, floats=floats)
    return asked.to_csv(out) if out.suffix == ".csv" else asked.to_jsonl(out)


def _draw(asked: Bars, plot: Path, out: Path | None, *, floats: bool) -> None:
    from tickstream_client.plots import draw  # noqa: PLC0415

    if out is not None:
        click.echo(f"{_write(asked, out, floats=floats):,} bars in {out}", err=True)
    drawn = draw(asked, plot)
    click.echo(f"{drawn:,} bars drawn in {plot}", err=True)


def _show(asked: Bars) -> None:
    found = iter(asked)
    first = list(islice(found, _SHOWN))
    last: deque[Bar] = deque(maxlen=_SHOWN)
    more = 0
    for bar in found:
        last.append(bar)
        more += 1
    left_out = more - len(last)
    rows: list[tuple[object, ...]] = [_row(bar) for bar in first]
    if left_out:
        rows.append(("…",) * len(_HEADINGS))
    rows += [_row(bar) for bar in last]
    show_table(_HEADINGS, rows, right=_HEADINGS[2:])
    if left_out:
        click.echo(f"{len(first) + more:,} bars: --out FILE or --json has all of them")


def _row(bar: Bar) -> tuple[object, ...]:
    mark = "" if bar.closed is not False else " …"
    figures = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ticks, bar.vwap)
    return (bar.symbol, f"{bar.start:%Y-%m-%d %H:%M}Z{mark}", *figures)
