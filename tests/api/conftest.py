"""Every answer of the API in these tests is held against the description that the service itself publishes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from api import main
from api.main import create_app
from api.pages import passwords
from recommender.settings import Settings
from tests.databases import empty_url, postgres_server  # noqa: F401

# A try at a password costs 60 ms and 64 MiB on purpose; hundreds of logins of these tests need the form, not the price.
passwords._ARGON2 = PasswordHasher(time_cost=1, memory_cost=passwords._LEAST_MEMORY, parallelism=1)

#: Routes of each router as FastAPI builds them at a start. All services of a process have the same ones, and to build
#: them is what a start costs most.
_BUILT: dict[int, Any] = {}


def _build_routes_once(app: Any) -> None:
    """Take the routes of the first service of this process; what they need of a service comes with the request."""
    routes = app.router.routes
    for at, route in enumerate(routes):
        if hasattr(route, "original_router"):
            routes[at] = _BUILT.setdefault(id(route.original_router), route)
    _BUILD(app)


_BUILD, main._build_routes = main._build_routes, _build_routes_once
_build_routes_once.as_served = _BUILD  # for a test of that start itself

#: Descriptions by what they may hang on, and validators of their answers: no setting changes what a route answers.
_DESCRIBED: dict[Any, dict[str, Any]] = {}
_VALIDATORS: dict[Any, Draft202012Validator] = {}


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
    paths, path = described(app)["paths"], answer.request.url.path
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


def described(app: Any) -> dict[str, Any]:
    """What a service says of itself; worked out once for all of one kind, since it takes half a second."""
    kind = (app.title, app.version, app.state.settings.shows_pages)
    if kind not in _DESCRIBED:
        _DESCRIBED[kind] = app.openapi()
    return _DESCRIBED[kind]


def validator(app: Any, template: str, method: str, status: str, kind: str) -> Draft202012Validator:
    """Closed schema of one answer."""
    document = described(app)
    key = (id(document), template, method, status, kind)
    if key not in _VALIDATORS:
        schema = document["paths"][template][method]["responses"][status]["content"][kind]["schema"]
        _VALIDATORS[key] = Draft202012Validator({**closed(schema), "components": closed(document["components"])})
    return _VALIDATORS[key]


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


@pytest.fixture
def url(tmp_path):
    """A log in a file of its own."""
    return f"sqlite:///{tmp_path / 'decisions.db'}"


@pytest.fixture
def client(url):
    """A service without a model over that log."""
    with TestClient(create_app(Settings(model_path=None, decision_log_url=url))) as client:
        yield client
