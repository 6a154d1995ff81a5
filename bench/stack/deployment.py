"""A stack's life through CloudFormation: build, create, update, delete, and the outputs that everything else uses.

Nothing here is made beside the stack but the bucket of code and template, which is the bench's own.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from bench.cost.estimate import estimate
from bench.errors import DeploymentError, TargetError
from bench.files import write_whole
from bench.stack.outputs import Outputs
from bench.stack.tags import stack_tags
from bench.targets import REGION, RunRequest
from bench.targets.architectures import host_architecture as host_architecture  # noqa: PLC0414 - asked for here, too
from bench.waiting import Patience
from generator.bundles import BuiltBundles, build_bundles
from generator.environment import Environment
from generator.pipelines import PIPELINES, market_analytics
from generator.templates import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from _typeshed import DataclassInstance

    from bench.targets import Target

#: What is meant where no pipeline is named.
PIPELINE: Final = market_analytics.NAME
FILE_PROCESSING: Final = "file-processing"
FLAT_OUTPUTS: Final = Path("cfn-outputs/flat-outputs.json")
BUNDLES: Final = Path("build/bundles")

_POLL_S: Final = 0.5
#: For how long no resource may change its state; those of AWS that take longest take minutes.
_PATIENCE_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Build:
    """What a stack is made of: the template's text and the bundles of its functions."""

    pipeline: str
    template: str
    bundles: BuiltBundles
    architecture: str


def stack_name(environment: str, pipeline: str = PIPELINE) -> str:
    """Name of a pipeline's stack in an environment."""
    return f"{pipeline}-{environment}"


def generate(environment: str, pipeline: str = PIPELINE) -> str:
    """Generate the template's text. Raises GeneratorError for a bad environment name."""
    return render(PIPELINES[pipeline](Environment(environment)), "json")


def assemble(
    environment: str,
    template: str | None = None,
    *,
    pipeline: str = PIPELINE,
    architecture: str | None = None,
    feeds: Path | None = None,
) -> Build:
    """Build the bundles for an architecture (default: this machine's); the template, if not given, is generated.

    feeds: a folder of feeds that the functions get beside the built-in ones.
    """
    architecture = architecture or host_architecture()
    # A folder for each pipeline: building one replaces what was there.
    bundles = build_bundles(pipeline, architecture, BUNDLES / pipeline, feeds=feeds)
    return Build(pipeline, template or generate(environment, pipeline), bundles, architecture)


def deploy(
    target: Target, environment: str, parameters: Mapping[str, str] | None = None, build: Build | None = None
) -> Outputs:
    """Create market analytics' stack, as `create` does; returns its outputs."""
    create(target, environment, build or assemble(environment), parameters)
    return outputs_of(target, environment)


def ask(
    target: Target, environment: str, pipeline: str, template: str, *, ticks: int, say: Callable[[str], None]
) -> None:
    """Have the target say what it will do and cannot do, before anything is made. Raises TargetError if it refuses.

    ticks: about how many will be sent.
    """
    predicted = estimate(ticks)
    request = RunRequest(
        template,
        stack_name(environment, pipeline),
        code_bucket(target, environment, pipeline),
        estimated_usd=predicted.total,
        estimated_cost=predicted.lines(),
    )
    found = target.preflight(request)
    for line in found.lines:
        say(line)
    if found.refusal:
        raise TargetError(found.refusal)


@contextmanager
def undone_on_failure(target: Target, environment: str, pipeline: str) -> Iterator[None]:
    """Destroy the stack where the block fails or is interrupted, on a target that would keep it."""
    try:
        yield
    except BaseException as error:
        if target.outlives_run:
            try:
                destroy(target, environment, pipeline)
            except (DeploymentError, ClientError, BotoCoreError) as left:
                error.add_note(f"and the stack {stack_name(environment, pipeline)} is left: {left}")
        raise


def physical_names(target: Target, environment: str, pipeline: str) -> frozenset[str]:
    """The physical ids of everything in the stack."""
    pages = (
        target.client("cloudformation")
        .get_paginator("list_stack_resources")
        .paginate(StackName=stack_name(environment, pipeline))
    )
    entries = [entry for page in pages for entry in page["StackResourceSummaries"]]
    return frozenset(entry["PhysicalResourceId"] for entry in entries if entry.get("PhysicalResourceId"))


