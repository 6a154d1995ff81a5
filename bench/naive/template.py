"""The naive design's template: the resources of a tutorial, with roles that allow what they must."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from awacs import awslambda, dynamodb, events, logs, s3, sqs
from awacs.aws import Allow, PolicyDocument, Principal, Statement
from awacs.sts import AssumeRole
from troposphere import GetAtt, Output, Ref, Sub, Template, iam
from troposphere.awslambda import Code, Environment, EventSourceMapping, Function, Permission
from troposphere.dynamodb import AttributeDefinition, KeySchema, Table
from troposphere.events import Rule, Target
from troposphere.logs import LogGroup
from troposphere.s3 import Bucket, LambdaConfigurations, NotificationConfiguration
from troposphere.sqs import Queue

if TYPE_CHECKING:
    from awacs.aws import Action

NAME: Final = "naive"
EVENT_SOURCE: Final = "naive.ticks"
_MEMORY_MB: Final = 128
_TIMEOUT_S: Final = 60
#: Reads a whole object and sends every row of it.
_INGEST_TIMEOUT_S: Final = 900
_BATCH_SIZE: Final = 10
_ROLE_VERSION: Final = "2012-10-17"


def build(environment: str) -> Template:
    """Return the template of one environment; its physical names are `NAME-naive-ENV`."""
    template = Template(Description=f"The naive design ({environment}): one tick a message, an item and an event.")
    template.set_version("2010-09-09")
    stack = _Stack(template, environment)
    bucket_name = Sub(f"ticks-{stack.suffix}-${{AWS::AccountId}}")
    bucket_arn = Sub(f"arn:${{AWS::Partition}}:s3:::ticks-{stack.suffix}-${{AWS::AccountId}}")
    queue = stack.add(Queue("Queue", QueueName=f"ticks-{stack.suffix}", VisibilityTimeout=6 * _TIMEOUT_S))
    ticks = stack.table("Ticks", "ticks", ("symbol", "S"), ("timestamp", "S"))
    bars = stack.table("Bars", "bars", ("symbol", "S"), ("minute", "N"))

    objects = Sub(f"arn:${{AWS::Partition}}:s3:::ticks-{stack.suffix}-${{AWS::AccountId}}/*")
    ingest = stack.function(
        "Ingest",
        [_allow([s3.GetObject], [objects]), _allow([sqs.SendMessage], [GetAtt(queue, "Arn")])],
        {"QUEUE_URL": Ref(queue)},
        timeout_s=_INGEST_TIMEOUT_S,
    )
    consume = [sqs.ReceiveMessage, sqs.DeleteMessage, sqs.GetQueueAttributes]
    bus = Sub("arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default")
    process = stack.function(
        "Process",
        [
            _allow(consume, [GetAtt(queue, "Arn")]),
            _allow([dynamodb.PutItem], [GetAtt(ticks, "Arn")]),
            _allow([events.PutEvents], [bus]),
        ],
        {"TICKS_TABLE": Ref(ticks), "EVENT_SOURCE": f"{EVENT_SOURCE}.{environment}"},
    )
    aggregate = stack.function(
        "Aggregate",
        [_allow([dynamodb.GetItem, dynamodb.UpdateItem], [GetAtt(bars, "Arn")])],
        {"BARS_TABLE": Ref(bars)},
    )

    invoked = stack.permit("IngestInvokedByBucket", ingest, "s3.amazonaws.com", bucket_arn)
    created = LambdaConfigurations(Event="s3:ObjectCreated:*", Function=GetAtt(ingest, "Arn"))
    stack.add(
        Bucket(
            "Bucket",
            BucketName=bucket_name,
            NotificationConfiguration=NotificationConfiguration(LambdaConfigurations=[created]),
            DependsOn=invoked.title,
        )
    )
    stack.add(
        EventSourceMapping(
            "ProcessFromQueue",
            EventSourceArn=GetAtt(queue, "Arn"),
            FunctionName=Ref(process),
            BatchSize=_BATCH_SIZE,
        )
    )
    rule = stack.add(
        Rule(
            "TickStored",
            Name=f"tick-stored-{stack.suffix}",
            EventPattern={"source": [f"{EVENT_SOURCE}.{environment}"]},
            Targets=[Target(Id="aggregate", Arn=GetAtt(aggregate, "Arn"))],
        )
    )
    stack.permit("AggregateInvokedByRule", aggregate, "events.amazonaws.com", GetAtt(rule, "Arn"))
    stack.output("bucketName", "Bucket")
    stack.output("queueUrl", "Queue")
    stack.output("ticksTableName", "Ticks")
    stack.output("barsTableName", "Bars")
    stack.output("aggregateFunctionName", "Aggregate")
    return template


class _Stack:
    """A template under construction, and the ending of its names."""

    def __init__(self, template: Template, environment: str) -> None:
        self.template = template
        self.suffix = f"{NAME}-{environment}"

    def add(self, resource: Any) -> Any:
        return self.template.add_resource(resource)

    def table(self, title: str, name: str, *keys: tuple[str, str]) -> Table:
        return self.add(
            Table(
                title,
                TableName=f"{name}-{self.suffix}",
                AttributeDefinitions=[AttributeDefinition(AttributeName=key, AttributeType=kind) for key, kind in keys],
                KeySchema=[
                    KeySchema(AttributeName=key, KeyType=role)
                    for (key, _), role in zip(keys, ("HASH", "RANGE"), strict=True)
                ],
                BillingMode="PAY_PER_REQUEST",
            )
        )

    def function(
        self, title: str, may: list[Statement], variables: dict[str, Any], *, timeout_s: int = _TIMEOUT_S
    ) -> Function:
        """Add a function whose code is the text of its module, its role and its log group."""
        name = f"{title.lower()}-{self.suffix}"
        # Else Lambda makes it, and it outlives the stack.
        group = self.add(LogGroup(f"{title}LogGroup", LogGroupName=f"/aws/lambda/{name}", RetentionInDays=7))
        write_logs = _allow([logs.CreateLogStream, logs.PutLogEvents], [GetAtt(group, "Arn")])
        assumed = Statement(Effect=Allow, Action=[AssumeRole], Principal=Principal("Service", "lambda.amazonaws.com"))
        role = self.add(
            iam.Role(
                f"{title}Role",
                RoleName=name,
                AssumeRolePolicyDocument=PolicyDocument(Version=_ROLE_VERSION, Statement=[assumed]),
                Policies=[
                    iam.Policy(
                        PolicyName=name,
                        PolicyDocument=PolicyDocument(Version=_ROLE_VERSION, Statement=[*may, write_logs]),
                    )
                ],
            )
        )
        code = resources.files(f"{__package__}.functions").joinpath(f"{title.lower()}.py").read_text(encoding="utf-8")
        return self.add(
            Function(
                title,
                FunctionName=name,
                Handler="index.handler",
                Runtime="python3.13",
                MemorySize=_MEMORY_MB,
                Timeout=timeout_s,
                Role=GetAtt(role, "Arn"),
                Code=Code(ZipFile=code),
                Environment=Environment(Variables=variables),
                DependsOn=group.title,
            )
        )

    def permit(self, title: str, function: Function, principal: str, source_arn: Any) -> Permission:
        return self.add(
            Permission(
                title,
                Action=f"{awslambda.prefix}:InvokeFunction",
                FunctionName=Ref(function),
                Principal=principal,
                SourceArn=source_arn,
            )
        )

    def output(self, key: str, title: str) -> None:

        self.template.add_output(Output(key, Value=Ref(title)))


def _allow(actions: list[Action], arns: list[Any]) -> Statement:
    return Statement(Effect=Allow, Action=actions, Resource=arns)
