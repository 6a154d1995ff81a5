"""UpdateItem's expression is checked once by the emulator, and means what it meant."""

from typing import Any

import pytest
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
from moto.dynamodb.parsing.validators import (
    ActionCountValidator,
    OverlappingPathsValidator,
    UpdateExpressionValidator,
)

from bench.emulator.dynamodb import updates


class _Table:
    table_key_attrs = attribute_keys = ("pk",)
    attr: tuple[()] = ()


def _outcome(expression: str) -> tuple[str, Any]:
    """Return the item that an expression makes, or moto's refusal."""
    item = Item(DynamoType({"S": "key"}), None, {"a": {"N": "1"}, "m": {"M": {"x": {"N": "1"}}}})
    values = {":one": {"N": "1"}, ":text": {"S": "text"}}
    try:
        UpdateExpressionValidator(
            UpdateExpressionParser.make(expression),
            expression_attribute_names={"#a": "a", "#b": "b", "#pk": "pk"},
            expression_attribute_values=values,
            item=item,
            table=_Table(),
        ).validate()
    except Exception as error:  # noqa: BLE001 - whatever moto says must be what it said
        return type(error).__name__, str(error)
    return "made", item.to_json()


@pytest.mark.parametrize(
    "expression",
    [
        "SET #a = :one, #b = :text, c = :one REMOVE d, e",
        "SET a = a + :one, b = if_not_exists(b, :one)",
        "ADD a :one, b :one",
        "SET a = :one SET b = :one",
        "SET a = :one, b = :one REMOVE c SET d = :one",
        "REMOVE a SET b = :one REMOVE c",
        "ADD a :one ADD b :one",
        "SET a = :one, b = :one, a = :one",
        "SET #a = :one, #a = :one",
        "SET b = :one, m.x = :one REMOVE m",
        "SET #a = :one REMOVE a",
        "SET b = :one, #pk = :one",
        "SET b = a, c = missing",
        "ADD a :text",
    ],
)
def test_an_expression_means_what_it_meant(monkeypatch: pytest.MonkeyPatch, expression: str) -> None:
    """Each is made or refused in the same words as moto does with all its walks, wherever its fault stands."""
    before = _outcome(expression)
    for owner, name in (
        (DepthFirstTraverser, "nodes_to_be_processed"),
        (ActionCountValidator, "verify_action_counts"),
        (OverlappingPathsValidator, "check_for_overlapping_paths"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    updates.install()
    assert _outcome(expression) == before
