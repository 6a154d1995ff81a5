"""CloudFormation on the embedded target: what it deploys beyond LocalStack, and what it refuses."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from bench.targets.embedded import EmbeddedTarget
from generator.blocks.logs import ERROR_PATTERNS
from tests.e2e.function_bundles import zipped
from tests.patience import wait_until, wait_until_true

# Answers CloudFormation as a custom resource must; what it was asked, and when, goes to its log.
PROVIDER = """
import json, time, urllib.request

def handler(event, context):
    asked = {key: event.get(key) for key in ("RequestType", "PhysicalResourceId", "ResourceProperties")}
    print(json.dumps({"asked_ns": time.time_ns(), **asked}))
    properties = event["ResourceProperties"]
    answer = {
        "Status": "FAILED" if properties.get("Fail") == event["RequestType"] else "SUCCESS",
        "Reason": "told to fail",
        "PhysicalResourceId": properties["Identity"],
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Greeting": "hello " + properties["Identity"]},
    }
    body = json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], data=body, method="PUT"), timeout=10)
"""
FUNCTION = "embedded-provider"
ROLE = "arn:aws:iam::000000000000:role/test"


@pytest.fixture(scope="module")
def provider(target: EmbeddedTarget) -> Iterator[str]:
    """The function behind the custom resources; its ARN."""
    functions, logs = target.client("lambda"), target.client("logs")
    logs.create_log_group(logGroupName=f"/aws/lambda/{FUNCTION}")
    arn: str = functions.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.13",
        Role=ROLE,
        Handler="module.handler",
        Code={"ZipFile": zipped(PROVIDER)},
        Timeout=20,
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
    yield arn
    functions.delete_function(FunctionName=FUNCTION)
    logs.delete_log_group(logGroupName=f"/aws/lambda/{FUNCTION}")


class Stack:
    """A stack of one test."""

    def __init__(self, target: EmbeddedTarget, name: str) -> None:
        self.cloudformation, self.name = target.client("cloudformation"), name

    def create(self, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> str:
        """Create it and return the status it ends in."""
        self.cloudformation.create_stack(StackName=self.name, TemplateBody=template(resources, outputs))
        return self.wait()

    def update(self, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> str:
        """Update it and return the status it ends in."""
        self.cloudformation.update_stack(StackName=self.name, TemplateBody=template(resources, outputs))
        return self.wait()

    def delete(self) -> str:
        """Delete it and return the status it ends in."""
        self.name = self.describe()["StackId"]  # a deleted stack is found by its id only
        self.cloudformation.delete_stack(StackName=self.name)
        return self.wait()

    def describe(self) -> dict[str, Any]:
        """Return what CloudFormation says of it."""
        found: dict[str, Any] = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return found

    def outputs(self) -> dict[str, str]:
        """Return its outputs."""
        return {output["OutputKey"]: output["OutputValue"] for output in self.describe().get("Outputs", [])}

    def reasons(self) -> str:
        """Return why resources failed, in one text."""
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        found = [str(event.get("ResourceStatusReason")) for event in events if "FAILED" in event["ResourceStatus"]]
        return "\n".join([*found, str(self.describe().get("StackStatusReason"))])

    def wait(self) -> str:
        """Return the status in which the operation ended."""

        def rests() -> str | None:
            status = str(self.describe()["StackStatus"])
            return None if status.endswith("_IN_PROGRESS") else status

        return wait_until(f"{self.name} to come to rest", rests)


def template(resources: dict[str, Any], outputs: dict[str, Any] | None) -> str:
    """Return a template's text."""
    return json.dumps({"Resources": resources, "Outputs": outputs or {}})


def custom(arn: str, **properties: Any) -> dict[str, Any]:
    """Return a template's custom resource."""
    return {"Type": "Custom::Greeter", "Properties": {"ServiceToken": arn, "ServiceTimeout": 60, **properties}}


OUTPUTS = {
    "greeting": {"Value": {"Fn::GetAtt": ["Greeter", "Greeting"]}},
    "identity": {"Value": {"Ref": "Greeter"}},
}


def asked(target: EmbeddedTarget) -> list[tuple[str, str | None, str]]:
    """Return what the provider was asked so far, oldest first: type, physical id, the property Identity.

    Two requests may run in two execution environments, whose logs arrive in any order; the function's own clock tells.
    """
    events = target.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{FUNCTION}")["events"]
    found = [json.loads(event["message"]) for event in events if event["message"].startswith("{")]
    found.sort(key=lambda one: int(one["asked_ns"]))
    return [(one["RequestType"], one["PhysicalResourceId"], one["ResourceProperties"]["Identity"]) for one in found]


