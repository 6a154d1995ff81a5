"""A REST API before Lambda functions: signed calls, validated envelopes, throttled, answers that give nothing away."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from troposphere import AWSHelperFn, Equals, GetAtt, If, Not, NoValue, Ref, Sub, iam
from troposphere import apigateway as gateway

from generator.blocks import logs, policies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from generator.blocks.function import Function
    from generator.blocks.stack import Stack
    from generator.contracts.operation import Contract, Operation

FUNCTION_TIMEOUT_S = 29
"""The gateway waits no longer for an answer, so a function that answers calls need not work longer."""

ACCESS_LINE = {
    "requestId": "$context.requestId",
    "extendedRequestId": "$context.extendedRequestId",
    "time": "$context.requestTimeEpoch",
    "caller": "$context.identity.userArn",
    "sourceIp": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "resource": "$context.resourcePath",
    "status": "$context.status",
    "latencyMs": "$context.responseLatency",
    "integrationStatus": "$context.integration.status",
    "integrationLatencyMs": "$context.integration.latency",
    "integrationError": "$context.integration.error",
    "refusal": "$context.error.responseType",
}
"""One line a call. The resource and not the path: nothing that a caller may write freely can break or forge a line."""

_LOGGED = "ApiIsLogged"
_OWNS_ROLE = "ApiLoggingRoleIsCreated"

_JSON = "application/json"
_SCHEMA_DIALECT = "http://json-schema.org/draft-04/schema#"


@dataclass(frozen=True, slots=True)
class Throttle:
    """What the stage admits, over all callers; signed calls carry no API key, so a usage plan would not count them.

    Attributes:
        rate_per_s: steady requests a second.
        burst: requests that may come at once.

    """

    rate_per_s: int
    burst: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the gateway's own, in the shape of the functions' errors.

    The gateway's default texts name roles, resources and schema internals; these do not.

    Attributes:
        kind: the gateway's response type.
        status: HTTP status; None where several share the type and each keeps its own.
        of_bodies: only a call that takes a body is refused so.
        code: snake_case code for programs.
        message: one sentence for people.

    """

    kind: str
    status: int | None
    code: str
    message: str
    of_bodies: bool = False


REFUSALS = (
    Refusal("ACCESS_DENIED", 403, "access_denied", "You are not allowed to make this call."),
    Refusal(
        "BAD_REQUEST_BODY", 400, "invalid_body", "The body does not have the form that this call takes.", of_bodies=True
    ),
    Refusal("BAD_REQUEST_PARAMETERS", 400, "invalid_parameters", "A parameter of this call is missing."),
    Refusal("EXPIRED_TOKEN", 403, "expired_token", "The credentials of this call have expired."),
    Refusal("INTEGRATION_FAILURE", 504, "unavailable", "The service did not answer; try again."),
    Refusal("INTEGRATION_TIMEOUT", 504, "timeout", "The service did not answer in time; try again."),
    Refusal("INVALID_SIGNATURE", 403, "invalid_signature", "The signature of this call is wrong."),
    Refusal("MISSING_AUTHENTICATION_TOKEN", 403, "unsigned_or_unknown", "There is no such call, or it is not signed."),
    Refusal("REQUEST_TOO_LARGE", 413, "body_too_large", "The body is larger than this call takes.", of_bodies=True),
    Refusal("THROTTLED", 429, "throttled", "Too many calls at once; slow down and try again."),
    Refusal(
        "UNSUPPORTED_MEDIA_TYPE", 415, "unsupported_media_type", "Send the body as application/json.", of_bodies=True
    ),
    Refusal("DEFAULT_4XX", None, "refused", "This call was refused."),
    Refusal("DEFAULT_5XX", None, "internal_error", "The service failed; try again."),
)


