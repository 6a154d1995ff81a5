"""A Lambda function with everything that belongs to it: role, log group, error count, dead-letter queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awacs import logs as log_actions
from troposphere import Equals, GetAtt, If, Not, NoValue, Ref, Sub, iam
from troposphere.awslambda import (
    Code,
    DeadLetterConfig,
    EventInvokeConfig,
    EventSourceMapping,
    LoggingConfig,
    Permission,
    ScalingConfig,
    TracingConfig,
)
from troposphere.awslambda import Environment as Variables
from troposphere.awslambda import Function as LambdaFunction

from generator.blocks import encryption, logs, policies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from awacs.aws import Action, Statement
    from troposphere import Parameter

    from generator.blocks.queue import Queue
    from generator.blocks.stack import Stack

RUNTIME = "python3.13"
ASYNC_RETRIES = 2
ASYNC_MAX_AGE_S = 6 * 3600
BATCH_SIZE = 10
LONGEST_TIMEOUT_S = 900
"""Lambda allows no more."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What all functions of a stack share.

    Attributes:
        bucket: parameter with the bucket of the bundles.
        prefix: parameter with the bundles' common prefix; the bundle of X is `PREFIX/X.zip`.
        architecture: parameter, arm64 or x86_64.
        memory_mb: parameter with every function's memory.

    """

    bucket: Parameter
    prefix: Parameter
    architecture: Parameter
    memory_mb: Parameter


def common_runtime(stack: Stack, *, memory_mb: int) -> Runtime:
    """Add the parameters that say where the code is and what runs it, and return them."""
    return Runtime(
        bucket=stack.text(
            "CodeBucket", pattern="^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", text="Bucket of the function bundles"
        ),
        prefix=stack.text(
            "CodePrefix",
            pattern="^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$",
            text="Common prefix of the function bundles, a hash of them all",
        ),
        architecture=stack.choice("Architecture", "arm64", "x86_64", text="Processors that run the functions"),
        memory_mb=stack.number(
            "FunctionMemoryMb",
            memory_mb,
            minimum=128,
            maximum=10240,
            text="Memory of every function; new accounts may be capped lower",
        ),
    )


class Function:
    """A function, its role, its log group and the count of errors in it.

    Args:
        stack: what it is added to.
        title: logical id; the physical name is `TITLE-ENV`, the bundle `TITLE.zip`.
        runtime: what all functions share.
        handler: `package.module.function` within the bundle.
        does: one sentence, shown in the console.
        timeout_s: after which Lambda ends an invocation.
        may: what its role allows beside logging and tracing.
        variables: environment variables.
        dead_letters: where an asynchronous event goes, verbatim, when its last attempt failed.
        after: logical ids that must exist before it, and so outlive it when the stack is deleted.
        destroys: actions that every other role is denied, and this one is not.
        ceiling: parameter with the most invocations at a time, which are reserved then; 0: neither.

    """

    def __init__(
        self,
        stack: Stack,
        title: str,
        runtime: Runtime,
        *,
        handler: str,
        does: str,
        timeout_s: int,
        may: Sequence[Statement],
        variables: Mapping[str, Any],
        dead_letters: Queue | None = None,
        after: Sequence[str] = (),
        destroys: Sequence[Action] = (),
        ceiling: Parameter | None = None,
    ) -> None:
        self._stack = stack
        self.title = title
        self.timeout_s = timeout_s
        self.physical_name = stack.name(title)
        self.service = stack.spell(title)
        self.arn_by_name = stack.arn("lambda", f"function:{self.physical_name}")
        self.arn = GetAtt(title, "Arn")
        self.name = Ref(title)
        group_name = f"/aws/lambda/{self.physical_name}"
        self._group = logs.log_group(stack, f"{title}LogGroup", group_name)
        logs.count_errors(stack, f"{title}Error", self._group, f"{title}Errors")
        statements = [*may]
        optional: dict[str, Any] = {}
        if dead_letters is not None:
            statements.append(dead_letters.send())
            optional["DeadLetterConfig"] = DeadLetterConfig(TargetArn=dead_letters.arn)
        if after:
            optional["DependsOn"] = sorted(after)
        if ceiling is not None:
            has_ceiling = stack.template.add_condition(f"With{ceiling.title}", Not(Equals(Ref(ceiling), 0)))
            optional["ReservedConcurrentExecutions"] = If(has_ceiling, Ref(ceiling), NoValue)
        role = self._role(statements, group_name, destroys)
        stack.add(
            LambdaFunction(
                title,
                FunctionName=self.physical_name,
                Description=does,
                Handler=handler,
                Runtime=RUNTIME,
                Architectures=[Ref(runtime.architecture)],
                MemorySize=Ref(runtime.memory_mb),
                Timeout=timeout_s,
                Role=GetAtt(role, "Arn"),
                Code=Code(S3Bucket=Ref(runtime.bucket), S3Key=Sub(f"${{{runtime.prefix.title}}}/{title}.zip")),
                Environment=Variables(
                    Variables={
                        "LOG_LEVEL": "INFO",
                        "POWERTOOLS_METRICS_NAMESPACE": stack.metrics_namespace,
                        "POWERTOOLS_SERVICE_NAME": self.service,
                        **variables,
                    }
                ),
                LoggingConfig=LoggingConfig(LogFormat="JSON", LogGroup=Ref(self._group)),
                TracingConfig=TracingConfig(Mode="Active"),
                Tags=stack.tags(),
                **optional,
            )
        )
        if dead_letters is not None:
            # No OnFailure destination beside the dead-letter queue: an event would be kept twice, in two shapes.
            stack.add(
                EventInvokeConfig(
                    f"{title}AsyncConfig",
                    FunctionName=Ref(title),
                    Qualifier="$LATEST",
                    MaximumRetryAttempts=ASYNC_RETRIES,
                    MaximumEventAgeInSeconds=ASYNC_MAX_AGE_S,
                )
            )

    def _role(self, statements: Sequence[Statement], group_name: str, destroys: Sequence[Action]) -> iam.Role:
        """Add and return the function's own role; its policy is inline, so that it is complete once it exists.

        The name carries the region because role names are global in an account. The log group is named, not
        referenced, and may not be created: a late log line must not bring back a group that the stack deleted.
        """
        write_logs = policies.allow(
            "WriteOwnLogs",
            [log_actions.CreateLogStream, log_actions.PutLogEvents],
            [self._stack.arn("logs", f"log-group:{group_name}:*")],
        )
        return self._stack.add(
            iam.Role(
                f"{self.title}Role",
                RoleName=Sub(f"{self._stack.spell(self.title)}-${{AWS::Region}}-{self._stack.environment.name}"),
                Description=f"What {self.physical_name} may do, and no more.",
                AssumeRolePolicyDocument=policies.assumed_by("lambda.amazonaws.com"),
                PermissionsBoundary=self._stack.permissions_boundary(),
                Policies=[
                    iam.Policy(
                        PolicyName=self.physical_name,
                        PolicyDocument=policies.document(
                            [
                                *statements,
                                write_logs,
                                policies.trace(),
                                policies.deny_destruction(but=destroys),
                                policies.deny_insecure_transport([policies.ANY_ACTION], ["*"]),
                            ]
                        ),
                    ),
                    *self._use_of_key(statements),
                ],
                Tags=self._stack.tags(),
            )
        )

    def _use_of_key(self, statements: Sequence[Statement]) -> list[Any]:
        """Return the policies, each where there is such a key, to use the customer's own and to read under older ones.

        Either without the other: a stack may come from a key to none, and from none to a key.
        """
        found = []
        for name, condition, needed in (
            ("key", encryption.CONDITION, encryption.use_of_key(statements)),
            ("previous-keys", encryption.WITH_PREVIOUS, encryption.use_of_previous_keys(statements)),
        ):
            if needed:
                document = policies.document(needed)
                policy = iam.Policy(PolicyName=f"{self.physical_name}-{name}", PolicyDocument=document)
                found.append(If(condition, policy, NoValue))
        return found

    def count_lines(self, metric: str, message: str) -> None:
        """Add to a metric of the stack, which other functions may share, the lines of its log with this message."""
        logs.count_lines(self._stack, f"{self.title}{metric}", self._group, metric, message)

    def permit(self, title: str, principal: str, source_arn: object) -> None:
        """Let an AWS service invoke the function on behalf of one resource.

        Without SourceAccount: `source_arn` has the account in it, and EventBridge is reported to send no such key, so
        that asking for it makes every delivery fail in silence (SECURITY.md says who reports it). Only S3 needs it
        (see `Bucket.notify`).
        """
        self._stack.add(
            Permission(
                title,
                Action="lambda:InvokeFunction",
                FunctionName=Ref(self.title),
                Principal=principal,
                SourceArn=source_arn,
            )
        )

    def consume(
        self,
        queue: Queue,
        *,
        max_concurrency: Parameter | int | None = None,
        batch_size: int = BATCH_SIZE,
        after: Sequence[str] = (),
    ) -> None:
        """Feed the function from `queue` in batches, of which it returns the failed messages only.

        No batching window: a FIFO queue has none, and a first message does not wait for others.

        A ceiling on concurrency leaves room in the account for the other functions, without reserving any: above
        it messages wait in the queue and are not received, so their receive counts do not rise. Where traffic is
        rare leave it out: then Lambda asks an idle queue with two long polls at a time instead of five.
        """
        optional: dict[str, Any] = {}
        if max_concurrency is not None:
            ceiling = max_concurrency if isinstance(max_concurrency, int) else Ref(max_concurrency)
            optional["ScalingConfig"] = ScalingConfig(MaximumConcurrency=ceiling)
        if after:
            optional["DependsOn"] = sorted(after)
        self._stack.add(
            EventSourceMapping(
                f"{self.title}From{queue.title}",
                EventSourceArn=queue.arn,
                FunctionName=Ref(self.title),
                BatchSize=batch_size,
                FunctionResponseTypes=["ReportBatchItemFailures"],
                Tags=self._stack.tags(),
                **optional,
            )
        )