def test_embedded_custom_resource_lives_through_its_stack(target: EmbeddedTarget, provider: str) -> None:
    """Created, replaced by an update and deleted by asking its function, with Ref and GetAtt from the answers."""
    stack = Stack(target, "embedded-custom")
    assert (
        stack.create({"Greeter": custom(provider, Identity="one", Number=5, Flag=True)}, OUTPUTS) == "CREATE_COMPLETE"
    )
    assert stack.outputs() == {"greeting": "hello one", "identity": "one"}
    assert stack.update({"Greeter": custom(provider, Identity="two")}, OUTPUTS) == "UPDATE_COMPLETE"
    assert stack.outputs() == {"greeting": "hello two", "identity": "two"}
    assert stack.delete() == "DELETE_COMPLETE"

    expected = [
        ("Create", None, "one"),
        ("Update", "one", "two"),
        ("Delete", "one", "one"),
        ("Delete", "two", "two"),
    ]
    wait_until_true("the function's log", lambda: len(asked(target)) >= len(expected))
    assert asked(target) == expected


def test_embedded_custom_resource_failure_fails_the_stack(target: EmbeddedTarget, provider: str) -> None:
    """A function that answers FAILED fails the stack with the function's reason."""
    stack = Stack(target, "embedded-custom-failed")
    status = stack.create({"Greeter": custom(provider, Identity="three", Fail="Create")})

    assert status in {"CREATE_FAILED", "ROLLBACK_COMPLETE"}
    assert "told to fail" in stack.reasons()
    stack.delete()


def test_embedded_metric_filter_is_put_changed_and_deleted(target: EmbeddedTarget) -> None:
    """A metric filter in a template is a metric filter in the API, through creation, update and deletion."""

    def resources(pattern: str) -> dict[str, Any]:
        transformation = {"MetricName": "Errors", "MetricNamespace": "Test", "MetricValue": "1", "DefaultValue": 0}
        return {
            "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "embedded-group"}},
            "Filter": {
                "Type": "AWS::Logs::MetricFilter",
                "Properties": {
                    "LogGroupName": {"Ref": "Group"},
                    "FilterPattern": pattern,
                    "MetricTransformations": [transformation],
                },
            },
        }

    def patterns() -> list[str]:
        filters = target.client("logs").describe_metric_filters()["metricFilters"]
        return [one["filterPattern"] for one in filters if one["logGroupName"] == "embedded-group"]

    stack = Stack(target, "embedded-filter")
    assert stack.create(resources("?ERROR ?Exception")) == "CREATE_COMPLETE"
    assert patterns() == ["?ERROR ?Exception"]
    assert stack.update(resources("?ERROR")) == "UPDATE_COMPLETE"
    assert patterns() == ["?ERROR"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert patterns() == []


def test_m15_a_metric_filter_counts_the_matching_lines_of_its_own_group(target: EmbeddedTarget) -> None:
    """The templates' patterns count levels and words, `[ERROR]` lines of one field; other groups' lines never count."""
    namespace = "embedded-counts"

    def of_group(group: str, metric: str, pattern: str) -> dict[str, Any]:
        transformation = {"MetricName": metric, "MetricNamespace": namespace, "MetricValue": "1"}
        properties = {
            "LogGroupName": {"Ref": group},
            "FilterPattern": pattern,
            "MetricTransformations": [transformation],
        }
        return {"Type": "AWS::Logs::MetricFilter", "Properties": properties}

    def counted(metric: str) -> float:
        now = datetime.now(UTC)
        points = target.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(float(point["Sum"]) for point in points)

    groups = {
        title: {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"embedded-counts-{title.lower()}"}}
        for title in ("One", "Other")
    }
    stack = Stack(target, "embedded-counts")
    filters = {
        **{end: of_group("One", "Errors", pattern) for end, pattern in ERROR_PATTERNS.items()},
        "Trap": of_group("One", "Trap", "[ERROR]"),
        "OfOther": of_group("Other", "OfOther", ERROR_PATTERNS["Count"]),
    }
    assert stack.create({**groups, **filters}) == "CREATE_COMPLETE"
    errors = ['{"level": "ERROR", "message": "gone"}', "ValueException: no", "an ERROR within"]
    lines = [*errors, "all is well", "an error in small letters", "alone", r'{"x": "\"ERROR\""}']
    logs = target.client("logs")
    logs.create_log_stream(logGroupName="embedded-counts-one", logStreamName="a")
    now_ms = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName="embedded-counts-one",
        logStreamName="a",
        logEvents=[{"timestamp": now_ms, "message": line} for line in lines],
    )

    assert (counted("Errors"), counted("Trap"), counted("OfOther")) == (len(errors), 1.0, 0.0)
    assert stack.delete() == "DELETE_COMPLETE"


