"""What surrounds every request: its id, time taken, one log line, and an answer whatever happens."""

from __future__ import annotations

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.service.metrics import Metrics
from api.service.problems import problem
from api.service.request_log import REQUEST_ID, frames_of, new_request_id

__all__ = ["Envelope"]

_log = structlog.get_logger(__name__)


class Envelope:
    """ASGI middleware, the outermost one of ours.

    Parameters
    ----------
    app : ASGIApp
    metrics : Metrics
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = new_request_id(headers.get(REQUEST_ID))
        scope.setdefault("state", {})["request_id"] = request_id
        status = 500
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started = True
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001 - the caller gets the same body as for any error
                _log.error("request failed", error=type(error).__name__, frames=frames_of(error)[-8:])
                if not started:
                    detail = f"The service failed and wrote down why. Retry, or report the request id {request_id}."
                    await problem(Request(scope), 500, detail)(scope, receive, send_with_id)
            finally:
                seconds = time.perf_counter() - began
                route = getattr(scope.get("route"), "path", "unmatched")
                self._metrics.request(scope["method"], route, status, seconds)
                caller = scope["state"].get("caller")
                _log.info(
                    "request", method=scope["method"], route=route, status=status, seconds=round(seconds, 4),
                    **({} if caller is None else {"caller": caller}),
                )  # fmt: skip
