"""Checks of single resources that hold in every system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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
from tests.templates.systems import bucket_name

if TYPE_CHECKING:
    from tests.templates.systems import System


def buckets(template: Template, system: System) -> None:
    """Check names, encryption, versions, access and transport of all buckets."""
    assert of_type(template, "AWS::S3::Bucket").keys() == system.buckets.keys()
    for title, prefix in system.buckets.items():
        bucket = properties(template, title)
        assert bucket["BucketName"] == sub(bucket_name(prefix))
        rules = at(bucket, "BucketEncryption", "ServerSideEncryptionConfiguration")
        assert rules == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        assert at(bucket, "VersioningConfiguration", "Status") == "Enabled"
        blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        assert at(bucket, "PublicAccessBlockConfiguration") == dict.fromkeys(blocks, True)
        policy = properties(template, f"{title}Policy", "AWS::S3::BucketPolicy")
        assert policy["Bucket"] == ref(title)
        refusals = [one for one in statements(template, f"{title}Policy") if denies_insecure_transport(one)]
        assert len(refusals) == 1
        assert refusals[0]["Principal"] == "*"
        whole = system.bucket_arn(title)
        assert refusals[0]["Resource"] == [sub(whole), sub(f"{whole}/*")]


type Keys = dict[str, tuple[str, str]]
"""Of a table or an index: attribute to its type and role."""


def table(  # noqa: PLR0917 - what a table is
    template: Template, title: str, name: str, keys: Keys, expiry: str, indexes: dict[str, Keys] | None = None
) -> None:
    """Check name, keys, indexes, billing, recovery, encryption and expiry of a table."""
    found = properties(template, title, "AWS::DynamoDB::Table")
    assert found["TableName"] == name
    assert found["KeySchema"] == [{"AttributeName": key, "KeyType": role} for key, (_, role) in keys.items()]
    types = {one["AttributeName"]: one["AttributeType"] for one in found["AttributeDefinitions"]}
    all_keys = keys | {key: kind for one in (indexes or {}).values() for key, kind in one.items()}
    assert types == {key: kind for key, (kind, _) in all_keys.items()}
    listed = {one["IndexName"]: one for one in found.get("GlobalSecondaryIndexes", [])}
    assert listed.keys() == (indexes or {}).keys()
    for index, of_index in (indexes or {}).items():
        schema = [{"AttributeName": key, "KeyType": role} for key, (_, role) in of_index.items()]
        assert listed[index]["KeySchema"] == schema
        # Each attribute more would be written with every move of a status.
        assert listed[index]["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert found["BillingMode"] == "PAY_PER_REQUEST"
    assert at(found, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") is True
    assert at(found, "SSESpecification", "SSEEnabled") is True
    assert at(found, "TimeToLiveSpecification") == {"AttributeName": expiry, "Enabled": True}


def functions(template: Template, system: System) -> None:
    """Check name, runtime, memory, tracing, code and handler of every function."""
    found = of_type(template, "AWS::Lambda::Function")
    assert found.keys() == system.functions.keys()
    for title, wanted in system.functions.items():
        function = found[title]
        assert function["FunctionName"] == f"{wanted.name}-{ENV}"
        assert function["Handler"] == wanted.handler
        assert function["Runtime"] == "python3.13"
        assert function["MemorySize"] == ref("FunctionMemoryMb")
        assert at(function, "TracingConfig", "Mode") == "Active"
        assert function["Architectures"] == [ref("Architecture")]
        assert function["Code"] == {"S3Bucket": ref("CodeBucket"), "S3Key": sub(f"${{CodePrefix}}/{title}.zip")}
        assert function["Role"] == arn_of(f"{title}Role")
    assert at(template, "Parameters", "FunctionMemoryMb", "Default") == system.memory_mb
    assert at(template, "Parameters", "Architecture", "Default") == "arm64"


def ceiling(template: Template, function: str, parameter: str) -> None:
    """Check that what S3 may flood takes as much concurrency as it is given, and that by default none is reserved."""
    condition = f"With{parameter}"
    reserved = properties(template, function)["ReservedConcurrentExecutions"]
    assert reserved == {"Fn::If": [condition, ref(parameter), ref("AWS::NoValue")]}
    assert template["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [ref(parameter), 0]}]}
    assert (template["Parameters"][parameter]["Default"], template["Parameters"][parameter]["MinValue"]) == (0, 0)
    # Events wait in Lambda for so long; then they are dead letters, and no less.
    waits = properties(template, f"{function}AsyncConfig")
    assert waits["MaximumEventAgeInSeconds"] == 6 * 3600
    others = [title for title, one in of_type(template, "AWS::Lambda::Function").items() if title != function]
    assert all("ReservedConcurrentExecutions" not in properties(template, title) for title in others)


def notification(template: Template, system: System, bucket: str, function: str) -> None:
    """Check that a bucket's new objects reach a function, and that S3 may invoke it before the bucket says so."""
    configurations = at(properties(template, bucket), "NotificationConfiguration", "LambdaConfigurations")
    name = system.functions[function].name
    assert configurations == [{"Event": "s3:ObjectCreated:*", "Function": arn("lambda", f"function:{name}-{ENV}")}]
    permission = f"{function}InvokedBy{bucket}"
    assert permission in depends_on(template, bucket)
    assert properties(template, permission, "AWS::Lambda::Permission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": ref(function),
        "Principal": "s3.amazonaws.com",
        "SourceArn": sub(system.bucket_arn(bucket)),
        "SourceAccount": ref("AWS::AccountId"),
    }