def test_embedded_dashboard_lives_through_its_stack(target: EmbeddedTarget) -> None:
    """A dashboard is put, replaced by an update, and deleted with its stack."""

    def resources(title: str) -> dict[str, Any]:
        body = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": title}}]})
        properties = {"DashboardName": "embedded-board", "DashboardBody": body}
        return {"Board": {"Type": "AWS::CloudWatch::Dashboard", "Properties": properties}}

    def boards() -> list[str]:
        entries = target.client("cloudwatch").list_dashboards()["DashboardEntries"]
        return [one["DashboardName"] for one in entries if one["DashboardName"] == "embedded-board"]

    stack = Stack(target, "embedded-dashboard")
    assert stack.create(resources("one")) == "CREATE_COMPLETE"
    assert boards() == ["embedded-board"]
    assert stack.update(resources("two")) == "UPDATE_COMPLETE"
    assert "two" in target.client("cloudwatch").get_dashboard(DashboardName="embedded-board")["DashboardBody"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert boards() == []


def test_embedded_unknown_resource_type_is_refused(target: EmbeddedTarget) -> None:
    """A type that nothing here implements fails the stack, instead of passing for deployed."""
    stack = Stack(target, "embedded-unknown")
    status = stack.create({"Budget": {"Type": "AWS::Budgets::Budget", "Properties": {"Budget": {}}}})

    assert status == "CREATE_FAILED"
    assert "AWS::Budgets::Budget" in stack.reasons()


@pytest.mark.parametrize("as_text", [True, False], ids=["text", "object"])
def test_embedded_request_model_takes_both_forms(target: EmbeddedTarget, *, as_text: bool) -> None:
    """A request model's schema may be an object or its text, as on AWS."""
    schema: Any = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"}
    stack = Stack(target, f"embedded-model-{as_text}".lower())
    resources = {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": stack.name}},
        "Model": {
            "Type": "AWS::ApiGateway::Model",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "Name": "Envelope",
                "ContentType": "application/json",
                "Schema": json.dumps(schema) if as_text else schema,
            },
        },
    }
    assert stack.create(resources, {"api": {"Value": {"Ref": "Api"}}}) == "CREATE_COMPLETE"
    model = target.client("apigateway").get_model(restApiId=stack.outputs()["api"], modelName="Envelope")

    assert json.loads(model["schema"]) == schema
    stack.delete()


def api_resources(answer: str, generation: str) -> dict[str, Any]:
    """Return an API of one method, which answers with a text; each generation is deployed under an id of its own."""
    method = {
        "RestApiId": {"Ref": "Api"},
        "ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
        "HttpMethod": "GET",
        "AuthorizationType": "NONE",
        "Integration": {
            "Type": "MOCK",
            "RequestTemplates": {"application/json": '{"statusCode": 200}'},
            "IntegrationResponses": [{"StatusCode": "200", "ResponseTemplates": {"application/json": answer}}],
        },
        "MethodResponses": [{"StatusCode": "200"}],
    }
    deployment = f"Deployment{generation}"
    return {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "embedded-updated"}},
        "Method": {"Type": "AWS::ApiGateway::Method", "Properties": method},
        deployment: {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": "Method",
            "Properties": {"RestApiId": {"Ref": "Api"}},
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {"RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": deployment}, "StageName": "test"},
        },
    }


def test_embedded_an_api_outlives_a_change_of_its_shape(target: EmbeddedTarget) -> None:
    """A new Deployment takes the stage over, and the old one's deletion does not take the stage along."""
    stack = Stack(target, "embedded-api-update")
    outputs = {"Id": {"Value": {"Ref": "Api"}}}
    assert stack.create(api_resources("first", "A"), outputs) == "CREATE_COMPLETE", stack.reasons()
    url = target.api_url(stack.outputs()["Id"], "test") + "/"
    assert requests.get(url, timeout=30).text == "first"
    assert stack.update(api_resources("second", "B"), outputs) == "UPDATE_COMPLETE", stack.reasons()
    answer = requests.get(url, timeout=30)
    assert (answer.status_code, answer.text) == (200, "second")
    deployments = target.client("apigateway").get_deployments(restApiId=stack.outputs()["Id"])["items"]
    assert len(deployments) == 1
    assert stack.delete() == "DELETE_COMPLETE"


def test_embedded_a_custom_resource_whose_function_cannot_be_imported_fails_at_once(target: EmbeddedTarget) -> None:
    """The stack fails with the import's own words, and not after the hour in which an answer might come."""
    functions = target.client("lambda")
    arn = functions.create_function(
        FunctionName="embedded-unimportable",
        Runtime="python3.13",
        Role=ROLE,
        Handler="module.handler",
        Code={"ZipFile": zipped("raise RuntimeError('nothing works here')\n")},
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName="embedded-unimportable", WaiterConfig={"Delay": 1})
    stack = Stack(target, "embedded-unimportable")
    properties = {"ServiceToken": arn, "Identity": "one"}
    assert stack.create({"Thing": {"Type": "Custom::Thing", "Properties": properties}}) != "CREATE_COMPLETE"
    assert "embedded-unimportable cannot be imported: RuntimeError: nothing works here" in stack.reasons()
    assert stack.delete() == "DELETE_COMPLETE"
    functions.delete_function(FunctionName="embedded-unimportable")
