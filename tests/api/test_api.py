"""The scoring API: one answer with the batch, one error body, nothing personal in, nothing forbidden out."""

import json

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.deciding.decide import decide
from recommender.settings import Settings

AS_OF = "2026-11-23T08:00:00-05:00"
KEY = "a-key-that-is-long-enough"


def account(**changed):
    facts = {
        "account_id": "A1",
        "debtor_id": "D1",
        "country": "CO",
        "timezone": "America/Bogota",
        "due_date": "2026-11-01",
        "balance_minor": 1_200_000,
        "consented_channels": ["sms", "whatsapp", "email", "call"],
        "flags": [],
        "party": "debtor",
        "contacts": [],
        "features": {},
    }
    return facts | changed


@pytest.fixture(scope="module")
def seeds():
    with TestClient(create_app(Settings(model_path=None))) as client:
        yield client


@pytest.fixture(scope="module")
def model(saved_strategy):
    with TestClient(create_app(Settings(model_path=saved_strategy))) as client:
        yield client


def ask(client, *accounts, status=200, **request):
    answer = client.post("/v1/recommendations", json={"accounts": list(accounts), "as_of": AS_OF} | request)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_without_a_model_the_seed_rules_answer_and_say_so(seeds):
    """A service that was just installed recommends by the trade's advice, flagged as such."""
    assert seeds.get("/healthz").json() == {"status": "ok"}
    assert seeds.get("/readyz").json()["policy"] == "seed_rules"
    answer = ask(seeds, account(), top_k=2)
    first = answer["recommendations"][0]
    assert first["policy"] == "seed_rules"
    assert first["actions"][0]["expected_reward"] is None
    assert 0 < first["actions"][0]["propensity"] <= 1
    assert "no model" in " ".join(answer["notes"])


def test_api_and_batch_give_identical_rankings(model, strategy, simulated):
    """The same accounts through the API, one by one and together, and through the batch call: equal to the bit."""
    names = [str(name) for name in strategy.feature_names_in_]
    rows = simulated.contacts.drop_duplicates("account_id").tail(12).reset_index(drop=True)
    facts = [account(account_id=a, debtor_id=f"D-{a}") for a in rows["account_id"]]
    features = json.loads(rows[names].drop(columns=["country", "balance_minor"]).to_json(orient="records"))
    asked = [one | {"features": held} for one, held in zip(facts, features, strict=True)]
    together = ask(model, *asked, top_k=4)["recommendations"]
    alone = [ask(model, one, top_k=4)["recommendations"][0] for one in asked]
    assert together == alone
    frame = pd.DataFrame([one | one.pop("features") for one in [dict(one) for one in asked]]).drop(columns="contacts")
    batch = decide(
        frame,
        strategy=strategy,
        as_of=pd.Timestamp(AS_OF).to_pydatetime(),
        packs=["CO", "HOUSE", "TRADE"],
        contacts=pd.DataFrame(columns=["account_id", "sent_at", "channel"]),
        top_k=4,
    ).ranked
    for position, answer in enumerate(together):
        mine = batch.loc[batch["row"] == position]
        assert answer["decision_id"] == mine["decision_id"].iloc[0]
        assert [a["propensity"] for a in answer["actions"]] == mine["propensity"].tolist()
        assert [a["expected_reward"] for a in answer["actions"]] == mine["expected_reward"].tolist()
        channels = [None if pd.isna(level) else level for level in mine["channel"]]
        assert [a["factors"]["channel"] for a in answer["actions"]] == channels


def test_nothing_forbidden_is_ever_recommended(model):
    """Every ranked contact is on a consented channel inside the Colombian window, whatever the seed."""
    for seed in range(25):
        answer = ask(model, account(consented_channels=["sms", "email"]), top_k=10, seed=seed)
        for action in answer["recommendations"][0]["actions"]:
            if action["no_contact"]:
                continue
            assert action["factors"]["channel"] in {"sms", "email"}
            local = pd.Timestamp(action["contact_at"]).tz_convert("America/Bogota")
            assert local.weekday() < 5 and 7 <= local.hour < 19


@pytest.mark.parametrize(
    "change",
    [
        {"contacts": None},
        {"flags": None},
        {"flags": ["deceased"]},
        {"consented_channels": None},
        {"consented_channels": []},
        {"party": None},
        {"party": "reference"},
        {"balance_minor": 0},
        {"contacts": [{"account_id": "A1", "sent_at": "2026-11-23T07:30:00-05:00", "channel": "sms"}] * 1},
    ],
)
def test_what_is_unknown_or_stopped_is_left_alone(model, change):
    """Unknown facts deny, stops stop, and a contact made today uses up the day: the answer is NO_CONTACT."""
    answer = ask(model, account(**change), top_k=3)["recommendations"][0]
    today = [a for a in answer["actions"] if not a["no_contact"] and a["contact_at"][:10] == "2026-11-23"]
    assert not today
    if "contacts" not in change or change["contacts"] is None:
        assert answer["actions"][0]["no_contact"]
        assert answer["actions"][0]["propensity"] == 1.0


