"""What a template asks of whoever deploys it: resource types, and the services behind them."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: A type's namespace -> the service's name, as LocalStack's health names it; others are the namespace in lower case.
_SERVICE_NAMES: Final = {"Events": "events", "ApiGateway": "apigateway", "DynamoDB": "dynamodb"}
#: What the bench itself calls, whatever the template has.
_ALWAYS: Final = ("cloudformation", "s3", "sts")


def types_of(template: str) -> dict[str, int]:
    """How many resources of each type the template (JSON text) has, by name."""
    counts = Counter(resource["Type"] for resource in json.loads(template)["Resources"].values())
    return dict(sorted(counts.items()))


def services_of(types: Collection[str]) -> tuple[str, ...]:
    """The services that these types and the bench need."""
    namespaces = {name.split("::")[1] for name in types if name.startswith("AWS::")}
    return tuple(sorted({*(_SERVICE_NAMES.get(name, name.lower()) for name in namespaces), *_ALWAYS}))


def missing_services(types: Collection[str], there: Collection[str]) -> tuple[str, ...]:
    """The services that are needed and not there."""
    return tuple(name for name in services_of(types) if name not in there)


def placeholders(types: Mapping[str, int]) -> dict[str, Any]:
    """A template with one empty resource of each type: small enough to be validated inline, never to be deployed."""
    resources = {f"Resource{index}": {"Type": name} for index, name in enumerate(types)}
    for resource in resources.values():
        if resource["Type"].startswith("Custom::"):
            resource["Properties"] = {"ServiceToken": "arn:aws:lambda:us-east-1:000000000000:function:placeholder"}  # type: ignore[assignment]
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
