"""Checks a function's requests against its role's policies, as deployed, before any service sees them.

LocalStack stores policies and enforces none. Here a request that is signed with a role's session is decided by
`bench.iam`, and refused with its service's own error. What the bench asks, and what LocalStack asks itself (polling,
logs, deliveries), is not checked. `bench.iam.record` is the other side: what was used, and what was refused.
"""

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import unquote

from bench.emulator.access.sessions import Sessions
from bench.engine import (
    ROUTER,
    CommonServiceException,
    HandlerChain,
    RequestContext,
    Response,
    S3Object,
    connect_to,
    create_serializer,
    handlers,
    iam_stores,
    s3_stores,
)
from bench.errors import PolicyError
from bench.iam.decisions import Asked, Decision, decide, refusal
from bench.iam.policies import Caller
from bench.iam.record import ACCESS_PATH, Refusal, Use
from bench.iam.requests import Needs, Place, needs_of
from bench.targets.localstack_settings import IAM_CHECK

#: Different refusals that are kept; of more only the number is.
_MAX_REFUSALS: Final = 1_000
#: Code and status of a refusal, where it is not the usual one of AWS's JSON services.
_CODES: Final = {"s3": ("AccessDenied", 403), "sqs": ("AccessDenied", 403)}
_USUAL: Final = ("AccessDeniedException", 400)
_READS: Final = frozenset({("s3", "GetObject"), ("s3", "HeadObject")})
_DELETES: Final = ("s3", "DeleteObjects")
#: Of a boundary that was deleted: AWS lets nobody delete one that is in use.
_NOTHING: Final = '{"Version": "2012-10-17", "Statement": []}'
_AWS_MANAGED: Final = re.compile(r"arn:[^:]+:iam::aws:policy/")


@dataclass(frozen=True, slots=True)
class Session:
    """A role's session: which function's it is, by the name that LocalStack gives it."""

    caller: Caller
    role_name: str
    function: str


class AccessRecord:
    """Counts from as many threads as requests come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uses: Counter[tuple[str, str, str, str]] = Counter()
        self._refusals: Counter[tuple[str, str, str, str, str]] = Counter()

    def used(self, session: Session, decision: Decision) -> None:
        """Count a request that a grant of the role allowed."""
        if decision.grant is not None:
            key = (session.role_name, session.function, decision.grant.action, decision.grant.resource)
            with self._lock:
                self._uses[key] += 1

    def refused(self, session: Session, asked: Asked, message: str) -> None:
        """Count a request that was refused."""
        key = (session.role_name, session.function, asked.action, asked.resource, message)
        with self._lock:
            if key not in self._refusals and len(self._refusals) >= _MAX_REFUSALS:
                key = (session.role_name, session.function, asked.action, "*", "and others")
            self._refusals[key] += 1

    def facts(self) -> dict[str, Any]:
        """Return all in plain JSON, as `bench.iam.record` reads it."""
        with self._lock:
            uses = [Use(*key, requests) for key, requests in sorted(self._uses.items())]
            refusals = [Refusal(*key, requests) for key, requests in sorted(self._refusals.items())]
        return {"checked": True, "uses": [asdict(one) for one in uses], "refusals": [asdict(one) for one in refusals]}


class AccessCheck:
    """Decides on requests in LocalStack's chain."""

    def __init__(self, record: AccessRecord) -> None:
        self._record = record
        self._sessions = Sessions()

    def __call__(self, chain: HandlerChain, context: RequestContext, response: Response) -> None:
        """Let a request pass, or raise the service's refusal."""
        if not context.service or not context.operation or context.is_internal_call:
            return
        found = self._sessions.of(context)
        if found is None:
            return
        caller = Caller(account=context.account_id, role_arn=found.role_arn, session_arn=found.session_arn)
        # LocalStack gives an environment the credentials of its role in a session named after the function.
        session = Session(caller, found.role_name, found.name)
        service, operation = context.service.service_name, context.operation.name
        place = Place(context.partition, context.region, context.account_id)
        needs = needs_of(service, operation, context.service_request or {}, place)
        if needs is None:
            asked = Asked(f"{service}:{operation}", "*")
            message = f"{asked.action} is no request that the bench's IAM check knows"
            self._record.refused(session, asked, message)
            raise _refused(context, message)
        messages = self._messages(session, needs, context)
        if messages and (service, operation) == _DELETES and all(messages):
            _answer_deletes(chain, context, response, messages)
        elif refusals := [one for one in messages if one]:
            raise _refused(context, refusals[0])
        elif (service, operation) in _READS:
            self._check_missing(session, context, place)

    def _messages(self, session: Session, needs: Needs, context: RequestContext) -> list[str]:
        """Decide on all that a request needs, and note it; return what is refused in AWS's words, else empty texts."""
        identity = _policies_of(session.caller, session.role_name)
        boundary = _boundary_of(session.caller, session.role_name)
        policy = _resource_policy(context)
        messages = []
        for asked in needs:
            message = ""
            try:
                decision = decide(session.caller, identity, policy, asked, boundary)
                if decision.allowed:
                    self._record.used(session, decision)
                else:
                    message = refusal(session.caller, asked, decision.outcome)
            except PolicyError as error:
                message = f"the policies of {session.role_name} cannot be decided on: {error}"
            if message:
                self._record.refused(session, asked, message)
            messages.append(message)
        return messages

    def _check_missing(self, session: Session, context: RequestContext, place: Place) -> None:
        """Whoever may not list a bucket is told nothing of what is missing in it: 403 instead of 404, as S3 does."""
        bucket = _bucket(context)
        request = context.service_request
        if bucket is None:
            return
        version = {"version_id": request["VersionId"]} if request.get("VersionId") and bucket.versioning_status else {}
        if not isinstance(bucket.objects.get(request["Key"], **version), S3Object):
            listing = Asked("s3:ListBucket", f"arn:{place.partition}:s3:::{bucket.name}")
            (message,) = self._messages(session, (listing,), context)
            if message:
                raise _refused(context, message)


