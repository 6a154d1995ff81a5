"""How checks read a parsed template: whatever is missing is an assertion that names it, never a KeyError."""

from __future__ import annotations

from typing import Any

type Json = Any
type Template = dict[str, Json]

ENV = "dev"


def at(value: Json, *path: str | int) -> Json:
    """Return what stands at a path; a text step into a list chooses the item with that Sid or Id."""
    for depth, step in enumerate(path):
        where = "/".join(map(str, path[: depth + 1]))
        if isinstance(value, list) and isinstance(step, str):
            found = [item for item in value if step in (item.get("Sid"), item.get("Id"))]
            assert len(found) == 1, f"{where}: {len(found)} items of that name"
            value = found[0]
        elif isinstance(value, list):
            assert isinstance(step, int), f"{where}: a list"
            assert step < len(value), f"{where} is missing"
            value = value[step]
        else:
            assert isinstance(value, dict), f"{where}: not an object"
            assert step in value, f"{where} is missing"
            value = value[step]
    return value


def properties(template: Template, title: str, of_type: str | None = None) -> Json:
    """Return a resource's properties."""
    if of_type is not None:
        assert at(template, "Resources", title, "Type") == of_type, f"{title} is no {of_type}"
    return at(template, "Resources", title, "Properties")


def of_type(template: Template, *types: str) -> dict[str, Json]:
    """Return the properties of all resources of some types by logical id; there must be one."""
    found = {
        title: resource.get("Properties", {})
        for title, resource in template["Resources"].items()
        if resource["Type"] in types
    }
    assert found, f"no {types}"
    return found


def sub(text: str) -> Json:
    """Return the intrinsic function Sub of a text."""
    return {"Fn::Sub": text}


def arn(service: str, resource: str) -> Json:
    """Return a regional ARN as the template writes it."""
    return sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")


def ref(title: str) -> Json:
    """Return the intrinsic function Ref."""
    return {"Ref": title}


def arn_of(title: str) -> Json:
    """Return the ARN of a resource in the template."""
    return {"Fn::GetAtt": [title, "Arn"]}


def decided(value: Json, condition: str, *, holds: bool) -> Json:
    """Return a template, or a part of one, as CloudFormation sees it once a condition of its Fn::If is decided."""
    if isinstance(value, list):
        return [decided(part, condition, holds=holds) for part in value if not _left_out(part, condition, holds=holds)]
    if not isinstance(value, dict):
        return value
    match value.get("Fn::If"):
        case [named, yes, no] if named == condition:
            return decided(yes if holds else no, condition, holds=holds)
    return {
        key: decided(part, condition, holds=holds)
        for key, part in value.items()
        if not _left_out(part, condition, holds=holds)
    }


def _left_out(part: Json, condition: str, *, holds: bool) -> bool:
    match part:
        case {"Fn::If": [named, yes, no]} if named == condition:
            return bool((yes if holds else no) == {"Ref": "AWS::NoValue"})
    return False


def depends_on(template: Template, title: str) -> set[str]:
    """Return the logical ids that a resource names in DependsOn."""
    named = at(template, "Resources", title).get("DependsOn", [])
    return {named} if isinstance(named, str) else set(named)


def references(value: Json) -> set[str]:
    """Return the logical ids that a value refers to by Ref, GetAtt or Sub."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                found.add(inner)
            elif key == "Fn::GetAtt":
                found.add(inner[0] if isinstance(inner, list) else inner.split(".")[0])
            elif key == "Fn::Sub":
                found |= {part.split("}")[0].split(".")[0] for part in inner.split("${")[1:]}
            else:
                found |= references(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= references(inner)
    return found


def must_outlive(template: Template, title: str) -> set[str]:
    """Return all resources that `title` depends on, near or far: created before it, deleted after it."""
    seen: set[str] = set()
    todo = [title]
    while todo:
        here = todo.pop()
        resource = template["Resources"][here]
        near = (references(resource.get("Properties", {})) | depends_on(template, here)) & template["Resources"].keys()
        todo += near - seen
        seen |= near
    return seen


def statements(template: Template, title: str) -> list[Json]:
    """Return the statements of a role's or a resource's only policy."""
    found = properties(template, title)
    document = at(found, "Policies", 0, "PolicyDocument") if "Policies" in found else at(found, "PolicyDocument")
    listed: list[Json] = at(document, "Statement")
    return listed


def denies_insecure_transport(statement: Json) -> bool:
    """Say whether a statement refuses everything that does not come through TLS."""
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        and all(action == "*" or action.endswith(":*") for action in statement["Action"])
    )
