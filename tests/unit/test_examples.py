"""What can be said of examples/ without a stack: what they import, how they are started, and the event they hear."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import pytest

from tickstream.messages import EVENT_DETAIL_TYPE, EVENT_SOURCE, MAX_RANGES_AN_EVENT, ProcessedRange, event_details

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"
#: What a user has: the standard library, what the extra `examples` names, and the example's own files.
_IMPORTED: Final = sys.stdlib_module_names | {
    "boto3", "botocore", "click", "outbox", "plotly", "polars", "tickstream_client",
}  # fmt: skip
_STARTED: Final = re.findall(r"^python examples/(\w+\.py) (.*)$", (ROOT / "docs/examples.md").read_text(), re.MULTILINE)


def _sources() -> Iterator[tuple[str, str]]:
    for path in sorted(EXAMPLES.glob("*.py")):
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path.name, "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        # What only types need is in nobody's way.
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield str(child.module)
        yield from _imports(child)


@pytest.mark.parametrize(("name", "source"), list(_sources()))
def test_c05_an_example_needs_nothing_of_the_project_but_its_client(name: str, source: str) -> None:
    """A user who copies it has all that it imports, and of the client only what is public."""
    found = set(_imports(ast.parse(source)))
    assert {module.partition(".")[0] for module in found} <= _IMPORTED
    assert {module for module in found if module.startswith("tickstream_client")} <= {"tickstream_client"}


@pytest.mark.parametrize(("example", "arguments"), _STARTED)
def test_c05_a_shown_start_is_understood(
    example: str, arguments: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each example takes the arguments that its page shows."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv("TICKSTREAM_STACK", "market-analytics-bench")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day.jsonl").touch()
    words = [str(tmp_path) if word == "~/lean/data" else word for word in shlex.split(arguments)]
    main = runpy.run_path(str(EXAMPLES / example))["main"]
    assert isinstance(main, click.Command)
    main.make_context(example, words)


def test_c05_all_programs_are_shown() -> None:
    """The check above looks at each program there is."""
    assert {example for example, _ in _STARTED} == {path.name for path in EXAMPLES.glob("*.py")} - {"outbox.py"}


def test_c05_the_listener_has_no_findings() -> None:
    """The strictest cfn-lint finds nothing in the template that users deploy."""
    lint = [str(Path(sysconfig.get_path("scripts")) / "cfn-lint"), "-c", "I", "-x", "E3012:strict=true", "--"]
    done = subprocess.run(
        [*lint, str(EXAMPLES / "listener.yaml")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_c05_the_page_tells_of_the_event_as_it_is() -> None:
    """Each field that an event has is in the page's table, and no other; its names and its bound are the code's."""
    page = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    one = ProcessedRange("5dee", 3, 61_234, 2, 1_767_623_400_123, 1_767_623_401_456, (0, 3), refused=True, waits=True)
    [written] = json.loads(event_details([one])[0])["ranges"]
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(written)
    shown = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])
    assert (shown["source"], shown["detail-type"]) == (EVENT_SOURCE, EVENT_DETAIL_TYPE)
    assert set(shown["detail"]["ranges"][0]) == set(written) - {"refused", "waits"}
    assert f"1 to {MAX_RANGES_AN_EVENT} ranges" in page
