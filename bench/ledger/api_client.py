"""The pipeline's API over HTTP, signed as IAM wants it (Signature Version 4)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from bench.errors import ApiError, ApiUnansweredError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = urllib3.Timeout(connect=5, read=35)


class Signing(Protocol):
    """Whose credentials requests are signed with, and for which region: a target, for one."""

    @property
    def region(self) -> str:
        """The region."""

    def client(self, service: str) -> Any:
        """Return a boto3 client that has the credentials."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `body` is its JSON."""

    status: int
    body: Any


class ApiClient:
    """Calls one stage of the API; safe for several threads, connections are kept alive.

    base_url: without a slash at its end. The credentials are those that the target's own clients use.
    """

    def __init__(self, target: Signing, base_url: str, *, connections: int = 32) -> None:
        self._base_url = base_url
        self._region = target.region
        # boto3 resolves credentials; asking one of its clients means that there is one way to be authenticated.
        self._credentials = target.client("s3")._request_signer._credentials  # noqa: SLF001 - botocore has no public way
        # No retries here: only who sends an Idempotency-Key may send a POST twice.
        self._pool = urllib3.PoolManager(maxsize=connections, retries=False, timeout=_TIMEOUT)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """GET a path; the query's values are encoded here. Raises as `post` does."""
        return self._call("GET", path, query or {}, b"", {})

    def delete(self, path: str) -> Answer:
        """DELETE a path. Raises as `post` does."""
        return self._call("DELETE", path, {}, b"", {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """POST JSON to a path. Raises ApiError when the answer is no JSON, ApiUnansweredError when there is none."""
        return self._call("POST", path, {}, body, {"Content-Type": "application/json", **(headers or {})})

    def post_json(self, path: str, fields: Mapping[str, Any]) -> Answer:
        """POST fields as JSON."""
        return self.post(path, json.dumps(fields).encode())

    def _call(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        url = f"{self._base_url}{quote(path)}"
        if query:
            url = f"{url}?{urlencode(query, quote_via=quote)}"
        request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
        SigV4Auth(self._credentials, "execute-api", self._region).add_auth(request)
        try:
            response = self._pool.request(method, url, body=body or None, headers=dict(request.headers.items()))
        except urllib3.exceptions.HTTPError as error:
            raise ApiUnansweredError(f"{method} {path} was not answered: {error}") from error
        try:
            return Answer(response.status, json.loads(response.data))
        except ValueError as error:
            start = response.data[:200].decode(errors="replace")
            kind = ApiUnansweredError if response.status >= 500 else ApiError
            raise kind(f"{method} {path} was answered {response.status} without JSON: {start!r}") from error


def scaled(text: object, digits: int) -> int:
    """An integer of 10^-digits from a decimal as text. A JSON number would have been a float on its way: refused."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is not a decimal as text")
    # Of a million and a half in a run: no expression, which takes four times as long.
    whole, point, fraction = text.removeprefix("-").partition(".")
    is_plain = text.isascii() and whole.isdigit() and (fraction.isdigit() if point else True)
    if not is_plain or len(fraction) > digits:
        raise ValueError(f"{text} is not a plain decimal of at most {digits} digits after the point")
    number = int(whole + fraction.ljust(digits, "0"))
    return -number if text.startswith("-") else number
