"""The guard in front of every route: who may send a request, and what a browser may do with the answer.

A request passes if its Host and Origin are those of the studio and it carries the token. The token is a header, which
no foreign page can set. Pictures, sounds and reports are fetched by elements that set no header: for them a cookie
counts, for reading alone. Everything that is not allowed here is refused, also on routes that are added later.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-sparring-token"
FILES = "/files/"
"""Prefix of the addresses that a cookie opens, for reading."""
PUBLIC = ("/", "/static/")
"""Addresses without a secret: the page itself, and all below `/static/`."""
BODY_TYPES = ("application/json", "application/octet-stream")
"""Types of a POST: neither can be sent by a form, so that a foreign page has to get permission first."""
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass(frozen=True)
class Keys:
    """The secrets of one server."""

    token: str
    """Token of the page, sent as a header."""
    cookie: str
    """Value of the cookie that opens files."""
    cookie_name: str
    """Name of the cookie; it holds the port, because browsers send cookies to every port."""


class Guard:
    """An ASGI application that passes on what is allowed, and refuses the rest."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], keys: Keys) -> None:
        """Guard `app`, which browsers reach under `hosts` ("localhost:8000")."""
        self.app, self.hosts, self.keys = app, frozenset(hosts), keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":  # the studio has no websocket
            await send({"type": "websocket.close", "code": 1008})
        elif refused := self.refusal(scope):
            await PlainTextResponse(refused[1], refused[0], HEADERS)(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send))

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and reason where a request is refused, else None."""
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        if headers.getlist("host") not in [[host] for host in self.hosts]:
            return 421, "this address is not the studio's: open the one that `sparring studio` printed"
        if any(origin not in {f"http://{host}" for host in self.hosts} for origin in headers.getlist("origin")):
            return 403, "another page sent this request"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "another page sent this request"
        if method not in ("GET", "HEAD", "POST"):
            return 405, f"{method} is not used here"
        if method == "POST" and headers.get("content-type", "").partition(";")[0].strip() not in BODY_TYPES:
            return 415, f"a POST has one of the types {', '.join(BODY_TYPES)}"
        if method != "POST" and (path == PUBLIC[0] or path.startswith(PUBLIC[1])):
            return None
        if _equal(headers.get(TOKEN_HEADER, ""), self.keys.token):
            return None
        if method != "POST" and path.startswith(FILES) and _equal(self._cookie(headers), self.keys.cookie):
            return None
        return 401, "the token is missing or wrong: open the address that `sparring studio` printed"

    def _cookie(self, headers: Headers) -> str:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.keys.cookie_name)
        except CookieError:
            return ""
        return morsel.value if morsel else ""


def _equal(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def _with_headers(send: Send) -> Send:
    """Return a `send` that adds `HEADERS`; a route's own header of the same name counts instead."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending
