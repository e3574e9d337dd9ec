"""Whom a purpose is for, through the service: at the decision, in the week ahead, at a check and before sending."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from tests.api.test_dispatches import AS_OF, Sender, account

pytestmark = pytest.mark.filterwarnings("error")

THANKS = {"purpose": "thanks", "explore": False}


@pytest.fixture
def sender(tmp_path):
    sender = Sender(f"sqlite:///{tmp_path / 'log.db'}")
    with sender.client:
        yield sender


def test_a_purpose_is_for_whom_its_fact_is_told(sender):
    """Unknown denies and is counted by its name; the pack stands in the logged decision."""
    paid, silent = account(last_paid_on="2026-11-20"), account("A2", debtor_id="D2")
    body = {"accounts": [paid, silent], "as_of": AS_OF.isoformat(), **THANKS}
    answer = sender.client.post("/v1/recommendations", json=body).json()
    told = [one["actions"][0]["no_contact"] for one in answer["recommendations"]]
    assert told == [False, True]
    assert answer["removed_by_rule"]["purpose-payment-unknown"] > 0
    assert "PURPOSE" in [pack["id"] for pack in answer["packs"]["packs"]]
    with DecisionLog(sender.url) as log:
        for one in answer["recommendations"]:
            assert "PURPOSE" in log.get(one["decision_id"]).decision.provenance.rule_packs


def test_what_the_ledger_heard_is_a_fact_of_the_next_decision(sender):
    """A payment told as an outcome is thanked for, once, whoever tells the history; a reversal ends it."""
    told, one = sender.contacting()

    def hear(outcome, hours):
        sender.now = AS_OF + timedelta(hours=hours + 1)
        heard = {"decision_id": told["decision_id"], "occurred_at": (AS_OF + timedelta(hours=hours)).isoformat()}
        heard |= {"outcome": outcome} | ({"amount_minor": 5_000, "currency": "COP"} if outcome == "paid" else {})
        assert sender.client.post("/v1/outcomes", json={"outcomes": [heard]}).status_code == 200

    def thanked(hours, **facts):
        body = {"accounts": [one | facts], "as_of": (AS_OF + timedelta(hours=hours)).isoformat(), **THANKS}
        return sender.client.post("/v1/recommendations", json=body).json()

    before = thanked(1)["recommendations"][0]["actions"][0]
    assert before["no_contact"]
    hear("paid", 1)
    first = thanked(2)["recommendations"][0]["actions"][0]
    assert not first["no_contact"] and first["template_id"].split(".")[1] == "thanks"
    for facts in (
        {},
        {"contacts": [{"account_id": one["account_id"], "sent_at": first["contact_at"],
                       "channel": first["factors"]["channel"], "outcome": "delivered"}]},
    ):  # fmt: skip
        again = thanked(49, **facts)
        assert again["recommendations"][0]["actions"][0]["no_contact"], facts
        assert again["removed_by_rule"]["purpose-payment-said"] > 0
    hear("payment_reversed", 50)
    assert "purpose-payment-unknown" in thanked(73)["removed_by_rule"]


def test_a_contact_is_judged_again_for_its_purpose_before_it_is_sent(sender):
    """Thanks that were right in the morning are not sent once the payment came back."""
    told, one = sender.contacting()
    thanks = sender.decide(one | {"last_paid_on": "2026-11-22"}, **THANKS)[0]
    sender.at(thanks)
    assert sender.send(thanks, account=one)["rules"] == ["purpose-payment-unknown"]
    heard = {"decision_id": told["decision_id"], "occurred_at": AS_OF.isoformat(), "outcome": "payment_reversed"}
    assert sender.client.post("/v1/outcomes", json={"outcomes": [heard]}).status_code == 200
    gone = sender.send(thanks, dispatch_id="x2", account=one | {"last_paid_on": "2026-11-22"})
    assert (gone["may_send"], gone["rules"]) == (False, ["purpose-payment-unknown"])


def test_a_check_names_the_pack_that_it_is_asked_with(sender):
    """The law alone lets thanks go out; under PURPOSE the fact must be there, and a contact of the purpose counts."""
    facts = {name: value for name, value in account().items() if name not in ("contacts", "features")}
    asked = {"id": "1", "at": "2026-11-24T10:00:00-05:00", "channel": "sms", "purpose": "thanks", "contacts": []}

    def check(packs, contacts=(), **more):
        body = asked | {"packs": packs, "account": facts | more, "contacts": list(contacts)}
        answer = sender.client.post("/v1/check", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    sent = {"sent_at": "2026-11-23T10:00:00-05:00", "channel": "email", "purpose": "agradecimiento"}
    assert check(["CO"])["allowed"]
    assert check(["CO", "PURPOSE"])["rules"] == ["purpose-payment-unknown"]
    assert check(["CO", "PURPOSE"])["citations"] == {"purpose-payment-unknown": "house policy"}
    assert check(["CO", "PURPOSE"], last_paid_on="2026-11-23")["allowed"]
    assert check(["CO", "PURPOSE"], [sent], last_paid_on="2026-11-23")["rules"] == ["purpose-payment-said"]
    heard = {"sent_at": "2026-11-23T10:00:00-05:00", "channel": "email", "outcome": "paid"}
    assert check(["CO", "PURPOSE"], [heard])["allowed"]


def test_the_week_ahead_of_a_reminder_opens_days_before_the_due_date(sender):
    """Due on Friday: Tuesday on; the rule closes the days before."""
    asked = {"account": account(due_date="2026-11-27"), "channel": "sms", "as_of": AS_OF.isoformat(), "days": 5,
             "purpose": "prevention"}  # fmt: skip
    hours = sender.client.post("/v1/best-hours", json=asked).json()["hours"]
    assert {one["date"] for one in hours if one["legal"]} == {f"2026-11-{day}" for day in (24, 25, 26, 27)}
    assert all("purpose-due" in one["rules"] for one in hours if one["date"] == "2026-11-23")


def test_the_pack_is_switched_off_by_name(tmp_path):
    """Then thanks go to everybody, and every decision says so."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    settings = Settings(model_path=None, decision_log_url=url, pages=False, without_packs=("PURPOSE",))
    with TestClient(create_app(settings, clock=lambda: AS_OF)) as client:
        body = {"accounts": [account()], "as_of": AS_OF.isoformat(), **THANKS}
        (one,) = client.post("/v1/recommendations", json=body).json()["recommendations"]
    assert not one["actions"][0]["no_contact"]
    with DecisionLog(url) as log:
        record = log.get(one["decision_id"]).decision
    assert record.ranking[0]["switched_off"] == "PURPOSE"
    assert "PURPOSE" not in record.provenance.rule_packs


def test_thanks_that_retention_deleted_were_said_all_the_same(sender):
    """A day later the decision is purged: what it was for stays with the contact, and a collection contact is none."""
    paid, other = account(last_paid_on="2026-11-20"), account("A2", debtor_id="D2", last_paid_on="2026-11-20")
    sender.decide(paid, **THANKS)
    sender.decide(other, purpose="collection", explore=False)
    with DecisionLog(sender.url) as log:
        assert (
            log.purge(AS_OF + timedelta(days=1), requested_by="retention", at=AS_OF + timedelta(days=1)).decisions == 2
        )
    body = {"accounts": [paid, other], "as_of": (AS_OF + timedelta(days=2)).isoformat(), **THANKS}
    answer = sender.client.post("/v1/recommendations", json=body).json()
    assert [one["actions"][0]["no_contact"] for one in answer["recommendations"]] == [True, False]
    assert answer["removed_by_rule"]["purpose-payment-said"] > 0
