"""Races over one log by services that share nothing else: an opt-out and a dispatch, an erasure and a decision."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from api import main
from api.main import create_app
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from recommender.store.decision_log.schema import contact_events, decisions, outcomes
from tests.api.test_dispatches import AS_OF, account

ROUNDS = 8


class Services:
    """Three applications over one database, and a clock that they share."""

    def __init__(self, url):
        self.now = AS_OF
        self.clients = [
            TestClient(create_app(Settings(model_path=None, decision_log_url=url, pages=False), clock=lambda: self.now))
            for _ in range(3)
        ]

    def __enter__(self):
        for client in self.clients:
            client.__enter__()
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.__exit__(None, None, None)

    def at_once(self, *calls):
        """Answers of some calls ``(method, path, body)`` that start together, each at another service."""
        ready = threading.Barrier(len(calls))

        def run(number):
            method, path, body = calls[number]
            ready.wait()
            return self.clients[number % 3].request(method, path, json=body)

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(run, range(len(calls))))

    def decide(self, *accounts, **more):
        body = {"accounts": accounts, "as_of": AS_OF.isoformat(), "explore": False, "top_k": 1, **more}
        return self.clients[0].post("/v1/recommendations", json=body).json()["recommendations"]


@pytest.fixture
def services(empty_url):
    with Services(empty_url) as some:
        yield some


def test_no_request_has_the_routes_built_that_the_start_has_built(monkeypatch):
    """FastAPI builds an included route at its first match and sets warnings aside meanwhile, in all threads."""
    monkeypatch.setattr(main, "_build_routes", main._build_routes.as_served)
    built: list[object] = []
    build = TypeAdapter.__init__
    monkeypatch.setattr(TypeAdapter, "__init__", lambda self, *of, **how: built.append(of) or build(self, *of, **how))
    with TestClient(create_app(Settings(model_path=None))) as client:
        assert built
        client.app.openapi()  # the tests' own check of answers asks for it
        built.clear()
        for route in ("/v1/outcomes", "/v1/recommendations", "/v1/check", "/no/route"):
            assert client.post(route, json={}).status_code in (404, 409, 422, 503)
        assert built == []


def test_an_opt_out_that_races_a_dispatch_acts_on_whatever_comes_after_it(services):
    """Whichever is first: once the opt-out is acknowledged, nobody is told to send."""
    for number in range(ROUNDS):
        one = account(f"A{number}", debtor_id=f"D{number}")
        services.now = AS_OF
        (told,) = services.decide(one)
        services.now = datetime.fromisoformat(told["actions"][0]["contact_at"]) + timedelta(minutes=5)
        sent = {"decision_id": told["decision_id"], "account": one}
        heard = {"decision_id": told["decision_id"], "occurred_at": services.now.isoformat(), "outcome": "opt_out"}
        answers = services.at_once(
            ("POST", "/v1/outcomes", {"outcomes": [heard]}),
            ("POST", "/v1/dispatches", {"dispatches": [sent | {"dispatch_id": "first"}]}),
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        after = services.clients[2].post("/v1/dispatches", json={"dispatches": [sent | {"dispatch_id": "first"}]})
        assert after.json()["results"][0]["may_send"] is False
        later = (services.now + timedelta(days=3)).isoformat()
        (again,) = services.decide(one, as_of=later)
        channels = {action["factors"]["channel"] for action in again["actions"]}
        assert told["actions"][0]["factors"]["channel"] not in channels


def test_two_request_keys_of_one_debtor_at_once_plan_one_contact_a_day(services):
    """Each service decides another account of the debtor at the same moment: the day's cap holds over all of them."""
    for number in range(ROUNDS):
        answers = services.at_once(
            *(
                (
                    "POST",
                    "/v1/recommendations",
                    {
                        "accounts": [account(f"R{number}x{key}", debtor_id=f"R{number}")],
                        "request_key": f"{number}-{key}", "as_of": AS_OF.isoformat(), "top_k": 1,
                    },
                )
                for key in range(3)
            )
        )  # fmt: skip
        assert {answer.status_code for answer in answers} == {200}
        first = [answer.json()["recommendations"][0]["actions"][0] for answer in answers]
        days = [one["contact_at"][:10] for one in first if not one["no_contact"]]
        assert len(days) == len(set(days))


def test_an_erasure_that_races_a_decision_leaves_all_of_it_or_nothing(services, empty_url):
    """Neither fails; erased once more, no row of the debtor is left in any table."""
    for number in range(ROUNDS):
        one = account(f"F{number}", debtor_id=f"F{number}")
        (told,) = services.decide(one)
        later = (AS_OF + timedelta(hours=1)).isoformat()
        heard = {"decision_id": told["decision_id"], "occurred_at": later, "outcome": "delivered"}
        services.now = AS_OF + timedelta(hours=2)
        forget = ("DELETE", f"/v1/debtors/F{number}?requested_by=clerk", None)
        answers = services.at_once(
            forget,
            ("POST", "/v1/recommendations", {"accounts": [one], "as_of": later, "top_k": 1}),
            ("POST", "/v1/outcomes", {"outcomes": [heard]}),
        )
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        for decision in {told["decision_id"], answers[1].json()["recommendations"][0]["decision_id"]}:
            assert services.clients[1].get(f"/v1/decisions/{decision}").status_code in (200, 404)
        assert services.clients[1].request("DELETE", forget[1]).status_code == 200
        with DecisionLog(empty_url) as log, log.engine.connect() as connection:
            for table, column in ((decisions, "debtor_id"), (contact_events, "debtor_id")):
                rows = sa.select(sa.func.count()).select_from(table).where(table.c[column] == f"F{number}")
                assert connection.execute(rows).scalar_one() == 0
            orphaned = sa.select(outcomes.c.decision_id).where(outcomes.c.decision_id == told["decision_id"])
            # Told of after the erasure, it is an outcome of no known decision: it names nobody.
            assert len(connection.execute(orphaned).all()) <= 1
