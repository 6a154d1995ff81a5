"""The target aws against botocore's stub: no request leaves this process."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from bench.cost.estimate import estimate
from bench.errors import TargetError
from bench.stack import deployment
from bench.targets import RunRequest, aws
from bench.targets.embedded import EmbeddedTarget
from generator.bundles import BuiltBundles

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"}
REQUEST = RunRequest(
    json.dumps({"Resources": {"A": {"Type": "AWS::SQS::Queue"}, "B": {"Type": "AWS::SQS::Queue"}}}),
    "market-analytics-mine",
    "src-market-analytics-mine",
    estimate(1_000_000).total,
    estimate(1_000_000).lines(),
)


class StubbedClients:
    """Clients whose answers are given in advance; anything else is an error."""

    def __init__(self, *, expired: bool = False) -> None:
        session = boto3.session.Session("a", "b", region_name="eu-west-1")
        made: dict[str, Any] = {
            "sts": session.client("sts"),
            "s3": session.client("s3"),
            "cloudformation": session.client("cloudformation"),
            "lambda": session.client("lambda"),
        }
        self.clients = made
        self.stubs = {name: Stubber(client) for name, client in made.items()}
        if expired:
            self.stubs["sts"].add_client_error("get_caller_identity", "ExpiredToken", "the token has expired", 403)
        else:
            self.stubs["sts"].add_response("get_caller_identity", CALLER)
        for stub in self.stubs.values():
            stub.activate()

    def get(self, service: str) -> Any:
        """See Clients."""
        return self.clients[service]

    def close(self) -> None:
        """See Clients."""


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedClients]:
    """Have AWS's clients be stubs in a region of its own."""
    made = StubbedClients()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(aws, "aws_clients", lambda session, region: made)
    yield made
    for stub in made.stubs.values():
        stub.assert_no_pending_responses()


def _free(stubbed: StubbedClients) -> None:
    stubbed.stubs["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", "Stack with id market-analytics-mine does not exist", 400
    )
    stubbed.stubs["s3"].add_client_error("head_bucket", "404", "Not Found", 404)


def test_without_yes_everything_is_said_and_nothing_is_made(stubbed: StubbedClients) -> None:
    """Account, region, caller, resources by type and cost are said first; without `--yes` the run is refused."""
    _free(stubbed)
    stubbed.stubs["cloudformation"].add_response("validate_template", {}, {"TemplateBody": ANY})
    with aws.AwsTarget(confirmed=False) as target:
        found = target.preflight(REQUEST)
    said = "\n".join(found.lines)
    for wanted in ("123456789012", "eu-west-1", "user/me", "market-analytics-mine", "2 AWS::SQS::Queue", "$ "):
        assert wanted in said
    assert "--yes" in found.refusal


def test_with_yes_a_free_name_is_accepted(stubbed: StubbedClients) -> None:
    """With `--yes`, where nothing of the name is there, the run may begin."""
    _free(stubbed)
    stubbed.stubs["cloudformation"].add_response("validate_template", {}, {"TemplateBody": ANY})
    with aws.AwsTarget(confirmed=True) as target:
        assert target.preflight(REQUEST).refusal == ""


def test_a_run_beyond_the_budget_is_refused(stubbed: StubbedClients) -> None:
    """With `--yes` too, before anything is asked, in a sentence with both figures; one within it may begin."""
    with aws.AwsTarget(confirmed=True, budget=REQUEST.estimated_usd - Decimal("0.001")) as target:
        refusal = target.preflight(REQUEST).refusal
        assert "--budget" in refusal
        assert f"$ {REQUEST.estimated_usd.quantize(Decimal('0.01'), ROUND_UP)}" in refusal
        _free(stubbed)
        stubbed.stubs["cloudformation"].add_response("validate_template", {}, {"TemplateBody": ANY})
        target._budget = REQUEST.estimated_usd
        assert target.preflight(REQUEST).refusal == ""


def test_a_stack_of_that_name_is_never_taken_for_the_benchs_own(stubbed: StubbedClients) -> None:
    """A stack that is there already is somebody's pipeline: the run is refused even with `--yes`."""
    stubbed.stubs["cloudformation"].add_response("describe_stacks", {"Stacks": []})
    with aws.AwsTarget(confirmed=True) as target:
        assert "market-analytics-mine is there already" in target.preflight(REQUEST).refusal


