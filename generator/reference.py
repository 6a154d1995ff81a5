"""A reference of each template, made of the template: its diagram, parameters, outputs, and what each role may do.

Everything is read from the finished template, as CloudFormation would: what is drawn is deployed, and nothing else is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from generator.pipelines import PIPELINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from generator.environment import Environment

type Resource = Mapping[str, Any]

_SHAPES = {
    "AWS::ApiGateway::RestApi": ("([", "])"),
    "AWS::DynamoDB::Table": ("[(", ")]"),
    "AWS::Events::Rule": ("{{", "}}"),
    "AWS::Lambda::Function": ("[", "]"),
    "AWS::S3::Bucket": ("[(", ")]"),
    "AWS::SQS::Queue": ("[/", "/]"),
}
"""What the diagram shows, by type: Mermaid's brackets around a name."""

_NAMES = {"AWS::DynamoDB::Table": "TableName", "AWS::S3::Bucket": "BucketName", "AWS::SQS::Queue": "QueueName"}
"""By which property a type's physical name is known, which roles name resources by."""

_WRITES = re.compile(r"(Put|Update|Delete|BatchWrite|Abort)")
_PSEUDO = re.compile(r"\$\{AWS::\w+\}")


def render_all(environment: Environment) -> dict[str, str]:
    """Return every pipeline's reference by file name, such as `market-analytics.md`."""
    return {f"{name}.md": render(name, build(environment).to_dict()) for name, build in PIPELINES.items()}


def render(pipeline: str, template: Mapping[str, Any]) -> str:
    """Return the reference of one template, in Markdown."""
    title = pipeline.replace("-", " ").capitalize()
    parts = [
        f"# {title}: the template",
        f"Made of the template by `python -m generator --reference`. {template['Description']}",
        "## What leads to what",
        _diagram(template),
        (
            "Thick: wakes. Thin: writes, or reads and writes. Dotted: where it goes when it failed for good. What a "
            "function only reads has no arrow's head."
        ),
        "## Parameters",
        _table(("parameter", "type", "default", "allowed", "meaning"), _parameters(template)),
        "## Outputs",
        _table(("output", "meaning"), ((f"`{key}`", one["Description"]) for key, one in template["Outputs"].items())),
        "## What each function may do",
        "Beside its own log and traces, and the use of a key of your own where there is one. All else is refused.",
        _table(("function", "actions", "on"), _grants(template)),
    ]
    return "\n\n".join(parts) + "\n"


# The diagram --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Diagram:
    """Arrows between resources, by logical id."""

    template: Mapping[str, Any]
    arrows: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    @property
    def resources(self) -> Mapping[str, Resource]:
        found: Mapping[str, Resource] = self.template["Resources"]
        return found

    def of_type(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield logical id and properties."""
        for title, one in self.resources.items():
            if one["Type"] == kind:
                yield title, one["Properties"]

    def draw(self, origin: str, arrow: str, target: str, label: str = "") -> None:
        """Add an arrow, or a label to one that is there."""
        labels = self.arrows.setdefault((origin, arrow, target), [])
        if label and label not in labels:
            labels.append(label)

    def wakes(self) -> None:
        """Draw what invokes functions."""
        for _, mapping in self.of_type("AWS::Lambda::EventSourceMapping"):
            self.draw(_target(mapping["EventSourceArn"]), "==>", _target(mapping["FunctionName"]))
        buckets = _by_name(self.resources)
        for _, permission in self.of_type("AWS::Lambda::Permission"):
            function, source = _target(permission["FunctionName"]), json.dumps(permission["SourceArn"])
            if permission["Principal"] == "s3.amazonaws.com":
                (bucket,) = (title for name, title in buckets.items() if f":::{name}" in _plain(source))
                self.draw(bucket, "==>", function)
            elif permission["Principal"] == "apigateway.amazonaws.com":
                method, _, path = source.partition("}/")[2].strip('"}').partition("/")[2].partition("/")
                (api,) = (title for title, _ in self.of_type("AWS::ApiGateway::RestApi"))
                self.draw(api, "==>", function, f"{method} /{path}")
        for title, rule in self.of_type("AWS::Events::Rule"):
            for target in rule["Targets"]:
                self.draw(title, "==>", _target(target["Arn"]), rule.get("ScheduleExpression", ""))

    def uses(self) -> None:
        """Draw what functions send, write and read."""
        named = _by_name(self.resources)
        for function, _ in self.of_type("AWS::Lambda::Function"):
            for statement in _allowed(self.resources[f"{function}Role"]):
                actions = statement["Action"]
                if "events:PutEvents" in actions:
                    for rule in self._listening(statement):
                        self.draw(function, "-->", rule)
                    continue
                for resource in statement["Resource"]:
                    title = _resource_of(resource, named)
                    if title and title in self._failures(function):
                        self.draw(function, "-.->", title)
                    elif title and not any(action.startswith("sqs:Receive") for action in actions):
                        kind = self.resources[title]["Type"]
                        is_written = kind == "AWS::SQS::Queue" or any(
                            _WRITES.match(action.partition(":")[2]) for action in actions
                        )
                        self.draw(function, "-->" if is_written else "---", title)

    def fails(self) -> None:
        """Draw where messages and events go that failed for good."""
        for title, queue in self.of_type("AWS::SQS::Queue"):
            if "RedrivePolicy" in queue:
                self.draw(title, "-.->", _target(queue["RedrivePolicy"]["deadLetterTargetArn"]))
        for title, rule in self.of_type("AWS::Events::Rule"):
            for target in rule["Targets"]:
                if "DeadLetterConfig" in target:
                    self.draw(title, "-.->", _target(target["DeadLetterConfig"]["Arn"]))

    def _failures(self, function: str) -> set[str]:
        config = self.resources[function]["Properties"].get("DeadLetterConfig")
        return {_target(config["TargetArn"])} if config else set()

    def _listening(self, statement: Mapping[str, Any]) -> Iterator[str]:
        sources = statement["Condition"]["StringEquals"]["events:source"]
        sources = {sources} if isinstance(sources, str) else set(sources)
        for title, rule in self.of_type("AWS::Events::Rule"):
            if sources & set(rule.get("EventPattern", {}).get("source", ())):
                yield title

    def text(self) -> str:
        """Write it in Mermaid's language."""
        seen = {title for origin, _, target in self.arrows for title in (origin, target)}
        lines = ["flowchart LR"]
        for title in sorted(seen):
            left, right = _SHAPES[self.resources[title]["Type"]]
            lines.append(f'    {title}{left}"{title}"{right}')
        for (origin, arrow, target), labels in sorted(self.arrows.items()):
            if arrow == "---" and (origin, "-->", target) in self.arrows:
                continue
            label = f'|"{"<br>".join(labels)}"|' if labels else ""
            lines.append(f"    {origin} {arrow}{label} {target}")
        return "\n".join(lines)


def _diagram(template: Mapping[str, Any]) -> str:
    diagram = _Diagram(template)
    diagram.wakes()
    diagram.uses()
    diagram.fails()
    return f"```mermaid\n{diagram.text()}\n```"


def _target(value: Any) -> str:
    """Return the logical id that a Ref or a GetAtt names."""
    return str(value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0])


