"""`python -m generator diff`: what deploying today's template onto a stack would change, and what it would replace.

CloudFormation itself says so, by a change set, which is never executed and is taken away again; so is the template,
which is larger than a request may be and goes by way of a bucket.
"""

from __future__ import annotations

import json
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from generator.environment import Environment
from generator.errors import DifferenceError
from generator.pipelines import PIPELINES
from generator.templates import render
from generator.usage import OneLineParser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_CODE_BUCKET = "CodeBucket"
"""The stack's parameter with the bucket that its code came from: its owner may put the template there as well."""

_POLL_S = 1.0
_PATIENCE_S = 300.0
"""AWS makes a change set of such a stack in seconds."""

_NOTHING_NEW = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource. replaced: a new one is made and the old one deleted, with what it holds.

    action: `add`, `modify` or `remove`. replaced: `no`, `yes` or `perhaps`. what: properties, as far as they are told.
    """

    action: str
    title: str
    kind: str
    replaced: str
    what: tuple[str, ...]

    def line(self) -> str:
        """Write it as a line for a person."""
        words = {"no": "", "yes": "REPLACED", "perhaps": "perhaps replaced"}[self.replaced]
        return f"{self.action:7} {self.title:40} {self.kind:34} {words:17} {', '.join(self.what)}".rstrip()


def main(arguments: Sequence[str]) -> int:
    """Run `diff`; return 0. Raises GeneratorError for what the user can cure."""
    parser = _parser()
    options = parser.parse_args(arguments)
    pipeline, environment = _which(options)
    parameters = dict(_assignments(options.parameter))
    template = render(PIPELINES[pipeline](Environment(environment), options.tag))
    changes = differences(options.stack, template, parameters, bucket=options.bucket, endpoint_url=options.endpoint_url)
    for change in sorted(changes, key=lambda one: (one.replaced == "no", one.action, one.title)):
        print(change.line())
    lost = [one.title for one in changes if one.replaced != "no" or one.action == "remove"]
    print(f"{options.stack}: {len(changes)} changes" + (f", {len(lost)} of them replace or remove" if lost else ""))
    return 0


def differences(
    stack: str, template: str, parameters: Mapping[str, str], *, bucket: str | None, endpoint_url: str | None
) -> tuple[Change, ...]:
    """Return what would change of a stack.

    parameters: new values; those that the stack has stay, new ones have their defaults. bucket: for the template, by
    default that of the stack's code. Raises DifferenceError.
    """
    boto3, failures = _boto3()
    try:
        cloudformation, s3 = (boto3.client(name, endpoint_url=endpoint_url) for name in ("cloudformation", "s3"))
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        has = {one["ParameterKey"]: one.get("ParameterValue", "") for one in found.get("Parameters", ())}
        into = bucket or has.get(_CODE_BUCKET)
        if not into:
            raise DifferenceError(f"{stack} has no parameter {_CODE_BUCKET}: name a bucket for the template (--bucket)")
        name = f"diff-{uuid.uuid4().hex}"
        values = _values(template, has, parameters)
        with (
            _uploaded(s3, into, f"{name}.json", template) as url,
            _made(cloudformation, stack, name, url, values),
        ):
            return tuple(_read(cloudformation, stack, name))
    except failures as error:
        raise DifferenceError(f"{stack}: {' '.join(str(error).split())}") from error


def _boto3() -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        import boto3  # noqa: PLC0415 - the generator alone needs no AWS
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    except ImportError as error:
        raise DifferenceError("diff asks CloudFormation: install the extra functions, which brings boto3") from error
    return boto3, (BotoCoreError, ClientError)


@contextmanager
def _uploaded(s3: Any, bucket: str, key: str, template: str) -> Iterator[str]:
    """Put the template into a bucket for as long as the block lasts, and give its address.

    Died in between: an object of this name stays, which nothing reads.
    """
    s3.put_object(Bucket=bucket, Key=key, Body=template.encode())
    try:
        yield s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}).partition("?")[0]
    finally:
        s3.delete_object(Bucket=bucket, Key=key)


@contextmanager
def _made(cloudformation: Any, stack: str, name: str, url: str, values: list[dict[str, Any]]) -> Iterator[None]:
    """Make the change set, and take it away at the end. Died in between: it stays, and does nothing."""
    cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=name,
        ChangeSetType="UPDATE",
        Description="what would change; never executed",
        TemplateURL=url,
        Parameters=values,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    try:
        yield
    finally:
        cloudformation.delete_change_set(StackName=stack, ChangeSetName=name)


def _values(template: str, has: Mapping[str, str], wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    known = json.loads(template)["Parameters"]
    if unknown := sorted(wanted.keys() - known.keys()):
        raise DifferenceError(f"the template has no parameter {unknown[0]}")
    values: list[dict[str, Any]] = []
    for name, one in known.items():
        if name in wanted:
            values.append({"ParameterKey": name, "ParameterValue": wanted[name]})
        elif name in has:
            values.append({"ParameterKey": name, "UsePreviousValue": True})
        elif "Default" not in one:
            raise DifferenceError(f"the stack has no value of {name} yet: give one (--parameter {name}=...)")
    return values


def _read(cloudformation: Any, stack: str, name: str) -> Iterable[Change]:
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        found = cloudformation.describe_change_set(StackName=stack, ChangeSetName=name)
        if found["Status"] == "FAILED":
            why = found.get("StatusReason", "")
            if any(words in why for words in _NOTHING_NEW):
                return []
            raise DifferenceError(f"{stack}: no change set can be made: {why}")
        if found["Status"] == "CREATE_COMPLETE":
            break
        if time.monotonic() > until_s:
            raise DifferenceError(f"{stack}: its change set is {found['Status']} after {_PATIENCE_S:.0f} s")
        time.sleep(_POLL_S)
    changes = list(found["Changes"])
    while token := found.get("NextToken"):
        found = cloudformation.describe_change_set(StackName=stack, ChangeSetName=name, NextToken=token)
        changes += found["Changes"]
    return [_change(one["ResourceChange"]) for one in changes if one.get("Type") == "Resource"]


def _change(told: Mapping[str, Any]) -> Change:
    targets = [detail.get("Target", {}) for detail in told.get("Details", ())]
    what = {str(one.get("Name") or one.get("Attribute")) for one in targets if one}
    replaced = {"True": "yes", "Conditional": "perhaps"}.get(told.get("Replacement", ""), "no")
    return Change(
        told["Action"].lower(), told["LogicalResourceId"], told["ResourceType"], replaced, tuple(sorted(what))
    )


def _which(options: argparse.Namespace) -> tuple[str, str]:
    """Return pipeline and environment: those that the stack is named after, unless they are given."""
    named = next((name for name in PIPELINES if options.stack.startswith(f"{name}-")), None)
    pipeline = options.pipeline or named
    if pipeline is None:
        raise DifferenceError(f"{options.stack} is named after no pipeline: give --pipeline and --env")
    environment = options.env or (options.stack.removeprefix(f"{named}-") if named else None)
    if environment is None:
        raise DifferenceError(f"{options.stack} is named after no environment: give --env")
    return pipeline, environment


def _assignments(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise DifferenceError(f"{text!r} is no parameter: write NAME=VALUE")
        yield name, value


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m generator diff",
        description="Say what deploying today's template onto a stack would change, add, remove and replace, by a "
        "change set that is never executed. Credentials and region as usual.",
        epilog="example: python -m generator diff --stack market-analytics-dev",
    )
    parser.add_argument("--stack", required=True, metavar="NAME", help="the stack as it is deployed")
    parser.add_argument("--env", help="of the template (default: what stands behind the pipeline in the stack's name)")
    parser.add_argument("--pipeline", choices=sorted(PIPELINES), help="(default: what the stack's name begins with)")
    parser.add_argument("--tag", action="append", default=[], metavar="NAME=VALUE", help="as it would be deployed with")
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value of a parameter; repeatable. What the stack has stays otherwise",
    )
    parser.add_argument(
        "--bucket", metavar="NAME", help="where the template is put for a moment (default: the bucket of its code)"
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="of LocalStack, say")
    return parser
