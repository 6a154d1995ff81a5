"""What DynamoDB would answer to an UpdateItem that is not carried out: callers read the new values from it."""

from collections.abc import Mapping
from typing import Any

from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing.executors import UpdateExpressionExecutor
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
from moto.dynamodb.parsing.validators import UpdateExpressionValidator


def updated_attributes(
    table: Table, request: Mapping[str, Any], before: Mapping[str, Any] | None
) -> dict[str, Mapping[str, Any]]:
    """Return `Attributes` as `ReturnValues` asks for them, by moto's update of a copy; nothing where it does not ask.

    before: the item as it stands, None where there is none. Conditions count as met.
    """
    wanted = request.get("ReturnValues", "NONE")
    after = dict(before or request["Key"])
    if request.get("UpdateExpression"):
        after = _updated(table, request, after)
    old = dict(before or {})
    changed = {name for name in old.keys() | after.keys() if old.get(name) != after.get(name)} - request["Key"].keys()
    attributes = {
        "ALL_OLD": old,
        "ALL_NEW": after,
        "UPDATED_OLD": {name: value for name, value in old.items() if name in changed},
        "UPDATED_NEW": {name: value for name, value in after.items() if name in changed},
    }.get(wanted)
    return {"Attributes": attributes} if attributes else {}


def _updated(table: Table, request: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    copied = Item(None, None, item)
    names = request.get("ExpressionAttributeNames") or {}
    values = request.get("ExpressionAttributeValues") or {}
    parsed = UpdateExpressionParser.make(request["UpdateExpression"].strip())
    validated = UpdateExpressionValidator(parsed, names, values, copied, table).validate()
    validated.normalize()
    UpdateExpressionExecutor(validated, copied, names).execute()
    attributes: dict[str, Any] = copied.to_json()["Attributes"]
    return attributes
