"""The check of answers against their description can fail, and the description itself is whole."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator, ValidationError

from api.main import create_app
from recommender.settings import Settings


def test_an_answer_that_is_not_what_was_described_fails(monkeypatch):
    """A missing field, a strange one and a wrong type: each is noticed by the fixture that all tests here share."""
    app = create_app(Settings(model_path=None))
    asked = {"packs": ["CO"], "at": "2026-11-23T10:00:00-05:00", "channel": "sms", "account": {}, "contacts": []}
    with TestClient(app) as client:
        assert client.post("/v1/check", json=asked).status_code == 200
        answer = app.openapi()["components"]["schemas"]["CheckAnswer"]
        for harm in (
            {"required": [*answer["required"], "verdict"]},
            {"properties": {name: part for name, part in answer["properties"].items() if name != "allowed"}},
            {"properties": answer["properties"] | {"allowed": {"type": "string"}}},
        ):
            held = dict(answer)
            answer.update(harm)
            app.state._validators.clear()
            with pytest.raises(ValidationError):
                client.post("/v1/check", json=asked)
            answer.clear()
            answer.update(held)


def test_every_route_describes_its_answers_and_its_problems():
    """A client made from the description knows the one body of errors, and no other."""
    described = create_app(Settings(model_path=None)).openapi()
    assert len(described["paths"]) >= 7
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            told = operation["responses"]
            assert "default" in told and "422" not in told, (path, method)
            problem = told["default"]["content"]["application/problem+json"]["schema"]
            Draft202012Validator.check_schema(problem)
            assert {"title", "status", "detail", "request_id"} <= set(problem["properties"])
