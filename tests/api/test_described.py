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
    app.title = "A service with a description of its own"
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
            monkeypatch.setattr("tests.api.conftest._VALIDATORS", {})
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
            assert "default" in told, (path, method)
            if path.startswith("/v1/"):
                assert {"401", "403", "413", "429", "503"} <= set(told), (path, method)
                refs = [one["$ref"] for one in told.values() if "$ref" in one]
                for name in (ref.rpartition("/")[2] for ref in refs):
                    answer = described["components"]["responses"][name]
                    body = answer["content"]["application/problem+json"]
                    assert Draft202012Validator(body["schema"]).is_valid(body["example"]), name
            problem = told["default"]["content"]["application/problem+json"]["schema"]
            Draft202012Validator.check_schema(problem)
            assert {"title", "status", "detail", "request_id"} <= set(problem["properties"])


def test_links_lead_to_operations_and_can_be_followed(tmp_path):
    """Each link names an operation that is there; following those of a decision answers as described."""
    from tests.api.test_dispatches import AS_OF, account

    app = create_app(Settings(model_path=None, pages=False, decision_log_url=f"sqlite:///{tmp_path / 'd.db'}"))
    described = app.openapi()
    by_id = {
        operation["operationId"]: (method, path)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }
    links = described["paths"]["/v1/recommendations"]["post"]["responses"]["200"]["links"]
    asked = {"accounts": [account()], "as_of": AS_OF.isoformat()}

    def valued(told, answer):
        if isinstance(told, dict):
            return {name: valued(part, answer) for name, part in told.items()}
        if isinstance(told, list):
            return [valued(part, answer) for part in told]
        if not str(told).startswith("$"):
            return told
        value = answer if told.startswith("$response.body#/") else asked
        for step in told.partition("#/")[2].split("/"):
            value = value[int(step)] if isinstance(value, list) else value[step]
        return value

    with TestClient(app) as client:
        answer = client.post("/v1/recommendations", json=asked).json()
        statuses = {}
        for name, link in links.items():
            method, path = by_id[link["operationId"]]
            for parameter, told in link.get("parameters", {}).items():
                path = path.replace(f"{{{parameter}}}", valued(told, answer))
            body = valued(link["requestBody"], answer) if "requestBody" in link else None
            statuses[name] = client.request(method, path, json=body).status_code
    assert statuses == {
        "decision": 200, "explanation": 200, "replay": 200, "contrast": 409, "cancel": 200, "outcome": 200,
    }  # fmt: skip
