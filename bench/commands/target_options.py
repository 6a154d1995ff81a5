"""Options that say where: which target, and what it needs to be told."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation

from bench.engine import DISTRIBUTIONS, ENGINE_VARIABLE
from bench.targets import IMAGE, Kind, TargetChoice


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("target")
    group.add_argument(
        "--target",
        choices=[kind.value for kind in Kind],
        default=Kind.EMBEDDED.value,
        help="LocalStack without Docker or in a container, MiniStack, a running server, or AWS (default: %(default)s)",
    )
    group.add_argument(
        "--engine",
        choices=list(DISTRIBUTIONS),
        help=f"embedded: what lies beneath it (default: {ENGINE_VARIABLE}, else localstack)",
    )
    group.add_argument("--endpoint-url", metavar="URL", help="endpoint: where the LocalStack-compatible server is")
    group.add_argument("--image", metavar="NAME", help=f"docker: the image (default: {IMAGE})")
    group.add_argument("--no-iam-check", action="store_true", help="embedded: let functions do what their roles forbid")
    group.add_argument("--yes", action="store_true", help="aws: do it; without, say what would be created and cost")
    group.add_argument(
        "--budget", type=_dollars, metavar="DOLLARS", help="aws: refuse a run that is predicted to cost more"
    )


def _dollars(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of dollars") from None


def target_choice(options: argparse.Namespace) -> TargetChoice:
    """Return the target that the options mean. Raises TargetError for what does not go together."""
    return TargetChoice(
        Kind(options.target),
        options.endpoint_url,
        options.image,
        options.yes,
        options.no_iam_check,
        budget=options.budget,
        engine=options.engine,
    )
