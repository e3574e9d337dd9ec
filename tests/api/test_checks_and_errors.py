"""What else the service answers: checks at send time, numbers, limits, one error body, log lines without people."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from tests.api.asking import AS_OF, KEY, account, ask

CASE = {
    "id": 7,
    "packs": ["CO"],
    "at": "2026-11-23T10:00:00-05:00",
    "channel": "sms",
    "account": {
        "account_id": "A1",
        "country": "CO",
        "timezone": "America/Bogota",
        "phone_timezones": ["America/Bogota"],
        "due_date": "2026-11-01",
        "balance_minor": 1_200_000,
        "consented_channels": ["sms"],
        "flags": [],
        "party": "debtor",
    },
    "contacts": [],
}


def test_a_contact_is_checked_at_send_time(client):
    """Allowed as it is; on a Sunday, unknown, or after today's contact it is denied with rule, law and next instant."""
    allowed = client.post("/v1/check", json=CASE).json()
    assert allowed["allowed"] and not allowed["rules"] and allowed["id"] == 7
    assert pd.Timestamp(allowed["next_allowed_at"]) == pd.Timestamp(CASE["at"])
    sunday = client.post("/v1/check", json=CASE | {"at": "2026-11-22T10:00:00-05:00"}).json()
    assert not sunday["allowed"]
    assert any("2300" in law for law in sunday["citations"].values())
    assert pd.Timestamp(sunday["next_allowed_at"]) > pd.Timestamp("2026-11-22T10:00:00-05:00")
    for missing in ("contacts", "account"):
        assert not client.post("/v1/check", json={n: v for n, v in CASE.items() if n != missing}).json()["allowed"]
    sent = {"sent_at": "2026-11-23T08:00:00-05:00", "channel": "sms", "account_id": "A1", "outcome": "live_contact"}
    assert not client.post("/v1/check", json=CASE | {"contacts": [sent]}).json()["allowed"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"account": CASE["account"] | {"phone": "+573001234567"}}, "phone"),
        ({"packs": ["XX"]}, "XX"),
        ({"packs": []}, "packs"),
        ({"channel": "fax"}, "channel"),
        ({"at": "2026-11-23T10:00:00"}, "at"),
    ],
)
def test_a_wrong_check_is_refused(client, change, told):
    """A phone number, an unknown pack or channel, a naive instant: 422, never a verdict."""
    answer = client.post("/v1/check", json=CASE | change)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert "+573001234567" not in answer.text


def test_an_account_is_judged_under_the_law_of_its_country(client):
    """Without packs of its own an account falls under its country's; a country without a pack is left alone."""
    told = ask(client, account("M", country="MX", timezone="America/Mexico_City"), account("F", country="FR"))
    mexican, french = told["recommendations"]
    packs = client.get(f"/v1/decisions/{mexican['decision_id']}").json()["provenance"]["rule_packs"]
    assert "MX" in packs and "CO" not in packs
    assert french["eligible_actions"] == 1 and french["actions"][0]["no_contact"]


def test_numbers_for_prometheus(client):
    """Requests by route pattern, decisions by policy and channel, removals by rule; no id is a label."""
    decision_id = ask(client, account(), account("B", contacts=None))["recommendations"][0]["decision_id"]
    client.get(f"/v1/decisions/{decision_id}")
    client.get("/nowhere/at/all")
    text = client.get("/metrics").text
    assert 'recommender_requests_total{method="POST",route="/v1/recommendations",status="200"} 1.0' in text
    assert 'route="/v1/decisions/{decision_id}"' in text
    assert 'route="unmatched",status="404"' in text
    assert 'recommender_decisions_total{channel="none",policy="seed_rules"}' in text
    assert re.search(r'recommender_guardrail_removals_total\{rule="[^"]+"\} [1-9]', text)
    assert decision_id not in text and "nowhere" not in text