def test_a_bucket_of_that_name_refuses_the_run_even_where_it_may_not_be_seen(stubbed: StubbedClients) -> None:
    """A bucket of another account's is answered 403 and refuses the run as one's own does."""
    stubbed.stubs["cloudformation"].add_client_error("describe_stacks", "ValidationError", "it does not exist", 400)
    stubbed.stubs["s3"].add_client_error("head_bucket", "403", "Forbidden", 403)
    with aws.AwsTarget(confirmed=True) as target:
        assert "the bucket src-market-analytics-mine is there already" in target.preflight(REQUEST).refusal


def test_a_template_that_the_region_does_not_take_is_refused_with_its_reason(stubbed: StubbedClients) -> None:
    """What CloudFormation says of the template's types is the refusal."""
    _free(stubbed)
    stubbed.stubs["cloudformation"].add_client_error("validate_template", "ValidationError", "Unrecognized: A::B", 400)
    with aws.AwsTarget(confirmed=True) as target:
        assert "Unrecognized: A::B" in target.preflight(REQUEST).refusal


LARGE = replace(
    REQUEST,
    template=json.dumps({**json.loads(REQUEST.template), "Parameters": {"FunctionMemoryMb": {"Default": 3072}}}),
)
TOO_LARGE = "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008"


@pytest.mark.parametrize(
    ("code", "said", "refused"),
    [
        ("ValidationException", f"1 validation error detected: Value at {TOO_LARGE}", True),
        ("InvalidParameterValueException", TOO_LARGE, True),
        ("ValidationException", TOO_LARGE, True),
        ("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.", False),
        ("InvalidParameterValueException", "Could not unzip uploaded file.", False),
        ("AccessDeniedException", "User is not authorized to perform: lambda:CreateFunction", False),
    ],
)
def test_a4_an_account_that_allows_less_memory_is_told_before_anything_is_made(
    stubbed: StubbedClients, code: str, said: str, *, refused: bool
) -> None:
    """Lambda's own words and the cure, where a deployment would be rolled back; any other refusal says nothing."""
    _free(stubbed)
    stubbed.stubs["cloudformation"].add_response("validate_template", {}, {"TemplateBody": ANY})
    stubbed.stubs["lambda"].add_client_error("create_function", code, said, 400)
    with aws.AwsTarget(confirmed=True) as target:
        refusal = target.preflight(LARGE).refusal
    if refused:
        assert TOO_LARGE in refusal
        assert "FunctionMemoryMb=3008" in refusal
    else:
        assert refusal == ""


def test_a4_functions_that_any_account_allows_are_not_asked_for(stubbed: StubbedClients) -> None:
    """Nothing is sent to Lambda where 3,008 MB are enough."""
    _free(stubbed)
    stubbed.stubs["cloudformation"].add_response("validate_template", {}, {"TemplateBody": ANY})
    small = replace(LARGE, template=LARGE.template.replace("3072", "3008"))
    with aws.AwsTarget(confirmed=True) as target:
        assert target.preflight(small).refusal == ""


@pytest.mark.parametrize(
    ("deleted_s_ago", "wait_s"), [([], 0), ([10.0], 55), ([500.0, 10.0], 55), ([64.0], 1), ([65.0], 0), ([900.0], -835)]
)
def test_a10_the_names_of_a_stack_rest_for_a_minute_after_its_deletion(
    stubbed: StubbedClients, deleted_s_ago: list[float], wait_s: float
) -> None:
    """The last deletion of a stack of the name counts, and nobody else's; a page says of others too."""
    now = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)

    def summary(name: str, ago_s: float) -> dict[str, Any]:
        moment = now - timedelta(seconds=ago_s)
        return {
            "StackName": name,
            "CreationTime": now - timedelta(days=1),
            "DeletionTime": moment,
            "StackStatus": "DELETE_COMPLETE",
        }

    summaries = [summary("market-analytics-mine", ago_s) for ago_s in deleted_s_ago]
    asked = {"StackStatusFilter": ["DELETE_COMPLETE"]}
    stub = stubbed.stubs["cloudformation"]
    stub.add_response("list_stacks", {"StackSummaries": [summary("another", 1.0)], "NextToken": "n"}, asked)
    stub.add_response("list_stacks", {"StackSummaries": summaries}, {**asked, "NextToken": "n"})
    with aws.AwsTarget(confirmed=True) as target:
        assert deployment.names_free_in_s(target, "market-analytics-mine", now) == wait_s


