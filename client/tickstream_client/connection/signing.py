"""Signature Version 4, by botocore's public signer, with the session's credentials as they are at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from tickstream_client.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tickstream_client.connection.stack import Stack
    from tickstream_client.protocol.steps import Request

_SERVICE = "execute-api"


class Signer:
    """Signs requests of one stack; safe for several threads.

    Credentials that expire are refreshed by botocore when they are asked for, which may take a request: the async
    client signs in a thread.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        credentials = stack.session.get_credentials()
        if credentials is None:
            raise StackError("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile")
        self._credentials = credentials

    def url_of(self, request: Request) -> str:
        """Write a request's whole address, percent-encoded as it is signed."""
        query = urlencode(request.query, quote_via=quote, safe="")
        return f"{self._stack.api_url}{request.path}{'?' if query else ''}{query}"

    def headers_of(self, request: Request) -> Mapping[str, str]:
        """Sign a request and return all its headers. Raises StackError where credentials cannot be had."""
        unsigned = AWSRequest(
            method=request.method, url=self.url_of(request), data=request.body, headers=dict(request.headers)
        )
        try:
            frozen = self._credentials.get_frozen_credentials()
            SigV4Auth(frozen, _SERVICE, self._stack.region).add_auth(unsigned)
        except BotoCoreError as error:
            raise StackError(f"no credentials: {error}") from error
        return dict(unsigned.headers.items())
