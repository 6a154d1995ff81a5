"""The recipes of docs/deployment.md for other tools, each run as far as it can be here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from bench.stack import deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.targets.embedded import EmbeddedTarget
    from generator.bundles import BuiltBundles

ROOT: Final = Path(__file__).parents[2]
RECIPES: Final = ROOT / "examples/recipes"
TEMPLATE: Final = ROOT / "templates/market-analytics-dev.json"
CODE_BUCKET: Final = "recipes-code"
REGION: Final = "us-east-1"
#: A folder with Terraform's provider for AWS, as `terraform providers mirror` makes it: its registry is not asked.
MIRROR: Final = os.environ.get("TICKSTREAM_TERRAFORM_MIRROR", "")


@pytest.fixture(scope="module")
def code(target: EmbeddedTarget) -> Iterator[BuiltBundles]:
    """Bundles and template where docs/deployment.md puts them, in a bucket for each way to name it."""
    build = deployment.assemble("dev")
    s3 = target.client("s3")
    buckets = (CODE_BUCKET, f"{CODE_BUCKET}-{REGION}")
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
        for name, path in build.bundles.files.items():
            s3.upload_file(str(path), bucket, f"{build.bundles.prefix}/{name}")
        s3.upload_file(str(TEMPLATE), bucket, f"{build.bundles.prefix}/market-analytics-dev.json")
    yield build.bundles
    for bucket in buckets:
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=entry["Key"])
        s3.delete_bucket(Bucket=bucket)


def environment(target: EmbeddedTarget, code: BuiltBundles, **more: str) -> dict[str, str]:
    """What a user sets."""
    return {
        **os.environ,
        "AWS_ENDPOINT_URL": target.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "CODE_BUCKET": CODE_BUCKET,
        "CODE_PREFIX": code.prefix,
        **more,
    }


def ran(*command: str | Path, cwd: Path, env: dict[str, str]) -> str:
    """Run one command; it must succeed. Returns what it printed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def functions(target: EmbeddedTarget) -> list[str]:
    """The functions of the environment that the committed templates are for."""
    pages = target.client("lambda").get_paginator("list_functions").paginate()
    names = [one["FunctionName"] for page in pages for one in page["Functions"]]
    return sorted(name for name in names if name.endswith("-dev"))


@pytest.mark.skipif(find_spec("aws_cdk") is None, reason="aws-cdk-lib is not installed: python3 start.py recipes")
@pytest.mark.skipif(shutil.which("node") is None, reason="CDK needs Node.js")
def test_cdk_includes_the_template_as_it_stands(tmp_path: Path) -> None:
    """Every resource, condition and output is the template's own; the code's parameters are filled in."""
    env = {**os.environ, "CODE_BUCKET": "b" * 8, "CODE_PREFIX": "p" * 8, "CDK_OUTDIR": str(tmp_path)}
    ran(sys.executable, RECIPES / "cdk_app.py", cwd=tmp_path, env=env)
    found = json.loads((tmp_path / "market-analytics-dev.template.json").read_text(), object_hook=_filled_in)
    text = TEMPLATE.read_text()
    for name, value in (("CodeBucket", "b" * 8), ("CodePrefix", "p" * 8)):
        text = text.replace("${" + name + "}", value)
    wanted = json.loads(text, object_hook=_filled_in)
    assert found["Resources"] == wanted["Resources"]
    assert found["Conditions"] == wanted["Conditions"]
    assert found["Outputs"].keys() - wanted["Outputs"].keys() == {"TableName"}
    assert set(wanted["Parameters"]) - set(found["Parameters"]) == {"CodeBucket", "CodePrefix"}


def _filled_in(value: dict[str, Any]) -> Any:
    if "DependsOn" in value:
        # One name or a list, in whatever order: CDK writes a list in its own.
        names = value["DependsOn"]
        value["DependsOn"] = sorted([names] if isinstance(names, str) else names)
    return {"CodeBucket": "b" * 8, "CodePrefix": "p" * 8}.get(value.get("Ref", ""), value)


def test_a_stack_set_is_made_as_the_script_asks(target: EmbeddedTarget, code: BuiltBundles) -> None:
    """Requests are taken, regions told. LocalStack gives a set's stacks no parameters: they are not looked at."""
    account = target.client("sts").get_caller_identity()["Account"]
    command = (sys.executable, RECIPES / "stack_set.py", account, REGION)
    assert ran(*command, cwd=ROOT, env=environment(target, code)) == f"{REGION} SUCCEEDED\n"
    cloudformation, name = target.client("cloudformation"), "market-analytics-dev"
    cloudformation.delete_stack_instances(StackSetName=name, Accounts=[account], Regions=[REGION], RetainStacks=False)
    cloudformation.delete_stack_set(StackSetName=name)
    assert functions(target) == []


@pytest.mark.skipif(shutil.which("terraform") is None, reason="Terraform is not installed")
@pytest.mark.skipif(not MIRROR, reason="TICKSTREAM_TERRAFORM_MIRROR names no folder with Terraform's provider for AWS")
def test_terraform_applies_and_destroys(target: EmbeddedTarget, code: BuiltBundles, tmp_path: Path) -> None:
    """The stack with its output, and nothing to change when it is planned again."""
    place = tmp_path / "examples/recipes"
    place.mkdir(parents=True)
    (tmp_path / "templates").symlink_to(TEMPLATE.parent)
    shutil.copy(RECIPES / "main.tf", place)
    # What LocalStack needs of the provider, and a user's AWS does not.
    (place / "local_override.tf").write_text(
        'provider "aws" {\n  s3_use_path_style = true\n  skip_requesting_account_id = true\n}\n'
    )
    env = environment(target, code, TF_CLI_CONFIG_FILE=os.devnull, TF_IN_AUTOMATION="1")
    given = ("-var", f"code_bucket={CODE_BUCKET}", "-var", f"code_prefix={code.prefix}", "-input=false")
    ran("terraform", "init", f"-plugin-dir={MIRROR}", "-input=false", cwd=place, env=env)
    ran("terraform", "apply", "-auto-approve", *given, cwd=place, env=env)
    assert "execute-api" in ran("terraform", "output", "-raw", "api_url", cwd=place, env=env)
    assert len(functions(target)) >= 6
    ran("terraform", "plan", "-detailed-exitcode", *given, cwd=place, env=env)
    ran("terraform", "destroy", "-auto-approve", *given, cwd=place, env=env)
    assert functions(target) == []