def create(target: Target, environment: str, build: Build, parameters: Mapping[str, str] | None = None) -> None:
    """Create a pipeline's stack and wait for it. Raises DeploymentError with the events that failed.

    parameters: template parameters beside the code's, such as `RangeBytes`.
    """
    request = _request(target, environment, parameters or {}, build)
    if (wait_s := names_free_in_s(target, request["StackName"], datetime.now(UTC))) > 0:
        time.sleep(wait_s)
    target.client("cloudformation").create_stack(**request, OnFailure="DO_NOTHING")
    wait_for(target, stack_name(environment, build.pipeline), wanted="CREATE_COMPLETE")


def names_free_in_s(target: Target, name: str, now: datetime) -> float:
    """Return in how many seconds the names of a stack may be used again, 0 or less where they may now.

    SQS keeps the name of a deleted queue for a minute: a stack that comes right after one of its name would fail with
    QueueDeletedRecently. From the end of the deletion, before which the queues go: a little too long, never too short.
    """
    if not target.reuses_names_after_s:
        return 0
    pages = target.client("cloudformation").get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"])
    deleted = [one["DeletionTime"] for page in pages for one in page["StackSummaries"] if one["StackName"] == name]
    return max((target.reuses_names_after_s - (now - at).total_seconds() for at in deleted), default=0)


def wait_until_shown(target: Target, phase: Callable[[str], AbstractContextManager[Any]]) -> None:
    """Wait until what is put into the new buckets is shown to everybody; called when they were just made.

    The functions try again what S3 lists and does not show. A run that counts minutes must not count these.
    """
    if target.shows_objects_after_s:
        with phase(f"wait {target.shows_objects_after_s // 60} minutes for versioned buckets"):
            time.sleep(target.shows_objects_after_s)


def update(
    target: Target, environment: str, parameters: Mapping[str, str] | None = None, build: Build | None = None
) -> Outputs:
    """Update the running stack to a build and parameters and wait for it; no difference is no error."""
    made = build or assemble(environment)
    client = target.client("cloudformation")
    try:
        client.update_stack(**_request(target, environment, parameters or {}, made))
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeploymentError(f"the stack cannot be updated: {error}") from error
    else:
        wait_for(target, stack_name(environment), wanted="UPDATE_COMPLETE")
    return outputs_of(target, environment)


def destroy(target: Target, environment: str, pipeline: str = PIPELINE) -> None:
    """Delete the stack and wait until it is gone, then the bucket of code. Raises DeploymentError if it stays."""
    target.client("cloudformation").delete_stack(StackName=stack_name(environment, pipeline))
    wait_for(target, stack_name(environment, pipeline), wanted="DELETE_COMPLETE")
    delete_code(target, environment, pipeline)


def stacks(target: Target) -> list[tuple[str, str]]:
    """The pipelines' stacks that are here, each as (pipeline, environment)."""
    pages = target.client("cloudformation").get_paginator("describe_stacks").paginate()
    names = [stack["StackName"] for page in pages for stack in page["Stacks"]]
    return [
        (pipeline, name.removeprefix(f"{pipeline}-"))
        for name in names
        for pipeline in PIPELINES
        if name.startswith(f"{pipeline}-")
    ]


def outputs_of(target: Target, environment: str) -> Outputs:
    """Read the outputs of market analytics' stack. Raises DeploymentError, which names what is missing."""
    return read_outputs(target, environment, PIPELINE, Outputs)


def read_outputs[T: DataclassInstance](target: Target, environment: str, pipeline: str, kind: type[T]) -> T:
    """Read the outputs of a stack that is there into a dataclass of texts, whose fields are output keys in snake case.

    Raises DeploymentError, which names what is missing.
    """
    name = stack_name(environment, pipeline)
    stack = _describe(target, name)
    if stack is None:
        raise DeploymentError(f"there is no stack {name}")
    found = {_snake_case(output["OutputKey"]): output["OutputValue"] for output in stack.get("Outputs", [])}
    wanted = [field.name for field in fields(kind)]
    if missing := [name for name in wanted if name not in found]:
        raise DeploymentError(f"the stack has no output for {', '.join(missing)}")
    return kind(**{name: found[name] for name in wanted})


