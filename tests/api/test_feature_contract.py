"""Which features and ids are taken: what the model learnt, what the service declares, and nothing of a person."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from recommender.store.decision_log import personal_kind
from tests.api.test_dispatches import AS_OF, account
from tests.store.small_strategy import saved_strategy


@pytest.fixture(scope="module")
def model(tmp_path_factory, made_once):
    return saved_strategy(tmp_path_factory.mktemp("model") / "strategy", made_once)


def asked(client, *accounts):
    return client.post("/v1/recommendations", json={"accounts": list(accounts), "as_of": AS_OF.isoformat()})


def with_features(name, **features):
    return account(name, debtor_id=f"D{name}", features=features)


def test_with_a_model_its_features_are_taken_by_name_and_type(model):
    with TestClient(create_app(Settings(model_path=model, pages=False))) as client:
        told = client.get("/v1/features").json()
        assert told["source"] == "model" and not told["open"]
        by_name = {one["name"]: one for one in told["features"]}
        assert by_name["stage"]["levels"] == ["early", "late"] and by_name["overdue"]["kind"] == "number"
        low, high = by_name["overdue"]["range"]
        assert -6 < low < -1 and 1 < high < 6
        answer = asked(
            client,
            with_features("A0", stage="early", overdue=0.1),
            with_features("A1", stage="early", overdu=0.1),
            with_features("A2", stage="early", overdue="much"),
            with_features("A3", stage=0.5, overdue=None),
            with_features("A4", stage="never seen", overdue=99.0),
            with_features("A5", stage=None, overdue=True, days_past_due=3),
        )
    assert answer.status_code == 207
    wrong = {one["account_id"]: one for one in answer.json()["errors"]}
    assert {name: one["column"] for name, one in wrong.items()} == {"A1": "overdu", "A2": "overdue", "A3": "stage"}
    assert "'overdue'" in wrong["A1"]["detail"] and "much" not in wrong["A2"]["detail"]
    assert any("never saw: overdue, stage" in note for note in answer.json()["notes"])


def test_what_is_declared_beside_the_model_is_taken_and_the_rest_may_be_ignored(model):
    declared = {"score": {"kind": "number", "unit": "points", "range": (0, 1_000)}}
    one = with_features("A0", stage="early", overdue=0.1, score=5)
    settings = Settings(model_path=model, pages=False, features=declared)
    with TestClient(create_app(settings)) as client:
        assert asked(client, one).status_code == 200
        score = next(one for one in client.get("/v1/features").json()["features"] if one["name"] == "score")
        assert (score["unit"], score["range"]) == ("points", [0, 1_000])
        assert asked(client, with_features("A1", other=1)).status_code == 422
    ignoring = settings.model_copy(update={"undeclared_features": "ignore"})
    with TestClient(create_app(ignoring)) as client:
        assert asked(client, with_features("A1", stage="early", other=1)).status_code == 200


def test_without_a_model_the_declaration_stands_in_and_without_one_all_are_kept():
    declared = {"product": {"kind": "category", "levels": ["card"]}, "score": {"kind": "number"}}
    with TestClient(create_app(Settings(model_path=None, pages=False, features=declared))) as client:
        assert asked(client, with_features("A0", product="card", score=1.5)).status_code == 200
        for features in ({"colour": "red"}, {"score": "high"}):
            assert asked(client, with_features("A0", **features)).status_code == 422
        assert client.get("/v1/features").json()["source"] == "declared"
    with TestClient(create_app(Settings(model_path=None, pages=False))) as client:
        assert asked(client, with_features("A0", colour="red", score="high")).status_code == 200
        assert client.get("/v1/features").json() | {"policy_version": ""} == {
            "source": "none", "policy_version": "", "open": True, "features": [],
        }  # fmt: skip


PERSONS = [
    "573001234567", "3001234567", "300-123-4567", "1020304050", "12.345.678-5", "12345678-K", "123-45-6789",
    "123.456.789-09", "20-12345678-9", "GOMC900514HDFRRN09", "GOMC900514AB1", "12345678Z", "X1234567L", "V-12345678",
    "CC1020304050", "cc_1020304050", "TEL.3001234567", "juan.perez", "JUAN_PEREZ_GOMEZ", "JuanPerez", "Peña-Nuñez",
    "MariaJoseLopez",
]  # fmt: skip
NOBODY = [
    "A1", "ACC-000123", "D12345", "0001234567", "123456", "9f86d081884c7d659a2feaa0c55ad015", "p2kq3x7",
    "550e8400-e29b-41d4-a716-446655440000", "loan:2024:000017", "L-2024-11-000123", "abc", "ACME",
    "12345678901234567890", "K3001234567", "cust_8842-b",
]  # fmt: skip


def test_ids_of_persons_are_told_from_opaque_ones():
    assert [one for one in PERSONS if personal_kind(one) is None] == []
    assert {one: personal_kind(one) for one in NOBODY if personal_kind(one)} == {}


def test_an_id_that_is_a_person_is_refused_with_the_mend_and_numbers_may_be_the_systems_own():
    with TestClient(create_app(Settings(model_path=None, pages=False))) as client:
        for changed in ({"account_id": "573001234567"}, {"account_id": "A1", "debtor_id": "juan.perez"}):
            told = asked(client, account(**changed))
            assert told.status_code == 422 and "pseudonymise" in told.json()["detail"]
            assert told.json()["column"] == ("debtor_id" if "debtor_id" in changed else "account_id")
            assert "573001234567" not in told.json()["detail"] and "juan" not in told.json()["detail"]
    with TestClient(create_app(Settings(model_path=None, pages=False, numeric_ids=True))) as client:
        assert asked(client, account("573001234567", debtor_id="1020304050")).status_code == 200
        assert asked(client, account("A1", debtor_id="juan.perez")).status_code == 422


STOPS = {
    "estado": "Prescrita", "loan_status": "Fully Paid", "activo": "NO", "is_active": False, "OptOut": "Y",
    "no_llamar": True, "unsubscribed": 1, "acepta_contacto": 0, "fecha_prescripcion": "2024-01-31",
    "fecha_cierre": "2031-01-31", "observacion": "TITULAR FALLECIDO",
}  # fmt: skip
FEATURES = {
    "estado": "Vigente",
    "activo": "SI",
    "OptOut": "N",
    "acepta_contacto": 1,
    "fecha_prescripcion": "",
    "score": 1,
    "region": "Baja California",
    "contacts_30d": 1,
}


@pytest.mark.parametrize("name", STOPS)
def test_a_feature_that_says_a_stop_is_refused_as_a_column_of_accounts_is(name):
    """Alone and among many, without its value; the other accounts are answered."""
    with TestClient(create_app(Settings(model_path=None, pages=False))) as client:
        answer = asked(client, with_features("A1", **{name: STOPS[name]}))
        assert answer.status_code == 422 and answer.json()["column"] == name, answer.text
        assert "says what stops a contact" in answer.json()["detail"] and "Prescrita" not in answer.text
        quiet = FEATURES.get(name)
        many = [with_features(f"A{n}", **{name: quiet}) for n in range(20)]
        assert asked(client, *many).status_code == 200
        many[7] = with_features("A7", **{name: STOPS[name]})
        answer = asked(client, *many)
        assert answer.status_code == 207 and [one["account_id"] for one in answer.json()["errors"]] == ["A7"]


def test_features_that_say_no_stop_are_taken_and_what_is_declared_is_one(model):
    """A level that is declared is stated to say none; what is ignored would be a stop that is ignored."""
    with TestClient(create_app(Settings(model_path=None, pages=False))) as client:
        assert asked(client, with_features("A1", **FEATURES)).status_code == 200
    declared = {"estado": {"kind": "category", "levels": ["Prescrita", "Vigente"]}}
    with TestClient(create_app(Settings(model_path=None, pages=False, features=declared))) as client:
        assert asked(client, with_features("A1", estado="Prescrita")).status_code == 200
        assert asked(client, with_features("A1", estado="Fallecido")).status_code == 422
    settings = Settings(model_path=model, pages=False, undeclared_features="ignore")
    with TestClient(create_app(settings)) as client:
        one = with_features("A0", stage="early", overdue=0.1)
        assert asked(client, one).status_code == 200
        one["features"]["OptOut"] = "Y"
        assert asked(client, one).status_code == 422
