"""A stack as its user finds it: by its name, by its outputs in a file, or by the API's URL alone."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tickstream_client.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: By these outputs a pipeline is known; they have its API's address.
_MARKET_API: Final = "apiUrl"
_FILES_API: Final = "apiEndpoint"
_ENDPOINT_VARIABLE: Final = "AWS_ENDPOINT_URL"
_EMULATED_REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Stack:
    """What is known of a stack.

    Attributes:
        api_url: without a slash at its end.
        region: that requests are signed for.
        session: whose credentials are used.
        endpoint_url: of LocalStack; None for AWS.
        bucket: that files are put into; None where only the API is known.
        pipeline: `market-analytics`, `file-processing`, or None where that is not known.
        outputs: all outputs, by name.

    """

    api_url: str
    region: str
    session: boto3.Session
    endpoint_url: str | None = None
    bucket: str | None = None
    pipeline: str | None = None
    outputs: Mapping[str, str] | None = None

    @property
    def is_market(self) -> bool:
        """Whether ticks go in and bars come out, as far as is known."""
        return self.pipeline != "file-processing"


def stack_of_name(
    name: str, *, region: str | None = None, profile: str | None = None, endpoint_url: str | None = None
) -> Stack:
    """Look a stack up in CloudFormation. Raises StackError."""
    session = session_of(region, profile)
    endpoint = _endpoint(endpoint_url)
    try:
        client = session.client("cloudformation", region_name=_region(session, endpoint), endpoint_url=endpoint)
        found = client.describe_stacks(StackName=name)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"stack {name}: {_said(error)}") from error
    return stack_of_outputs(_outputs_of(found[0], name), session=session, endpoint_url=endpoint)


def stack_of_file(
    path: str | Path, *, region: str | None = None, profile: str | None = None, endpoint_url: str | None = None
) -> Stack:
    """Read outputs as `aws cloudformation describe-stacks` prints them, or as `bench up` writes them.

    Raises StackError.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"{path}: {getattr(error, 'strerror', None) or 'no text'}") from error
    except ValueError as error:
        raise StackError(f"{path} is no JSON: {error}") from error
    outputs = _outputs_of(document, str(path))
    return stack_of_outputs(outputs, session=session_of(region, profile), endpoint_url=_endpoint(endpoint_url))


def stack_of_url(
    url: str, *, region: str | None = None, profile: str | None = None, endpoint_url: str | None = None
) -> Stack:
    """Take an API's own address. Nothing can be uploaded: the bucket is not known. Raises StackError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise StackError(f"{url!r} is no address of an API, such as https://ID.execute-api.REGION.amazonaws.com/STAGE")
    session = session_of(region or _region_in(parts.hostname), profile)
    endpoint = _endpoint(endpoint_url)
    emulated = endpoint or (None if parts.hostname.endswith(".amazonaws.com") else url)
    return Stack(url.rstrip("/"), _region(session, emulated), session, endpoint)


def stack_of_outputs(outputs: Mapping[str, str], *, session: boto3.Session, endpoint_url: str | None) -> Stack:
    """Know a stack by its outputs. Raises StackError where they are not Tickstream's."""
    pipelines = {_MARKET_API: "market-analytics", _FILES_API: "file-processing"}
    known = next((output for output in pipelines if output in outputs), None)
    if known is None:
        raise StackError(f"no output {_MARKET_API} or {_FILES_API}: this is no stack of Tickstream's")
    url = outputs[known].rstrip("/")
    region = session.region_name or _region_in(urlsplit(url).hostname or "") or _region(session, endpoint_url)
    if endpoint_url is not None:
        # AWS's own names lead to AWS. LocalStack has the API below its one port, where no DNS is needed.
        api, stage = outputs.get("restApiId", ""), url.rpartition("/")[2]
        url = f"{endpoint_url}/_aws/execute-api/{api}/{stage}"
    return Stack(url, region, session, endpoint_url, outputs.get("bucketName"), pipelines[known], outputs)


def session_of(region: str | None, profile: str | None) -> boto3.Session:
    """Begin a session with the usual chain of credentials. Raises StackError for an unknown profile."""
    try:
        return boto3.Session(region_name=region, profile_name=profile)
    except BotoCoreError as error:
        raise StackError(str(error)) from error


def _endpoint(endpoint_url: str | None) -> str | None:
    found = endpoint_url or os.environ.get(_ENDPOINT_VARIABLE) or None
    return None if found is None else found.rstrip("/")


def _region(session: boto3.Session, emulated: str | None) -> str:
    region = session.region_name or (_EMULATED_REGION if emulated else None)
    if region is None:
        raise StackError("no region: give one (region=, AWS_REGION, or the profile's)")
    return region


def _region_in(host: str) -> str | None:
    labels = host.split(".")
    return labels[2] if len(labels) > 4 and labels[1] == "execute-api" and labels[3] == "amazonaws" else None


def _outputs_of(document: Any, name: str) -> dict[str, str]:
    if isinstance(document, dict) and isinstance(document.get("Stacks"), list) and len(document["Stacks"]) == 1:
        document = document["Stacks"][0]
    if isinstance(document, dict) and "StackName" in document:
        document = document.get("Outputs", [])
    try:
        if isinstance(document, list):
            return {str(one["OutputKey"]): str(one["OutputValue"]) for one in document}
        if isinstance(document, dict) and all(isinstance(value, str) for value in document.values()):
            return dict(document)
    except (TypeError, KeyError) as error:
        raise StackError(f"{name}: no outputs of a stack are in it") from error
    raise StackError(f"{name}: no outputs of one stack are in it")


def _said(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Message", error))
    return str(error)
