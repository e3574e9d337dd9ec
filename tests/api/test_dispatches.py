"""From a decision to what was really sent: re-checked on present facts, reserved for one sender, told as it was."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.deciding import default_actions
from recommender.settings import Settings
from recommender.store.decision_log import (
    DecisionLog,
    ledger_contacts,
    read_feedback_frame,
    resume_contact,
    stop_contact,
    stopped_ids,
)
from tests.api import asking
from tests.api.asking import account

AS_OF = datetime.fromisoformat(asking.AS_OF)


class Sender:
    """A campaign engine with a clock that is moved by hand."""

    def __init__(self, url):
        self.now = AS_OF
        self.url = url
        settings = Settings(model_path=None, decision_log_url=url, pages=False)
        self.client = TestClient(create_app(settings, clock=lambda: self.now))

    def decide(self, *accounts, **more):
        answer = self.client.post(
            "/v1/recommendations", json={"accounts": accounts, "as_of": AS_OF.isoformat(), **more}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["recommendations"]

    def contacting(self, **changed):
        """A decision that contacts somebody, with its account."""
        for number in range(50):
            one = account(f"A{number}", debtor_id=f"D{number}", **changed)
            (told,) = self.decide(one)
            if not told["actions"][0]["no_contact"]:
                return told, one
        raise AssertionError("the seed rules contact nobody")

    def send(self, told, status=200, **more):
        body = {"dispatch_id": "x1", "decision_id": told["decision_id"], **more}
        answer = self.client.post("/v1/dispatches", json={"dispatches": [body]})
        assert answer.status_code == status, answer.text
        return (answer.json()["results"] or answer.json()["errors"])[0]

    def at(self, told):
        """Move the clock to the contact's instant."""
        self.now = datetime.fromisoformat(told["actions"][0]["contact_at"]) + timedelta(minutes=10)

    def training(self):
        with DecisionLog(self.url) as log:
            as_of = AS_OF.astimezone(UTC) + timedelta(days=60)
            return read_feedback_frame(log, default_actions(Settings().contact_hours), "right_party_contact", 14, as_of)


@pytest.fixture
def sender(empty_url):
    sender = Sender(empty_url)
    with sender.client:
        yield sender


def test_a_contact_is_reserved_sent_and_read_back_as_what_it_was(sender):
    """The happy way: too early, then may be sent, then told; the decision shows its state and its events."""
    told, one = sender.contacting()
    assert sender.send(told, account=one)["rules"] == ["too-early"]
    sender.at(told)
    got = sender.send(told, account=one)
    assert (got["may_send"], got["state"], got["chosen_by"], got["rules"]) == (True, "reserved", "policy", [])
    assert got["factors"] == told["actions"][0]["factors"]
    assert got["propensity"] == told["actions"][0]["propensity"]
    assert sender.send(told, account=one)["repeated"]
    assert sender.send(told, 207, dispatch_id="x2", account=one)["status"] == 409
    done = sender.send(told, state="sent")
    assert (done["state"], done["may_send"], done["rules"]) == ("dispatched", False, [])
    assert sender.send(told, state="sent")["repeated"]
    assert sender.send(told, 207, account=one)["status"] == 409
    assert sender.send(told, 207, state="cancelled", dispatch_id="x3")["status"] == 409
    held = sender.client.get(f"/v1/decisions/{told['decision_id']}").json()
    assert held["state"] == "dispatched"
    assert [event["kind"] for event in held["events"]] == ["refused", "reserved", "reserved", "dispatched"]
    frame, _ = sender.training()
    row = frame.set_index("decision_id").loc[told["decision_id"]]
    assert row["channel"] == told["actions"][0]["factors"]["channel"]
    assert row["propensity"] == told["actions"][0]["propensity"]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"flags": ["deceased"]}, "deceased"),
        ({"consented_channels": []}, "consent"),
        ({"contacts": None}, "history"),
        ({"flags": None}, "flag"),
    ],
)
def test_present_facts_stop_a_contact_that_was_decided_on_others(sender, changed, rule):
    told, one = sender.contacting()
    sender.at(told)
    got = sender.send(told, account=one | changed)
    assert not got["may_send"] and got["state"] == "decided" and got["rules"], rule
    assert sender.send(told, dispatch_id="x9", account=one)["may_send"], "nothing was reserved by a refusal"


def test_what_the_ledger_heard_stops_it_too(sender):
    """An opt-out told as an outcome acts, although the sender's own facts do not know it yet."""
    told, one = sender.contacting(consented_channels=["sms"])
    sender.at(told)
    heard = {"decision_id": told["decision_id"], "occurred_at": AS_OF.isoformat(), "outcome": "opt_out"}
    assert sender.client.post("/v1/outcomes", json={"outcomes": [heard]}).status_code == 200
    assert not sender.send(told, account=one)["may_send"]


