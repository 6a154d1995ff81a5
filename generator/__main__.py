"""The generator's command line: prints, writes or checks templates."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from generator.environment import Environment
from generator.errors import GeneratorError
from generator.pipelines import PIPELINES
from generator.templates import Format, check_templates, render, write_templates
from generator.usage import OneLineParser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_BROKEN_PIPE_STATUS = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 for stale templates, 2 for a mistake of the user's."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.pipeline is not None and (options.out or options.check):
        parser.error("--pipeline chooses what is printed; --out and --check always take every pipeline")
    try:
        environment = Environment(options.env)
        template_format: Format = options.format
        if options.out is not None:
            for path in write_templates(environment, options.out, template_format):
                print(path)
        elif options.check is not None:
            check_templates(environment, options.check, template_format)
        else:
            pipeline = options.pipeline or next(iter(PIPELINES))
            sys.stdout.write(render(PIPELINES[pipeline](environment), template_format))
        sys.stdout.flush()
    except GeneratorError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        # The reader has seen enough (`| head`). What is still buffered goes nowhere, so that Python's own flush at
        # exit does not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE_STATUS
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m generator",
        description="Build CloudFormation templates from typed Python.",
        epilog="example: python -m generator --env dev > templates/market-analytics-dev.json",
    )
    parser.add_argument("--env", default="dev", help="environment, part of every name (default: dev)")
    parser.add_argument("--pipeline", choices=sorted(PIPELINES), help="which template to print")
    parser.add_argument("--format", choices=("json", "yaml"), default="json", help="(default: json)")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--out", type=Path, metavar="DIR", help="write every template into this directory")
    target.add_argument(
        "--check", type=Path, metavar="DIR", help="fail where this directory is not what --out would write"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
