"""What a contact is for, when it is best made, and what follows if it fails: through the service."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from recommender.deciding import Decider, default_actions, fallback_chain, week_ahead
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from recommender.strategy import SeedStrategy
from tests.api.test_dispatches import AS_OF, Sender, account

PACKS = Settings(model_path=None).packs_in_force

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'log.db'}"


def test_each_purpose_is_a_decision_of_its_own_and_all_count_as_contacts(url):
    """Thanked and reminded at one moment: two decisions, and still no more than the law's contacts a day."""
    sender = Sender(url)
    with sender.client:
        answers = {}
        for said, purpose in (
            ("prevention", "pre_due_reminder"), ("collection", "collection"), ("thanks", "payment_confirmation"),
            ("promise_follow_up", "promise_follow_up"), ("win_back", "win_back"),
        ):  # fmt: skip
            spoken = {"due_date": "2026-11-25", "last_paid_on": "2026-11-21", "promise_on": "2026-11-24"}
            asked = {
                "accounts": [account(**spoken, cured_on="2026-11-21")], "as_of": AS_OF.isoformat(), "purpose": said,
            }  # fmt: skip
            answer = sender.client.post("/v1/recommendations", json=asked).json()
            assert answer["purpose"] == purpose
            answers[purpose] = answer["recommendations"][0]
            again = sender.client.post("/v1/recommendations", json=asked).json()
            assert again["recommendations"] == [answers[purpose]]
            logged = sender.client.get(f"/v1/decisions/{answers[purpose]['decision_id']}").json()
            assert logged["purpose"] == purpose
        ids = {one["decision_id"] for one in answers.values()}
        assert len(ids) == 5
        about_debt = [
            one["actions"][0]["contact_at"] for name, one in answers.items() if name != "payment_confirmation"
        ]
        days = [when[:10] for when in about_debt if when is not None]  # thanks are outside of the law's count
        assert len(days) == len(set(days)) >= 1
        unknown = sender.client.post("/v1/recommendations", json=asked | {"purpose": "spam"})
        assert unknown.status_code == 422


def test_a_request_key_belongs_to_one_purpose_and_a_contact_is_rechecked_for_its_own(url):
    """Paid in full: thanks may still be sent, a reminder may not, at the decision and right before sending."""
    sender = Sender(url)
    paid = account(balance_minor=0, last_paid_on="2026-11-21")
    with sender.client:
        asked = {"accounts": [paid], "as_of": AS_OF.isoformat(), "request_key": "k", "explore": False}
        thanks = sender.client.post("/v1/recommendations", json=asked | {"purpose": "thanks"}).json()
        assert sender.client.post("/v1/recommendations", json=asked).status_code == 409
        (one,) = thanks["recommendations"]
        assert not one["actions"][0]["no_contact"]
        reminder = sender.decide(account("A2", debtor_id="D2", balance_minor=0))[0]
        assert reminder["actions"][0]["no_contact"]
        sender.at(one)
        assert sender.send(one, account=paid)["may_send"]
    with DecisionLog(url) as log:
        stored = log.get(one["decision_id"])
        assert stored.decision.purpose == "payment_confirmation"
        assert log.get(reminder["decision_id"]).decision.purpose is None


def test_best_hours_are_those_of_the_library_and_know_the_ledger(url):
    """Every hour of the week as week_ahead() tells it; after a contact the ledger's cap closes the day."""
    sender = Sender(url)
    asked = {"account": account(), "channel": "sms", "as_of": AS_OF.isoformat(), "days": 3, "slots": 4}
    with sender.client:
        answer = sender.client.post("/v1/best-hours", json=asked).json()
        strategy = SeedStrategy(default_actions(range(7, 21)))
        facts = {name: value for name, value in account().items() if name not in ("contacts", "features")}
        week = week_ahead(
            Decider(strategy), [facts], channel="sms", as_of=AS_OF, packs=PACKS, contacts=[], days=3
        )  # fmt: skip
        assert [one["legal"] for one in answer["hours"]] == week.hours["legal"].tolist()
        instants = [datetime.fromisoformat(one["contact_at"]) for one in answer["hours"]]
        assert instants == week.hours["contact_at"].tolist()
        best = [datetime.fromisoformat(one["contact_at"]) for one in answer["best"]]
        assert best == week.best(4)["contact_at"].tolist()
        assert all(one["rules"] for one in answer["hours"] if not one["legal"])
        told, one = sender.contacting()
        day = told["actions"][0]["contact_at"][:10]
        after = sender.client.post("/v1/best-hours", json=asked | {"account": one}).json()
        assert not any(hour["legal"] for hour in after["hours"] if hour["contact_at"][:10] == day)
        assert sender.client.post("/v1/best-hours", json=asked | {"days": 99}).status_code == 422
    with DecisionLog(url) as log:
        before = log.count()
    with sender.client:
        sender.client.post("/v1/best-hours", json=asked)
    with DecisionLog(url) as log:
        assert log.count() == before  # a forecast plans nothing


def test_a_chain_of_fallbacks_is_that_of_the_library(url):
    """The steps of fallback_chain() with its propensities; after an opt-out there are none."""
    sender = Sender(url)
    asked = {"account": account(), "as_of": AS_OF.isoformat(), "explore": False, "steps": 3}
    with sender.client:
        answer = sender.client.post("/v1/fallback-chains", json=asked).json()
        facts = {name: value for name, value in account().items() if name not in ("contacts", "features")}
        chain = fallback_chain(
            Decider(SeedStrategy(default_actions(range(7, 21)))), [facts], as_of=AS_OF, packs=PACKS, contacts=[],
            explore=False,
        )  # fmt: skip
        assert [one["factors"] for one in answer["steps"]] == [step.factors for step in chain]
        assert [datetime.fromisoformat(one["contact_at"]) for one in answer["steps"]] == [
            step.contact_at for step in chain
        ]
        assert len(answer["steps"]) == 3
        (told,) = sender.decide(account())
        sender.now = AS_OF + timedelta(hours=1)
        heard = {"decision_id": told["decision_id"], "occurred_at": sender.now.isoformat(), "outcome": "complaint"}
        assert sender.client.post("/v1/outcomes", json={"outcomes": [heard]}).status_code == 200
        silent = account(consented_channels=[])
        assert sender.client.post("/v1/fallback-chains", json=asked | {"account": silent}).json()["steps"] == []
