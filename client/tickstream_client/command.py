"""`tickstream`: the command of those who use the pipeline.

Everything beyond click is imported by the command that needs it: `tickstream --help` and completion are to be quick.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from tickstream_client.commands.bars import bars
from tickstream_client.commands.browse import browse
from tickstream_client.commands.fates import ingests, retract, status
from tickstream_client.commands.feed import feed
from tickstream_client.commands.post import post
from tickstream_client.commands.symbols import symbols
from tickstream_client.commands.upload import upload
from tickstream_client.errors import TickstreamError

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def tickstream() -> None:
    """Market data in, bars out.

    Every command but `feed` asks a deployed stack: that of --stack NAME or TICKSTREAM_STACK, of --outputs FILE, or the
    API at --url. Times are ISO 8601 with an offset, or dates (UTC). Answers are tables on a terminal, JSON lines
    elsewhere and with --json. Exit status: 1 where something was refused, 2 for errors.
    """


for _command in (upload, bars, browse, ingests, status, retract, post, symbols, feed):
    tickstream.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; a user's mistake is one line and 2, an interrupt 130."""
    try:
        status = tickstream.main(arguments, prog_name="tickstream", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except (click.ClickException, TickstreamError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"tickstream: {' '.join(message.split())}", err=True)
        return 2
    except click.Abort:
        return 130
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main())
