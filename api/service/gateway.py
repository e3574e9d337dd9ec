"""Before a request is read: its key, its rate, its size, its turn. Nothing is parsed for a stranger.

One gateway stands before every route of the API, so that none can be reached around it. Health is answered here, on
the event loop, whatever the routes and the database are doing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.service.keys import Caller, Keys, scope_of
from api.service.problems import ServiceUnavailable, problem
from api.service.rate_limit import SharedRateLimit
from recommender.settings import Settings

if TYPE_CHECKING:
    from api.service.oidc import BearerTokens

__all__ = ["KEY_HEADER", "Gateway"]

KEY_HEADER = "X-API-Key"
_HEALTH = "/healthz"
_GUARDED = "/v1/"
_GUARDED_IN_PRODUCTION = ("/metrics", "/docs", "/redoc", "/openapi.json")
_PIECE = 2**18
_DEEPEST = 12  # a request nests five levels; what nests more is not one, and costs a parser its stack


class Gateway:
    """ASGI middleware: key, then rate, then size and depth, then a turn in a bounded queue.

    Parameters
    ----------
    app : ASGIApp
    settings : Settings
        ``api_keys``, ``named_keys``, ``max_body_bytes``, ``max_in_flight``, ``max_waiting``, ``deadline_seconds``.
    rate_limit : SharedRateLimit
    clock : callable
        The present moment: keys expire.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, rate_limit: SharedRateLimit, clock: Callable[[], datetime]
    ) -> None:
        self._app = app
        self._settings = settings
        self._keys = Keys(settings)
        self._tokens = _bearer_tokens(settings)
        self._clock = clock
        self._rate_limit = rate_limit
        self._turns = asyncio.Semaphore(settings.max_in_flight)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or say why not."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not self._guards(path):
            if scope["type"] == "http" and path == _HEALTH:
                await JSONResponse({"status": "ok"})(scope, receive, send)
                return
            await self._app(scope, self._counted(receive) if scope["type"] == "http" else receive, send)
            return
        try:
            await self._admit(scope)
            body = await asyncio.wait_for(self._body(scope, receive), self._settings.read_timeout_seconds)
            await self._in_turn(scope, _again(body, receive), send)
        except TimeoutError:
            await problem(Request(scope), 408, "The body did not arrive in time; send it at once.")(
                scope, receive, send
            )
        except _Left:
            return
        except HTTPException as error:
            await problem(Request(scope), error.status_code, str(error.detail), headers=error.headers)(
                scope, receive, send
            )

    def _guards(self, path: str) -> bool:
        if path.startswith(_GUARDED):
            return True
        return self._settings.environment != "development" and path.startswith(_GUARDED_IN_PRODUCTION)

    async def _admit(self, scope: Scope) -> None:
        """Refuse a caller whose key is unknown, has expired or may not do this.

        Callers are counted by their key, those without a valid one by their address.
        """
        headers = Headers(scope=scope)
        known = await self._caller_of(headers)
        client = scope.get("client")
        stranger = f"client {client[0] if client else 'unknown'}"
        await self._rate_limit.count_with_others(stranger if known is None else f"key {known.name}")
        if self._keys or self._tokens is not None:
            asked = {"WWW-Authenticate": "ApiKey" if self._tokens is None else "ApiKey, Bearer"}
            if known is None:
                way = "" if self._tokens is None else " or a bearer token of the identity provider"
                raise HTTPException(401, f"Send a valid X-API-Key header{way}.", headers=asked)
            if known.expires is not None and known.expires <= self._clock():
                raise HTTPException(401, "This key has expired; ask for a new one.", headers=asked)
            needed = scope_of(scope["method"], scope.get("path", ""))
            if needed not in known.scopes:
                raise HTTPException(403, f"This key may not do that: it lacks the scope {needed!r}.")
            scope.setdefault("state", {})["caller"] = known.name
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._settings.max_body_bytes:
            raise HTTPException(413, self._too_large)

    async def _caller_of(self, headers: Headers) -> Caller | None:
        """Who has the key or the token; a key that is sent is the one that counts."""
        key = headers.get(KEY_HEADER)
        if key is not None or self._tokens is None:
            return self._keys.find(key or "")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            return await self._tokens.find(token.strip())
        except ServiceUnavailable as error:
            raise HTTPException(503, str(error), headers={"Retry-After": "5"}) from error

    @property
    def _too_large(self) -> str:
        return f"The body is larger than {self._settings.max_body_bytes:,} bytes; send fewer accounts in one request."

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Everything that the caller sends, as long as it is not too much or too deep."""
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Left
            piece = message.get("body", b"")
            size += len(piece)
            if size > self._settings.max_body_bytes:
                raise HTTPException(413, self._too_large)
            pieces.append(piece)
            if not message.get("more_body", False):
                break
        body = b"".join(pieces)
        if scope["method"] == "POST":
            if nesting(body) > _DEEPEST:
                raise HTTPException(
                    400, f"The body nests more than {_DEEPEST} levels deep; no request of this API does."
                )
            if not is_text(body):
                raise HTTPException(400, "The body is not UTF-8 text.")
        return body

    def _counted(self, receive: Receive) -> Receive:
        """Count what arrives on the other routes: a chunked body tells no length in advance."""
        left = self._settings.max_body_bytes

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, self._too_large)
            return message

        return counted

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for one of the turns, if not too many wait already."""
        settings = self._settings
        if self._turns.locked() and self._waiting >= settings.max_waiting:
            raise HTTPException(503, "Too many requests wait already; retry.", headers={"Retry-After": "1"})
        self._waiting += 1
        try:
            await asyncio.wait_for(self._turns.acquire(), settings.deadline_seconds)
        except TimeoutError:
            raise HTTPException(503, "No turn came within the deadline; retry.", headers={"Retry-After": "2"}) from None
        finally:
            self._waiting -= 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._turns.release()


