"""What surrounds the answers: the decision log, outcomes, checks, numbers, limits and one error body."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.deciding.decide import default_actions
from recommender.errors import RecommenderError
from recommender.settings import Settings
from recommender.store.decision_log.decisions import DecisionLog, read_feedback_frame

AS_OF = "2026-11-23T08:00:00-05:00"
KEY = "a-key-that-is-long-enough"


def account(account_id="A1", **changed):
    facts = {
        "account_id": account_id,
        "debtor_id": "D1",
        "country": "CO",
        "timezone": "America/Bogota",
        "due_date": "2026-11-01",
        "balance_minor": 1_200_000,
        "consented_channels": ["sms", "whatsapp", "email", "call"],
        "flags": [],
        "party": "debtor",
        "contacts": [],
        "features": {"product": "credit_card"},
    }
    return facts | changed


def ask(client, *accounts, status=200, **request):
    answer = client.post("/v1/recommendations", json={"accounts": list(accounts), "as_of": AS_OF} | request)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'decisions.db'}"


@pytest.fixture
def client(url):
    with TestClient(create_app(Settings(model_path=None, decision_log_url=url))) as client:
        yield client


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
    assert first.json() == {"stored": 3, "repeated": 0, "orphans": [unknown]}
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


CASE = {
    "id": 7,
    "packs": ["CO"],
    "at": "2026-11-23T10:00:00-05:00",
    "channel": "sms",
    "account": {
        "account_id": "A1",
        "country": "CO",
        "timezone": "America/Bogota",
        "phone_timezones": ["America/Bogota"],
        "due_date": "2026-11-01",
        "balance_minor": 1_200_000,
        "consented_channels": ["sms"],
        "flags": [],
        "party": "debtor",
    },
    "contacts": [],
}


def test_a_contact_is_checked_at_send_time(client):
    """Allowed as it is; on a Sunday, unknown, or after today's contact it is denied with rule, law and next instant."""
    allowed = client.post("/v1/check", json=CASE).json()
    assert allowed["allowed"] and not allowed["rules"] and allowed["id"] == 7
    assert pd.Timestamp(allowed["next_allowed_at"]) == pd.Timestamp(CASE["at"])
    sunday = client.post("/v1/check", json=CASE | {"at": "2026-11-22T10:00:00-05:00"}).json()
    assert not sunday["allowed"]
    assert any("2300" in law for law in sunday["citations"].values())
    assert pd.Timestamp(sunday["next_allowed_at"]) > pd.Timestamp("2026-11-22T10:00:00-05:00")
    for missing in ("contacts", "account"):
        assert not client.post("/v1/check", json={n: v for n, v in CASE.items() if n != missing}).json()["allowed"]
    sent = {"sent_at": "2026-11-23T08:00:00-05:00", "channel": "sms", "account_id": "A1", "outcome": "live_contact"}
    assert not client.post("/v1/check", json=CASE | {"contacts": [sent]}).json()["allowed"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"account": CASE["account"] | {"phone": "+573001234567"}}, "phone"),
        ({"packs": ["XX"]}, "XX"),
        ({"packs": []}, "packs"),
        ({"channel": "fax"}, "channel"),
        ({"at": "2026-11-23T10:00:00"}, "at"),
    ],
)
def test_a_wrong_check_is_refused(client, change, told):
    """A phone number, an unknown pack or channel, a naive instant: 422, never a verdict."""
    answer = client.post("/v1/check", json=CASE | change)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert "+573001234567" not in answer.text


def test_an_account_is_judged_under_the_law_of_its_country(client):
    """Without packs of its own an account falls under its country's; a country without a pack is left alone."""
    told = ask(client, account("M", country="MX", timezone="America/Mexico_City"), account("F", country="FR"))
    mexican, french = told["recommendations"]
    packs = client.get(f"/v1/decisions/{mexican['decision_id']}").json()["provenance"]["rule_packs"]
    assert "MX" in packs and "CO" not in packs
    assert french["eligible_actions"] == 1 and french["actions"][0]["no_contact"]


