"""The description of the API (OpenAPI): every status of every route, the body of errors, and where answers lead.

Links make the description a walk that tools can take: a decision that was made is read, explained, dispatched, told of.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from api.service.schemas import Problem

__all__ = ["describe"]

_MEANINGS = {
    400: "The body is no UTF-8 text, or nests deeper than any request does",
    401: "No valid key, or one that has expired",
    403: "The key lacks the scope of the route",
    404: "The decision log holds nothing of this id",
    408: "The body did not arrive in time",
    409: "Other facts stand under this id or key, or another model serves than the one that decided",
    413: "Too many items or bytes",
    422: "A field is wrong; detail names it and says what to do",
    429: "More requests than the key may send; Retry-After says how long to wait",
    500: "A failure nobody foresaw; report the request_id",
    503: "The decision log cannot be reached, or too many requests wait; retry",
}
_EVERYWHERE = (401, 403, 408, 413, 429, 500, 503)
_MORE = {
    ("post", "/v1/recommendations"): (400, 409, 422),
    ("post", "/v1/dispatches"): (400, 404, 409, 422),
    ("post", "/v1/outcomes"): (400, 409, 422),
    ("post", "/v1/check"): (400, 422),
    ("post", "/v1/best-hours"): (400, 422),
    ("post", "/v1/fallback-chains"): (400, 422),
    ("get", "/v1/decisions"): (422,),
    ("get", "/v1/decisions/{decision_id}"): (404,),
    ("get", "/v1/decisions/{decision_id}/explanation"): (404, 409, 422),
    ("get", "/v1/decisions/{decision_id}/contrast"): (404, 409, 422),
    ("get", "/v1/decisions/{decision_id}/replay"): (404, 422),
    ("get", "/v1/debtors/{debtor_id}"): (422,),
    ("delete", "/v1/debtors/{debtor_id}"): (422,),
}
_WITH_HEADER = {429, 503}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Stands for this body: repeated with it nothing is done twice, another body is refused (422).",
    "schema": {"type": "string", "pattern": '^"?[A-Za-z0-9_.:\\-]{1,128}"?$'},
}
_FIRST = "$response.body#/recommendations/0/decision_id"
#: What follows a recommendation: name -> (method, path).
_FOLLOWING = {
    "decision": ("get", "/v1/decisions/{decision_id}"),
    "explanation": ("get", "/v1/decisions/{decision_id}/explanation"),
    "contrast": ("get", "/v1/decisions/{decision_id}/contrast"),
    "replay": ("get", "/v1/decisions/{decision_id}/replay"),
}


def describe(app: FastAPI) -> None:
    """Complete the description that FastAPI makes of an application; made once, when it is first asked for."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(made())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    responses = document.setdefault("components", {}).setdefault("responses", {})
    for status, meaning in _MEANINGS.items():
        responses[f"Problem{status}"] = _problem(status, meaning)
    for path, operations in document["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for method, operation in operations.items():
            if method == "post":
                operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
            for status in sorted({*_EVERYWHERE, *_MORE.get((method, path), ())}):
                operation["responses"].setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
    _link(document)
    return document


def _problem(status: int, meaning: str) -> dict[str, Any]:
    schema = Problem.model_json_schema()
    example = {"type": "about:blank", "title": meaning.split(";")[0][:60], "status": status, "detail": f"{meaning}."}
    answer: dict[str, Any] = {
        "description": meaning,
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    }
    if status in _WITH_HEADER:
        answer["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return answer


def _link(document: dict[str, Any]) -> None:
    """Lead from the answers of one route to the parameters of the next."""
    paths = document["paths"]
    recommended = paths["/v1/recommendations"]["post"]["responses"]
    for status in ("200", "207"):
        recommended[status]["links"] = {
            name: {
                "operationId": paths[path][method]["operationId"],
                "parameters": {"decision_id": _FIRST},
                "description": f"The {name} of the first account that was answered.",
            }
            for name, (method, path) in _FOLLOWING.items()
        } | {
            name: {
                "operationId": paths[f"/v1/{route}"]["post"]["operationId"],
                "requestBody": {route: [body]},
                "description": description,
            }
            for name, route, body, description in (
                (
                    "cancel",
                    "dispatches",
                    {"dispatch_id": "d1", "decision_id": _FIRST, "state": "cancelled", "reason": "no-time"},
                    "Give it up: the contact counts no longer.",
                ),
                (
                    "outcome",
                    "outcomes",
                    {"decision_id": _FIRST, "occurred_at": "$request.body#/as_of", "outcome": "delivered"},
                    "Tell what happened.",
                ),
            )
        }
    listed = paths["/v1/decisions"]["get"]
    listed["responses"]["200"]["links"] = {
        "next page": {
            "operationId": listed["operationId"],
            "parameters": {"cursor": "$response.body#/next_cursor"},
            "description": "Until next_cursor is null.",
        }
    }
