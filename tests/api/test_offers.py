"""Offers in the service: a state that all workers read, one a debtor, never a better one, a budget that holds."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydantic import ValidationError

from api.main import create_app
from api.service.offering import OfferTerms, RequestOffers
from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.offers import PriceList
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog, Standing, offers_made
from recommender.store.decision_log.schema import offers
from tests.api.test_dispatches import AS_OF, account

PRICES = """
schema = 1
currency = "COP"
{budget}
capital_percent_month = 2.0
[[offers]]
id = "d20"
kind = "discount"
percent = 20
stages = ["administrative", "extrajudicial", "judicial"]
[[offers]]
id = "d5"
kind = "discount"
percent = 5
stages = ["administrative", "extrajudicial", "judicial"]
[[offers]]
id = "word"
kind = "discount"
percent = 1
authority = "supervisor"
stages = ["administrative", "extrajudicial", "judicial"]
"""
ACTIONS = ActionSpace(
    {"channel": ["sms", "whatsapp"], "tone": ["friendly", "neutral"], "offer": ["none", "d5", "d20", "word"]},
    no_contact=True,
)
LATE = {"due_date": "2026-10-01", "balance_minor": 100_000, "features": {"x": 0.5}}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved strategy by which the larger discount is always worth most."""
    rng = np.random.default_rng(0)
    n = 700
    frame = pd.DataFrame({"x": rng.normal(size=n)})
    action = rng.integers(0, len(ACTIONS), n)
    offer = ACTIONS.describe(action)["offer"].to_numpy()
    worth = pd.Series(offer).map({"none": 1.0, "d5": 3.0, "d20": 9.0, "word": 5.0}).fillna(0.0).to_numpy()
    frame["reward"] = worth + rng.normal(scale=0.1, size=n)
    log = LoggedFeedback.from_frame(
        pd.concat([frame, ACTIONS.describe(action)], axis=1), actions=ACTIONS, context=["x"]
    )
    strategy = ContactStrategy(policy="greedy", random_state=0, n_jobs=1).fit(log)
    return strategy.save(tmp_path_factory.mktemp("offers") / "strategy")


class Offering:
    """Some applications over one log."""

    def __init__(self, url, model, folder, *, budget=None, workers=1, **more):
        path = folder / "offers.toml"
        path.write_text(PRICES.format(budget="" if budget is None else f"budget_minor = {budget}"), encoding="utf-8")
        self.url, self.now = url, AS_OF
        given = {"model_path": model, "pages": False, "decision_log_url": url, "offers": path} | more
        self.clients = [TestClient(create_app(Settings(**given), clock=lambda: self.now)) for _ in range(workers)]

    def __enter__(self):
        for client in self.clients:
            client.__enter__()
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.__exit__(None, None, None)

    def answer(self, *accounts, worker=0, at=AS_OF, **more):
        body = {"accounts": accounts, "as_of": at.isoformat(), "top_k": 8, **more}
        return self.clients[worker].post("/v1/recommendations", json=body)

    def decide(self, *accounts, **more):
        answer = self.answer(*accounts, **more)
        assert answer.status_code in (200, 207), answer.text
        return answer.json()["recommendations"]

    def made(self, *accounts, **more):
        """Id of the offer that each account is made."""
        return [(one["actions"][0]["offer"] or {}).get("id") for one in self.decide(*accounts, **more)]

    def rows(self):
        with DecisionLog(self.url) as log, log.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(offers)).mappings()]

    def spent(self):
        return sum(row["cost_minor"] for row in self.rows() if row["status"] != "released")


def late(name, **changed):
    return account(name, **{"debtor_id": f"D{name}", **LATE, **changed})


def test_an_offer_is_told_kept_and_remembered_over_workers(empty_url, model, tmp_path):
    """Terms in the answer and the log; one open offer a debtor; the same may be repeated and runs no longer for it."""
    with Offering(empty_url, model, tmp_path, workers=2) as service:
        (told,) = service.decide(late("A"))
        offer = told["actions"][0]["offer"]
        assert offer == {
            "id": "d20", "kind": "discount", "percent": 20.0, "instalments": None, "cost_minor": 20_000.0,
            "currency": "COP", "expires_at": offer["expires_at"],
        }  # fmt: skip
        assert datetime.fromisoformat(offer["expires_at"]) == AS_OF + timedelta(days=10)
        assert service.decide(late("A"), worker=1) == [told]
        assert "word" not in {(one["offer"] or {}).get("id") for one in told["actions"]}
        logged = service.clients[1].get(f"/v1/decisions/{told['decision_id']}").json()
        assert logged["ranking"][0]["offer"] == offer
        (row,) = service.rows()
        assert (row["decision_id"], row["status"], row["cost_minor"]) == (told["decision_id"], "open", 20_000.0)
        assert row["expires_at"] == datetime.fromisoformat(offer["expires_at"])
        later = AS_OF + timedelta(days=4)
        (again,) = service.decide(late("A"), at=later, worker=1)
        assert again["actions"][0]["offer"] == offer
        assert service.made(late("B", debtor_id="DA"), at=later) == [None]
        assert service.clients[0].get(f"/v1/decisions/{told['decision_id']}/replay").json()["result"] in (
            "same", "same within rounding",
        )  # fmt: skip
        explained = service.clients[0].get(f"/v1/decisions/{told['decision_id']}/explanation")
        assert explained.json()["factors"]["offer"] == "d20"


