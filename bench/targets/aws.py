"""AWS itself: a real account, the user's own credentials and region. Nothing is made before it was agreed to."""

from __future__ import annotations

import json
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bench.errors import TargetError
from bench.targets import REGION, Capability, Kind, Preflight, RunRequest
from bench.targets.clients import aws_clients
from bench.targets.connection import Connection
from bench.targets.template_types import placeholders, types_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The parameter of both templates, and what Lambda allows new accounts.
MEMORY: Final = "FunctionMemoryMb"
NEW_ACCOUNTS_MB: Final = 3_008

_NOT_SHOWN: Final = (
    "A run on AWS shows nothing about faults: none are injected.",
    "Requests by service and operation, and the memory of functions, are not measured there.",
)


def configured_region(session: boto3.session.Session | None = None) -> str:
    """Return the region of the user's configuration, or the bench's own where there is none."""
    return (session or boto3.session.Session()).region_name or REGION


class AwsTarget(Connection):
    """An AWS account. ``confirmed``: the user has agreed to create and to pay; without it `preflight` refuses.

    ``budget``: dollars; a run that is predicted to cost more is refused.
    """

    kind = Kind.AWS
    #: The template's default, and cheaper there.
    architecture = "arm64"
    capabilities: frozenset[Capability] = frozenset()
    outlives_run = True
    #: SQS refuses the name of a queue (QueueDeletedRecently) for 60 s after its deletion.
    reuses_names_after_s = 65
    #: "We recommend that you wait 15 minutes after enabling versioning on a bucket before issuing write operations"
    #: (S3 user guide, "Using versioning in S3 buckets").
    shows_objects_after_s = 15 * 60
    endpoint_url = None
    settings: Mapping[str, str] = {}
    not_emulated = _NOT_SHOWN
    scratch_dir = None

    def __init__(self, *, confirmed: bool, budget: Decimal | None = None) -> None:
        self._confirmed = confirmed
        self._budget = budget
        super().__init__("AWS")
        self._region = REGION
        self._caller: Mapping[str, str] = {}

    # Its life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Find out who is calling, and where. Raises TargetError without usable credentials."""
        try:
            session = boto3.session.Session()
            self._region = configured_region(session)
            self._clients = aws_clients(session, self._region)
            answer = self._clients.get("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise TargetError(f"AWS cannot be used: {error}") from error
        self._caller = {"account": str(answer["Account"]), "arn": str(answer["Arn"])}

    def stop(self) -> None:
        """Close the connections."""
        self._disconnect()

    # The target -------------------------------------------------------------------------------------------------

    @property
    def region(self) -> str:
        """The region of the user's configuration."""
        return self._region

    def api_url(self, rest_api_id: str, stage: str) -> str:
        """Return the stage's own address."""
        return f"https://{rest_api_id}.execute-api.{self._region}.amazonaws.com/{stage}"

    def object_url(self, bucket: str, key: str) -> str:
        """Return the object's address in its region."""
        return f"https://{bucket}.s3.{self._region}.amazonaws.com/{key}"

    def describe(self) -> Mapping[str, str]:
        """Return the region and the caller's account."""
        return {"kind": self.kind, "region": self._region, "account": self._caller.get("account", "")}

    def memory_bytes(self) -> int:
        """Return 0: nothing of it runs here."""
        return 0

    def keep_log(self) -> Path | None:
        """None: the logs are in CloudWatch."""
        return None

    # Before a run -----------------------------------------------------------------------------------------------

    def preflight(self, request: RunRequest) -> Preflight:
        """Say what would be made, by whom and for how much. Refuses what is there already, and what is not agreed to.

        Only reads: the stack's name, the bucket's, and CloudFormation's opinion of the template's types. And one
        request that Lambda must refuse, for what no quota says (`_memory_refusal`).
        """
        types = types_of(request.template)
        lines = (
            f"account   {self._caller.get('account')}",
            f"region    {self._region}",
            f"caller    {self._caller.get('arn')}",
            (
                f"creates   the stack {request.stack_name} with {sum(types.values())} resources, "
                f"and the bucket {request.code_bucket} beside it:"
            ),
            *(f"  {number:>3} {name}" for name, number in types.items()),
            *request.estimated_cost,
        )
        try:
            refusal = self._refusal(request, types)
        except (BotoCoreError, ClientError) as error:
            raise TargetError(f"AWS cannot be used: {error}") from error
        return Preflight(lines, refusal)

    def _refusal(self, request: RunRequest, types: Mapping[str, int]) -> str:
        if self._budget is not None and request.estimated_usd > self._budget:
            # Rounded up: 10.001 of 10 dollars must not be said to be 10.00.
            total = request.estimated_usd.quantize(Decimal("0.01"), ROUND_UP)
            return f"it is predicted to cost $ {total}, above the --budget of $ {self._budget}: send fewer ticks"
        # Somebody's running pipeline must never be taken for the bench's own, and deleted at the end.
        if self._is_there("cloudformation", "describe_stacks", StackName=request.stack_name):
            return f"the stack {request.stack_name} is there already: choose another --env"
        if self._is_there("s3", "head_bucket", Bucket=request.code_bucket):
            return f"the bucket {request.code_bucket} is there already: choose another --env, or delete it"
        try:
            self.client("cloudformation").validate_template(TemplateBody=json.dumps(placeholders(types)))
        except ClientError as error:
            return f"CloudFormation in {self._region} refuses the template: {error.response['Error'].get('Message')}"
        if refusal := self._memory_refusal(request.template):
            return refusal
        return "" if self._confirmed else "this creates the above in your account and costs money: add --yes to do it"

    def _memory_refusal(self, template: str) -> str:
        """Say where the account allows less memory than the template's functions have.

        New accounts allow 3,008 MB, and no quota can be asked for it: the stack would be rolled back whole. Lambda
        looks at the size first; of what is asked here it makes nothing, as there is neither such a role nor an archive.
        """
        wanted_mb = json.loads(template).get("Parameters", {}).get(MEMORY, {}).get("Default", 0)
        if wanted_mb <= NEW_ACCOUNTS_MB:
            return ""
        partition, account = str(self._caller["arn"]).split(":")[1], self._caller["account"]
        try:
            self.client("lambda").create_function(
                FunctionName="tickstream-preflight",
                Runtime="python3.13",
                Handler="none.none",
                Role=f"arn:{partition}:iam::{account}:role/tickstream-preflight-does-not-exist",
                Code={"ZipFile": b"no archive"},
                MemorySize=wanted_mb,
            )
        except ClientError as error:
            said = str(error.response["Error"].get("Message"))
            if "'MemorySize' value failed to satisfy constraint" in said:
                return (
                    f"Lambda allows this account less than the {wanted_mb} MB of a function ({said}): have AWS Support "
                    f"raise it, or deploy it yourself with {MEMORY}={NEW_ACCOUNTS_MB}"
                )
            return ""  # the role, the archive, or that the caller may not: of memory it says nothing
        raise TargetError("Lambda made the function tickstream-preflight, of no archive and no role: delete it")

    def _is_there(self, service: str, operation: str, **parameters: str) -> bool:
        try:
            getattr(self.client(service), operation)(**parameters)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status == 404 or "does not exist" in str(error):
                return False
            # Not ours to look at is somebody's, too.
            if status == 403 and service == "s3":
                return True
            raise
        return True
