"""A function of three lines, made, called once and deleted: whether a server runs functions, and on what."""

from __future__ import annotations

import io
import json
import secrets
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from bench.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.targets import Target

RUNTIME: Final = "python3.13"
#: The first function of a server that keeps its runtimes in images waits for a download.
_TIMEOUT_S: Final = 180.0
_POLL_S: Final = 0.3
_CODE: Final = """
import importlib.util, os, platform, sys

def handler(event, context):
    return {
        "machine": platform.machine(),
        "python": "%d.%d" % sys.version_info[:2],
        "has_boto3": importlib.util.find_spec("boto3") is not None,
        "endpoint_url": os.environ.get("AWS_ENDPOINT_URL", ""),
    }
"""
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


@dataclass(frozen=True, slots=True)
class FunctionHost:
    """What functions of a server run on. machine: as `uname -m`; endpoint_url: what they take for AWS."""

    machine: str
    python: str
    has_boto3: bool
    endpoint_url: str

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> FunctionHost:
        """Read what the function answered. Raises KeyError for another answer."""
        return cls(
            str(answer["machine"]), str(answer["python"]), bool(answer["has_boto3"]), str(answer["endpoint_url"])
        )


def probe_functions(target: Target) -> FunctionHost:
    """Call a function on an emulator; nothing of it stays. Raises TargetError, which says why functions do not run."""
    name = f"tickstream-preflight-{secrets.token_hex(4)}"
    functions, roles = target.client("lambda"), target.client("iam")
    try:
        role = roles.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]["Arn"]
        functions.create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Handler="probe.handler",
            Role=role,
            Code={"ZipFile": _zipped()},
            Timeout=30,
            MemorySize=256,
        )
        _wait_until_active(functions, name)
        return _host_of(functions.invoke(FunctionName=name, Payload=b"{}"))
    except (ClientError, BotoCoreError) as error:
        raise TargetError(f"functions do not run there: {error}") from error
    finally:
        # What was never made cannot be deleted, and a server without functions has nothing to delete.
        with suppress(ClientError, BotoCoreError):
            functions.delete_function(FunctionName=name)
        with suppress(ClientError, BotoCoreError):
            roles.delete_role(RoleName=name)
        # The call's log group, where there is one, is the probe's own.
        with suppress(ClientError, BotoCoreError):
            target.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")


def _host_of(answer: Mapping[str, Any]) -> FunctionHost:
    payload = answer["Payload"].read().decode(errors="replace")
    if "FunctionError" in answer:
        raise TargetError(f"functions do not run there: {payload[:300]}")
    try:
        return FunctionHost.from_answer(json.loads(payload))
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(f"functions do not run there: one was called and answered {payload[:300]!r}") from error


def _wait_until_active(functions: Any, name: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        found = functions.get_function_configuration(FunctionName=name)
        state = found.get("State", "Active")
        if state == "Active":
            return
        if state == "Failed":
            raise TargetError(f"functions do not run there: {found.get('StateReason', 'no reason given')}")
        if time.monotonic() > deadline:
            raise TargetError(f"functions do not run there: one is still {state} after {_TIMEOUT_S:.0f} s")
        time.sleep(_POLL_S)


def _zipped() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        # Readable by all: the function may be another user's process.
        entry = zipfile.ZipInfo("probe.py")
        entry.external_attr = 0o644 << 16
        made.writestr(entry, _CODE)
    return archive.getvalue()