def _refused(context: RequestContext, message: str) -> CommonServiceException:
    code, status = _CODES.get(context.service.service_name, _USUAL)
    return CommonServiceException(code, message, status_code=status, sender_fault=True)


def _answer_deletes(chain: HandlerChain, context: RequestContext, response: Response, messages: Sequence[str]) -> None:
    """Answer a DeleteObjects of which nothing is allowed as S3 does: with success, and an error for each object.

    Where some are allowed S3 deletes those; here the whole request is refused.
    """
    objects = context.service_request["Delete"]["Objects"]
    errors = [{**one, "Code": "AccessDenied", "Message": said} for one, said in zip(objects, messages, strict=True)]
    context.service_response = {"Errors": errors}
    serializer = create_serializer(context.service, context.protocol)
    response.update_from(
        serializer.serialize_to_response(
            context.service_response, context.operation, context.request.headers, context.request_id
        )
    )
    chain.stop()


def _policies_of(caller: Caller, role_name: str) -> tuple[str, ...]:
    """Return the documents of a role's policies as they are now; none of a role that is not there."""
    store = iam_stores[caller.account]["us-east-1"]
    role = store.ROLES.get(role_name)
    if role is None or role.role["Arn"] != caller.role_arn:
        return ()
    # Copies in one step: policies come and go in other threads.
    inline, attached = list(role.inline_policies.values()), list(role.attached_policy_arns)
    own = [_plain(document) for document in (*inline, *_in_force(store.MANAGED_POLICIES, attached))]
    return (*own, *(_aws_managed(arn) for arn in attached if _AWS_MANAGED.match(arn)))


def _boundary_of(caller: Caller, role_name: str) -> str | None:
    """Return the document of a role's permissions boundary; one that allows nothing where the policy is gone."""
    store = iam_stores[caller.account]["us-east-1"]
    role = store.ROLES.get(role_name)
    arn = ((role.role.get("PermissionsBoundary") or {}) if role else {}).get("PermissionsBoundaryArn")
    if not arn:
        return None
    if _AWS_MANAGED.match(arn):
        return _aws_managed(arn)
    documents = _in_force(store.MANAGED_POLICIES, [arn])
    return _plain(documents[0]) if documents else _NOTHING


@lru_cache(maxsize=256)
def _plain(document: str) -> str:
    """Return a document of the account's own, which LocalStack keeps as IAM answers it: percent-encoded.

    Each request needs those of its role, and to decode them took a tenth of all that LocalStack does.
    """
    return unquote(document)


def _in_force(policies: Any, attached: Sequence[str]) -> list[str]:
    """Return the documents in force of the account's own policies; one that was deleted meanwhile has none."""
    found = [policies[arn] for arn in attached if arn in policies]
    return [one["Document"] for policy in found for one in list(policy.versions.values()) if one["IsDefaultVersion"]]


@cache
def _aws_managed(arn: str) -> str:
    """Return the document of a policy of AWS's own: LocalStack's provider alone has it, and it never changes there."""
    iam = connect_to().iam
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return json.dumps(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])


def _bucket(context: RequestContext) -> Any:
    return s3_stores[context.account_id][context.region].buckets.get((context.service_request or {}).get("Bucket"))


def _resource_policy(context: RequestContext) -> str | None:
    """Return the policy of the bucket or the queue that a request names, if it has one."""
    match context.service.service_name:
        case "s3":
            bucket = _bucket(context)
            return str(bucket.policy) if bucket is not None and bucket.policy else None
        case "sqs":
            # Not at the top: it loads the service, which by now somebody has used.
            from bench.engine import sqs_stores  # noqa: PLC0415

            name = str((context.service_request or {}).get("QueueUrl", "")).rpartition("/")[2]
            queue = sqs_stores[context.account_id][context.region].queues.get(name)
            return queue.attributes.get("Policy") if queue is not None else None
    return None


def install() -> None:
    """Put the check into the request chain and serve its record; called once, while LocalStack starts.

    Before everything else that acts on requests: on AWS too, who may not ask is told so first.
    """
    record = AccessRecord()
    checks = os.environ.get(IAM_CHECK, "1") != "0"
    if checks:
        handlers.serve_custom_service_request_handlers.append(AccessCheck(record))

    def serve(*_: Any, **__: Any) -> Response:
        body = record.facts() if checks else {"checked": False}
        return Response(json.dumps(body), content_type="application/json")

    ROUTER.add(ACCESS_PATH, serve, methods=["GET"])
