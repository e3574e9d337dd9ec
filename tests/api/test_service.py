"""What surrounds the answers: the decision log, repeated requests, contacts of a debtor, outcomes."""

from itertools import product
from types import SimpleNamespace

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.service.answering import RecommendationService
from recommender.deciding.decide import default_actions
from recommender.errors import RecommenderError
from recommender.settings import Settings
from recommender.store.decision_log.decisions import DecisionLog, read_feedback_frame
from tests.api.asking import AS_OF, account, ask


def test_a_decision_is_written_down_when_it_is_made(client, url):
    """What is answered is in the log: action, propensity, eligible set, context, ranking, versions."""
    answer = ask(client, account(), account("A2", contacts=None), top_k=4)
    assert answer["recorded"]
    for told in answer["recommendations"]:
        held = client.get(f"/v1/decisions/{told['decision_id']}").json()
        first = told["actions"][0]
        assert held["factors"] == first["factors"]
        assert held["propensity"] == first["propensity"]
        assert held["contact_at"] == first["contact_at"]
        assert (first["template_id"] is None) == first["no_contact"]
        assert held["ranking"] == told["actions"]
        assert len(held["eligible"]) == told["eligible_actions"]
        assert held["action"] in held["eligible"]
        assert held["fallback"] and not held["deterministic"]
        assert held["context"]["days_past_due"] == 22.0
        assert held["context"]["stage"] == "administrative"
        assert held["context"]["product"] == "credit_card"
        assert held["provenance"]["policy_version"] == answer["policy_version"]
        assert held["provenance"]["rule_packs"] == {pack["id"]: pack["digest"] for pack in answer["packs"]["packs"]}
        assert held["provenance"]["tzdata_version"] and held["provenance"]["holidays_version"]
        assert held["debtor_id"] == "D1" and held["seed"] == 0
    with DecisionLog(url) as log:
        assert log.count() == (2, 0)


def test_the_seed_rules_log_is_training_data(client, url):
    """Decisions of the first day, made without a model, read back as a log with their propensities."""
    told = ask(client, *[account(f"A{number}") for number in range(8)], top_k=1)["recommendations"]
    with DecisionLog(url) as log:
        space = default_actions(Settings().contact_hours)
        as_of = pd.Timestamp("2026-12-20", tz="UTC").to_pydatetime()
        frame, roles = read_feedback_frame(log, space, "right_party_contact", 14, as_of)
    by_account = frame.set_index("account_id")["propensity"]
    assert {one["account_id"]: one["actions"][0]["propensity"] for one in told} == by_account.to_dict()
    assert "product" in roles["context"]
    eligible = dict(zip(frame["account_id"], roles["eligible"].sum(axis=1).tolist(), strict=True))
    assert eligible == {one["account_id"]: one["eligible_actions"] for one in told}


def test_a_repeated_decision_is_answered_from_the_log(client, url):
    """The same account, moment and seed, even for more ranks or among others, is the decision that was made."""
    first = ask(client, account(), top_k=2)["recommendations"][0]
    again = ask(client, account("B"), account(), top_k=5, request_key="k-1")
    assert again["recommendations"][1] == first
    assert "answered from the decision log" in " ".join(again["notes"])
    with DecisionLog(url) as log:
        assert log.count() == (2, 0)


def test_other_facts_under_a_made_decision_are_a_conflict(client, url):
    """What is logged is never changed; the good accounts of that request are answered."""
    ask(client, account())
    body = ask(client, account(balance_minor=7), status=409)
    assert body["status"] == 409 and "never changed" in body["detail"]
    body = ask(client, account("B"), account(balance_minor=7), status=207)
    assert [one["account_id"] for one in body["recommendations"]] == ["B"]
    (wrong,) = body["errors"]
    assert (wrong["position"], wrong["account_id"], wrong["status"]) == (1, "A1", 409)
    assert "never changed" in wrong["detail"]
    assert len(ask(client, account(), account(balance_minor=7), status=207)["errors"]) == 1
    with DecisionLog(url) as log:
        assert log.count() == (2, 0)


def test_a_repetition_after_a_change_of_the_rules_says_so(client, url):
    """The decision stands as it was made; the engine is told that rules changed, and not that it sent other facts."""
    ask(client, account())
    with TestClient(create_app(Settings(model_path=None, decision_log_url=url, without_packs=("TRADE",)))) as later:
        detail = ask(later, account(), status=409)["detail"]
        assert "other rules (changed since: TRADE)" in detail and "another as_of" in detail
        moment = {"as_of": "2026-11-23T09:00:00-05:00"}
        (told,) = ask(later, account("B", debtor_id="D2"), **moment)["recommendations"]
        packs = later.get(f"/v1/decisions/{told['decision_id']}").json()["provenance"]["rule_packs"]
    assert "TRADE" not in packs


