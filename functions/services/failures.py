"""What a service's refusal means: try again, or tell a person what to look at."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError

from tickstream.errors import ServiceIncomplete, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Codes that pass by themselves; botocore has already tried a few times when they show up here.
TRANSIENT: Final = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TransactionConflictException",
        "TooManyRequestsException",
    }
)

# Of the client's own errors only those about the connection pass by themselves: wrong parameters never do.
_CONNECTION_ERRORS: Final = (BotoConnectionError, HTTPClientError, IncompleteReadError)

_NO_QUEUE: Final = "the queue does not exist: is the stack being deleted, or the URL wrong?"
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
}


def code_of(error: ClientError) -> str:
    """Return the service's error code."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def status_of(error: ClientError) -> int:
    """Return the HTTP status of the answer, 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_transient(error: BotoCoreError | ClientError) -> bool:
    """Say whether the same request may succeed later."""
    if isinstance(error, ClientError):
        return code_of(error) in TRANSIENT or status_of(error) >= 500
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
