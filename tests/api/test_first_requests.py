"""What a service computes, imports or compiles at its first requests: many of every kind, all at once."""

from __future__ import annotations

import json
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from tests.api.test_dispatches import AS_OF, account
from tests.forked import Forked
from tests.store.small_strategy import saved_strategy

TIMES = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory, made_once):
    return saved_strategy(tmp_path_factory.mktemp("model") / "strategy", made_once)


def calls(decided):
    """A request of each kind; each has ids of its own, so that none waits for another's decision."""
    for turn in range(TIMES):
        one = account(f"A{turn}", debtor_id=f"D{turn}", features={"stage": "early", "overdue": 0.4})
        many = [account(f"B{turn}x{n}", debtor_id=f"E{turn}x{n}", features={"stage": "late"}) for n in range(20)]
        plain = {name: one[name] for name in ("account_id", "country", "timezone", "due_date", "flags", "party")}
        instant = {"as_of": AS_OF.isoformat()}
        check = {"packs": ["CO", "HOUSE"], "at": AS_OF.isoformat(), "channel": "sms", "account": plain, "contacts": []}
        heard = {"decision_id": f"unknown{turn}", "occurred_at": AS_OF.isoformat(), "outcome": "read"}
        cancelled = {"dispatch_id": f"x{turn}", "decision_id": decided[turn], "state": "cancelled"}
        yield "POST", "/v1/recommendations", {"accounts": [one], **instant}
        yield "POST", "/v1/recommendations", {"accounts": many, **instant, "purpose": "pre_due_reminder"}
        yield "POST", "/v1/check", check
        yield "POST", "/v1/best-hours", {"account": one, "channel": "call", **instant}
        yield "POST", "/v1/fallback-chains", {"account": one, **instant}
        yield "POST", "/v1/outcomes", {"outcomes": [heard]}
        yield "POST", "/v1/dispatches", {"dispatches": [cancelled]}
        for what in ("explanation", "contrast", "replay"):
            yield "GET", f"/v1/decisions/{decided[turn]}/{what}", None
        for path in ("/v1/decisions", "/v1/features", "/readyz", "/metrics", "/openapi.json", f"/v1/debtors/D{turn}"):
            yield "GET", path, None


def _ask_all_at_once(model, url, file):
    """In a process in which nothing was asked before, with warnings as errors: statuses that are no success."""
    warnings.simplefilter("error")
    before = list(warnings.filters)
    settings = Settings(model_path=model, pages=False, decision_log_url=url)
    with TestClient(create_app(settings)) as first, TestClient(create_app(settings)) as second:
        named = [account(f"C{n}", debtor_id=f"F{n}", features={"stage": "early"}) for n in range(TIMES)]
        body = {"accounts": named, "as_of": AS_OF.isoformat()}
        decided = [one["decision_id"] for one in first.post("/v1/recommendations", json=body).json()["recommendations"]]
        asked = list(calls(decided))
        ready = threading.Barrier(len(asked))

        def ask(number):
            method, path, sent = asked[number]
            ready.wait()
            answer = (first, second)[number % 2].request(method, path, json=sent)
            return None if answer.status_code < 300 else [method, path, answer.status_code, answer.text]

        with ThreadPoolExecutor(len(asked)) as pool:
            wrong = [one for one in pool.map(ask, range(len(asked))) if one is not None]
    if list(warnings.filters) != before:
        wrong.append(["warnings", "are filtered otherwise than before"])
    Path(file).write_text(json.dumps(wrong))


def test_first_requests_of_every_kind_at_once_are_answered(tmp_path, model):
    """No thread meets what another has half done, and no filter of warnings is left behind."""
    file = tmp_path / "wrong.json"
    asker = Forked(_ask_all_at_once, str(model), f"sqlite:///{tmp_path / 'd.db'}", str(file))
    assert asker.wait(300) == 0
    assert json.loads(file.read_text()) == []