def test_accounts_with_and_without_a_known_history_may_come_together(model):
    """One account's unknown history denies that account only; order is kept."""
    answer = ask(model, account(account_id="A"), account(account_id="B", contacts=None), account(account_id="C"))
    got = answer["recommendations"]
    assert [one["account_id"] for one in got] == ["A", "B", "C"]
    assert [one["eligible_actions"] > 1 for one in got] == [True, False, True]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"phone": "+573001234567"}, "phone"),
        ({"features": {"phone": "+573001234567"}}, "phone"),
        ({"features": {"correoelectronico": "x"}}, "correoelectronico"),
        ({"features": {"celular2": 3001234567}}, "celular2"),
        ({"features": {"whatsapp": "573001234567"}}, "whatsapp"),
        ({"features": {"email": "someone@example.com"}}, "email"),
        ({"account_id": ""}, "account_id"),
        ({"account_id": "x" * 200}, "account_id"),
        ({"balance_minor": "12"}, "balance_minor"),
        ({"due_date": "yesterday"}, "due_date"),
        ({"party": "neighbour"}, "party"),
        ({"contacts": [{"account_id": "A1", "sent_at": "2026-11-20T10:00:00", "channel": "sms"}]}, "sent_at"),
    ],
)
def test_bad_input_is_one_problem_body_that_names_the_field(model, change, told):
    """Personal data, wrong types and naive instants are refused as application/problem+json."""
    answer = model.post("/v1/recommendations", json={"accounts": [account(**change)], "as_of": AS_OF})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == 422
    assert told in body["detail"]
    assert "+573001234567" not in answer.text


def test_an_unknown_page_and_a_naive_moment_have_the_same_error_body(model):
    """404 and 422 look alike."""
    for answer in (
        model.get("/v1/nothing"),
        model.post("/v1/recommendations", json={"accounts": [account()], "as_of": "2026-11-23T08:00:00"}),
    ):
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"title", "status", "detail"} <= set(answer.json())


def test_keys_are_required_when_configured(saved_strategy):
    """Without a valid key nothing is answered but health; in production a service without keys does not start."""
    settings = Settings(model_path=None, api_keys=(KEY,), environment="production")
    with TestClient(create_app(settings)) as client:
        body = {"accounts": [account()], "as_of": AS_OF}
        assert client.post("/v1/recommendations", json=body).status_code == 401
        assert client.post("/v1/recommendations", json=body, headers={"X-API-Key": "wrong"}).status_code == 401
        assert client.post("/v1/recommendations", json=body, headers={"X-API-Key": KEY}).status_code == 200
        assert client.get("/healthz").status_code == 200
    with pytest.raises(ValueError, match="API_KEYS"):
        Settings(environment="production")
    with pytest.raises(ValueError, match="16 characters"):
        Settings(api_keys=("short",))
    assert KEY not in repr(settings)


def test_an_altered_model_is_refused_and_the_seed_rules_answer(strategy, tmp_path):
    """A service never loads a file whose digest is wrong; it says why it answers with the seed rules."""
    path = strategy.save(tmp_path / "strategy")
    (path / "policy.json").write_bytes((path / "policy.json").read_bytes() + b" ")
    with TestClient(create_app(Settings(model_path=path))) as client:
        ready = client.get("/readyz").json()
        assert ready["policy"] == "seed_rules"
        assert "altered" in ready["warnings"][0]


def test_a_newer_model_is_served_without_restart(strategy, simulated_log, tmp_path):
    """Saving another strategy to the same place swaps it in."""
    path = strategy.save(tmp_path / "strategy")
    with TestClient(create_app(Settings(model_path=path, registry_poll_seconds=1e-9))) as client:
        assert client.get("/readyz").json()["policy_version"] == strategy.version_
        other = type(strategy).from_files(strategy.to_files()).set_params(epsilon=0.2)
        other.__dict__.pop("version_", None)
        other.save(path)
        assert client.get("/readyz").json()["policy_version"] == other.version_ != strategy.version_


def test_too_many_accounts_are_refused():
    """A request has a stated size limit."""
    with TestClient(create_app(Settings(model_path=None, max_accounts=2))) as client:
        ask(client, *[account(account_id=f"A{i}") for i in range(3)], status=413)
        assert len(ask(client, *[account(account_id=f"A{i}") for i in range(2)])["recommendations"]) == 2


def test_the_description_lists_every_route():
    """OpenAPI is served and complete enough for a campaign engine to generate a client."""
    with TestClient(create_app(Settings(model_path=None))) as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert {"/healthz", "/readyz", "/v1/recommendations"} <= set(paths)


def test_numbers_in_the_answer_are_json(model):
    """No NaN or infinity leaves the service."""
    text = model.post("/v1/recommendations", json={"accounts": [account()], "as_of": AS_OF}).text
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert np.isfinite(json.loads(text)["recommendations"][0]["actions"][0]["propensity"])