def _bearer_tokens(settings: Settings) -> BearerTokens | None:
    if settings.oidc_issuer is None:
        return None
    from api.service.oidc import BearerTokens  # its library is an extra

    return BearerTokens(settings)


class _Left(Exception):
    """The caller closed the connection before the request was whole."""


def _again(body: bytes, receive: Receive) -> Receive:
    """Hand a body that was read to who reads it next; afterwards only the end of the connection is left to hear."""
    pending: Iterable[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Message:
        for message in pending:
            return message
        return await receive()

    return replay


_NO_STRUCTURE = bytes(sorted({*range(256)} - {*b'[]{}"'}))


def nesting(body: bytes) -> int:
    """How deep a JSON text nests, or the first depth found that is too deep; brackets in its strings do not count.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    int
    """
    if body.count(b"[") + body.count(b"{") <= _DEEPEST:
        return 0
    if b"\\" in body:
        body = body.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")
    # Only brackets and quotes matter, and of two quotes side by side neither does: what is between others stays so.
    text = np.frombuffer(body.translate(None, _NO_STRUCTURE).replace(b'""', b""), dtype=np.uint8)
    deepest = depth = quotes = 0
    for start in range(0, len(text), _PIECE):  # in pieces, so that what is far too deep is soon known to be
        piece = text[start : start + _PIECE]
        inside = np.cumsum(piece == ord('"'), dtype=np.int32) + quotes
        opened = ((piece == ord("[")) | (piece == ord("{"))).astype(np.int8)
        closed = ((piece == ord("]")) | (piece == ord("}"))).astype(np.int8)
        depths = depth + np.cumsum((opened - closed) * (inside % 2 == 0), dtype=np.int32)
        deepest = max(deepest, int(depths.max(initial=0)))
        depth, quotes = int(depths[-1]), int(inside[-1])
        if deepest > _DEEPEST:
            break
    return deepest


def is_text(body: bytes) -> bool:
    """Whether a JSON body is UTF-8."""
    if (
        b"\0" in body[:4]
    ):  # UTF-16 and -32 of plain letters are UTF-8, too; by this json.loads tells them, and reads them
        return False
    try:
        _ = body.isascii() or body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
