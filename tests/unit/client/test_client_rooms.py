"""What the client may rest on: it installs without the functions, on three Pythons, and its command starts at once."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "client" / "tickstream_client"
SOURCES = sorted(PACKAGE.rglob("*.py"))
#: What the functions' own code is run by.
_OF_FEEDS = {path for path in SOURCES if path.is_relative_to(PACKAGE / "feeds") or path.name == "feed.py"}
_OF_FUNCTIONS = {"tickstream", "services", "market_analytics", "aws_lambda_powertools", "msgspec", "ijson"}


def map_of(environment: object) -> dict[str, str]:
    """A marker's environment, which is of nobody's extra."""
    assert isinstance(environment, dict)
    return {**environment, "extra": ""}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after some code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_c01_every_module_is_of_the_grammar_of_3_12(path: Path) -> None:
    """It compiles there."""
    ast.parse(path.read_text(), feature_version=(3, 12))
    for node in ast.walk(ast.parse(path.read_text())):
        # Grammar of 3.13 that the parser's switch does not know: defaults of type parameters.
        assert getattr(node, "default_value", None) is None


@pytest.mark.parametrize("path", [path for path in SOURCES if path not in _OF_FEEDS], ids=lambda path: path.stem)
def test_c01_the_library_imports_three_packages(path: Path) -> None:
    """Beside the standard library boto3, httpx and polars; the command click and rich; plots and the page theirs."""
    allowed = {"boto3", "botocore", "httpx", "polars", "tickstream_client", *sys.stdlib_module_names}
    if path.is_relative_to(PACKAGE / "commands") or path.name == "command.py":
        allowed |= {"click", "rich"}
    if path.name == "plots.py":
        allowed |= {"plotly"}
    if path.is_relative_to(PACKAGE / "browse"):
        allowed |= {"click", "mypy_boto3_sqs", "plotly", "starlette", "uvicorn"}
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported <= allowed


def test_c01_importing_the_library_loads_none_of_the_functions() -> None:
    """Nor what they need."""
    everything = "[getattr(tickstream_client, name) for name in tickstream_client.__all__]"
    loaded = loaded_by(f"import tickstream_client; {everything}; import tickstream_client.plots")
    assert {"httpx", "boto3", "polars"} <= loaded
    assert not loaded & _OF_FUNCTIONS
    assert not loaded & {"pandas", "pyarrow", "plotly", "bench", "generator"}


def test_c02_help_loads_nothing_heavy() -> None:
    """The command's help, and a command's own, need click and the standard library."""
    for arguments in (["--help"], ["bars", "--help"], ["feed", "--help"]):
        loaded = loaded_by(f"from tickstream_client.command import main; main({arguments})")
        assert not loaded & {"httpx", "boto3", "botocore", "polars", "rich", "plotly", "asyncio"}
        assert not loaded & _OF_FUNCTIONS


@pytest.mark.parametrize("python", ["3.12", "3.13", "3.14"])
def test_c01_what_pip_brings_with_the_client(python: str) -> None:
    """Five packages, and on the functions' Python theirs, for `feed`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert Requirement(f"x{project['requires-python']}").specifier.contains(python)
    environment = {**map_of(default_environment()), "python_version": python, "python_full_version": f"{python}.0"}
    needed = [Requirement(one) for one in project["dependencies"] + project["optional-dependencies"]["client"]]
    names = {one.name for one in needed if one.marker is None or one.marker.evaluate(environment)}
    of_generator = {"awacs", "msgspec", "packaging", "troposphere", "tickstream"}
    assert names - of_generator == {"boto3", "click", "httpx", "polars", "rich"}
    assert (names & of_generator == set()) is (python != "3.13")


def test_c01_types_are_shipped() -> None:
    """`py.typed` is in the wheel."""
    package_data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert package_data["tickstream_client"] == ["py.typed", "browse/page/*"]
    assert (PACKAGE / "py.typed").exists()
