"""Who may read from the page's server: pages that it served itself, on this machine, with its token.

The server has the caller's credentials. It listens on loopback, which keeps other machines out, but neither other users
of this one nor other sites' pages in the caller's own browser. So:

- the answers want a token, which only whoever started the command is shown. It comes behind the `#` of the address,
  which browsers send to nobody, and goes in a header, which no other site's page can set here;
- the host must be a name of loopback: a site whose name is made to lead here (DNS rebinding) is refused by its name;
- what a browser says was asked by another site (`Sec-Fetch-Site`, `Origin`) is refused;
- the page may load and ask nothing but this server (`Content-Security-Policy`), be framed by nobody, and be read by no
  other origin.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER: Final = "X-Tickstream-Token"  # noqa: S105 - a header's name
#: Below this everything is the caller's, and wants the token.
API: Final = "/api/"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # Plotly makes style sheets of its own. What a style could load from elsewhere is refused by the other lines.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Refuses who may not read, and gives every answer the headers. Middleware of ASGI.

    token: what the page has to send with each question.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # Nothing here is a web socket: it ends before it is accepted.
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith(API) else "no-cache")
            await send(message)

        refusal = self._refusal(scope["path"], Headers(scope=scope))
        await (self._app if refusal is None else refusal)(scope, receive, send_guarded)

    def _refusal(self, path: str, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if _name_of(host) not in _LOOPBACK:
            return refusal(421, "host", "this page is on 127.0.0.1 alone")
        is_of_another_site = headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
        if is_of_another_site or headers.get("origin", f"http://{host}") != f"http://{host}":
            return refusal(403, "origin", "another site's page may not read this")
        if path.startswith(API) and not secrets.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._token):
            return refusal(
                401, "token", "this page is of another `tickstream browse`: open the address that it printed"
            )
        return None


def refusal(status: int, kind: str, message: str) -> JSONResponse:
    """Answer why not: a word for the page, and one sentence for who looks at it."""
    return JSONResponse({"error": {"kind": kind, "message": message}}, status)


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
