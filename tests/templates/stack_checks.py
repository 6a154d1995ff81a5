"""Checks of the whole stack that hold in every system: rights, logs, tags, names, deletion, outputs, cost."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from generator.blocks.logs import ERROR_PATTERNS
from tests.templates.permissions import CONDITION_KEYS, WITHOUT_RESOURCES, common, known_actions
from tests.templates.reading import (
    ENV,
    Json,
    Template,
    arn,
    arn_of,
    at,
    denies_insecure_transport,
    depends_on,
    must_outlive,
    of_type,
    properties,
    ref,
    statements,
    sub,
)
from tests.templates.resource_checks import deletion_order, encrypted_queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.templates.systems import System

NAME_PROPERTIES = {
    "AWS::ApiGateway::Model": "Name",
    "AWS::ApiGateway::RequestValidator": "Name",
    "AWS::ApiGateway::RestApi": "Name",
    "AWS::ApiGateway::Stage": "StageName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Logs::MetricFilter": "FilterName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
}
NAMELESS = {
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Resource",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "Custom::BucketContents",
}

LOGGED_OF_A_CALL = {
    # API Gateway developer guide, "Variables for access logging".
    "$context.error.responseType",
    "$context.extendedRequestId",
    "$context.httpMethod",
    "$context.identity.sourceIp",
    "$context.identity.userArn",
    "$context.integration.error",
    "$context.integration.latency",
    "$context.integration.status",
    "$context.requestId",
    "$context.requestTimeEpoch",
    "$context.resourcePath",
    "$context.responseLatency",
    "$context.status",
}
"""No path, query, header or body: they carry what callers write."""


def all_statements(template: Template) -> Iterator[tuple[str, Json]]:
    """Yield every policy statement of the template with its resource's logical id, trust policies included."""
    for title, resource in template["Resources"].items():
        found = resource.get("Properties", {})
        if "PolicyDocument" in found or "Policies" in found:
            yield from ((title, statement) for statement in statements(template, title))
        if "AssumeRolePolicyDocument" in found:
            yield from ((title, statement) for statement in found["AssumeRolePolicyDocument"]["Statement"])


def known_words(template: Template) -> None:
    """Check the spelling of every action and condition key: IAM takes any, and a misspelt one never matches."""
    actions = known_actions()
    for title, statement in all_statements(template):
        assert set(statement["Action"]) <= actions, f"{title}: unknown action"
        for keys in statement.get("Condition", {}).values():
            assert keys.keys() <= CONDITION_KEYS, f"{title}: unknown condition key"


def roles(template: Template, system: System) -> None:
    """Check that each function has a role of its own which allows exactly what is listed, and what it denies."""
    known_words(template)
    found = of_type(template, "AWS::IAM::Role")
    api_logging_role(template, system)
    assert found.keys() == {*(f"{function}Role" for function in system.functions), f"{system.api}LoggingRole"}
    for function, wanted in system.functions.items():
        role = f"{function}Role"
        assert properties(template, function)["Role"] == arn_of(role)
        # Role names are global in an account: without the region a second region's stack would be refused.
        assert found[role]["RoleName"] == sub(f"{wanted.name}-${{AWS::Region}}-{ENV}")
        assert "ManagedPolicyArns" not in found[role]
        trust = at(found[role], "AssumeRolePolicyDocument", "Statement", 0)
        assert (trust["Principal"], trust["Action"]) == ({"Service": "lambda.amazonaws.com"}, ["sts:AssumeRole"])
        allowed = [one for one in statements(template, role) if one["Effect"] == "Allow"]
        granted = [(sorted(one["Action"]), one["Resource"]) for one in allowed]
        expected = [*system.grants[function], *common(wanted.name)]
        listed = [(list(actions), list(resources)) for actions, resources in expected]
        assert sorted(granted, key=str) == sorted(listed, key=str), f"{role} allows something else"
        for one in allowed:
            assert "*" not in one["Resource"] or set(one["Action"]) <= WITHOUT_RESOURCES
        denied = [one for one in statements(template, role) if one["Effect"] == "Deny"]
        assert any(denies_insecure_transport(one) and one["Resource"] == ["*"] for one in denied)
        destruction = at(denied, "DenyDestruction")
        assert destruction["Resource"] == ["*"]
        assert {"dynamodb:DeleteTable", "s3:DeleteBucket", "sqs:DeleteQueue"} <= set(destruction["Action"])
        # When data expires is changed by who deletes it, and by nobody else.
        assert ("s3:PutLifecycleConfiguration" in destruction["Action"]) is (function != "BucketEmptier")