def test_numbers_need_a_key_in_production():
    """In development they are open, in production they are not."""
    with TestClient(create_app(Settings(model_path=None, api_keys=(KEY,), environment="production"))) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"X-API-Key": KEY}).status_code == 200
    with TestClient(create_app(Settings(model_path=None, api_keys=(KEY,)))) as client:
        assert client.get("/metrics").status_code == 200


def test_every_error_has_the_same_body_and_the_request_id(capsys):
    """404, 405, 413, 422, 429, 500: one shape, one id, no traceback, no value in the log."""
    settings = Settings(model_path=None, max_body_bytes=2_000, rate_limit="5/hour")  # the five before the first 429
    app = create_app(settings)

    @app.get("/fails")
    def fails():
        raise RuntimeError("secret value 573001234567")

    with TestClient(app) as client:
        long = "x" * 3_000
        answers = {
            404: client.get("/v1/nothing"),
            405: client.get("/v1/recommendations"),
            413: client.post("/v1/recommendations", content=long),
            422: client.post("/v1/recommendations", json={"accounts": []}),
            500: client.get("/fails"),
        }
        streamed = client.post("/v1/recommendations", content=iter([long.encode()]))
        assert streamed.status_code == 413
        for _ in range(6):
            answers[429] = client.post("/v1/recommendations", json={"accounts": [account()], "as_of": AS_OF})
        ids = set()
        for status, answer in answers.items():
            body = answer.json()
            assert answer.status_code == status == body["status"], answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "request_id"} <= set(body)
            assert body["request_id"] == answer.headers["x-request-id"]
            ids.add(body["request_id"])
            assert "secret value" not in answer.text
        assert len(ids) == len(answers)
        assert int(answers[429].headers["retry-after"]) >= 1
        assert client.get("/healthz", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
        assert client.get("/healthz", headers={"X-Request-ID": "a b"}).headers["x-request-id"] != "a b"
    written = capsys.readouterr().err
    assert "RuntimeError" in written and "573001234567" not in written


def test_each_key_has_its_own_limit():
    """One busy caller does not use up another's share; a wrong key does not use up the right one's."""
    other = KEY + "-two"
    settings = Settings(model_path=None, api_keys=(KEY, other), rate_limit="2/hour")
    with TestClient(create_app(settings)) as client:

        def status(key):
            body = {"accounts": [account()], "as_of": AS_OF}
            return client.post("/v1/recommendations", json=body, headers={"X-API-Key": key}).status_code

        assert [status(KEY) for _ in range(3)] == [200, 200, 429]
        assert [status("wrong") for _ in range(3)] == [401, 401, 429]
        assert status(other) == 200
    with pytest.raises(ValueError, match="rate_limit"):
        create_app(Settings(model_path=None, rate_limit="often"))


def test_log_lines_hold_no_personal_data(client, capsys):
    """One line a request with its pattern, status and time; nothing of what was sent."""
    ask(client, account("VERY-OWN-ID"))
    ask(client, account(phone="+573001234567"), status=422)
    written = capsys.readouterr().err
    assert "/v1/recommendations" in written
    assert "VERY-OWN-ID" not in written and "573001234567" not in written


def test_nothing_in_an_answer_is_not_json(client):
    """Logged and fresh answers are finite JSON."""
    text = client.post("/v1/recommendations", json={"accounts": [account()], "as_of": AS_OF}).text
    told = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert np.isfinite(told["recommendations"][0]["actions"][0]["propensity"])


def test_a_body_may_be_as_large_as_is_allowed():
    """To the byte, announced or streamed; the next one is too many."""
    body = json.dumps({"accounts": [account()], "as_of": AS_OF}).encode().ljust(2_000)
    for most, status in ((len(body), 200), (len(body) - 1, 413)):
        with TestClient(create_app(Settings(model_path=None, max_body_bytes=most))) as client:
            for content in (body, iter([body[:10], body[10:]])):
                told = client.post("/v1/recommendations", content=content, headers={"content-type": "application/json"})
                assert told.status_code == status, told.text
