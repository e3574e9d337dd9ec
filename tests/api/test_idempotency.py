"""The ``Idempotency-Key`` header: the same body is answered again, another one is refused and both are named."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.service.idempotency import sha256_of_body
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from tests.api.test_dispatches import AS_OF, Sender, account

KEY = {"Idempotency-Key": '"7f1c-4d"'}


@pytest.fixture
def sender(empty_url):
    held = Sender(empty_url)
    with held.client:
        yield held


def ask(sender, body, path="/v1/recommendations", headers=KEY):
    return sender.client.post(path, json=body, headers=headers)


def test_the_same_body_is_answered_from_the_log_and_another_is_refused_with_both_digests(sender):
    """Later too, and however the names are ordered; other accounts, facts, moments and more accounts are others."""
    body = {"accounts": [account()], "top_k": 2}
    first = ask(sender, body).json()
    sender.now += timedelta(hours=3)
    again = sender.client.post(
        "/v1/recommendations", content=json.dumps(dict(reversed(body.items())), indent=1),
        headers=KEY | {"content-type": "application/json"},
    ).json()  # fmt: skip
    assert again["recommendations"] == first["recommendations"]
    assert datetime.fromisoformat(again["as_of"]) == AS_OF
    others = [
        {"accounts": [account("A2")], "top_k": 2},
        {"accounts": [account(balance_minor=5)], "top_k": 2},
        {"accounts": [account(), account("A2")], "top_k": 2},
        body | {"as_of": AS_OF.isoformat()},
    ]
    for other in others:
        refused = ask(sender, other)
        assert refused.status_code == 422, refused.text
        assert re.findall(r"[0-9a-f]{64}", refused.json()["detail"]) == [
            sha256_of_body(json.dumps(body).encode()), sha256_of_body(json.dumps(other).encode()),
        ]  # fmt: skip
    with DecisionLog(sender.url) as log:
        assert log.count() == (1, 0)


def test_a_key_of_one_route_is_none_of_another_and_what_failed_gives_it_back(sender):
    """Outcomes and dispatches are guarded as well; a refused body is mended under its key."""
    told, _ = sender.contacting()
    heard = {"decision_id": told["decision_id"], "occurred_at": AS_OF.isoformat(), "outcome": "delivered"}
    assert ask(sender, {"outcomes": [heard | {"outcome": "nonsense"}]}, "/v1/outcomes").status_code == 422
    stored = [ask(sender, {"outcomes": [heard]}, "/v1/outcomes").json()["stored"] for _ in range(2)]
    assert stored == [1, 0]
    assert ask(sender, {"outcomes": [heard | {"outcome": "read"}]}, "/v1/outcomes").status_code == 422
    given_up = {"dispatch_id": "x", "decision_id": told["decision_id"], "state": "cancelled"}
    assert ask(sender, {"dispatches": [given_up]}, "/v1/dispatches").status_code == 200
    assert ask(sender, {"dispatches": [given_up | {"dispatch_id": "y"}]}, "/v1/dispatches").status_code == 422
    assert len(sender.client.get(f"/v1/decisions/{told['decision_id']}").json()["events"]) == 1


@pytest.mark.parametrize("key", ["", '""', "with blank", "x" * 129, "ñ".encode().decode("latin-1")])
def test_a_header_that_is_no_key_is_refused(sender, key):
    answer = sender.client.post(
        "/v1/recommendations", json={"accounts": [account()]}, headers=[(b"idempotency-key", key.encode("latin-1"))]
    )
    assert answer.status_code == 400 and "Idempotency-Key" in answer.json()["detail"]


def test_two_keys_of_one_request_are_refused_and_one_named_twice_is_taken(sender):
    assert ask(sender, {"accounts": [account()], "request_key": "other"}).status_code == 422
    assert ask(sender, {"accounts": [account()], "request_key": "7f1c-4d"}).status_code == 200


def test_of_two_bodies_under_one_key_at_once_one_is_decided(sender):
    """The claim is the database's."""
    bodies = [{"accounts": [account(f"R{n}", debtor_id=f"R{n}")], "as_of": AS_OF.isoformat()} for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(lambda body: ask(sender, body).status_code, bodies))
    assert statuses == [200, 422, 422, 422, 422, 422]
    with DecisionLog(sender.url) as log:
        assert log.count() == (1, 0)


def test_without_a_log_a_key_cannot_be_honoured_and_that_is_said():
    with TestClient(create_app(Settings(model_path=None, pages=False))) as client:
        answer = client.post("/v1/recommendations", json={"accounts": [account()]}, headers=KEY)
    assert answer.status_code == 503 and "no decision log" in answer.json()["detail"]
