"""One error body for everything: application/problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.service.request_log import request_id_of
from api.service.schemas import Problem
from recommender.errors import InvalidInput, RecommenderError
from recommender.store.decision_log import DecisionConflict

__all__ = ["DESCRIBED", "ServiceUnavailable", "install", "problem"]

#: What every route may answer besides its own answers, for the description of the service (OpenAPI).
DESCRIBED: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Any error: one body (RFC 9457)",
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }
}


class ServiceUnavailable(RecommenderError):
    """Something that this answer depends on is not there right now, e.g. the decision log."""


def install(app: FastAPI) -> None:
    """Answer every error with the same body; what nobody foresaw is answered by the envelope around the app."""

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        return problem(request, error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> Response:
        detail = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'] if part != 'body')}: {one['msg']}"
            for one in error.errors()[:5]
        )
        return problem(request, 422, detail)

    @app.exception_handler(InvalidInput)
    def _refused(request: Request, error: InvalidInput) -> Response:
        return problem(request, 422, str(error), column=error.column, rows=error.rows[:100])

    @app.exception_handler(DecisionConflict)
    def _conflict(request: Request, error: DecisionConflict) -> Response:
        return problem(request, 409, str(error))

    @app.exception_handler(RecommenderError)
    def _failed(request: Request, error: RecommenderError) -> Response:
        return problem(request, 503, str(error), headers={"Retry-After": "5"})


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    column: str | None = None,
    rows: Sequence[int] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build the body that every error has; readers of the managers' pages get a page."""
    error_page = getattr(request.app.state, "error_page", None)
    shown: Response | None = None if error_page is None else error_page(request, status, detail)
    if shown is not None:
        shown.headers.update(headers or {})
        return shown
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        column=column,
        rows=list(rows),
        request_id=request_id_of(request.scope),
    )
    return JSONResponse(
        body.model_dump(), status_code=status, media_type="application/problem+json", headers=dict(headers or {})
    )