def test_the_offers_of_one_request_and_debtor_are_one(empty_url, model, tmp_path):
    with Offering(empty_url, model, tmp_path) as service:
        assert service.made(late("A", debtor_id="D"), late("B", debtor_id="D"), late("C")) == ["d20", None, "d20"]


def test_no_later_offer_is_better_whatever_became_of_the_first(empty_url, model, tmp_path):
    """What the log knows, and what the caller tells: the stricter of both."""
    earlier = [{"offer_id": "d5", "offered_at": "2026-09-01T10:00:00-05:00", "status": "expired"}]
    with Offering(empty_url, model, tmp_path) as service:
        assert service.made(late("A", offered=earlier)) == ["d5"]
        after = AS_OF + timedelta(days=11)
        assert service.made(late("A"), at=after) == ["d5"]  # the log knows of it now, untold
        generous = [{"offer_id": "d20", "offered_at": "2026-09-01T10:00:00-05:00", "status": "expired"}]
        assert service.made(late("A", offered=generous), at=after + timedelta(days=11)) == ["d5"]
        refused = service.answer(late("B", offered=[{"offer_id": "d5", "offered_at": "2026-09-01T10:00:00"}]))
        assert refused.status_code == 422
    with Offering(empty_url, model, tmp_path, offers=None) as service:
        refused = service.answer(late("B", offered=earlier))
        assert (refused.status_code, refused.json()["column"]) == (422, "offered")
        assert service.made(late("C")) == [None]
        assert "offer-no-price-list" in service.answer(late("C")).json()["removed_by_rule"]


def test_the_authority_is_that_of_the_service(empty_url, model, tmp_path):
    shut = [{"offer_id": "word", "offered_at": "2026-09-01T10:00:00-05:00", "status": "expired"}]
    with Offering(empty_url, model, tmp_path) as service:
        assert service.made(late("A", offered=shut)) == [None]
    with Offering(empty_url, model, tmp_path, authority="supervisor") as service:
        assert service.made(late("B", offered=shut)) == ["word"]


def test_what_is_taken_back_releases_its_offer_and_what_is_paid_binds(empty_url, model, tmp_path):
    """Cancelled, superseded and erased; a payment makes it accepted, its correction open again."""
    with Offering(empty_url, model, tmp_path, budget=45_000) as service:
        a, b, c = service.decide(late("A"), late("B"), late("C"))
        assert [(one["actions"][0]["offer"] or {}).get("id") for one in (a, b, c)] == ["d20", "d20", "d5"]
        cancel = {"dispatch_id": "x", "decision_id": a["decision_id"], "state": "cancelled", "reason": "no-time"}
        assert service.clients[0].post("/v1/dispatches", json={"dispatches": [cancel]}).status_code == 200
        assert {row["decision_id"]: row["status"] for row in service.rows()}[a["decision_id"]] == "released"
        assert service.made(late("E"), at=AS_OF + timedelta(minutes=1)) == ["d20"]
        paid = {"decision_id": b["decision_id"], "occurred_at": AS_OF.isoformat(), "outcome": "paid", "outcome_id": "p"}
        paid |= {"amount_minor": 80_000, "currency": "COP"}
        service.clients[0].post("/v1/outcomes", json={"outcomes": [paid]})
        assert {row["decision_id"]: row["status"] for row in service.rows()}[b["decision_id"]] == "accepted"
        after = AS_OF + timedelta(days=21)
        assert service.made(late("F"), late("G"), at=after) == ["d20", "d5"]  # B's is spent for good, the rest ran out
        right = {name: paid[name] for name in ("decision_id", "occurred_at")}
        right |= {"outcome": "delivered", "outcome_id": "q", "replaces": "p"}
        service.clients[0].post("/v1/outcomes", json={"outcomes": [right]})
        assert {row["decision_id"]: row["status"] for row in service.rows()}[b["decision_id"]] == "open"
        assert service.clients[0].request("DELETE", "/v1/debtors/DE?requested_by=clerk").status_code == 200
        assert not [row for row in service.rows() if "DE" in (row["debtor_id"], row["account_id"])]
        with DecisionLog(empty_url) as log:
            assert set(offers_made(log)["status"]) <= {"open", "accepted"}


def test_an_erasure_frees_no_budget_and_leaves_no_trace(empty_url, model, tmp_path):
    with Offering(empty_url, model, tmp_path, budget=20_000) as service:
        assert service.made(late("A")) == ["d20"]
        service.clients[0].request("DELETE", "/v1/debtors/DA?requested_by=clerk")
        (row,) = service.rows()
        assert "A" not in (row["account_id"], row["debtor_id"])
        assert row["cost_minor"] == 20_000.0
        assert service.made(late("B"), at=AS_OF + timedelta(minutes=1)) == [None]