def days_of(answer):
    """Local day of each contact that is made."""
    firsts = [one["actions"][0] for one in answer["recommendations"]]
    when = [pd.Timestamp(one["contact_at"]).tz_convert("America/Bogota") for one in firsts if not one["no_contact"]]
    return [one.date().isoformat() for one in when]


def test_accounts_of_one_debtor_see_each_others_planned_contact(client):
    """Colombian law allows one contact a day: no two accounts of a debtor are contacted on one, in any order."""
    for as_of, order in ((AS_OF, "ABC"), ("2026-11-24T08:00:00-05:00", "CAB")):
        mine = days_of(ask(client, *[account(name) for name in order], as_of=as_of))
        assert mine and len(set(mine)) == len(mine)
        strangers = [account(f"{name}2", debtor_id=f"D{name}") for name in order]
        assert len(days_of(ask(client, *strangers, as_of=as_of))) == 3


def test_a_logged_decision_stands_and_is_planned_for_the_debtors_other_accounts(client, url):
    """Asked again alone, in another order or with more accounts, nothing that was made is made anew."""
    together = ask(client, account("A"), account("B"))
    first = {one["account_id"]: one for one in together["recommendations"]}
    assert first["B"]["eligible_actions"] < first["A"]["eligible_actions"]
    assert ask(client, account("B"))["recommendations"] == [first["B"]]
    swapped = ask(client, account("C"), account("B"), account("A"))
    assert swapped["recommendations"][1:] == [first["B"], first["A"]]
    days = days_of(swapped)
    assert len(set(days)) == len(days)
    again = ask(client, account("B"), account("A"), account("C"))["recommendations"]
    assert again == [first["B"], first["A"], swapped["recommendations"][0]]
    assert ask(client, account("B", consented_channels=["sms"]), status=409)
    refused = ask(client, account("D"), account("A", flags=["disputed"]), status=207)
    assert [one["account_id"] for one in refused["errors"]] == ["A"]
    with DecisionLog(url) as log:
        assert log.count() == (4, 0)


def test_under_one_request_key_a_later_account_sees_what_was_planned(client):
    """More accounts under the key of an earlier request: the contacts of that request count."""
    once = ask(client, account("A"), request_key="k")
    more = ask(client, account("B"), account("A"), request_key="k")
    assert more["recommendations"][1] == once["recommendations"][0]
    days = days_of(more)
    assert days and len(set(days)) == len(days)


def test_the_contacts_of_one_account_count_for_the_debtors_others(client):
    """Yesterday's call about one account is known when the other is decided, in whichever round that is."""
    called = {"account_id": "A", "sent_at": "2026-11-23T12:30:00Z", "channel": "call", "outcome": "live_contact"}
    answer = ask(client, account("A", contacts=[called]), account("B"), account("C", debtor_id="D2"))
    alone = ask(client, account("A9", contacts=[called | {"account_id": "A9"}]))
    assert answer["recommendations"][1]["eligible_actions"] <= alone["recommendations"][0]["eligible_actions"]
    assert answer["recommendations"][2]["eligible_actions"] > alone["recommendations"][0]["eligible_actions"]
    assert not [note for note in answer["notes"] if "belong to no account" in note]


def test_a_request_key_makes_retries_safe_without_an_instant(client, url):
    """A retry that names no instant gets the first answer; another request under the key is refused."""
    accounts = [account(), account("A2")]
    once = client.post("/v1/recommendations", json={"accounts": accounts, "request_key": "run-7"}).json()
    twice = client.post("/v1/recommendations", json={"accounts": accounts, "request_key": "run-7"}).json()
    assert twice["recommendations"] == once["recommendations"]
    assert twice["as_of"] == once["as_of"]
    more = client.post("/v1/recommendations", json={"accounts": [*accounts, account("A3")], "request_key": "run-7"})
    assert more.json()["recommendations"][:2] == once["recommendations"]
    assert more.json()["as_of"] == once["as_of"]
    for changed in ({"accounts": [account("other")]}, {"seed": 9}, {"as_of": AS_OF}):
        refused = client.post("/v1/recommendations", json={"accounts": accounts, "request_key": "run-7"} | changed)
        assert refused.status_code == 409, changed
    with DecisionLog(url) as log:
        assert log.count() == (3, 0)


def test_without_chance_the_logged_propensity_is_one(client):
    """A deterministic choice is certain, whatever the stochastic policy would have given it."""
    told = ask(client, account(), explore=False)["recommendations"][0]
    held = client.get(f"/v1/decisions/{told['decision_id']}").json()
    assert told["deterministic"] and held["deterministic"]
    assert held["propensity"] == 1.0


