"""The ``Idempotency-Key`` header: one key, one body (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.service.fields import KEY_LETTERS
from api.service.problems import ServiceUnavailable, problem
from api.service.recording import Recorder

__all__ = ["IDEMPOTENCY_KEY", "Idempotency", "key_of"]

IDEMPOTENCY_KEY = "Idempotency-Key"
_ROUTES = "/v1/"
_KEY = re.compile(f"{KEY_LETTERS}{{1,128}}")
_REFUSED, _FAILED = 400, 500


class Idempotency:
    """ASGI middleware behind the gateway: claims the key of a request for its body before anything is done.

    Sent again with the same body a request is done again, which changes nothing: decisions are answered from the log,
    outcomes and dispatches are kept once. Sent with another body it is refused. A request that was refused, or that
    failed, gives its claim back; the key is free when no request claims it.

    Parameters
    ----------
    app : ASGIApp
    clock : callable
        The present moment.
    """

    def __init__(self, app: ASGIApp, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through if its key is free or stands for this very body."""
        is_ours = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(_ROUTES)
        header = Headers(scope=scope).get(IDEMPOTENCY_KEY) if is_ours else None
        if header is None:
            await self._app(scope, receive, send)
            return
        key = _unquoted(header)
        if key is None:
            text = f"{IDEMPOTENCY_KEY} must be 1 to 128 letters, digits and any of _.:- (a UUID is one)."
            await problem(Request(scope), 400, text)(scope, receive, send)
            return
        recorder: Recorder = scope["app"].state.recorder
        message = await receive()
        own = await run_in_threadpool(sha256_of_body, message.get("body", b""))  # off the event loop, as all parsing is
        name = hashlib.sha256(f"{scope['path']}\n{key}".encode()).hexdigest()
        try:
            held = await run_in_threadpool(recorder.claim_key, name, own, self._clock())
        except ServiceUnavailable as error:
            await problem(Request(scope), 503, str(error), headers={"Retry-After": "5"})(scope, receive, send)
            return
        if held != own:
            text = (
                f"{IDEMPOTENCY_KEY} {key!r} was used for another body: that has the SHA-256 {held}, this one {own}. "
                "Nothing was done. Give each request its own key, and repeat a request as it was."
            )
            await problem(Request(scope), 422, text, column=IDEMPOTENCY_KEY)(scope, receive, send)
            return
        scope.setdefault("state", {})["idempotency_key"] = key
        status = 0

        async def watched(answer: Message) -> None:
            nonlocal status
            if answer["type"] == "http.response.start":
                status = answer["status"]
            await send(answer)

        try:
            await self._app(scope, _first(message, receive), watched)
        except Exception:
            status = status or _FAILED
            raise
        finally:  # who is cut off while it works may still succeed: its claim stays
            if status >= _REFUSED:
                await run_in_threadpool(recorder.release_key, name, own)


def key_of(request: Request) -> str | None:
    """The key that a request was let through with."""
    key: str | None = request.scope.get("state", {}).get("idempotency_key")
    return key


def sha256_of_body(body: bytes) -> str:
    """Of what a body says: blanks and the order of names make no other one."""
    try:
        plain = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        plain = body
    return hashlib.sha256(plain).hexdigest()


def _unquoted(header: str) -> str | None:
    """The key, which the draft writes in quotes; None where it is none."""
    text = header.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text if _KEY.fullmatch(text) else None


def _first(message: Message, receive: Receive) -> Receive:
    """Hand on what was read already, then what comes."""
    pending = [message]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