def test_a_person_who_stops_contact_stops_it_in_every_process(sender):
    """A stop cancels what is planned, denies what would be sent, and the next decision in each road leaves alone."""
    told, one = sender.contacting()
    with DecisionLog(sender.url) as log:
        assert stop_contact(log, told["decision_id"], at=sender.now) == [told["decision_id"]]
        assert stopped_ids(log) == tuple(sorted((one["account_id"], one["debtor_id"])))
    held = sender.client.get(f"/v1/decisions/{told['decision_id']}").json()
    assert held["state"] == "cancelled"
    sender.at(told)
    assert sender.send(told, 207, account=one)["status"] == 409, "what was cancelled is not sent"
    with TestClient(create_app(sender.client.app.state.settings, clock=lambda: sender.now)) as another:
        for moment in (AS_OF + timedelta(days=1), AS_OF + timedelta(days=60)):
            sender.now = moment
            accounts = [one, one | {"account_id": "A-other"}]
            answer = another.post("/v1/recommendations", json={"accounts": accounts, "as_of": moment.isoformat()})
            assert [row["actions"][0]["no_contact"] for row in answer.json()["recommendations"]] == [True, True]
    with DecisionLog(sender.url) as log:
        resume_contact(log, told["decision_id"], at=sender.now)
        assert stopped_ids(log) == ()
    sender.now += timedelta(days=1)
    assert any(
        not sender.client.post("/v1/recommendations", json={"accounts": [one], "as_of": moment.isoformat()}).json()[
            "recommendations"
        ][0]["actions"][0]["no_contact"]
        for moment in (sender.now + timedelta(days=day) for day in range(5))
    )


def test_a_contact_that_is_planned_counts_however_a_person_answered(sender):
    """The word of a person is no conversation with the debtor: it spends no limit."""
    told, one = sender.contacting()
    sender.at(told)
    assert sender.send(told, account=one)["may_send"]
    sender.send(told, state="sent")
    with DecisionLog(sender.url) as log:
        assert stop_contact(log, told["decision_id"], at=sender.now) == [], "what was sent cannot be taken back"
        assert log.get(told["decision_id"]).outcomes[0].outcome == "contact_stopped"
        resume_contact(log, told["decision_id"], at=sender.now + timedelta(minutes=1))
        standing = log.standing([one["debtor_id"]], AS_OF - timedelta(days=30))
    (row,) = ledger_contacts(standing, (), ())[one["debtor_id"]]
    assert row["outcome"] is None


def test_a_second_contact_of_the_day_is_refused_at_send_time(sender):
    """Another contact that only the sender knows of, made after the decision."""
    told, one = sender.contacting()
    sender.at(told)
    called = {"account_id": one["account_id"], "sent_at": (sender.now - timedelta(minutes=5)).isoformat()}
    called |= {"channel": "call", "outcome": "live_contact"}
    assert not sender.send(told, account=one | {"contacts": [called]})["may_send"]
    mine = called | {"channel": told["actions"][0]["factors"]["channel"]}
    assert not sender.send(told, account=one | {"contacts": [mine]})["may_send"]


def test_a_fallback_is_drawn_from_what_is_left_with_its_own_probability(sender):
    """Where the channel is down, the logged probabilities are the shares drawn, and learning reads them."""
    accounts = [account(f"F{number}", debtor_id=f"F{number}") for number in range(120)]
    made = sender.decide(*accounts, top_k=1)
    sender.now = AS_OF + timedelta(minutes=30)
    drawn = []
    for told, one in zip(made, accounts, strict=True):
        if told["actions"][0]["factors"]["channel"] != "whatsapp":
            continue
        got = sender.send(told, dispatch_id=one["account_id"], account=one, closed_channels=["whatsapp"], fallback=True)
        if "too-early" in (got["rules"] or ()):  # not due yet: asked again at its hour
            sender.now, early = datetime.fromisoformat(got["contact_at"]), sender.now
            sender.at(told)
            got = sender.send(
                told, dispatch_id=one["account_id"], account=one, closed_channels=["whatsapp"], fallback=True
            )
            sender.now = early
        assert got["chosen_by"] == "fallback", got
        assert got["factors"]["channel"] != "whatsapp"
        assert got["may_send"] or got["contact_at"] or got["no_contact"]
        drawn.append((got["factors"]["channel"], got["factors"]["hour"], got["factors"]["tone"], got["propensity"]))
    assert len(drawn) > 30
    frame = pd.DataFrame(drawn, columns=["channel", "hour", "tone", "propensity"])
    assert frame["propensity"].between(0, 1, inclusive="right").all()
    share = frame.groupby(["channel", "hour", "tone"], dropna=False)["propensity"].agg(["size", "mean"])
    likely = share[share["mean"] > 0.3]
    assert len(likely) and np.allclose(likely["size"] / len(frame), likely["mean"], atol=0.15)
    logged, roles = sender.training()
    by_id = logged.set_index("decision_id").loc[[one["decision_id"] for one in made]]
    assert not (by_id.loc[by_id["hour"].notna(), "channel"] == "whatsapp").all()
    assert roles["eligible"].shape[0] == len(logged)


