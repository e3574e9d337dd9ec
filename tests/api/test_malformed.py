"""Bodies that are almost right: whatever is sent, the answer is the caller's fault and never the server's."""

from __future__ import annotations

import copy
import json
import os
import random
from collections import Counter

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from tests.api.test_dispatches import AS_OF, account

WEIRD = [
    None, True, False, 0, -1, 1.5, 1e308, -1e308, 2**63, 2**70, -(2**63), "", " ", "\x00", "a" * 200, "a" * 5_000, "é",
    "\U0001f600", "2026-13-45", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z", "2026-11-23T08:00:00",
    "2026-11-23T08:00:00+99:00", "UTC", "America/Nowhere", "../../etc/passwd", "NaN", [], {}, [[]], [None], [1],
    ["sms", 1], {"a": None}, {"channel": "sms"}, ["\u202e"], "call", "CO", "sms", "FLOOR", ["CO"], "paid", "opt_out",
]  # fmt: skip
CHECKED = {name: value for name, value in account().items() if name not in ("contacts", "features")}
LIMITS = {
    "channels": ["sms"], "earliest": AS_OF.isoformat(), "latest": None, "allowed_actions": [{"channel": "sms"}],
    "excluded_actions": [{"hour": 9}],
}  # fmt: skip
SENT = {"account_id": "A1", "sent_at": AS_OF.isoformat(), "channel": "sms", "outcome": "read", "status": "sent"}


def bodies(decision):
    one = account(contacts=[SENT], constraints=LIMITS)
    return {
        "/v1/recommendations": {
            "accounts": [one], "as_of": AS_OF.isoformat(), "top_k": 3, "explore": True, "seed": 1, "request_key": "k",
            "constraints": LIMITS | {"capacity": {"sms": 1}}, "supersede": False, "purpose": "collection",
        },
        "/v1/best-hours": {
            "account": one, "channel": "sms", "as_of": AS_OF.isoformat(), "purpose": "thanks", "days": 1, "slots": 2,
        },
        "/v1/fallback-chains": {
            "account": one, "as_of": AS_OF.isoformat(), "purpose": "prevention", "steps": 2, "wait_hours": 4.0,
            "days": 2, "failures": {"sms": "bounced"}, "explore": True, "seed": 1,
        },
        "/v1/outcomes": {
            "outcomes": [
                {"decision_id": decision, "occurred_at": AS_OF.isoformat(), "outcome": "paid", "amount_minor": 5,
                 "currency": "COP", "outcome_id": "o1", "replaces": None}
            ]
        },
        "/v1/dispatches": {
            "dispatches": [
                {"dispatch_id": "x", "decision_id": decision, "state": "reserve", "at": AS_OF.isoformat(),
                 "account": one, "closed_channels": ["sms"], "fallback": True, "reason": "later"},
                {"dispatch_id": "y", "decision_id": decision, "state": "sent", "account": one,
                 "instead": {"channel": "call", "tone": "firm", "reason": "agent"}},
            ]
        },
        "/v1/check": {
            "id": "1", "packs": ["CO"], "at": AS_OF.isoformat(), "channel": "sms", "purpose": "collection",
            "account": CHECKED | {"preferences": {"hours": ["08:00", "12:00"], "channels": ["sms"], "days": ["mon"]}},
            "contacts": [SENT],
        },
    }  # fmt: skip


def places(value, path=()):
    """Every place of a body."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield from places(part, (*path, name))


def weird(rng):
    return copy.deepcopy(rng.choice(WEIRD))


def damaged(rng, body):
    """A body with one to three things changed, taken out or added."""
    body = copy.deepcopy(body)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        path = rng.choice(list(places(body)))
        if not path:
            return weird(rng)
        parent = body
        for name in path[:-1]:
            parent = parent[name]
        deed = rng.random()
        if deed < 0.7:
            parent[path[-1]] = weird(rng)
        elif deed < 0.85:
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent[rng.choice(["extra", "", "\x00", "account_id", "debtor_id"])] = weird(rng)
        else:
            parent.extend([weird(rng)] * rng.choice([1, 40]))
    return body


def text_of(rng, body):
    text = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    deed = rng.random()
    if deed < 0.03:
        cut = rng.randrange(len(text) + 1)
        return text[:cut]
    if deed < 0.06:
        place = rng.randrange(len(text) + 1)
        return text[:place] + rng.choice([b"\xff", b"\\ud800", b"[" * 50, b'"', b"NaN", b"\x00"]) + text[place:]
    return text


def attack(url, count):
    rng = random.Random(20)
    settings = Settings(model_path=None, pages=False, decision_log_url=url)
    statuses = Counter()
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        first = client.post("/v1/recommendations", json={"accounts": [account("A1")], "as_of": AS_OF.isoformat()})
        told = bodies(first.json()["recommendations"][0]["decision_id"])
        for _ in range(count):
            path = rng.choice(list(told))
            text = text_of(rng, damaged(rng, told[path]))
            answer = client.post(path, content=text, headers={"content-type": "application/json"})
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, (path, text[:2_000], answer.text)
    print(f"{count:,} malformed bodies: {dict(sorted(statuses.items()))}")  # noqa: T201
    assert statuses[422] > count // 4


def test_a_malformed_body_is_never_a_server_error(tmp_path):
    attack(f"sqlite:///{tmp_path / 'd.db'}", 400)


@pytest.mark.proof
def test_twenty_thousand_malformed_bodies_are_no_server_error(empty_url):
    attack(empty_url, int(os.environ.get("BODIES", "20000")))