def test_a_log_that_cannot_be_written_makes_no_decision(client, url, tmp_path):
    """503 with one clear body, nothing answered, and the readiness probe says why."""
    (tmp_path / "decisions.db").rename(tmp_path / "away.db")
    for leftover in tmp_path.glob("decisions.db-*"):
        leftover.unlink()
    client.app.state.recorder._log.engine.dispose()
    answer = client.post("/v1/recommendations", json={"accounts": [account()], "as_of": AS_OF})
    assert answer.status_code == 503
    assert "not made" in answer.json()["detail"]
    assert answer.headers["retry-after"]
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
    assert "recommender_decision_log_failures_total 2.0" in client.get("/metrics").text


def test_a_log_that_cannot_be_opened_stops_the_start_without_telling_its_password():
    """The error says what to look at, not what was in the URL."""
    settings = Settings(model_path=None, decision_log_url="sqlite:////proc/none/decisions.db")
    with pytest.raises(RecommenderError, match="decision log cannot be opened"), TestClient(create_app(settings)):
        pass
    secret = Settings(decision_log_url="postgresql://u:hunter2@db/x", registry_uri="http://u:hunter2@mlflow")
    assert "hunter2" not in repr(secret) and "hunter2" not in str(secret)
    with pytest.raises(ValueError, match="16 characters") as told:
        Settings(api_keys=("hunter2",))
    assert "hunter2" not in str(told.value)


def test_outcomes_are_kept_once_and_orphans_are_reported(client):
    """One or many; repeated ones count once; those of unknown decisions wait for their decision."""
    told = ask(client, account())["recommendations"][0]
    known, unknown = told["decision_id"], "f" * 32
    ladder = [
        {"decision_id": known, "occurred_at": "2026-11-23T15:00:00Z", "outcome": "delivered"},
        {"decision_id": known, "occurred_at": "2026-11-24T15:00:00Z", "outcome": "paid", "amount_minor": 500}
        | {"currency": "COP"},
        {"decision_id": unknown, "occurred_at": "2026-11-23T15:00:00Z", "outcome": "read"},
    ]
    first = client.post("/v1/outcomes", json={"outcomes": ladder})
    assert first.json() == {"stored": 3, "repeated": 0, "orphans": [unknown], "late": []}
    assert client.post("/v1/outcomes", json={"outcomes": ladder}).json()["repeated"] == 3
    held = client.get(f"/v1/decisions/{known}").json()["outcomes"]
    assert [one["outcome"] for one in held] == ["delivered", "paid"]
    assert held[1]["amount_minor"] == 500
    clash = [ladder[0] | {"outcome_id": "x"}, ladder[1] | {"outcome_id": "x"}]
    assert client.post("/v1/outcomes", json={"outcomes": clash}).status_code == 409


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"outcome": "rpc"}, "outcome"),
        ({"occurred_at": "2026-11-23T15:00:00"}, "occurred_at"),
        ({"amount_minor": 5}, "currency"),
        ({"amount_minor": -5, "currency": "COP"}, "amount_minor"),
        ({"note": "called her at home"}, "note"),
    ],
)
def test_a_wrong_outcome_is_refused_with_the_field(client, change, told):
    """Off the ladder, naive, half an amount, free text: 422 that names the field, and nothing is stored."""
    outcome = {"decision_id": "d", "occurred_at": "2026-11-23T15:00:00Z", "outcome": "read"} | change
    answer = client.post("/v1/outcomes", json={"outcomes": [outcome]})
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_an_unknown_decision_is_not_found(client):
    """404 with the same body as any error."""
    answer = client.get("/v1/decisions/none")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_without_a_log_the_service_says_so():
    """Decisions are answered with a note; outcomes cannot be taken."""
    with TestClient(create_app(Settings(model_path=None))) as client:
        answer = ask(client, account())
        assert not answer["recorded"]
        assert "not kept" in " ".join(answer["notes"])
        outcome = {"decision_id": "d", "occurred_at": "2026-11-23T15:00:00Z", "outcome": "read"}
        refused = client.post("/v1/outcomes", json={"outcomes": [outcome]})
        assert refused.status_code == 503
        assert "RECOMMENDER_DECISION_LOG_URL" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("keeps", "is_due", "challenger"), list(product((False, True), (False, True), (None, object())))
)
def test_who_would_wait_for_anything_leaves_the_others_their_turn(keeps, is_due, challenger):
    """Only where no log is kept, no file is looked at and no other model decides too, a thread of its own is spared."""
    recorder = SimpleNamespace(keeps=keeps)
    serving = SimpleNamespace(is_due=is_due, challenger=lambda: challenger)
    service = RecommendationService(serving, None, recorder, None, None, None)
    assert service.waits_for_nothing is not (keeps or is_due or challenger is not None)
