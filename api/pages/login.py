"""Logging in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.pages.language import is_language
from api.pages.rendering import PageDep, SessionsDep, page_of
from api.service.rate_limit import RateLimit

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_LONGEST = 256


@router.get("/{language}/login", name="login")
def ask(request: Request, language: str, sessions: SessionsDep, next: str = "") -> Response:  # noqa: A002
    """Show the form; who is logged in already goes on."""
    if sessions.of(request) is not None and is_language(language):
        return RedirectResponse(_inside(next) or f"/{language}/", 303)
    return _form(request, language, sessions, next)


@router.post("/{language}/login")
def check(
    request: Request,
    language: str,
    sessions: SessionsDep,
    manager: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    token: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",  # noqa: A002
) -> Response:
    """Open a session, or show the form again without saying which of the two was wrong."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "This form was sent from another site.")
    limit: RateLimit = request.app.state.login_limit
    host = "unknown" if request.client is None else request.client.host
    limit.count(f"login from {host}")
    limit.count(f"login as {manager}")
    if not sessions.is_own_login_form(request, token):
        return _form(request, language, sessions, next, "expired", 403)
    if len(password) > _LONGEST or not sessions.passes(manager, password):
        return _form(request, language, sessions, next, "wrong", 401)
    answer = RedirectResponse(_inside(next) or f"/{language}/", 303)
    sessions.open(answer, manager)
    return answer


@router.post("/{language}/logout", name="logout")
def leave(page: PageDep, sessions: SessionsDep, token: Annotated[str, Form()] = "") -> Response:
    """Close the session."""
    if page.session is None or not sessions.is_own_form(page.session, token):
        raise HTTPException(403, "This form is not of your session. Go back, reload and try again.")
    answer = RedirectResponse(page.url("login"), 303)
    sessions.close(answer, page.session)
    return answer


def _form(
    request: Request, language: str, sessions: SessionsDep, onward: str, problem: str | None = None, status: int = 200
) -> Response:
    if not is_language(language):
        raise HTTPException(404, "There is no such page.")
    page, token = page_of(request, language), sessions.new_form_token()
    answer = page.render("login.html", status, token=token, onward=_inside(onward), problem=problem)
    sessions.keep_form_token(answer, token)
    return answer


def _inside(onward: str) -> str:
    """Where to go after logging in: a page of ours, nothing else."""
    first = onward.split("/")[1] if onward.startswith("/") and "\\" not in onward else ""
    return onward if is_language(first) and not any(character.isspace() for character in onward) else ""
