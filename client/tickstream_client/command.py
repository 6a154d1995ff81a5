"""`tickstream`: the command of those who use the pipeline."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tickstream_client.feed_command import feed

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def tickstream() -> None:
    """Market data in, bars out."""


tickstream.add_command(feed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; a user's mistake is one line and 2, an interrupt 130."""
    try:
        status = tickstream.main(arguments, prog_name="tickstream", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        click.echo(f"tickstream: {' '.join(error.format_message().split())}", err=True)
        return 2
    except click.Abort:
        return 130
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain once more when it closes the stream.
        sys.stdout = None
        return 141
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main())