def api_logging_role(template: Template, system: System) -> None:
    """Check that the region's logging role of API Gateway is touched by who asks for it only, and is AWS's own."""
    assert at(template, "Parameters", "ApiLoggingRole", "Default") == "KEEP"
    wanted = {"Fn::Equals": [ref("ApiLoggingRole"), "CREATE"]}
    setting, role = f"{system.api}Logging", f"{system.api}LoggingRole"
    for title in (setting, role):
        condition = at(template, "Resources", title, "Condition")
        assert at(template, "Conditions", condition) == wanted, f"{title} would be there for everyone"
    assert properties(template, setting, "AWS::ApiGateway::Account") == {"CloudWatchRoleArn": arn_of(role)}
    trust = at(properties(template, role), "AssumeRolePolicyDocument", "Statement")
    assert [one["Principal"] for one in trust] == [{"Service": "apigateway.amazonaws.com"}]
    managed = "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    assert properties(template, role)["ManagedPolicyArns"] == [sub(managed)]
    assert "Policies" not in properties(template, role)
    # A stage that is to log is refused before the setting is there.
    assert setting in must_outlive(template, f"{system.api}Stage")


def access_logs(template: Template, system: System) -> None:
    """Check that calls are logged in a group of the stack's, on one line of JSON, without what callers may write."""
    chosen = at(properties(template, f"{system.api}Stage"), "AccessLogSetting", "Fn::If")
    assert at(template, "Conditions", chosen[0]) == {"Fn::Not": [{"Fn::Equals": [ref("ApiLoggingLevel"), "OFF"]}]}
    assert chosen[2] == ref("AWS::NoValue")
    group = f"{system.api}AccessLogGroup"
    name = properties(template, group, "AWS::Logs::LogGroup")["LogGroupName"]
    assert name == f"/aws/apigateway/{system.api_name}"
    assert at(chosen[1], "DestinationArn") == arn("logs", f"log-group:{name}")
    assert group in depends_on(template, f"{system.api}Stage")
    assert "\n" not in at(chosen[1], "Format")
    assert set(json.loads(chosen[1]["Format"]).values()) == LOGGED_OF_A_CALL


def log_groups(template: Template, system: System) -> None:
    """Check that the stack owns each function's log group, for a week, and that no function may make one."""
    groups = of_type(template, "AWS::Logs::LogGroup")
    for function, wanted in system.functions.items():
        group = f"{function}LogGroup"
        assert groups[group]["LogGroupName"] == f"/aws/lambda/{wanted.name}-{ENV}"
        assert at(properties(template, function), "LoggingConfig", "LogGroup") == ref(group)
        assert group in must_outlive(template, function)
        assert "logs:CreateLogGroup" in at(statements(template, f"{function}Role"), "DenyDestruction")["Action"]
    of_api = f"{system.api}LogGroup"
    assert groups[of_api]["LogGroupName"] == sub(f"API-Gateway-Execution-Logs_${{{system.api}}}/{ENV}")
    assert of_api in depends_on(template, f"{system.api}Stage")
    access_logs(template, system)
    assert len(groups) == len(system.functions) + 2
    for group in groups.values():
        assert group["RetentionInDays"] == 7


def metric_filters(template: Template, system: System) -> None:
    """Check that errors are counted in every function's log group, of JSON and of text (test_error_counts)."""
    filters = of_type(template, "AWS::Logs::MetricFilter")
    assert len(filters) == len(system.functions) * len(ERROR_PATTERNS) + len(system.counts)
    for title, (function, metric, message) in system.counts.items():
        found = filters[title]
        assert found["LogGroupName"] == ref(f"{function}LogGroup")
        assert found["FilterPattern"] == f'{{ $.message = "{message}" }}'
        (counted,) = found["MetricTransformations"]
        assert (counted["MetricName"], counted["MetricNamespace"]) == (metric, system.namespace)
        assert counted["MetricValue"] == "1"
    for function in system.functions:
        for end, pattern in ERROR_PATTERNS.items():
            found = filters[f"{function}Error{end}"]
            assert found["LogGroupName"] == ref(f"{function}LogGroup")
            assert found["FilterPattern"] == pattern
            (counted,) = found["MetricTransformations"]
            assert counted["MetricValue"] == "1"
            assert (counted["MetricName"], counted["MetricNamespace"]) == (f"{function}Errors", system.namespace)


def tags(template: Template, system: System) -> None:
    """Check the tags of every resource whose type CloudFormation's own schema calls taggable."""
    tagged = 0
    for title, resource in template["Resources"].items():
        if resource["Type"].startswith("Custom::"):
            continue
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
        if schema.get("tagging", {}).get("taggable", "Tags" in schema["properties"]):
            found = {tag["Key"]: tag["Value"] for tag in at(resource, "Properties", "Tags")}
            assert found == system.tags, f"{title} has other tags"
            tagged += 1
        else:
            assert "Tags" not in resource["Properties"]
    assert tagged > 20