def invoked_by_rules(template: Template, function: str, *rules: str) -> None:
    """Check that each of these rules reaches a function and no other, and that EventBridge may invoke it for them."""
    for rule in rules:
        targets = properties(template, rule, "AWS::Events::Rule")["Targets"]
        assert [target["Arn"] for target in targets] == [arn_of(function)]
        assert properties(template, f"{function}InvokedBy{rule}", "AWS::Lambda::Permission") == {
            "Action": "lambda:InvokeFunction",
            "FunctionName": ref(function),
            "Principal": "events.amazonaws.com",
            "SourceArn": arn_of(rule),
        }


def mapping(template: Template, function: str, queue: str, batch_size: int) -> Json:
    """Check that a queue feeds a function, which takes back only what failed; return the mapping.

    The function's time is at most a sixth of the time for which its messages are hidden.
    """
    found = properties(template, f"{function}From{queue}", "AWS::Lambda::EventSourceMapping")
    assert found["EventSourceArn"] == arn_of(queue)
    assert found["FunctionName"] == ref(function)
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert found["BatchSize"] == batch_size
    assert found.get("Enabled", True) is True
    assert "MaximumBatchingWindowInSeconds" not in found
    assert properties(template, function)["Timeout"] * 6 <= properties(template, queue)["VisibilityTimeout"]
    return found


def queues(template: Template, system: System) -> None:
    """Check name, kind, times, encryption and transport of every queue, and whose dead letters it takes."""
    found = of_type(template, "AWS::SQS::Queue")
    assert found.keys() == system.queues.keys()
    for title, wanted in system.queues.items():
        queue = found[title]
        assert queue["QueueName"] == wanted.name
        assert queue["MessageRetentionPeriod"] == wanted.retention_days * 24 * 3600
        assert queue["VisibilityTimeout"] == wanted.visibility_s
        assert queue["MaximumMessageSize"] == 1_048_576
        fifo = {
            "FifoQueue": True,
            "ContentBasedDeduplication": True,
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }
        for key, value in fifo.items():
            assert queue.get(key) == (value if wanted.fifo else None), f"{title}: {key}"
        if wanted.dead_letters_of is not None:
            source = system.queues[wanted.dead_letters_of]
            assert source.fifo == wanted.fifo, f"{title}: SQS moves messages to queues of the same kind only"
            redrive(template, wanted.dead_letters_of, title)
            allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [arn("sqs", source.name)]}
            assert queue["RedriveAllowPolicy"] == allowed
        elif "RedrivePolicy" not in queue:
            assert queue["RedriveAllowPolicy"] == {"redrivePermission": "denyAll"}
        encrypted_queue(template, title, wanted.name)
    redriven = {title for title, queue in found.items() if "RedrivePolicy" in queue}
    assert redriven == {one.dead_letters_of for one in system.queues.values()} - {None}


def redrive(template: Template, source: str, dead_letters: str) -> None:
    """Check that a queue gives a message up after three receives, and to whom."""
    assert at(properties(template, source, "AWS::SQS::Queue"), "RedrivePolicy") == {
        "deadLetterTargetArn": arn_of(dead_letters),
        "maxReceiveCount": ref("MaxReceiveCount"),
    }
    assert at(template, "Parameters", "MaxReceiveCount", "Default") == 3


