"""Makes the README's two pictures from one run: `terminal.svg` and `report.png`, beside this file.

Takes the options of `python -m bench run`. Wants the extra `test`, and a Chromium (Debian: apt-get install chromium).

example: python docs/pictures/make.py --workload dirty --faults all
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import sys
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from bench.commands import run as run_command
from bench.commands.options import run_options, trial_of
from bench.report.console import Reporter
from bench.report.html import write_report
from bench.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import FloatRect

HERE: Final = Path(__file__).parent
_COLUMNS: Final = 110
_WIDTH_PX: Final = 1_100
_UNTIL: Final = "#latency"
# The list of what is not emulated is in the report; in a picture it would push the verdict out of sight.
_LAST_LINE: Final = "not emulated by this target"
# On a terminal the progress is one line that moves, and it is gone at the end.
_PROGRESS: Final = "sent "


def main(arguments: Sequence[str]) -> None:
    """Run once, and make both pictures of that run."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("there is no chromium here (on Debian: apt-get install chromium)")
    parser = argparse.ArgumentParser(prog="make.py")
    run_command.add(parser.add_subparsers())
    options = parser.parse_args(["run", *arguments])
    # Not a terminal to rich: a picture shows lines, not a display that moves.
    console = Console(record=True, force_terminal=False, width=_COLUMNS, highlight=False, soft_wrap=True)
    before = _results(options.results)
    if not run(trial_of(options), run_options(options), Reporter(console)).passed:
        sys.exit("the run failed: no picture is made of it")
    (result,) = _results(options.results) - before
    (HERE / "terminal.svg").write_text(
        terminal(["run", *arguments], console.export_text(styles=True)), encoding="utf-8"
    )
    screenshot(write_report(result), chromium)


def terminal(command: Sequence[str], printed: str) -> str:
    """Return what was printed after a command as SVG, without the font that rich's own would load from a network."""
    console = Console(record=True, file=io.StringIO(), width=_COLUMNS)
    console.print(Text("$ ", "bold green") + Text(f"python -m bench {' '.join(command)}", "bold"))
    for line in takewhile(lambda line: _LAST_LINE not in line, printed.splitlines()):
        if not line.startswith(_PROGRESS):
            console.print(Text.from_ansi(line))
    svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="tickstream"), flags=re.DOTALL)
    return svg.replace("Fira Code", "DejaVu Sans Mono")


def screenshot(report: Path, chromium: str) -> None:
    """Take the verdict, the books and the charts over time; the checks between them are in the terminal's picture."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": _WIDTH_PX, "height": 800}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.locator("html[data-drawn=yes]").wait_for(state="attached")
        page.add_style_tag(content="#checks, details { display: none }")
        end = page.locator(_UNTIL).bounding_box()
        if end is None:
            sys.exit(f"the report has no part {_UNTIL}")
        clip: FloatRect = {"x": 0, "y": 0, "width": _WIDTH_PX, "height": end["y"]}
        page.screenshot(path=HERE / "report.png", full_page=True, clip=clip)
        browser.close()


def _results(folder: Path) -> set[Path]:
    return set(folder.iterdir()) if folder.is_dir() else set()


if __name__ == "__main__":
    main(sys.argv[1:])
