"""The naive design is built as a tutorial would, so that what is measured of it is its design."""

from __future__ import annotations

import ast
import sys
from typing import Any

import pytest

from bench.naive.template import build

RESOURCES: dict[str, Any] = build("t").to_dict()["Resources"]


def _properties(kind: str) -> dict[str, Any]:
    return {title: one["Properties"] for title, one in RESOURCES.items() if one["Type"] == kind}


def test_a_tick_is_keyed_by_symbol_and_timestamp() -> None:
    """What makes it lose ticks is its key, and nothing else."""
    keys = [(key["AttributeName"], key["KeyType"]) for key in _properties("AWS::DynamoDB::Table")["Ticks"]["KeySchema"]]
    assert keys == [("symbol", "HASH"), ("timestamp", "RANGE")]


def test_messages_come_in_batches_of_ten_and_functions_have_least_memory() -> None:
    """The better choice where tutorials differ: the ratios are not made by a straw man."""
    (mapping,) = _properties("AWS::Lambda::EventSourceMapping").values()
    functions = _properties("AWS::Lambda::Function")
    assert mapping["BatchSize"] == 10
    assert {one["MemorySize"] for one in functions.values()} == {128}
    assert "send_message_batch" in functions["Ingest"]["Code"]["ZipFile"]


@pytest.mark.parametrize("title", sorted(_properties("AWS::Lambda::Function")))
def test_each_function_is_complete_in_its_file(title: str) -> None:
    """It has a handler, and imports nothing but Python's own and boto3: its text is all that is deployed."""
    tree = ast.parse(_properties("AWS::Lambda::Function")[title]["Code"]["ZipFile"])
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= {"boto3"} | sys.stdlib_module_names
    assert any(isinstance(node, ast.FunctionDef) and node.name == "handler" for node in tree.body)


def test_every_role_is_narrow() -> None:
    """Exact actions on exact resources: its roles pass the check of IAM that ours pass."""
    for role in _properties("AWS::IAM::Role").values():
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
            assert not any("*" in action for action in statement["Action"])
            assert "*" not in statement["Resource"]
