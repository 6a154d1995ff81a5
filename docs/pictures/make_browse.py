"""Makes the README's picture of `tickstream browse`: `browse.png`, beside this file, of a stack that runs.

Wants the extra `test`, a Chromium (Debian: apt-get install chromium), a stack as `tickstream` is told of it
(TICKSTREAM_STACK and the variables that `python -m bench up` prints), and bars in it.

example: python docs/pictures/make_browse.py SPY 2013-10-07T12:30Z 2013-10-07T20:00Z --zone America/New_York
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from playwright.sync_api import sync_playwright

from tickstream_client import Client

HERE: Final = Path(__file__).parent
_WIDTH_PX, _HEIGHT_PX = 1_420, 800


def main() -> None:
    """Serve the page, look at it, and end it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("there is no chromium here (on Debian: apt-get install chromium)")
    parser = argparse.ArgumentParser(prog="make_browse.py")
    parser.add_argument("symbol")
    parser.add_argument("start", help="of the bars in sight")
    parser.add_argument("end")
    parser.add_argument("--interval", default="5m")
    parser.add_argument("--zone", default="UTC")
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--out", type=Path, default=HERE / "browse.png")
    options = parser.parse_args()
    first_day, last_day = options.start[:10], options.end[:10]
    with Client.from_stack(os.environ["TICKSTREAM_STACK"]) as client:
        before = sum(1 for _ in client.bars(options.symbol, first_day, options.start, options.interval))
        inside = sum(1 for _ in client.bars(options.symbol, options.start, options.end, options.interval))
    asked = {"interval": options.interval, "zone": options.zone, "from": first_day, "to": last_day}
    command = (sys.executable, "-m", "tickstream_client.command", "browse", options.symbol, "--no-open")
    served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address, _, token = (served.stdout or sys.stdin).readline().strip().partition("#")
        with sync_playwright() as playwright:
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
            page = browser.new_page(
                viewport={"width": _WIDTH_PX, "height": _HEIGHT_PX},
                color_scheme=options.scheme,
                device_scale_factor=1.35,
            )
            page.goto(f"{address}&{urlencode(asked)}#{token}")
            page.locator("#chart[data-drawn]").wait_for()
            page.locator("#ingests li").first.wait_for()
            page.locator("#queues :is(li, p)").first.wait_for()
            view = [before - 0.5, before + inside - 0.5]
            page.evaluate("view => Plotly.relayout('chart', {'xaxis.range': view})", view)
            page.wait_for_function(
                "view => document.getElementById('chart').layout.xaxis.range[0] === view[0]"
                " && document.getElementById('chart').layout.xaxis.ticktext.length > 1",
                arg=view,
            )
            plot = page.locator("#chart .nsewdrag").first.bounding_box()
            if plot is not None:
                page.mouse.move(plot["x"] + 0.7 * plot["width"], plot["y"] + 0.3 * plot["height"])
                page.locator("#chart .spikeline").first.wait_for(state="attached")
            page.screenshot(path=options.out)
            browser.close()
    finally:
        served.send_signal(signal.SIGINT)
        served.wait()


if __name__ == "__main__":
    main()