def test_a10_a_stack_is_made_only_when_its_names_are_free(
    stubbed: StubbedClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait comes before the request: a queue's name that rests fails the whole stack."""
    happened: list[str] = []
    build = deployment.Build("market-analytics", "{}", BuiltBundles("p", {}), "arm64")
    monkeypatch.setattr(deployment, "_request", lambda *_: {"StackName": "market-analytics-mine"})
    monkeypatch.setattr(deployment, "names_free_in_s", lambda *_: 42.0)
    monkeypatch.setattr("bench.stack.deployment.time.sleep", lambda wait_s: happened.append(f"waited {wait_s:g} s"))
    monkeypatch.setattr(deployment, "wait_for", lambda *_, **__: None)
    with aws.AwsTarget(confirmed=True) as target:
        create = target.client("cloudformation")
        monkeypatch.setattr(create, "create_stack", lambda **_: happened.append("created"))
        deployment.create(target, "mine", build)
    assert happened == ["waited 42 s", "created"]


def test_a1_a_run_waits_until_s3_shows_what_is_put(stubbed: StubbedClients, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS recommends a quarter of an hour after a bucket is versioned; emulators show objects at once."""
    waited: list[float] = []
    monkeypatch.setattr("bench.stack.deployment.time.sleep", waited.append)
    said: list[str] = []

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        said.append(name)
        yield

    with aws.AwsTarget(confirmed=True) as target:
        deployment.wait_until_shown(target, phase)
    assert (waited, said) == ([900], ["wait 15 minutes for versioned buckets"])
    deployment.wait_until_shown(EmbeddedTarget(), phase)
    assert waited == [900]
    assert EmbeddedTarget.reuses_names_after_s == 0


def test_credentials_that_do_not_work_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expired or missing credentials end in a TargetError, not in a traceback."""
    made = StubbedClients(expired=True)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(aws, "aws_clients", lambda session, region: made)
    with pytest.raises(TargetError, match="the token has expired"):
        aws.AwsTarget(confirmed=True).start()


def test_a_regions_own_addresses_are_used(stubbed: StubbedClients) -> None:
    """The API and the template are addressed in the region of the user's configuration."""
    with aws.AwsTarget(confirmed=False) as target:
        assert target.api_url("abc", "dev") == "https://abc.execute-api.eu-west-1.amazonaws.com/dev"
        assert target.object_url("b", "k") == "https://b.s3.eu-west-1.amazonaws.com/k"


def test_a_bucket_outside_the_first_region_is_made_where_the_stack_is(stubbed: StubbedClients) -> None:
    """S3 wants the region as a location constraint everywhere but in us-east-1."""
    stub = stubbed.stubs["s3"]
    stubbed.stubs["sts"].add_response("get_caller_identity", CALLER)
    bucket = "src-market-analytics-mine-123456789012-eu-west-1"
    located = {"Bucket": bucket, "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    stub.add_response("create_bucket", {}, located)
    stub.add_response("put_object", {}, {"Bucket": bucket, "Key": "p/market-analytics.json", "Body": ANY})
    build = deployment.Build("market-analytics", "{}", BuiltBundles("p", {}), "arm64")
    with aws.AwsTarget(confirmed=True) as target:
        request = deployment._request(target, "mine", {}, build)
    assert request["TemplateURL"] == f"https://{bucket}.s3.eu-west-1.amazonaws.com/p/market-analytics.json"


def test_the_estimate_grows_with_the_ticks_and_is_said_with_its_date() -> None:
    """More ticks cost more, no run is free, and the prices' date is among the words."""
    small, large = estimate(0), estimate(100_000_000)
    assert 0 < small.total < large.total
    assert large.total == sum(large.dollars.values()) == sum(large.by_service.values())
    assert f"${large.total:9.2f}".strip("$ ") in large.lines()[0]
    assert "20" in large.lines()[0].rpartition("(")[2]
    assert "$ 0.00" not in small.lines()[0]