def flat_outputs(target: Target, environment: str, pipeline: str = PIPELINE) -> dict[str, str]:
    """All outputs of the stack, by their own keys."""
    stack = _describe(target, stack_name(environment, pipeline)) or {}
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def write_flat_outputs(outputs: Mapping[str, str], path: Path = FLAT_OUTPUTS) -> None:
    """Write the outputs as one flat JSON object."""
    write_whole(path, json.dumps(dict(outputs), indent=2, sort_keys=True) + "\n")


def code_bucket(target: Target, environment: str, pipeline: str = PIPELINE) -> str:
    """Name of the bench's bucket for bundles and template: one a stack, so that each goes with its own.

    No longer than the stack's own buckets, which leave the environment its room.
    """
    account = target.client("sts").get_caller_identity()["Account"]
    return f"src-{pipeline}-{environment}-{account}-{target.region}"


def delete_code(target: Target, environment: str, pipeline: str = PIPELINE) -> None:
    """Delete the bucket of code with all that is in it; does nothing where there is none."""
    client, bucket = target.client("s3"), code_bucket(target, environment, pipeline)
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for key in [entry["Key"] for page in pages for entry in page.get("Contents", [])]:
            client.delete_object(Bucket=bucket, Key=key)
        client.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise DeploymentError(f"the bucket {bucket} cannot be deleted: {error}") from error


def _request(target: Target, environment: str, parameters: Mapping[str, str], made: Build) -> dict[str, Any]:
    client, bucket = target.client("s3"), code_bucket(target, environment, made.pipeline)
    try:
        # S3 refuses its first region as a location constraint, and wants every other one.
        located = {} if target.region == REGION else {"LocationConstraint": target.region}
        client.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": located} if located else {}))
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise DeploymentError(f"the bucket {bucket} cannot be made: {error}") from error
    for name, path in made.bundles.files.items():
        client.upload_file(str(path), bucket, f"{made.bundles.prefix}/{name}")
    asked = {
        "CodeBucket": bucket,
        "CodePrefix": made.bundles.prefix,
        "Architecture": made.architecture,
        **parameters,
    }
    template, given = target.adapted(made.template, asked)
    # Through S3, because the template is larger than a request may be.
    key = f"{made.bundles.prefix}/{made.pipeline}.json"
    client.put_object(Bucket=bucket, Key=key, Body=template.encode())
    return {
        "StackName": stack_name(environment, made.pipeline),
        "TemplateURL": target.object_url(bucket, key),
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [{"Key": name, "Value": value} for name, value in stack_tags(os.environ).items()],
    }


def wait_for(target: Target, name: str, *, wanted: str) -> None:
    """Wait until a stack rests in the wanted state. Raises DeploymentError for any other state of rest."""
    patience, before = Patience(_PATIENCE_S), _resources_of(target, name)
    # By id: a deleted stack is found no more under its name.
    stack = _describe(target, name)
    while True:
        status = str(stack["StackStatus"]) if stack else "DELETE_COMPLETE"
        if status == wanted:
            return
        if not status.endswith("_IN_PROGRESS"):
            raise DeploymentError(f"the stack {name} came to rest as {status}\n{_failures(target, name)}")
        if patience.is_over:
            now = _resources_of(target, name)
            if now == before:
                raise DeploymentError(f"the stack {name} is {status}, and no resource moved for {_PATIENCE_S:.0f} s")
            before = now
            patience.renew()
        time.sleep(_POLL_S)
        stack = _describe(target, name)


def _resources_of(target: Target, name: str) -> frozenset[tuple[str, str]]:
    """Return each resource's state; none of a stack that is gone."""
    try:
        pages = target.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
        return frozenset(
            (one["LogicalResourceId"], one["ResourceStatus"])
            for page in pages
            for one in page["StackResourceSummaries"]
        )
    except ClientError:
        return frozenset()


def _describe(target: Target, name: str) -> dict[str, Any] | None:
    try:
        stacks = target.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise DeploymentError(f"the stack {name} cannot be described: {error}") from error
    return dict(stacks[0]) if stacks else None


def _failures(target: Target, name: str) -> str:
    """The events that failed, oldest first, one a line."""
    try:
        events = target.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    except ClientError as error:
        return f"its events cannot be read: {error}"
    failed = [event for event in reversed(events) if str(event["ResourceStatus"]).endswith("FAILED")]
    lines = [
        f"  {event['LogicalResourceId']} ({event.get('ResourceType', '?')}): "
        f"{event.get('ResourceStatusReason', 'no reason given')}"
        for event in failed
    ]
    return "\n".join(lines) or "  no event says why"


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
