"""What can go wrong, as a small family.

::

    TickstreamError
    ├── UsageError           asked for what cannot be: nothing was sent (also a ValueError)
    ├── StackError           no such stack, no outputs, no region, no credentials
    ├── ApiError             the API answered with an error: `status`, `code`, `message`, `request_id`, `details`
    │   ├── RefusedError     400, 409, 413: the question is wrong; asked again it stays so
    │   ├── NotAllowedError  401, 403: the credentials, or what they may do
    │   ├── NotFoundError    404: unknown symbol, ingest or file
    │   ├── ThrottledError   429, still after all tries
    │   └── ServerError      5xx, still after all tries
    ├── UnansweredError      no answer came, still after all tries; what was asked may have been done
    ├── AnswerError          an answer that is none of this API's
    ├── UploadError          S3 did not take the file
    ├── WaitError            it did not end in the time given; it goes on
    └── ExportError          bars cannot be had like this: too many digits, a missing library, a full disk

The functions' own family (`tickstream.errors`) is another one: it is about rows and messages, not about calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class TickstreamError(Exception):
    """Root of all errors of the client."""


class UsageError(TickstreamError, ValueError):
    """The caller asks for what cannot be. Nothing was sent."""


class StackError(TickstreamError):
    """It is not known where the API or the bucket is, or who asks."""


class ApiError(TickstreamError):
    """The API answered with an error.

    Attributes:
        status: of HTTP.
        code: the API's own, such as `unknown_symbol`; stable.
        message: one sentence.
        request_id: by which AWS's logs know the call; empty where it has none.
        details: what stood beside code and message.

    """

    def __init__(
        self, status: int, code: str, message: str, *, request_id: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.details: Mapping[str, Any] = details or {}


class RefusedError(ApiError):
    """The question is wrong: 400, 409, 413 and every other 4xx without a class of its own."""


class NotAllowedError(ApiError):
    """The credentials are unknown, or may not do this: 401, 403."""


class NotFoundError(ApiError):
    """There is no such symbol, ingest or file: 404."""


class ThrottledError(ApiError):
    """Too many calls, still after all tries: 429."""


class ServerError(ApiError):
    """The service failed, still after all tries: 5xx."""


class UnansweredError(TickstreamError):
    """No answer came, still after all tries. What was asked may have been done."""


class AnswerError(TickstreamError):
    """The answer is none of this API's: a proxy's page, or another version's."""


class UploadError(TickstreamError):
    """S3 did not take the file."""


class WaitError(TickstreamError):
    """It did not end in the time given. It goes on: ask again."""


class ExportError(TickstreamError):
    """The bars cannot be had in this form."""


class UnknownSymbolWarning(UserWarning):
    """Of some of the symbols that were asked for no tick ever came."""