def test_numbers_for_prometheus(client):
    """Requests by route pattern, decisions by policy and channel, removals by rule; no id is a label."""
    decision_id = ask(client, account(), account("B", contacts=None))["recommendations"][0]["decision_id"]
    client.get(f"/v1/decisions/{decision_id}")
    client.get("/nowhere/at/all")
    text = client.get("/metrics").text
    assert 'recommender_requests_total{method="POST",route="/v1/recommendations",status="200"} 1.0' in text
    assert 'route="/v1/decisions/{decision_id}"' in text
    assert 'route="unmatched",status="404"' in text
    assert 'recommender_decisions_total{channel="none",policy="seed_rules"}' in text
    assert re.search(r'recommender_guardrail_removals_total\{rule="[^"]+"\} [1-9]', text)
    assert decision_id not in text and "nowhere" not in text


def test_numbers_need_a_key_in_production():
    """In development they are open, in production they are not."""
    with TestClient(create_app(Settings(model_path=None, api_keys=(KEY,), environment="production"))) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"X-API-Key": KEY}).status_code == 200
    with TestClient(create_app(Settings(model_path=None, api_keys=(KEY,)))) as client:
        assert client.get("/metrics").status_code == 200


def test_every_error_has_the_same_body_and_the_request_id(capsys):
    """404, 405, 413, 422, 429, 500: one shape, one id, no traceback, no value in the log."""
    settings = Settings(model_path=None, max_body_bytes=2_000, rate_limit="5/hour")  # the five before the first 429
    app = create_app(settings)

    @app.get("/fails")
    def fails():
        raise RuntimeError("secret value 573001234567")

    with TestClient(app) as client:
        long = "x" * 3_000
        answers = {
            404: client.get("/v1/nothing"),
            405: client.get("/v1/recommendations"),
            413: client.post("/v1/recommendations", content=long),
            422: client.post("/v1/recommendations", json={"accounts": []}),
            500: client.get("/fails"),
        }
        streamed = client.post("/v1/recommendations", content=iter([long.encode()]))
        assert streamed.status_code == 413
        for _ in range(6):
            answers[429] = client.post("/v1/recommendations", json={"accounts": [account()], "as_of": AS_OF})
        ids = set()
        for status, answer in answers.items():
            body = answer.json()
            assert answer.status_code == status == body["status"], answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "request_id"} <= set(body)
            assert body["request_id"] == answer.headers["x-request-id"]
            ids.add(body["request_id"])
            assert "secret value" not in answer.text
        assert len(ids) == len(answers)
        assert int(answers[429].headers["retry-after"]) >= 1
        assert client.get("/healthz", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
        assert client.get("/healthz", headers={"X-Request-ID": "a b"}).headers["x-request-id"] != "a b"
    written = capsys.readouterr().err
    assert "RuntimeError" in written and "573001234567" not in written


def test_each_key_has_its_own_limit():
    """One busy caller does not use up another's share; a wrong key does not use up the right one's."""
    other = KEY + "-two"
    settings = Settings(model_path=None, api_keys=(KEY, other), rate_limit="2/hour")
    with TestClient(create_app(settings)) as client:

        def status(key):
            body = {"accounts": [account()], "as_of": AS_OF}
            return client.post("/v1/recommendations", json=body, headers={"X-API-Key": key}).status_code

        assert [status(KEY) for _ in range(3)] == [200, 200, 429]
        assert [status("wrong") for _ in range(3)] == [401, 401, 429]
        assert status(other) == 200
    with pytest.raises(ValueError, match="rate_limit"):
        create_app(Settings(model_path=None, rate_limit="often"))


def test_log_lines_hold_no_personal_data(client, capsys):
    """One line a request with its pattern, status and time; nothing of what was sent."""
    ask(client, account("VERY-OWN-ID"))
    ask(client, account(phone="+573001234567"), status=422)
    written = capsys.readouterr().err
    assert "/v1/recommendations" in written
    assert "VERY-OWN-ID" not in written and "573001234567" not in written


def test_nothing_in_an_answer_is_not_json(client):
    """Logged and fresh answers are finite JSON."""
    text = client.post("/v1/recommendations", json={"accounts": [account()], "as_of": AS_OF}).text
    told = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert np.isfinite(told["recommendations"][0]["actions"][0]["propensity"])