class Api:
    """A regional REST API with one stage, named after the environment.

    Call `route` for each of the contract's calls, then `deploy` once.

    Args:
        stack: what it is added to.
        title: logical id; the physical name is `TITLE-ENV`.
        contract: what it takes and answers.
        does: one sentence, shown in the console.

    """

    def __init__(self, stack: Stack, title: str, contract: Contract, *, does: str) -> None:
        self._stack = stack
        self._contract = contract
        self.title = title
        self.physical_name = stack.name(title)
        self.id = Ref(title)
        self.stage = stack.environment.name
        self._routes: list[Any] = []
        self._resources: dict[str, Any] = {}
        stack.add(
            gateway.RestApi(
                title,
                Name=self.physical_name,
                Description=does,
                EndpointConfiguration=gateway.EndpointConfiguration(Types=["REGIONAL"]),
                Tags=stack.tags(),
            )
        )
        self._validator = self._part(
            gateway.RequestValidator(
                f"{title}Validator",
                RestApiId=self.id,
                Name=stack.name("EnvelopeValidator"),
                ValidateRequestBody=True,
                ValidateRequestParameters=True,
            )
        )
        self._refusals()

    @property
    def url(self) -> Sub:
        """The stage's address, without a slash at its end."""
        return Sub(
            f"https://${{{self.title}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/{self.stage}",
        )

    def route(self, operation: Operation, function: Function) -> None:
        """Route an operation's signed calls to a function."""
        method, path = operation.method, operation.path
        title = _title(method, path)
        optional: dict[str, Any] = {}
        if operation.body is not None:
            optional["RequestModels"] = dict.fromkeys(
                # Without $default a body of another content type would pass unchecked.
                (_JSON, "$default"),
                Ref(self._model(title, self._contract.envelope(operation.body))),
            )
        if operation.request_parameters:
            optional["RequestParameters"] = operation.request_parameters
        self._part(
            gateway.Method(
                title,
                RestApiId=self.id,
                ResourceId=self._resource(path),
                HttpMethod=method,
                AuthorizationType="AWS_IAM",
                ApiKeyRequired=False,
                RequestValidatorId=Ref(self._validator),
                Integration=gateway.Integration(
                    Type="AWS_PROXY",
                    IntegrationHttpMethod="POST",
                    TimeoutInMillis=FUNCTION_TIMEOUT_S * 1000,
                    Uri=Sub(
                        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
                        f"${{{function.title}.Arn}}/invocations"
                    ),
                ),
                **optional,
            )
        )
        called = re.sub(r"\{.+?\}", "*", path)
        function.permit(
            f"{function.title}InvokedBy{title}",
            "apigateway.amazonaws.com",
            self._stack.arn("execute-api", f"${{{self.title}}}/{self.stage}/{method}{called}"),
        )

    def deploy(self, throttle: Throttle) -> None:
        """Publish the routes on the stage, throttled, and own both log groups: one the gateway would make for ever.

        A deployment is a snapshot: its logical id carries a hash of all it shows, so that a change of any of it makes
        a new one. Logs are off by default, because API Gateway logs only in a region whose account-wide logging
        role somebody has set (see `_logging_role`). One parameter switches execution logs and access logs.
        """
        parts = json.dumps([(part.title, part.to_dict()) for part in self._routes], sort_keys=True)
        digest = hashlib.sha256(parts.encode()).hexdigest()[:12]
        deployment = self._stack.add(
            gateway.Deployment(
                f"{self.title}Deployment{digest}",
                RestApiId=self.id,
                Description=f"Routes {digest}",
                DependsOn=sorted(part.title for part in self._routes),
            )
        )
        level = self._stack.choice(
            "ApiLoggingLevel",
            "OFF",
            "ERROR",
            "INFO",
            text="Access logs, and execution logs of this level; needs the region's logging role of API Gateway",
        )
        self._stack.template.add_condition(_LOGGED, Not(Equals(Ref(level), "OFF")))
        group = logs.log_group(
            self._stack,
            f"{self.title}LogGroup",
            Sub(f"API-Gateway-Execution-Logs_${{{self.title}}}/{self.stage}"),
        )
        access_name = f"/aws/apigateway/{self.physical_name}"
        access = logs.log_group(self._stack, f"{self.title}AccessLogGroup", access_name)
        account = self._logging_role()
        self._stack.add(
            gateway.Stage(
                f"{self.title}Stage",
                RestApiId=self.id,
                DeploymentId=Ref(deployment),
                StageName=self.stage,
                TracingEnabled=True,
                MethodSettings=[
                    gateway.MethodSetting(
                        HttpMethod="*",
                        ResourcePath="/*",
                        ThrottlingRateLimit=throttle.rate_per_s,
                        ThrottlingBurstLimit=throttle.burst,
                        LoggingLevel=Ref(level),
                        DataTraceEnabled=False,
                        MetricsEnabled=False,
                    )
                ],
                AccessLogSetting=If(
                    _LOGGED,
                    gateway.AccessLogSetting(
                        # By name: the group's own attribute ends in `:*`, which is not the form that the gateway keeps.
                        DestinationArn=self._stack.arn("logs", f"log-group:{access_name}"),
                        Format=json.dumps(ACCESS_LINE),
                    ),
                    NoValue,
                ),
                Tags=self._stack.tags(),
                # A stage that is to log is refused before the role is set. By reference, because DependsOn may not name
                # what a condition leaves out.
                Description=If(_OWNS_ROLE, Sub(f"Logs with the role that ${{{account.title}}} sets"), NoValue),
                DependsOn=[group.title, access.title],
            )
        )

    def _logging_role(self) -> Any:
        """Add the role with which the gateway writes logs, for who asks for it, and return the setting that names it.

        The setting is the account's, one for a region and all its APIs, so that by default the stack keeps out of it.
        Deleting a stack that made it deletes the role but not the setting: every API of the region goes on answering
        and stops logging, until somebody sets another role. AWS's managed policy, because the gateway refuses a role
        that may not write to any group.
        """
        chosen = self._stack.choice(
            "ApiLoggingRole",
            "KEEP",
            "CREATE",
            text="CREATE sets the region's logging role of API Gateway; deleting it ends the logs of all its APIs",
        )
        self._stack.template.add_condition(_OWNS_ROLE, Equals(Ref(chosen), "CREATE"))
        name = f"{self.title}LoggingRole"
        role = self._stack.add(
            iam.Role(
                name,
                RoleName=Sub(f"{self._stack.spell(name)}-${{AWS::Region}}-{self.stage}"),
                Description="With which API Gateway writes the logs of all APIs of the region.",
                AssumeRolePolicyDocument=policies.assumed_by("apigateway.amazonaws.com"),
                PermissionsBoundary=self._stack.permissions_boundary(),
                ManagedPolicyArns=[
                    Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs")
                ],
                Tags=self._stack.tags(),
                Condition=_OWNS_ROLE,
            )
        )
        return self._stack.add(
            gateway.Account(
                f"{self.title}Logging",
                CloudWatchRoleArn=GetAtt(role, "Arn"),
                Condition=_OWNS_ROLE,
                # In an account that has no API yet the gateway refuses the setting.
                DependsOn=self.title,
            )
        )

    def _part(self, resource: Any) -> Any:
        """Add a resource that the deployment shows."""
        self._routes.append(resource)
        return self._stack.add(resource)

    def _resource(self, path: str) -> Any:
        """Return the id of a path's resource, adding it and its parents where they are new."""
        if path == "":
            return Sub(f"${{{self.title}.RootResourceId}}")
        if path not in self._resources:
            parent, _, part = path.rpartition("/")
            self._resources[path] = self._part(
                gateway.Resource(
                    _title("Path", path), RestApiId=self.id, ParentId=self._resource(parent), PathPart=part
                )
            )
        return Ref(self._resources[path])

    def _model(self, title: str, schema: Mapping[str, Any]) -> Any:
        # As an object, which troposphere would make a text of: both are the same to AWS, but LocalStack encodes twice.
        as_object = AWSHelperFn()
        as_object.data = {"$schema": _SCHEMA_DIALECT, **schema}
        return self._part(
            gateway.Model(
                f"{title}Envelope",
                RestApiId=self.id,
                Name=f"{title}Envelope{_alphanumeric(self.stage)}",
                ContentType=_JSON,
                Schema=as_object,
            )
        )

    def _refusals(self) -> None:
        for refusal in REFUSALS:
            body = {"error": {"code": refusal.code, "message": refusal.message}}
            status = {} if refusal.status is None else {"StatusCode": str(refusal.status)}
            self._part(
                gateway.GatewayResponse(
                    f"{self.title}{_alphanumeric(refusal.kind.title())}",
                    RestApiId=self.id,
                    ResponseType=refusal.kind,
                    ResponseTemplates={_JSON: json.dumps(body)},
                    **status,
                )
            )


def _alphanumeric(text: str) -> str:
    """Drop what logical ids and model names may not hold."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


def _title(method: str, path: str) -> str:
    """Return a logical id such as `GetBarsSymbol` for a method and a path."""
    parts = [_alphanumeric(part) for part in path.split("/") if part]
    return method.title() + "".join(part[0].upper() + part[1:] for part in parts)