def test_an_own_choice_is_an_override_with_its_reason_and_no_propensity(sender):
    told, one = sender.contacting()
    sender.at(told)
    other = {"channel": "email", "tone": "neutral", "reason": "agent-request"}
    got = sender.send(told, account=one, instead=other)
    assert (got["may_send"], got["chosen_by"], got["propensity"]) == (True, "sender", None)
    assert sender.send(told, state="sent", account=one)["state"] == "overridden"
    frame, _ = sender.training()
    row = frame.set_index("decision_id").loc[told["decision_id"]]
    assert (row["channel"], row["tone"]) == ("email", "neutral") and np.isnan(row["propensity"])
    long = other | {"reason": "Juan Perez called me from his new job and asked for it"}
    assert sender.send(told, 207, dispatch_id="x5", account=one, instead=long)["status"] == 422


def test_what_was_sent_late_is_not_what_the_policy_chose(sender):
    told, one = sender.contacting()
    sender.at(told)
    assert sender.send(told, account=one)["may_send"]
    sender.now += timedelta(hours=3)
    done = sender.send(told, state="sent", account=one)
    assert (done["state"], done["propensity"]) == ("overridden", None)
    assert done["rules"] is not None


def test_a_decision_that_was_given_up_counts_no_longer(sender):
    """Its contact is free for another account of the debtor, and learning leaves it out."""
    told, one = sender.contacting()
    sender.send(told, state="cancelled", reason="campaign-stopped")
    assert sender.send(told, 207, dispatch_id="x2", account=one)["status"] == 409
    other = account("other", debtor_id=one["debtor_id"])
    (again,) = sender.decide(other)
    assert again["eligible_actions"] == told["eligible_actions"]
    with pytest.warns(UserWarning, match="cancelled"):
        frame, _ = sender.training()
    assert told["decision_id"] not in set(frame["decision_id"])
    answer = sender.client.post("/v1/recommendations", json={"accounts": [one], "as_of": AS_OF.isoformat()})
    assert answer.status_code == 409, "it is not made again"


def test_a_decision_that_was_not_delivered_is_made_again(sender):
    told, one = sender.contacting()
    sender.send(told, state="undelivered")
    (other,) = sender.decide(account("other", debtor_id=one["debtor_id"]))
    sender.send(other, state="cancelled")
    (again,) = sender.decide(one)
    assert again == told
    sender.at(told)
    assert sender.send(told, dispatch_id="x7", account=one)["may_send"]