def names(template: Template) -> None:
    """Check that every name there is carries the environment, and that no name is left to CloudFormation."""
    for title, resource in template["Resources"].items():
        kind = resource["Type"]
        if kind in NAMELESS:
            continue
        assert kind in NAME_PROPERTIES, f"{title}: say which property of {kind} is its name"
        name = at(resource, "Properties", NAME_PROPERTIES[kind])
        text = name["Fn::Sub"] if isinstance(name, dict) else name
        text = text.removesuffix("-${AWS::AccountId}-${AWS::Region}" if kind == "AWS::S3::Bucket" else ".fifo")
        assert re.search(rf"(^|[^a-z]|Envelope){ENV}$", text), f"{title}: {text}"


def destroyable(template: Template, system: System) -> None:
    """Check that nothing survives a deletion of the stack or stands in its way."""
    for title, resource in template["Resources"].items():
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            assert resource.get(policy, "Delete") == "Delete", f"{title} has {policy}"
        assert resource.get("Properties", {}).get("DeletionProtectionEnabled", False) is False
    deletion_order(template, system)


def outputs(template: Template, system: System) -> None:
    """Check every output's key and value."""
    assert {key: output["Value"] for key, output in template["Outputs"].items()} == system.outputs
    assert all("Export" not in output for output in template["Outputs"].values())


def encryption(template: Template, system: System) -> None:
    """Check encryption at rest and in transit of all that stores or carries data."""
    for bucket in of_type(template, "AWS::S3::Bucket").values():
        assert at(bucket, "BucketEncryption", "ServerSideEncryptionConfiguration")
    for table in of_type(template, "AWS::DynamoDB::Table").values():
        assert at(table, "SSESpecification", "SSEEnabled") is True
    for title, queue in system.queues.items():
        encrypted_queue(template, title, queue.name)
    for title in (*system.buckets, *(f"{function}Role" for function in system.functions)):
        policy = title if title.endswith("Role") else f"{title}Policy"
        assert any(denies_insecure_transport(one) for one in statements(template, policy)), f"{policy} allows no TLS"
    assert at(template, "Outputs", system.address, "Value", "Fn::Sub").startswith("https://")


def errors(template: Template, system: System) -> None:
    """Check structured logs, and refusals in one form that give nothing away."""
    for title, function in of_type(template, "AWS::Lambda::Function").items():
        assert at(function, "LoggingConfig", "LogFormat") == "JSON"
        variables = at(function, "Environment", "Variables")
        assert variables["POWERTOOLS_SERVICE_NAME"] == system.functions[title].name
        assert variables["POWERTOOLS_METRICS_NAMESPACE"] == system.namespace
        assert variables["LOG_LEVEL"] == "INFO"
    refusals = {one["ResponseType"]: one for one in of_type(template, "AWS::ApiGateway::GatewayResponse").values()}
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "BAD_REQUEST_BODY", "ACCESS_DENIED", "THROTTLED"} <= refusals.keys()
    for refusal in refusals.values():
        body = json.loads(at(refusal, "ResponseTemplates", "application/json"))
        assert body.keys() == {"error"}
        assert re.fullmatch(r"[a-z0-9_]+", body["error"]["code"])
        assert body["error"]["message"].endswith(".")
        assert "$context" not in json.dumps(body), "the gateway's own texts name roles and resources"
    assert refusals["BAD_REQUEST_BODY"]["StatusCode"] == "400"


def cost(template: Template, system: System) -> None:
    """Check that nothing is billed by the hour or the month, whatever the stack does."""
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert kinds <= NAME_PROPERTIES.keys() | NAMELESS, "a resource type whose cost nobody has looked at"
    for title, resource in template["Resources"].items():
        wanted = {"AWS::CloudWatch::Alarm": "WithAlarms", "AWS::CloudWatch::Dashboard": "WithDashboard"}
        if resource["Type"] in wanted:
            assert resource.get("Condition") == wanted[resource["Type"]], f"{title} costs by the month and is no option"
    assert sorted(of_type(template, "AWS::DynamoDB::Table")) == sorted(system.tables)
    for table in system.tables:
        assert at(properties(template, table), "BillingMode") == "PAY_PER_REQUEST"
    for function in of_type(template, "AWS::Lambda::Function").values():
        assert not function.keys() & {"SnapStart", "VpcConfig"}
        # Of an account's concurrency nothing is taken from others, unless somebody asks for it.
        match function.get("ReservedConcurrentExecutions"):
            case None | {"Fn::If": [_, _, {"Ref": "AWS::NoValue"}]}:
                pass
            case reserved:
                raise AssertionError(f"{reserved} is reserved")
    for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        assert "ProvisionedPollerConfig" not in mapping
    (stage,) = of_type(template, "AWS::ApiGateway::Stage").values()
    assert not stage.get("CacheClusterEnabled", False)
    assert at(stage, "MethodSettings", 0, "MetricsEnabled") is False
    for found in of_type(template, "AWS::Logs::MetricFilter").values():
        assert "DefaultValue" not in at(found, "MetricTransformations", 0), "a metric without data costs nothing"
