"""What an agency has of its own in the service: segments in each answer and in the listing, what is maximised."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender import ContactStrategy
from recommender.errors import InvalidInput
from recommender.settings import Settings
from recommender.simulation import simulate
from recommender.store.decision_log import DecisionLog
from tests.api.test_dispatches import AS_OF, account

RULES = """
schema = 1
[[segments]]
id = "large-debt"
family = "capacity"
title = "Owes a lot"
when = [{ column = "balance_minor", at_least = 5_000_000 }]
"""


def asked(client, *accounts, **more):
    body = {"accounts": accounts, "as_of": AS_OF.isoformat(), "top_k": 2, **more}
    answer = client.post("/v1/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_segment_is_told_logged_and_asked_for(empty_url, tmp_path):
    rules = tmp_path / "segments.toml"
    rules.write_text(RULES, encoding="utf-8")
    settings = Settings(model_path=None, pages=False, decision_log_url=empty_url, segments=rules,
                        without_packs=("TRADE",))  # fmt: skip
    accounts = [account("A1", debtor_id="D1", balance_minor=9_000_000), account("A2", debtor_id="D2")]
    with TestClient(create_app(settings)) as client:
        told = asked(client, *accounts)["recommendations"]
        assert [one["segment"] for one in told] == ["large-debt", "other"]
        assert [one["segment"] for one in asked(client, *accounts)["recommendations"]] == ["large-debt", "other"]

        def listed(**query):
            return client.get("/v1/decisions", params=query).json()["decisions"]

        assert {one["account_id"]: one["segment"] for one in listed()} == {"A1": "large-debt", "A2": "other"}
        assert [one["account_id"] for one in listed(segment="large-debt")] == ["A1"]
        assert [one["account_id"] for one in listed(segment="other", debtor_id="D2")] == ["A2"]
        assert listed(segment="large") == listed(segment="arge-debt") == []
        for wrong in ("%", "a_b", 'x"', "", "A"):
            assert client.get("/v1/decisions", params={"segment": wrong}).status_code == 422
    with DecisionLog(empty_url) as log:
        record = log.get(told[0]["decision_id"]).decision
        assert record.ranking[0]["segment"] == "large-debt"
        assert record.ranking[0]["switched_off"] == "TRADE"


def test_without_rules_of_ones_own_those_of_the_package_name_the_segment(tmp_path):
    with TestClient(create_app(Settings(model_path=None, pages=False))) as client:
        (one,) = asked(client, account("A1", due_date="2026-10-09"))["recommendations"]
    assert one["segment"] == "late"


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    """A saved strategy that learnt rungs and payments."""
    log = simulate(900, seed=3, no_contact=True).feedback()
    return ContactStrategy(n_jobs=1, random_state=0).fit(log).save(tmp_path_factory.mktemp("model") / "strategy")


def test_levers_are_part_of_the_version_and_what_a_seed_rule_cannot_do_is_not_asked_of_it(ladder, tmp_path):
    levers = tmp_path / "levers.toml"
    levers.write_text('[[levers]]\nfactor = "channel"\nlevel = "email"\nminimum_share = 0.5\n', encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'd.db'}"
    told = {}
    for name, more in (("plain", {}), ("leaning", {"levers": levers})):
        settings = Settings(model_path=ladder, pages=False, decision_log_url=url, **more)
        with TestClient(create_app(settings)) as client:
            told[name] = asked(client, account(f"A-{name}", features={}, debtor_id=name))
            again = asked(client, account(f"A-{name}", features={}, debtor_id=name))
            assert again["recommendations"] == told[name]["recommendations"]
            assert again["policy_version"] == told[name]["policy_version"]
    assert told["leaning"]["policy_version"].startswith(told["plain"]["policy_version"] + "+reward.")
    with TestClient(create_app(Settings(model_path=None, pages=False, levers=levers))) as client:
        assert asked(client, account("A1"))["policy_version"].startswith("seed-rules")


def test_an_objective_that_the_model_never_learnt_is_refused_and_named(ladder):
    """The seed rules go on, and readiness says why."""
    settings = Settings(model_path=ladder, pages=False, objective="p_paid")
    with TestClient(create_app(settings)) as client:
        warnings = " ".join(client.get("/readyz").json()["warnings"])
        knows = ContactStrategy.load(ladder).value_names_
        assert ("p_paid" in knows) or "objective" in warnings
    for wrong in ({"objective": "luck"}, {"levers": ladder / "none.toml"}, {"segments": ladder / "none.toml"}):
        with pytest.raises(InvalidInput), TestClient(create_app(Settings(model_path=None, pages=False, **wrong))):
            pass
