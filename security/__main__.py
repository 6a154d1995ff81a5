"""The command: run the checkers over the templates, hold what they find against the suppressions, print both."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from generator.usage import OneLineParser
from security.checkers import check_all
from security.errors import SecurityCheckError
from security.guard import fetch_guard
from security.suppressions import compare, read_suppressions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from security.suppressions import Comparison

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 1 for findings or reasons without the other, 2 for no check."""
    parser = OneLineParser(prog="python -m security", description=__doc__)
    parser.add_argument(
        "--tools", type=Path, default=ROOT / "build" / "security", metavar="DIR", help="where npm puts cfn-guard"
    )
    parser.add_argument("templates", nargs="*", type=Path, help="(default: all of templates/)")
    options = parser.parse_args(arguments)
    templates = options.templates or sorted((ROOT / "templates").glob("*.json"))
    missing = [str(path) for path in templates if not path.is_file()]
    if missing or not templates:
        parser.error(f"no template {', '.join(missing) or 'in templates/'}")
    try:
        suppressions = read_suppressions(ROOT / "security" / "suppressions.toml")
        compared = compare(check_all(templates, fetch_guard(options.tools.resolve())), suppressions)
    except SecurityCheckError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_status
    _show(compared, Console(soft_wrap=False))
    return 0 if compared.passed else 1


def _show(compared: Comparison, console: Console) -> None:
    table = Table("checker", "rule", "findings", "reason", title="Explained")
    for one, count in compared.explained:
        table.add_row(one.checker, one.rule, str(count), one.reason)
    console.print(table)
    if compared.unexplained:
        table = Table("checker", "rule", "where", "says", title="Not explained: cure it, or say why it is right")
        for finding in compared.unexplained:
            where = f"{finding.resource or '(the template)'} in {finding.template}"
            table.add_row(finding.checker, finding.rule, where, finding.says)
        console.print(table)
    if compared.idle:
        table = Table("checker", "rule", "resource", title="Suppressions that suppress nothing: take them out")
        for one, resource in compared.idle:
            table.add_row(one.checker, one.rule, resource)
        console.print(table)
    found = sum(count for _, count in compared.explained) + len(compared.unexplained)
    console.print(
        f"{found} findings, {len(compared.unexplained)} not explained; {len(compared.idle)} idle suppressions: "
        + ("PASSED" if compared.passed else "FAILED")
    )


if __name__ == "__main__":
    sys.exit(main())