def test_of_many_senders_one_gets_the_contact(sender):
    told, one = sender.contacting()
    sender.at(told)
    got = []
    gate = threading.Barrier(6)

    def ask(number):
        gate.wait()
        body = {"dispatch_id": f"w{number}", "decision_id": told["decision_id"], "account": one}
        answer = sender.client.post("/v1/dispatches", json={"dispatches": [body]}).json()
        got.extend(result["may_send"] for result in answer["results"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got.count(True) == 1


def test_good_dispatches_are_handled_and_bad_ones_are_named(sender):
    told, one = sender.contacting()
    wrong = {"dispatch_id": "y", "decision_id": "f" * 32}
    stranger = {"dispatch_id": "z", "decision_id": told["decision_id"], "account": account("stranger")}
    good = {"dispatch_id": "g", "decision_id": told["decision_id"], "account": one}
    bare = {"dispatch_id": "b", "decision_id": told["decision_id"]}
    answer = sender.client.post("/v1/dispatches", json={"dispatches": [wrong, good, stranger, bare]})
    assert answer.status_code == 207
    assert [(error["position"], error["status"]) for error in answer.json()["errors"]] == [(0, 404), (2, 422), (3, 422)]
    assert [result["dispatch_id"] for result in answer.json()["results"]] == ["g"]


INSTANT, EARLY, HOUR = timedelta(microseconds=1), timedelta(minutes=5), timedelta(hours=1)


@pytest.mark.parametrize(
    ("after", "expected"),
    [(-EARLY - INSTANT, "too-early"), (-EARLY, None), (HOUR - INSTANT, None), (HOUR, "slot-passed")],
)
def test_a_slot_opens_five_minutes_before_its_hour_and_ends_with_it(sender, after, expected):
    """To the microsecond: five minutes early is in time, an hour after its beginning is another hour."""
    told, one = sender.contacting()
    sender.now = datetime.fromisoformat(told["actions"][0]["contact_at"]) + after
    rules = sender.send(told, account=one)["rules"]
    assert (rules == [expected]) if expected else {"too-early", "slot-passed"}.isdisjoint(rules)


@pytest.mark.parametrize("after", [timedelta(0), INSTANT, HOUR - INSTANT])
def test_a_fallback_of_the_present_hour_is_sent_at_once_and_a_later_one_waits(sender, after):
    """From the first instant of an hour on: what is drawn for it is due, what is drawn for a later one is not."""
    accounts = [account(f"H{number}", debtor_id=f"H{number}") for number in range(60)]
    made = sender.decide(*accounts, top_k=1)
    due = []
    for told, one in zip(made, accounts, strict=True):
        if told["actions"][0]["factors"]["channel"] != "whatsapp":
            continue
        sender.now = datetime.fromisoformat(told["actions"][0]["contact_at"]).replace(minute=0, second=0) + after
        got = sender.send(told, dispatch_id=one["account_id"], account=one, closed_channels=["whatsapp"], fallback=True)
        if got["no_contact"]:
            continue
        is_later = datetime.fromisoformat(got["contact_at"]) > sender.now
        assert got["may_send"] is not is_later, got
        due.append(not is_later)
    assert any(due) and not all(due)


def test_what_was_reserved_early_may_be_sent_until_its_hour_ends(sender):
    """Reserved five minutes before its hour, it is the policy's choice for the whole of it, and none after it."""
    told, one = sender.contacting()
    begin = datetime.fromisoformat(told["actions"][0]["contact_at"])
    sender.now = begin - EARLY
    assert sender.send(told, account=one)["may_send"]
    sender.now = begin + HOUR - INSTANT
    assert sender.send(told, account=one)["may_send"]
    sender.now = begin + HOUR
    late = {"dispatch_id": "x1", "decision_id": told["decision_id"], "state": "sent"}
    sent = sender.send(told, state="sent", at=(begin + HOUR - INSTANT).isoformat())
    assert (sent["state"], sent["chosen_by"]) == ("dispatched", "policy")
    assert sender.client.post("/v1/dispatches", json={"dispatches": [late]}).json()["results"][0]["repeated"]


def test_a_correction_of_another_decision_s_outcome_is_refused(sender):
    """It would be kept and act on nothing."""
    told, other = sender.contacting()[0], sender.decide(account("B7", debtor_id="D77"))[0]
    sender.now = AS_OF + timedelta(hours=1)
    wrong = {
        "decision_id": told["decision_id"],
        "occurred_at": AS_OF.isoformat(),
        "outcome": "opt_out",
        "outcome_id": "o1",
    }
    right = wrong | {"outcome": "delivered", "outcome_id": "o2", "replaces": "o1"}
    assert sender.client.post("/v1/outcomes", json={"outcomes": [wrong]}).status_code == 200
    refused = sender.client.post("/v1/outcomes", json={"outcomes": [right | {"decision_id": other["decision_id"]}]})
    assert (refused.status_code, refused.json()["column"]) == (422, "replaces")
    assert sender.client.post("/v1/outcomes", json={"outcomes": [right]}).status_code == 200


@pytest.mark.parametrize(
    ("words", "free"),
    [(["paid_in_full"], False), (["paid_in_full", "payment_reversed"], True), (["promise_to_pay"], False),
     (["promise_to_pay", "paid"], True), (["promise_to_pay", "paid", "payment_reversed"], False)],
)  # fmt: skip
def test_a_payment_and_its_reversal_act_on_the_next_decision(sender, words, free):
    """Ten days later: a payment fulfils the promise, and what was taken back fulfils nothing."""
    told, one = sender.contacting()
    sender.now = AS_OF + timedelta(hours=9)
    for minute, word in enumerate(words):
        money = {"amount_minor": 500, "currency": "COP"} if word == "paid" else {}
        at = (AS_OF + timedelta(hours=8, minutes=minute)).isoformat()
        heard = {"decision_id": told["decision_id"], "occurred_at": at, "outcome": word, **money}
        assert sender.client.post("/v1/outcomes", json={"outcomes": [heard]}).status_code == 200
    sender.now = later = AS_OF + timedelta(days=10)
    answer = sender.client.post(
        "/v1/recommendations", json={"accounts": [one], "as_of": later.isoformat(), "top_k": 50}
    )
    (found,) = answer.json()["recommendations"]
    assert any(not action["no_contact"] for action in found["actions"]) == free
