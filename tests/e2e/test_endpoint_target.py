"""The endpoint target against a LocalStack that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.errors import BenchError
from bench.report.console import Reporter
from bench.stack import deployment
from bench.stack.dev_stack import down
from bench.stack.leftovers import inventory
from bench.targets import Capability, Kind, TargetChoice, open_target, require
from generator.bundles import BuiltBundles

if TYPE_CHECKING:
    from bench.targets.embedded import EmbeddedTarget


@pytest.fixture
def choice(target: EmbeddedTarget) -> TargetChoice:
    """The session's LocalStack as a server that somebody else runs."""
    return TargetChoice(Kind.ENDPOINT, target.endpoint_url)


def test_b02_a_server_is_asked_before_the_run_and_nothing_of_that_stays(choice: TargetChoice) -> None:
    """Services, types and a canary are tried on the real thing; what was made for it is gone."""
    said: list[str] = []
    with open_target(choice) as server:
        before = inventory(server)
        deployment.ask(server, "asked", deployment.PIPELINE, deployment.generate("asked"), ticks=1, say=said.append)
        left = sorted(inventory(server) - before)
        require(server, [(Capability.FAULTS, "--faults")])
        assert server.architecture == deployment.host_architecture()
    assert any("Python 3.13" in line for line in said)
    assert left == []


def test_b02_a_run_that_fails_leaves_no_stack_on_somebody_elses_server(choice: TargetChoice) -> None:
    """Where the block fails after the deployment has begun, stack and bucket of code are deleted."""
    template = (
        '{"Parameters": {"CodeBucket": {"Type": "String"}, "CodePrefix": {"Type": "String"}, "Architecture": '
        '{"Type": "String"}}, "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}'
    )
    build = deployment.Build(deployment.PIPELINE, template, BuiltBundles("p", {}), "x86_64")
    with open_target(choice) as server:
        before = inventory(server)

        def fail() -> None:
            with deployment.undone_on_failure(server, "undone", build.pipeline):
                deployment.create(server, "undone", build)
                assert inventory(server) > before
                raise BenchError("on purpose")

        with pytest.raises(BenchError, match="on purpose"):
            fail()
        assert sorted(inventory(server) - before) == []


def test_b02_down_deletes_no_stack_that_the_bench_did_not_deploy(choice: TargetChoice) -> None:
    """A stack of the right name without the bench's bucket beside it is somebody's own, and stays."""
    template = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}'
    with open_target(choice) as server:
        stacks = server.client("cloudformation")
        name = deployment.stack_name("somebodys")
        stacks.create_stack(StackName=name, TemplateBody=template)
        deployment.wait_for(server, name, wanted="CREATE_COMPLETE")
        try:
            with pytest.raises(BenchError, match="has not deployed"):
                down(Reporter(), choice, (deployment.PIPELINE, "somebodys"))
            assert stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        finally:
            stacks.delete_stack(StackName=name)
            deployment.wait_for(server, name, wanted="DELETE_COMPLETE")
