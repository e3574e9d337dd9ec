"""One error body for everything: application/problem+json (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.schemas import Problem
from recommender.errors import InvalidInput, RecommenderError

__all__ = ["install"]


def install(app: FastAPI) -> None:
    """Answer every error with the same body."""

    @app.exception_handler(HTTPException)
    def _http(_request: Request, error: HTTPException) -> JSONResponse:
        return _answer(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        told = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'] if part != 'body')}: {one['msg']}"
            for one in error.errors()[:5]
        )
        return _answer(422, told)

    @app.exception_handler(InvalidInput)
    def _refused(_request: Request, error: InvalidInput) -> JSONResponse:
        return _answer(422, str(error), column=error.column, rows=list(error.rows[:100]))

    @app.exception_handler(RecommenderError)
    def _failed(_request: Request, error: RecommenderError) -> JSONResponse:
        return _answer(503, str(error))

    @app.exception_handler(Exception)
    def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
        return _answer(500, "The service failed; the failure was logged. Retry, or report the request id.")


def _answer(
    status: int,
    detail: str,
    *,
    column: str | None = None,
    rows: list[int] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, column=column, rows=rows or [])
    return JSONResponse(
        body.model_dump(), status_code=status, media_type="application/problem+json", headers=headers or {}
    )
