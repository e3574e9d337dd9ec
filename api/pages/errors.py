"""Errors for readers of pages; callers of the API keep their JSON."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.pages.language import is_language
from api.pages.rendering import page_of
from api.service.request_log import request_id_of

__all__ = ["being_made", "error_page", "to_login"]

_COME_BACK_SECONDS = 20

_API = ("/v1", "/health", "/metrics", "/docs", "/redoc", "/openapi.json")


def error_page(request: Request, status: int, _detail: str) -> Response | None:
    """Page that tells of an error, or None where the caller is not a reader."""
    if request.url.path.startswith(_API) or "text/html" not in request.headers.get("accept", ""):
        return None
    # the detail is English, and may name what no reader is to know, such as a folder of the server: it is in the log
    return page_of(request).render(
        "error.html", status, status=status, request_id=request_id_of(request.scope), again=""
    )


def being_made(request: Request, _error: Exception) -> Response:
    """Tell a reader that the figures of a long log are read for the first time, and when to look again."""
    again = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    told = page_of(request).render("error.html", 503, status=503, request_id="", again=again)
    told.headers["Retry-After"] = str(_COME_BACK_SECONDS)
    if request.method == "GET":  # browsers heed no Retry-After
        told.headers["Refresh"] = str(_COME_BACK_SECONDS)
    return told


def to_login(request: Request, _error: Exception) -> Response:
    """Send a reader who is not logged in to the form, and back afterwards; others are told with a status."""
    page = page_of(request)
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        home = is_language(request.url.path.strip("/"))
        onward = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(page.url("login", {} if home else {"next": onward}), 303)
    return Response(page.text("Log in first."), 401, media_type="text/plain")
