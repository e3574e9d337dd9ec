"""Every answer of the API in these tests is held against the description that the service itself publishes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from tests.databases import empty_url, postgres_server  # noqa: F401


@pytest.fixture(autouse=True)
def described_answers(monkeypatch):
    """Check each answer as it comes, whichever client asked; a field that is not described is a fault too."""
    ask = TestClient.request

    def request(self: TestClient, method: str, url: Any, *args: Any, **kwargs: Any) -> Any:
        answer = ask(self, method, url, *args, **kwargs)
        if not answer.history:
            check(self.app, method.lower(), answer)
        return answer

    monkeypatch.setattr(TestClient, "request", request)


def check(app: Any, method: str, answer: Any) -> None:
    """Fail where an answer is not what its route describes for the status; what is no route may only be a problem."""
    kind = answer.headers.get("content-type", "").partition(";")[0]
    paths, path = app.openapi()["paths"], answer.request.url.path
    template = next((one for one in paths if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", one), path)), None)
    if template is None or method not in paths[template]:
        if kind == "application/problem+json":
            template, method = "/v1/check", "post"  # nothing describes it, so it is the problem that any route has
        else:
            return  # the managers' pages are no part of the description
    told = paths[template][method]["responses"]
    status = str(answer.status_code) if str(answer.status_code) in told else "default"
    if "$ref" in told[status]:  # a problem, whose body is that of every problem
        status = "default"
    content = told[status].get("content", {})
    if kind == "text/plain" and status == "200":  # numbers for Prometheus have a grammar of their own
        return
    if kind == "application/problem+json":
        status = "default"
        content = told[status]["content"]
        assert answer.json()["status"] == answer.status_code >= 400
    assert kind in content, f"{method} {template} answers {answer.status_code} with {kind}: not described"
    held_to = validator(app, template, method, status, kind)
    for body in map(json.loads, answer.text.splitlines()) if kind == "application/x-ndjson" else [answer.json()]:
        held_to.validate(body)


def validator(app: Any, template: str, method: str, status: str, kind: str) -> Draft202012Validator:
    """Closed schema of one answer; a service has one description for its life."""
    held = app.state.__dict__.setdefault("_validators", {})
    key = (template, method, status, kind)
    if key not in held:
        described = app.openapi()
        schema = described["paths"][template][method]["responses"][status]["content"][kind]["schema"]
        held[key] = Draft202012Validator({**closed(schema), "components": closed(described["components"])})
    return held[key]


def closed(schema: Any) -> Any:
    """The schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(part) for name, part in schema.items()}
    if inner.get("type") == "object" and "properties" in inner:
        inner.setdefault("additionalProperties", False)
    return inner
