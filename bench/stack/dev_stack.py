"""A stack to work against: `python -m bench up` and `down`."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from bench.errors import TargetError
from bench.stack import deployment
from bench.targets import Kind, TargetChoice, open_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.report.console import Reporter
    from bench.targets import Target

#: Of these a command ends the target itself; on the others it only deletes what the bench has deployed.
_OWNED = frozenset({Kind.EMBEDDED, Kind.DOCKER})


def up(
    pipeline: str,
    environment: str,
    parameters: Mapping[str, str],
    reporter: Reporter,
    *,
    bare: bool,
    choice: TargetChoice | None = None,
) -> None:
    """Start a target that outlives this command and deploy to it; nothing stays where that fails."""
    choice = choice or TargetChoice()
    if bare and choice.kind not in _OWNED:
        raise TargetError(f"--bare starts a target without a stack; --target {choice.kind} starts nothing")
    target = open_target(choice, detached=True)
    with ExitStack() as started:
        # It does nothing where nothing runs: what fails from the start on ends what was started.
        started.callback(target.stop)
        with reporter.phase(f"start {target.kind}"):
            target.start()
        if bare:
            reporter.line(f"endpoint  {target.endpoint_url}")
        else:
            template = deployment.generate(environment, pipeline)
            with reporter.phase("ask the target"):
                deployment.ask(target, environment, pipeline, template, ticks=0, say=reporter.line)
            with reporter.phase("bundle"):
                build = deployment.assemble(environment, template, pipeline=pipeline, architecture=target.architecture)
            with reporter.phase("deploy"), deployment.undone_on_failure(target, environment, pipeline):
                deployment.create(target, environment, build, parameters)
            deployment.write_flat_outputs(deployment.flat_outputs(target, environment, pipeline))
            reporter.line(how_to_try(target, pipeline, environment))
        reporter.line(f"{down_command(choice, environment, pipeline)} ends it")
        started.pop_all()


def down(reporter: Reporter, choice: TargetChoice | None = None, stack: tuple[str, str] | None = None) -> None:
    """Delete what the bench has deployed and end what it has started. Raises TargetError where there is nothing.

    stack: the one (pipeline, environment) that is meant on a target that is not the bench's own.
    """
    choice = choice or TargetChoice()
    if choice.kind in _OWNED:
        if stack is not None:
            raise TargetError("--env names a stack on --target endpoint or aws; elsewhere down ends everything")
        _end(choice, reporter)
    elif stack is None:
        raise TargetError(f"--target {choice.kind} is not the bench's own: --env says which stack to delete there")
    else:
        _delete(choice, *stack, reporter)


def _end(choice: TargetChoice, reporter: Reporter) -> None:
    target = _left_running(choice.kind)
    try:
        for pipeline, environment in deployment.stacks(target):
            with reporter.phase(f"destroy {environment}"):
                deployment.destroy(target, environment, pipeline)
    finally:
        with reporter.phase(f"end {target.kind}"):
            target.stop()


@contextmanager
def standing(choice: TargetChoice) -> Iterator[Target]:
    """Yield a target that runs already, and leave it running. Raises TargetError where none does."""
    if choice.kind in _OWNED:
        yield _left_running(choice.kind)
    else:
        with open_target(choice) as target:
            yield target


def _left_running(kind: Kind) -> Target:
    target: Target | None
    if kind is Kind.DOCKER:
        from bench.targets.docker import DockerTarget  # noqa: PLC0415 - the docker SDK, where it is needed

        target = DockerTarget.attached()
    else:
        from bench.targets.embedded import EmbeddedTarget  # noqa: PLC0415

        target = EmbeddedTarget.attached()
    if target is None:
        raise TargetError("nothing runs: python -m bench up starts it")
    return target


def _delete(choice: TargetChoice, pipeline: str, environment: str, reporter: Reporter) -> None:
    name = deployment.stack_name(environment, pipeline)
    with open_target(choice) as target:
        bucket = deployment.code_bucket(target, environment, pipeline)
        try:
            # Deleting a stack deletes its data: only one that the bench has deployed has this bucket beside it.
            target.client("s3").head_bucket(Bucket=bucket)
        except ClientError as error:
            raise TargetError(f"no bucket {bucket}, so the bench has not deployed {name} there") from error
        except BotoCoreError as error:
            raise TargetError(f"the target does not answer: {error}") from error
        if choice.kind is Kind.AWS and not choice.confirmed:
            raise TargetError(f"this deletes the stack {name} with all its data: add --yes to do it")
        with reporter.phase(f"destroy {environment}"):
            deployment.destroy(target, environment, pipeline)


def down_command(choice: TargetChoice, environment: str, pipeline: str) -> str:
    """What to type to end what `up` or `run --keep` has left running."""
    command = "python -m bench down"
    if choice.kind is not Kind.EMBEDDED:
        command += f" --target {choice.kind}"
    if choice.endpoint_url:
        command += f" --endpoint-url {choice.endpoint_url}"
    if choice.kind not in _OWNED:
        command += f" --env {environment} --pipeline {pipeline}"
    return command


def how_to_try(target: Target, pipeline: str, environment: str) -> str:
    """What to type against a running stack."""
    outputs = deployment.flat_outputs(target, environment, pipeline)
    url, bucket = target.api_url(outputs["restApiId"], environment), outputs["bucketName"]
    emulated = ""
    if target.endpoint_url:
        emulated = f" AWS_ENDPOINT_URL={target.endpoint_url} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
    if pipeline == deployment.FILE_PROCESSING:
        asked = ["tickstream status feeds/ticks.csv", "tickstream ingests"]
    else:
        tick = '{"symbol": "AAPL", "timestamp": "2026-01-05T14:30:00Z", "price": "187.50", "size": "100"}'
        asked = [
            f"echo '{tick}' | tickstream post -",
            "tickstream ingests",
            "tickstream bars AAPL --from 2026-01-05T14:00Z --to 2026-01-05T22:00Z --plot aapl.html",
        ]
    return "\n".join(
        [
            f"endpoint  {target.endpoint_url or 'AWS'}",
            f"API       {url}",
            f"bucket    {bucket}",
            f"table     {outputs.get('tableName') or outputs.get('processingTableName', '')}",
            "try:",
            f"  export AWS_REGION={target.region}{emulated}",
            f"  export TICKSTREAM_STACK={deployment.stack_name(environment, pipeline)}",
            "  tickstream upload ticks.csv --prefix feeds --wait",
            *(f"  {one}" for one in asked),
        ]
    )
