"""Random walks through the API along the links of its own description: any order of calls, no server error, no lie."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime, timedelta

from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule, run_state_machine_as_test

from api.main import create_app
from recommender.settings import Settings
from tests.api.test_dispatches import AS_OF, account

STEPS, WALKS = int(os.environ.get("STEPS", "12")), int(os.environ.get("WALKS", "6"))
_GIVEN_UP = {"cancelled", "expired", "undelivered"}


def valued(template, request, answer):
    """A link's parameters or body with its expressions replaced by what they name; LookupError where nothing is."""
    if isinstance(template, dict):
        return {name: valued(part, request, answer) for name, part in template.items()}
    if isinstance(template, list):
        return [valued(part, request, answer) for part in template]
    for prefix, body in (("$response.body#", answer), ("$request.body#", request)):
        if isinstance(template, str) and template.startswith(prefix):
            for step in template[len(prefix) + 1 :].split("/"):
                body = body[int(step)] if isinstance(body, list) else body[step]
            return body
    return template


class Walk(RuleBasedStateMachine):
    """One service, a clock that is moved, and whoever calls it in whatever order."""

    made = Bundle("made")

    @initialize()
    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.now = AS_OF
        log = f"sqlite:///{self.folder.name}/log.db"
        self.app = create_app(Settings(model_path=None, decision_log_url=log, pages=False), clock=lambda: self.now)
        self.client = TestClient(self.app)
        self.client.__enter__()
        described = self.app.openapi()["paths"]
        self.operations = {
            one["operationId"]: (method, path, one) for path, some in described.items() for method, one in some.items()
        }
        self.states = {}
        self.forgotten = set()

    def teardown(self):
        if hasattr(self, "client"):
            self.client.__exit__(None, None, None)
            self.folder.cleanup()

    def call(self, operation, parameters=None, body=None):
        method, path, _ = self.operations[operation]
        query = {}
        for name, value in (parameters or {}).items():
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", str(value))
            else:
                query[name] = value
        answer = self.client.request(method.upper(), path, params=query, json=body)
        assert answer.status_code < 500, (method, path, answer.text)
        return answer

    def named(self, path, method):
        return next(name for name, (m, p, _) in self.operations.items() if (m, p) == (method, path))

    @rule(
        target=made,
        number=st.integers(0, 3),
        hours=st.integers(0, 30),
        key=st.sampled_from([None, None, "k1", "k2"]),
        purpose=st.sampled_from(["collection", "thanks", "prevention"]),
        supersede=st.booleans(),
        seed=st.integers(0, 2),
    )
    def recommend(self, number, hours, key, purpose, supersede, seed):
        body = {
            "accounts": [account(f"A{number}", debtor_id=f"D{number // 2}")],
            "as_of": (AS_OF + timedelta(hours=hours)).isoformat(), "purpose": purpose, "seed": seed,
            "supersede": supersede, **({} if key is None else {"request_key": key}),
        }  # fmt: skip
        answer = self.call(self.named("/v1/recommendations", "post"), body=body)
        if answer.status_code != 200:
            return multiple()
        (one,) = answer.json()["recommendations"]
        again = self.call(self.named("/v1/recommendations", "post"), body=body)
        if not supersede:
            assert again.json()["recommendations"] == [one]
        self.states.setdefault(one["decision_id"], "decided")
        self.forgotten.discard(one["decision_id"])
        return body, answer.json()

    @rule(step=made, name=st.sampled_from(["decision", "explanation", "contrast", "replay", "cancel", "outcome"]))
    def follow(self, step, name):
        request, answer = step
        _, _, operation = self.operations[self.named("/v1/recommendations", "post")]
        link = operation["responses"]["200"]["links"][name]
        decision = answer["recommendations"][0]["decision_id"]
        reply = self.call(
            link["operationId"],
            valued(link.get("parameters", {}), request, answer),
            valued(link["requestBody"], request, answer) if "requestBody" in link else None,
        )
        if name == "decision" and reply.status_code == 200:
            assert reply.json()["decision_id"] == decision
            assert decision not in self.forgotten
        if name == "cancel" and reply.status_code == 200:
            logged = self.client.get(f"/v1/decisions/{decision}").json()
            assert logged["state"] in _GIVEN_UP

    @rule(step=made, state=st.sampled_from(["reserve", "sent", "expired", "undelivered"]), fallback=st.booleans())
    def dispatch(self, step, state, fallback):
        request, answer = step
        decision = answer["recommendations"][0]["decision_id"]
        sent = {
            "dispatch_id": f"x-{state}", "decision_id": decision, "state": state, "account": request["accounts"][0],
            "fallback": fallback,
        }  # fmt: skip
        self.call(self.named("/v1/dispatches", "post"), body={"dispatches": [sent]})

    @rule(step=made, outcome=st.sampled_from(["opt_out", "delivered", "promise_to_pay", "complaint"]))
    def hear(self, step, outcome):
        _, answer = step
        decision = answer["recommendations"][0]["decision_id"]
        told = {"decision_id": decision, "occurred_at": self.now.isoformat(), "outcome": outcome}
        self.call(self.named("/v1/outcomes", "post"), body={"outcomes": [told]})

    @rule(step=made)
    def forget(self, step):
        request, answer = step
        debtor = request["accounts"][0]["debtor_id"]
        reply = self.call(
            self.named("/v1/debtors/{debtor_id}", "delete"), {"debtor_id": debtor, "requested_by": "clerk"}
        )
        assert reply.status_code == 200
        export = self.call(self.named("/v1/debtors/{debtor_id}", "get"), {"debtor_id": debtor}).json()
        assert export["decisions"] == []
        self.forgotten.add(answer["recommendations"][0]["decision_id"])

    @rule()
    def read_all_pages(self):
        name = self.named("/v1/decisions", "get")
        link = self.operations[name][2]["responses"]["200"]["links"]["next page"]
        page = self.call(name, {"limit": 2}).json()
        seen = [one["decision_id"] for one in page["decisions"]]
        while page["next_cursor"] is not None:
            parameters = valued(link["parameters"], None, page)
            page = self.call(name, parameters | {"limit": 2}).json()
            seen += [one["decision_id"] for one in page["decisions"]]
        assert len(seen) == len(set(seen))

    @rule(hours=st.integers(-30, 48))
    def move_clock(self, hours):
        self.now = max(AS_OF, self.now + timedelta(hours=hours))
        assert isinstance(self.now, datetime)


def test_walks_along_the_links_end_in_no_server_error():
    """In any order, with clocks that jump back, keys that are used again and debtors that are forgotten."""
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=WALKS, stateful_step_count=STEPS, deadline=None, derandomize=True, print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
