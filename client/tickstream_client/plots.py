"""Candlesticks and volume: a page that opens offline, or its picture, taken by a browser that is there.

Bars stand side by side without the nights between them; a bar without prices has its volume only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tickstream_client.errors import ExportError, UsageError

if TYPE_CHECKING:
    from tickstream_client.bars import Bars

#: More symbols are no picture any more; more bars than that are no candlesticks, in no browser.
MAX_SYMBOLS: Final = 6
MAX_BARS: Final = 100_000
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_WIDTH, _HEIGHT = 1200, 420
_BROWSER_SECONDS: Final = 120.0
_UP, _DOWN = "#0f8a5f", "#c2413b"


def require(path: Path, symbols: int) -> None:
    """Raise what keeps these symbols from being drawn there: UsageError, or ExportError for what is missing."""
    if symbols > MAX_SYMBOLS:
        raise UsageError(f"{symbols} symbols are no picture: at most {MAX_SYMBOLS}")
    try:
        __import__("plotly")
    except ImportError as error:
        raise ExportError("a plot needs plotly: pip install plotly") from error
    if path.suffix == ".png" and _browser() is None:
        raise ExportError(
            f"{path}: a PNG is taken by a browser, and neither {_BROWSERS[0]} nor Chrome is here: .html does"
        )


def draw(bars: Bars, path: Path) -> int:
    """Draw bars into a .html or .png file and return how many there are. Raises ExportError and what reading raises."""
    frames = list(islice(bars.frames(floats=True), MAX_BARS // 1_000))
    frame = pl.concat(frames) if frames else pl.DataFrame()
    if frame.is_empty():
        raise ExportError(f"{path}: there are no bars to draw")
    if len(frame) > MAX_BARS:
        raise ExportError(f"{path}: more than {MAX_BARS:,} bars are no picture: a longer interval, or a shorter time")
    figure, height = _figure(frame)
    is_picture = path.suffix == ".png"
    config = {"displaylogo": False, "scrollZoom": True, "displayModeBar": not is_picture}
    page = figure.to_html(full_html=True, include_plotlyjs=True, config=config)
    try:
        if is_picture:
            _photograph(page, path, height)
        else:
            path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror}") from error
    return len(frame)


def _figure(frame: pl.DataFrame) -> tuple[Any, int]:
    from plotly.graph_objects import Bar, Candlestick  # noqa: PLC0415 - there where `require` was asked
    from plotly.subplots import make_subplots  # noqa: PLC0415

    parts = frame.partition_by("symbol", maintain_order=True)
    figure = make_subplots(
        rows=2 * len(parts), cols=1, row_heights=[0.75, 0.25] * len(parts), vertical_spacing=0.06 / len(parts)
    )
    for place, part in enumerate(parts):
        symbol, row = part["symbol"][0], 2 * place + 1
        times = part["start"].dt.strftime("%Y-%m-%d %H:%M").to_list()
        columns = part.select("open", "high", "low", "close", "volume").to_dict(as_series=False)
        prices = {name: columns[name] for name in ("open", "high", "low", "close")}
        candles = Candlestick(
            x=times, name=symbol, showlegend=False, increasing_line_color=_UP, decreasing_line_color=_DOWN, **prices
        )
        colors = [
            _DOWN if end is not None and begin is not None and end < begin else _UP
            for begin, end in zip(columns["open"], columns["close"], strict=True)
        ]
        volume = Bar(
            x=times, y=columns["volume"], name="volume", showlegend=False, marker_color=colors, marker_line_width=0
        )
        figure.add_trace(candles, row=row, col=1)
        figure.add_trace(volume, row=row + 1, col=1)
        axis = {"type": "category", "nticks": 8, "showgrid": False}
        matched = "x" if row == 1 else f"x{row}"
        figure.update_xaxes(**axis, rangeslider_visible=False, showticklabels=False, row=row, col=1)
        figure.update_xaxes(**axis, matches=matched, row=row + 1, col=1)
        figure.update_yaxes(title_text=symbol, row=row, col=1)
        figure.update_yaxes(title_text="volume", nticks=3, row=row + 1, col=1)
    height = _HEIGHT * len(parts) + 80
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 70, "r": 20, "t": 40, "b": 40}, bargap=0.2,
        hovermode="x unified", title={"text": "times are UTC", "font": {"size": 12}},
    )  # fmt: skip
    return figure, height


def _browser() -> str | None:
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def _photograph(page: str, path: Path, height: int) -> None:
    """Have a browser open the page and take its picture. It is ours, from a file, and asks nobody for anything."""
    browser = _browser()
    if browser is None:
        raise ExportError(f"{path}: no browser is here any more")
    with tempfile.TemporaryDirectory(prefix="tickstream-plot-") as folder:
        source, picture = Path(folder, "plot.html"), Path(folder, "plot.png")
        source.write_text(page, encoding="utf-8")
        command = [
            browser,
            "--headless",
            # As root it has no sandbox, and does not start with one.
            *(["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []),
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
            "--virtual-time-budget=20000",
            f"--window-size={_WIDTH},{height + 20}",
            f"--screenshot={picture}",
            source.as_uri(),
        ]
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=_BROWSER_SECONDS)
            taken = picture.read_bytes()
        except (subprocess.SubprocessError, OSError) as error:
            raise ExportError(
                f"{path}: {Path(browser).name} took no picture ({type(error).__name__}): .html does"
            ) from error
    path.write_bytes(taken)