def _by_name(resources: Mapping[str, Resource]) -> dict[str, str]:
    """Return logical ids by physical name, in which what only the account knows is left out."""
    named = {}
    for title, one in resources.items():
        if (name := one["Properties"].get(_NAMES.get(one["Type"], ""))) is not None:
            named[_plain(name["Fn::Sub"] if isinstance(name, dict) else name)] = title
    return named


def _plain(text: str) -> str:
    return _PSEUDO.sub("", text)


def _resource_of(resource: Any, named: Mapping[str, str]) -> str | None:
    """Return the logical id of what a statement is about, if it is one of the stack's own buckets, queues or tables."""
    if not isinstance(resource, dict):
        return None
    if "Fn::Sub" not in resource:
        return _target(resource) if "Fn::GetAtt" in resource else None
    # arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME, of a table table/NAME, of a bucket NAME/KEY.
    last = _plain(resource["Fn::Sub"]).split(":", 5)[-1]
    return named.get(last.removeprefix("table/").partition("/")[0])


def _allowed(role: Resource) -> Iterator[Mapping[str, Any]]:
    """Yield what a role may do whatever the parameters are."""
    for policy in role["Properties"]["Policies"]:
        if "PolicyDocument" in policy:
            yield from (one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow")


# Tables -------------------------------------------------------------------------------------------------------------


def _parameters(template: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, one in template["Parameters"].items():
        if "AllowedValues" in one:
            allowed = ", ".join(f"`{value}`" for value in one["AllowedValues"])
        elif "AllowedPattern" in one:
            allowed = f"`{one['AllowedPattern']}`"
        else:
            bounds = (str(one[key]) if key in one else "" for key in ("MinValue", "MaxValue"))
            allowed = " to ".join(bounds).strip()
        default = "**required**" if "Default" not in one else f"`{one['Default']}`" if one["Default"] != "" else "empty"
        yield f"`{name}`", one["Type"], default, allowed, one["Description"]


def _grants(template: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    common = {"WriteOwnLogs", "Trace"}
    for title, one in template["Resources"].items():
        if one["Type"] != "AWS::Lambda::Function":
            continue
        for statement in _allowed(template["Resources"][f"{title}Role"]):
            if statement["Sid"] not in common:
                on = ", ".join(f"`{_shown(resource)}`" for resource in statement["Resource"])
                condition = f", where {_condition(statement['Condition'])}" if "Condition" in statement else ""
                yield title, ", ".join(f"`{action}`" for action in statement["Action"]), on + condition


def _shown(resource: Any) -> str:
    if isinstance(resource, str):
        return resource
    return str(resource["Fn::Sub"]) if "Fn::Sub" in resource else _target(resource)


def _condition(condition: Mapping[str, Mapping[str, Any]]) -> str:
    words = []
    for tests in condition.values():
        for key, value in tests.items():
            values = value if isinstance(value, list) else [value]
            words.append(f"`{key}` is " + " or ".join(f"`{_shown(one)}`" for one in values))
    return " and ".join(words)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
