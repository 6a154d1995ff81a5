"""The generator's command line: prints, writes or checks templates and descriptions of the APIs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from generator.environment import Environment
from generator.errors import GeneratorError
from generator.pipelines import PIPELINES
from generator.templates import Format, check_files, check_templates, render, write_files, write_templates
from generator.usage import OneLineParser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_BROKEN_PIPE_STATUS = 141
_DIFF = "diff"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 for stale templates, 2 for a mistake of the user's."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == [_DIFF]:
        return _diff(words[1:])
    parser = _parser()
    options = parser.parse_args(words)
    if options.pipeline is not None and (options.out or options.check):
        parser.error("--pipeline chooses what is printed; --out and --check always take every pipeline")
    for name in ("openapi", "reference"):
        if getattr(options, name) and (options.env is not None or options.format is not None or options.tag):
            parser.error(f"--env, --format and --tag are of templates; --{name} has none")
    try:
        if options.openapi or options.reference:
            (_descriptions if options.openapi else _references)(options)
            return 0
        environment = Environment("dev" if options.env is None else options.env)
        template_format: Format = options.format or "json"
        if options.out is not None:
            for path in write_templates(environment, options.out, template_format, options.tag):
                print(path)
        elif options.check is not None:
            check_templates(environment, options.check, template_format, options.tag)
        else:
            pipeline = options.pipeline or next(iter(PIPELINES))
            sys.stdout.write(render(PIPELINES[pipeline](environment, options.tag), template_format))
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


def _diff(words: Sequence[str]) -> int:
    """Say what a deployment would change; not of the options above, which are of texts alone."""
    from generator import differences  # noqa: PLC0415 - as below

    try:
        return differences.main(words)
    except GeneratorError as error:
        print(f"python -m generator diff: {error}", file=sys.stderr)
        return error.exit_status


def _descriptions(options: argparse.Namespace) -> None:
    """Print, write or check the APIs' descriptions."""
    # Only here: templates need none of it.
    from generator import openapi  # noqa: PLC0415

    if options.out is not None:
        for path in write_files(openapi.render_all(), options.out):
            print(path)
    elif options.check is not None:
        check_files(openapi.render_all(), options.check, f"python -m generator --openapi --out {options.check}")
    else:
        sys.stdout.write(openapi.render(openapi.CONTRACTS[options.pipeline or next(iter(PIPELINES))]))
    sys.stdout.flush()


def _references(options: argparse.Namespace) -> None:
    """Print, write or check the templates' references."""
    from generator import reference  # noqa: PLC0415 - as above

    texts = reference.render_all(Environment("dev"))
    if options.out is not None:
        for path in write_files(texts, options.out):
            print(path)
    elif options.check is not None:
        check_files(texts, options.check, f"python -m generator --reference --out {options.check}")
    else:
        sys.stdout.write(texts[f"{options.pipeline or next(iter(PIPELINES))}.md"])
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m generator",
        description="Build CloudFormation templates from typed Python.",
        epilog="example: python -m generator --env dev > templates/market-analytics-dev.json; and `python -m generator "
        "diff --stack market-analytics-dev` says what a deployment would change",
    )
    parser.add_argument("--env", help="environment, part of every name (default: dev)")
    parser.add_argument("--pipeline", choices=sorted(PIPELINES), help="which template to print")
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a tag of your own on every resource, beside the stack's; repeatable",
    )
    parser.add_argument("--format", choices=("json", "yaml"), help="(default: json)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--openapi",
        action="store_true",
        help="the APIs' descriptions (OpenAPI, JSON) instead of the templates; they are the same for every environment",
    )
    instead.add_argument(
        "--reference",
        action="store_true",
        help="of each template its diagram, parameters, outputs and permissions (Markdown), instead of the template",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--out", type=Path, metavar="DIR", help="write every template into this directory")
    target.add_argument(
        "--check", type=Path, metavar="DIR", help="fail where this directory is not what --out would write"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
