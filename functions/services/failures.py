"""What a service's refusal means: try again, or tell a person what to look at."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError

from tickstream.errors import ServiceIncomplete, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Codes that pass by themselves, whatever status they come with and whosever fault the service calls it; botocore has
#: already tried a few times when they show up here. What throttles is not listed: all such codes say so
#: (`passes_by_itself`), KMS's among them, which other services hand on under names of their own.
TRANSIENT: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "InternalError",
        "InternalException",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "OperationAborted",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "TooManyRequests",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_THROTTLED: Final = "throttl"
#: What stands before the code of one service in another's answer: `KMS.ThrottlingException` comes from SQS and S3.
_PREFIXES: Final = ("AWS.SimpleQueueService.", "KMS.")

# Of the client's own errors only those about the connection pass by themselves: wrong parameters never do.
_CONNECTION_ERRORS: Final = (BotoConnectionError, HTTPClientError, IncompleteReadError)

_NO_QUEUE: Final = "the queue does not exist: is the stack being deleted, or the URL wrong?"
_NO_KEY: Final = "the KMS key of the stack refuses: is it enabled, and does its policy let this role use it?"
_ADVICE: Final = {
    "AccessDenied": "the function's role or a resource policy does not allow it",
    "AccessDeniedException": "the function's role or a resource policy does not allow it",
    "ResourceNotFoundException": "the table does not exist: is the stack being deleted, or the name wrong?",
    "NoSuchBucket": "the bucket does not exist: is the stack being deleted, or the name wrong?",
    "AWS.SimpleQueueService.NonExistentQueue": _NO_QUEUE,
    "QueueDoesNotExist": _NO_QUEUE,
    "ValidationException": "the request itself is wrong: a defect of this code",
    "ExpiredToken": "the credentials of the execution environment have expired",
    "ExpiredTokenException": "the credentials of the execution environment have expired",
    "KMS.AccessDeniedException": _NO_KEY,
    "KMS.DisabledException": _NO_KEY,
    "KMS.KMSInvalidStateException": _NO_KEY,
    "KMS.NotFoundException": _NO_KEY,
    "KmsAccessDenied": _NO_KEY,
    "KmsDisabled": _NO_KEY,
    "KmsInvalidState": _NO_KEY,
    "KmsNotFound": _NO_KEY,
}


def code_of(error: ClientError) -> str:
    """Return the service's error code."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def status_of(error: ClientError) -> int:
    """Return the HTTP status of the answer, 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def passes_by_itself(code: str) -> bool:
    """Say by a service's error code alone whether the same may succeed later: of a request, or an entry of a batch."""
    if _THROTTLED in code.lower():
        return True
    for prefix in _PREFIXES:
        code = code.removeprefix(prefix)
    return code in TRANSIENT


def is_transient(error: BotoCoreError | ClientError) -> bool:
    """Say whether the same request may succeed later."""
    if isinstance(error, ClientError):
        return passes_by_itself(code_of(error)) or status_of(error) >= 500
    return isinstance(error, _CONNECTION_ERRORS)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what a client raises into this project's errors; `doing` names the call and the resource.

    Raises ServiceIncomplete for what may pass, ServiceRefused, with what to look at, for what will not.
    """
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise explanation(error, doing) from error


def explanation(error: BotoCoreError | ClientError, doing: str) -> ServiceIncomplete | ServiceRefused:
    """Build the error that `explained` raises."""
    if is_transient(error):
        return ServiceIncomplete(f"{doing}: {error}")
    advice = _ADVICE.get(code_of(error)) if isinstance(error, ClientError) else None
    return ServiceRefused(f"{doing}: {error}" + (f" ({advice})" if advice else ""))
