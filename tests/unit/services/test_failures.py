"""What a service's refusal means is decided by its code, whatever status or blame comes with it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from services.failures import explanation, is_transient, passes_by_itself
from tickstream.errors import ServiceIncomplete, ServiceRefused


def refusal(code: str, status: int = 400) -> ClientError:
    """What botocore raises."""
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation")  # type: ignore[typeddict-item] # what is read of it


@pytest.mark.parametrize(
    "code",
    [
        "KMS.ThrottlingException",
        "KMSThrottlingException",
        "KmsThrottled",
        "OverLimit",
        "AWS.SimpleQueueService.OverLimit",
        "RequestThrottled",
        "RequestThrottledException",
        "EC2ThrottledException",
        "Throttled",
        "ThrottlingException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "InternalException",
        "RequestTimeout",
        "OperationAborted",
    ],
)
def test_what_throttles_passes_by_itself(code: str) -> None:
    """A 400 like any refusal, and yet a retry may cure it: a caller of the API is told 503."""
    assert passes_by_itself(code)
    assert is_transient(refusal(code))
    assert isinstance(explanation(refusal(code), "doing"), ServiceIncomplete)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDenied", "role"),
        ("ValidationException", "defect"),
        ("KMS.DisabledException", "KMS key"),
        ("KmsAccessDenied", "KMS key"),
        ("InvalidMessageContents", ""),
    ],
)
def test_what_no_retry_cures_is_refused_with_advice(code: str, advice: str) -> None:
    """Rights, names, keys that are switched off."""
    assert not passes_by_itself(code)
    error = explanation(refusal(code), "doing")
    assert isinstance(error, ServiceRefused)
    assert advice in str(error)


def test_an_unknown_code_is_judged_by_its_status() -> None:
    """The service's own trouble passes, a caller's mistake does not."""
    assert is_transient(refusal("Whatever", 503))
    assert not is_transient(refusal("Whatever", 400))