def encrypted_queue(template: Template, title: str, name: str) -> None:
    """Check that a queue is encrypted, and refuses everything outside TLS and everyone but the account and services."""
    queue = properties(template, title, "AWS::SQS::Queue")
    assert queue.get("SqsManagedSseEnabled") is True
    # EventBridge and Lambda cannot write under the AWS-managed KMS key of SQS.
    assert "KmsMasterKeyId" not in queue
    assert properties(template, f"{title}Policy", "AWS::SQS::QueuePolicy")["Queues"] == [ref(title)]
    refusals = [one for one in statements(template, f"{title}Policy") if denies_insecure_transport(one)]
    assert len(refusals) == 1
    assert refusals[0]["Principal"] == "*"
    assert refusals[0]["Resource"] == [arn("sqs", name)]
    assert at(statements(template, f"{title}Policy"), "DenyStrangers") == {
        "Sid": "DenyStrangers",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["sqs:*"],
        "Resource": [arn("sqs", name)],
        # Both must hold for a refusal. Unsigned calls have neither key: without IfExists they would be spared.
        "Condition": {
            "StringNotEquals": {"aws:PrincipalAccount": ref("AWS::AccountId")},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    }


def asynchronous(template: Template, system: System, function: str, queue: str) -> None:
    """Check that an invocation that nobody waits for is retried, and ends in a standard queue that it may write to."""
    assert not system.queues[queue].fifo, f"{queue}: Lambda takes no FIFO queue"
    assert at(properties(template, function), "DeadLetterConfig", "TargetArn") == arn_of(queue)
    sends = at(statements(template, f"{function}Role"), f"SendTo{queue}")
    assert sends["Resource"] == [arn("sqs", system.queues[queue].name)]
    retries = properties(template, f"{function}AsyncConfig", "AWS::Lambda::EventInvokeConfig")
    assert retries["FunctionName"] == ref(function)
    assert retries["MaximumRetryAttempts"] == 2
    assert "DestinationConfig" not in retries


def route(template: Template, system: System, title: str) -> None:
    """Check that a route is signed, validated, at its path, and reaches its function, which the API may invoke."""
    wanted = system.routes[title]
    found = properties(template, title, "AWS::ApiGateway::Method")
    assert found["HttpMethod"] == wanted.method
    assert found["AuthorizationType"] == "AWS_IAM"
    assert resource_path(template, system, found["ResourceId"]["Ref"]) == wanted.path
    parameters = re.findall(r"\{(.+?)\+?\}", wanted.path)
    required = [name for name, must in found.get("RequestParameters", {}).items() if must]
    assert required == [f"method.request.path.{name}" for name in parameters]
    integration = found["Integration"]
    assert integration["Type"] == "AWS_PROXY"
    assert integration["IntegrationHttpMethod"] == "POST"
    assert integration["Uri"] == sub(
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
        f"${{{wanted.function}.Arn}}/invocations"
    )
    outlived = properties(template, wanted.function)["Timeout"] * 1000 > integration["TimeoutInMillis"]
    assert outlived is wanted.outlived, f"{wanted.function} may go on when the caller is told that it failed"
    called = re.sub(r"\{.+?\}", "*", wanted.path)
    allowed = properties(template, f"{wanted.function}InvokedBy{title}", "AWS::Lambda::Permission")
    assert allowed["FunctionName"] == ref(wanted.function)
    assert allowed["Principal"] == "apigateway.amazonaws.com"
    assert allowed["SourceArn"] == arn("execute-api", f"${{{system.api}}}/{ENV}/{wanted.method}{called}")
    assert found["RequestValidatorId"] == ref(f"{system.api}Validator")


def resource_path(template: Template, system: System, title: str) -> str:
    """Return the path of an API resource."""
    resource = properties(template, title, "AWS::ApiGateway::Resource")
    parent = resource["ParentId"]
    above = resource_path(template, system, parent["Ref"]) if "Ref" in parent else ""
    if "Ref" not in parent:
        assert parent == sub(f"${{{system.api}.RootResourceId}}")
    return f"{above}/{resource['PathPart']}"


def api_stage(template: Template, system: System) -> None:
    """Check that the stage shows every method, validated, signed ones only, and throttles them all."""
    assert properties(template, system.api, "AWS::ApiGateway::RestApi")["Name"] == system.api_name
    validator = properties(template, f"{system.api}Validator", "AWS::ApiGateway::RequestValidator")
    assert validator["ValidateRequestBody"] is True
    assert validator["ValidateRequestParameters"] is True
    (stage,) = of_type(template, "AWS::ApiGateway::Stage").values()
    ((deployment, _),) = of_type(template, "AWS::ApiGateway::Deployment").items()
    assert stage["DeploymentId"] == ref(deployment)
    assert stage["StageName"] == ENV
    methods = of_type(template, "AWS::ApiGateway::Method")
    assert methods.keys() == system.routes.keys()
    assert methods.keys() <= depends_on(template, deployment)
    settings = at(stage, "MethodSettings", 0)
    assert (settings["HttpMethod"], settings["ResourcePath"]) == ("*", "/*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == system.throttle
    assert settings["DataTraceEnabled"] is False
    assert at(template, "Parameters", "ApiLoggingLevel", "Default") == "OFF"


def deletion_order(template: Template, system: System) -> None:
    """Check that a bucket's contents go before the bucket, and the function that empties it after them."""
    assert of_type(template, "Custom::BucketContents").keys() == {f"{bucket}Contents" for bucket in system.buckets}
    for title in system.buckets:
        contents = f"{title}Contents"
        found = properties(template, contents, "Custom::BucketContents")
        assert found["BucketName"] == ref(title)
        assert found["ServiceToken"] == arn_of("BucketEmptier")
        assert found["ServiceTimeout"] > properties(template, "BucketEmptier")["Timeout"]
        assert contents in depends_on(template, f"{title}Policy")
        assert {title, "BucketEmptier", "BucketEmptierRole", "BucketEmptierLogGroup"} <= must_outlive(
            template, contents
        )
