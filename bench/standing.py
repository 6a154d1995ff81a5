"""A stack to work against: `python -m bench up` and `down`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import deployment
from bench.errors import TargetError
from bench.targets.embedded import EmbeddedTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.report.console import Reporter
    from bench.targets import Target


def up(pipeline: str, environment: str, parameters: Mapping[str, str], reporter: Reporter, *, bare: bool) -> None:
    """Start a LocalStack that outlives this command and deploy to it; nothing stays where that fails."""
    build = None
    if not bare:
        with reporter.phase("bundle"):
            build = deployment.assemble(environment, pipeline=pipeline)
    target = EmbeddedTarget(detached=True)
    with reporter.phase("start LocalStack"):
        target.start()
    with ExitStack() as started:
        started.callback(target.stop)
        if build is None:
            reporter.line(f"endpoint  {target.endpoint_url}")
        else:
            with reporter.phase("deploy"):
                deployment.create(target, environment, build, parameters)
            deployment.write_flat_outputs(deployment.flat_outputs(target, environment, pipeline))
            reporter.line(how_to_try(target, pipeline, environment))
        reporter.line("python -m bench down ends it")
        started.pop_all()


def down(reporter: Reporter) -> None:
    """Delete the stacks of what runs and end it. Raises TargetError where nothing runs."""
    target = EmbeddedTarget.attached()
    if target is None:
        raise TargetError("nothing runs: python -m bench up starts it")
    try:
        for pipeline, environment in deployment.stacks(target):
            with reporter.phase(f"destroy {environment}"):
                deployment.destroy(target, environment, pipeline)
    finally:
        with reporter.phase("end LocalStack"):
            target.stop()


def how_to_try(target: Target, pipeline: str, environment: str) -> str:
    """What to type against a running stack."""
    outputs = deployment.flat_outputs(target, environment, pipeline)
    url, bucket = target.api_url(outputs["restApiId"], environment), outputs["bucketName"]
    aws = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --region us-east-1"
    if target.endpoint_url:
        aws += f" --endpoint-url {target.endpoint_url}"
    if pipeline == deployment.FILE_PROCESSING:
        asked = [f"  curl {url}/status/{bucket}/feeds/ticks.csv"]
    else:
        asked = [
            f"  curl -X POST {url}/ingest -H 'Content-Type: application/json' \\",
            '    -d \'{"symbol": "AAPL", "timestamp": "2026-01-05T14:30:00Z", "price": "187.50", "size": "100"}\'',
            f"  curl '{url}/bars/AAPL?from=2026-01-05T14:00:00Z&to=2026-01-05T22:00:00Z&interval=1m'",
        ]
    return "\n".join(
        [
            f"endpoint  {target.endpoint_url or 'AWS'}",
            f"API       {url}",
            f"bucket    {bucket}",
            f"table     {outputs.get('tableName') or outputs.get('processingTableName', '')}",
            "try:",
            f"  {aws} s3 cp ticks.csv s3://{bucket}/feeds/ticks.csv",
            *asked,
        ]
    )
