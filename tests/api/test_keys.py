"""Every route, every scope: no key, a wrong one, an expired one, one without the scope, the right one."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.service.keys import main, scope_of
from recommender.settings import SCOPES, Settings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EXPECTED = {
    ("POST", "/v1/recommendations"): "score",
    ("POST", "/v1/check"): "score",
    ("GET", "/v1/features"): "score",
    ("POST", "/v1/best-hours"): "score",
    ("POST", "/v1/fallback-chains"): "score",
    ("POST", "/v1/dispatches"): "outcomes",
    ("POST", "/v1/outcomes"): "outcomes",
    ("GET", "/v1/decisions"): "read",
    ("GET", "/v1/decisions/{decision_id}"): "read",
    ("GET", "/v1/decisions/{decision_id}/explanation"): "explain",
    ("GET", "/v1/decisions/{decision_id}/contrast"): "explain",
    ("GET", "/v1/decisions/{decision_id}/replay"): "explain",
    ("GET", "/v1/debtors/{debtor_id}"): "admin",
    ("DELETE", "/v1/debtors/{debtor_id}"): "admin",
}


def made(capsys, name, scopes):
    """A key as the command makes it."""
    main([name, "--scopes", scopes])
    printed = capsys.readouterr().out
    key = re.search(r"X-API-Key: (\S+)", printed)[1]
    entry = json.loads(printed.split("RECOMMENDER_NAMED_KEYS=")[1])
    assert key not in json.dumps(entry)
    return key, entry


@pytest.fixture
def keys(capsys):
    return {scope: made(capsys, scope, scope) for scope in SCOPES}


def routes(app):
    return [
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        if path.startswith("/v1/")
        for method in methods
    ]


def test_each_route_lets_in_the_keys_of_its_scope_and_no_others(keys, tmp_path):
    named = {name: value for _, entry in keys.values() for name, value in entry.items()}
    old_key = "x" * 43
    named["old"] = {"sha256": sha256(old_key.encode()).hexdigest(), "scopes": list(SCOPES), "expires": NOW.isoformat()}
    settings = Settings(
        model_path=None, pages=False, named_keys=named, decision_log_url=f"sqlite:///{tmp_path / 'd.db'}",
        environment="production",
    )  # fmt: skip
    now = NOW
    app = create_app(settings, clock=lambda: now)
    assert sorted(routes(app)) == sorted(EXPECTED), "a new route says here which scope it asks for"
    with TestClient(app) as client:
        for method, template in routes(app):
            path = re.sub(r"\{\w+\}", "x", template)
            wanted = EXPECTED[method, template]
            assert scope_of(method, path) == wanted

            def status(key, method=method, path=path):
                headers = {} if key is None else {"X-API-Key": key}
                return client.request(method, path, headers=headers, json={} if method == "POST" else None).status_code

            assert [status(None), status("wrong"), status(old_key), status(keys["admin"][1]["admin"]["sha256"])] == [
                401
            ] * 4
            for scope, (key, _) in keys.items():
                assert (status(key) in (401, 403)) == (scope != wanted), (method, path, scope)
                assert status(key) != 401
        assert client.get("/metrics", headers={"X-API-Key": keys["score"][0]}).status_code == 403
        assert client.get("/metrics", headers={"X-API-Key": keys["read"][0]}).status_code == 200
        assert client.get("/v1/nothing", headers={"X-API-Key": keys["read"][0]}).status_code == 403
        assert client.get("/healthz").status_code == 200
        now = NOW + timedelta(days=10_000)
        assert client.get("/v1/decisions", headers={"X-API-Key": keys["read"][0]}).status_code == 401


def test_asking_for_the_head_alone_needs_no_more_than_reading():
    """HEAD is GET without a body; what no route names asks for everything."""
    assert scope_of("HEAD", "/v1/decisions") == scope_of("GET", "/v1/decisions") == "read"
    assert scope_of("DELETE", "/v1/decisions") == "admin"


def test_a_key_is_refused_whose_setting_makes_no_sense(capsys):
    """Scopes and hashes are checked at the start, and not repeated in the error."""
    _, entry = made(capsys, "engine", "score")
    for change in (
        {"scopes": []},
        {"scopes": ["all"]},
        {"sha256": "secret-key-in-clear"},
        {"expires": "2027-01-01T00:00:00"},
    ):
        with pytest.raises(ValueError) as told:
            Settings(named_keys={"engine": entry["engine"] | change})
        assert "secret-key-in-clear" not in str(told.value)
    with pytest.raises(SystemExit):
        main(["engine", "--scopes", "everything"])
