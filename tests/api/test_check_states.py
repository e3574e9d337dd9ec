"""What the caller tells of past contacts acts in a check as in a decision; so does what the ledger heard."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from tests.api.test_dispatches import AS_OF, Sender, account

PACKS = ["CO", "HOUSE"]
AT = AS_OF.replace(hour=10)  # a Monday
LONG_AGO = AT - timedelta(days=40)
AHEAD = AT + timedelta(days=40)


@pytest.fixture(scope="module")
def client():
    with TestClient(create_app(Settings(model_path=None))) as held:
        yield held


@pytest.fixture
def sender(empty_url):
    held = Sender(empty_url)
    with held.client:
        yield held


def told(word, at=LONG_AGO, channel="sms", **more):
    return {"account_id": "A1", "sent_at": at.isoformat(), "channel": channel, "outcome": word, **more}


def facts(**changed):
    one = account(**changed)
    return {name: value for name, value in one.items() if name not in ("contacts", "features")}


def checked(client, contacts, channel="sms", at=AT, **changed):
    case = {"packs": PACKS, "at": at.isoformat(), "channel": channel, "account": facts(**changed), "contacts": contacts}
    answer = client.post("/v1/check", json=case)
    assert answer.status_code == 200, answer.text
    return answer.json()


def decided(client, contacts, channel="sms", at=AT):
    """Whether the channel is open at that hour in a decision."""
    body = {"accounts": [account(contacts=contacts)], "as_of": (at - timedelta(seconds=1)).isoformat(), "top_k": 50}
    body["accounts"][0]["constraints"] = {
        "allowed_actions": [{"channel": channel, "hour": at.hour}], "latest": (at + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    (found,) = client.post("/v1/recommendations", json=body).json()["recommendations"]
    return found["eligible_actions"] > 1


FAR = (AT + timedelta(days=30)).date().isoformat()
CASES = [
    ([], "sms", None),
    ([told("opt_out")], "sms", "opt"),
    ([told("opt_out")], "email", None),
    ([told("opt_out", AHEAD)], "sms", "opt"),
    ([told("complaint", AHEAD, "call")], "email", "complaint"),
    ([told("opt_out"), told("opt_in", AHEAD)], "sms", "opt"),
    ([told("opt_out"), told("opt_in", LONG_AGO + timedelta(days=1))], "sms", None),
    ([told("BAJA")], "sms", "opt"),
    ([told("opt_out_all")], "email", "opt"),
    ([told("wrong_party")], "call", "consent"),
    ([told("wrong_party")], "email", None),
    ([told("number_invalid")], "whatsapp", "consent"),
    ([told("complaint")], "email", "complaint"),
    ([told("complaint"), told("complaint_resolved", LONG_AGO + timedelta(days=1))], "email", None),
    ([told("promise_to_pay")], "sms", None),  # 14 days are over
    ([told("promise_to_pay", promise_date=FAR)], "sms", "promise"),
    ([told("promise_to_pay", promise_date=FAR), told("promise_broken", LONG_AGO + timedelta(days=1))], "sms", None),
    ([told("paid_in_full")], "sms", "debt"),
    ([told("paid", AT - timedelta(days=2), "email")], "sms", "debt"),
    ([told("bounced", LONG_AGO + timedelta(days=15 + n), "email") for n in range(3)], "email", "consent"),
    ([told("bounced", LONG_AGO + timedelta(days=15 + n), "email") for n in range(3)], "sms", None),
    ([told("dispute")], "sms", "disput"),
    ([told("deceased")], "sms", "deceased"),
    ([told("callback_requested", AT - timedelta(days=2),
           callback_at=(AT + timedelta(days=2)).isoformat())], "sms", "callback"),
    ([told("contact_stopped")], "sms", "do_not_contact"),
]  # fmt: skip


@pytest.mark.parametrize(("contacts", "channel", "rule"), CASES)
def test_events_of_the_callers_contacts_act_in_a_check_as_in_a_decision(client, contacts, channel, rule):
    """Denied by the rule that acts on the state, and the decision leaves the channel out as well."""
    verdict = checked(client, contacts, channel)
    assert verdict["allowed"] == (rule is None), verdict
    assert "input" not in verdict["rules"]
    assert decided(client, contacts, channel) == (rule is None)


def test_what_a_check_is_told_must_be_possible(client):
    for wrong in (told("delivered", promise_date=FAR), told("promise_to_pay", promise_date="2020-01-01"), told("xyz")):
        case = {"packs": PACKS, "at": AT.isoformat(), "channel": "sms", "account": facts(), "contacts": [wrong]}
        assert client.post("/v1/check", json=case).status_code == 422


def tell(sender, decision, word, **more):
    sender.now = AS_OF + timedelta(hours=1)
    heard = {"decision_id": decision["decision_id"], "occurred_at": sender.now.isoformat(), "outcome": word, **more}
    assert sender.client.post("/v1/outcomes", json={"outcomes": [heard]}).status_code == 200


def test_a_check_knows_what_the_ledger_heard(sender):
    """An opt-out among the outcomes, by account alone too; another debtor is free, and a lift frees."""
    later = AT + timedelta(days=21)
    decision, one = sender.contacting()
    name = {"account_id": one["account_id"], "debtor_id": one["debtor_id"]}
    assert checked(sender.client, [], at=later, **name)["allowed"]
    tell(sender, decision, "opt_out_all")
    verdict = checked(sender.client, [], at=later, **name)
    assert not verdict["allowed"] and "input" not in verdict["rules"]
    assert not checked(sender.client, [], at=later, account_id=one["account_id"], debtor_id=None)["allowed"]
    assert not checked(sender.client, [], at=later, account_id="other", debtor_id=one["debtor_id"])["allowed"]
    assert checked(sender.client, [], at=later, account_id="other", debtor_id="D-other")["allowed"]
    lifted = told("opt_in", AS_OF + timedelta(days=1), None) | {"account_id": one["account_id"]}
    assert checked(sender.client, [lifted], at=later, **name)["allowed"]


def test_the_contact_that_is_checked_does_not_stand_in_its_own_way_and_others_do(sender):
    """The decision's own plan is not counted; what was sent is, and of the debtor's other account too."""
    decision, one = sender.contacting()
    first = decision["actions"][0]
    at, channel = datetime.fromisoformat(first["contact_at"]), first["factors"]["channel"]
    name = {"account_id": one["account_id"], "debtor_id": one["debtor_id"]}
    assert checked(sender.client, [], channel, at, **name)["allowed"]
    other = name | {"account_id": "B"}
    assert not checked(sender.client, [], channel, at, **other)["allowed"]
    sender.at(decision)
    assert sender.send(decision, state="sent", account=one)["state"] == "dispatched"
    assert not checked(sender.client, [], channel, sender.now + timedelta(minutes=5), **name)["allowed"]
    assert checked(sender.client, [], channel, at + timedelta(days=14), **name)["allowed"]


def test_a_reservation_names_the_rule_and_another_channel_stays_open(sender):
    """What was heard of one channel is judged with the facts, never as a case that cannot be read."""
    decision, one = sender.contacting()
    tell(sender, decision, "opt_out")
    sender.at(decision)
    refused = sender.send(decision, account=one)
    assert not refused["may_send"] and "input" not in refused["rules"] and refused["rules"]
    used = decision["actions"][0]["factors"]["channel"]
    other = next(name for name in ("email", "sms", "whatsapp") if name != used)
    sender.now += timedelta(days=14)
    instead = {"channel": other, "reason": "agent-request"}
    allowed = sender.send(decision, account=one, instead=instead, dispatch_id="x2")
    assert allowed["may_send"], allowed


@pytest.mark.parametrize("told", ["nothing", "reserve", "sent"])
def test_a_planned_contact_is_the_one_that_is_asked_about_until_it_may_have_gone_out(sender, told):
    """It does not stand in its own way before and in its hour; reserved, sent or late it is one of the day's."""
    decision, one = sender.contacting()
    action = decision["actions"][0]
    due = datetime.fromisoformat(action["contact_at"])
    facts = {name: value for name, value in one.items() if name not in ("contacts", "features")}

    def allowed(minutes):
        asked = {"packs": PACKS, "at": (due + timedelta(minutes=minutes)).isoformat(), "account": facts,
                 "channel": action["factors"]["channel"], "contacts": []}  # fmt: skip
        verdict = sender.client.post("/v1/check", json=asked).json()
        assert verdict["allowed"] or verdict["rules"]
        return verdict["allowed"]

    assert (allowed(-60), allowed(0), allowed(59)) == (True, True, True)
    if told != "nothing":
        sender.at(decision)
        sender.send(decision, account=one, state=told)
        assert not allowed(20)
    assert not allowed(61)