def test_a_repeated_request_reads_the_same_after_the_budget_is_gone(empty_url, model, tmp_path):
    with Offering(empty_url, model, tmp_path, budget=25_000) as service:
        first = service.decide(late("A"), late("B"))
        assert service.decide(late("A"), late("B")) == first
        assert service.decide(late("B")) == first[1:]
        assert service.made(late("C"), at=AS_OF + timedelta(minutes=1)) == [None]
        assert service.decide(late("A"), late("B")) == first
        # What the balance was then is what the offer was made on: another one is another fact.
        changed = service.answer(late("A", due_date=None))
        assert (changed.status_code, "as_of" in changed.json()["detail"]) == (409, True)


@pytest.mark.parametrize("budget", [20_000, 65_000])
def test_two_workers_never_spend_the_last_of_the_budget_twice(empty_url, model, tmp_path, budget):
    """Six debtors at once over three services: the log is checked in the transaction that writes."""
    with Offering(empty_url, model, tmp_path, budget=budget, workers=3) as service:
        for number in range(3):
            ready = threading.Barrier(6)

            def ask(one, number=number, ready=ready):
                ready.wait()
                moment = AS_OF + timedelta(minutes=number)
                return service.answer(late(f"{number}x{one}"), worker=one % 3, at=moment)

            with ThreadPoolExecutor(6) as pool:
                answers = list(pool.map(ask, range(6)))
            assert {answer.status_code for answer in answers} == {200}
            assert service.spent() <= budget
        assert service.spent() > budget - 5_000  # and it is used


def test_own_templates_tell_the_offer(empty_url, model, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(OWN, encoding="utf-8")
    with Offering(empty_url, model, tmp_path, templates=(own,)) as service:
        (told,) = service.decide(late("A", consented_channels=["sms"]))
    assert told["actions"][0]["offer"]["id"] == "d20"
    assert told["actions"][0]["template_id"] == "ours.offer.sms"
    assert told["actions"][0]["factors"]["tone"] == "friendly"


OWN = """
schema = 1
language = "es"
approved_by = "M. Ruiz"
approved_on = 2026-11-20
[[templates]]
id = "ours.offer.sms"
kind = "incentive"
purposes = ["collection"]
channels = ["sms"]
tone = "friendly"
stages = ["administrative", "extrajudicial"]
variables = ["first_name", "offer_percent", "payment_link"]
body = "Hola {{ first_name }}, pague con {{ offer_percent }} % de descuento: {{ payment_link }}"
"""


def test_offers_without_a_memory_are_refused(tmp_path, model):
    with pytest.raises(ValidationError, match="DECISION_LOG_URL"):
        Settings(offers=tmp_path / "offers.toml")


def test_a_price_list_that_nothing_reads_is_noted(tmp_path):
    url = f"sqlite:///{tmp_path / 'd.db'}"
    with Offering(url, None, tmp_path) as service:
        answer = service.answer(late("A")).json()
    assert any("RECOMMENDER_OFFERS" in note for note in answer["notes"])
    assert json.dumps(answer).count('"offer": {') == 0


@pytest.mark.parametrize("seed", range(20))
def test_what_is_taken_back_frees_what_nothing_else_binds(seed):
    """An offer that was repeated costs once, till the last of its rows is taken back."""
    rng = np.random.default_rng(seed)
    prices = PriceList.from_toml(PRICES.format(budget="budget_minor = 1_000_000"))
    rows = []
    for n in range(12):
        account_id, offer = f"A{rng.integers(3)}", str(rng.choice(["d5", "d20"]))
        until = AS_OF + timedelta(days=int(rng.integers(1, 3)))
        cost = {"d5": 5_000.0, "d20": 20_000.0}[offer]
        ids = {"decision_id": f"d{n}", "account_id": account_id, "debtor_id": f"D{account_id}", "offer_id": offer}
        times = {"made_at": AS_OF - timedelta(days=1), "expires_at": until}
        rows.append(ids | times | {"status": "open", "cost_minor": cost})

    def bound(some):
        return sum(
            {(one["account_id"], one["offer_id"], one["expires_at"]): one["cost_minor"] for one in some}.values()
        )

    elsewhere = 7_000.0  # to debtors whom nobody asks about
    standing = Standing(offers=rows, committed_minor=elsewhere + bound(rows))
    asked = RequestOffers(OfferTerms(prices), [], standing, AS_OF)
    left = list(rows)
    for at in rng.permutation(12).tolist():
        asked.release(rows[at]["decision_id"])
        left.remove(rows[at])
        assert asked.desk().committed(AS_OF) == pytest.approx(elsewhere + bound(left))
    asked.release("d0")  # again: nothing is left of it
    assert asked.desk().committed(AS_OF) == pytest.approx(elsewhere)
