"""Why a decision came out as it did, why not otherwise, and whether it would again: from the log alone."""

from __future__ import annotations

import math

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from tests.api.test_dispatches import AS_OF, account
from tests.store.small_strategy import saved_strategy


@pytest.fixture(scope="module")
def model(tmp_path_factory, made_once):
    return saved_strategy(tmp_path_factory.mktemp("model") / "strategy", made_once)


def service(tmp_path, model):
    url = f"sqlite:///{tmp_path / 'd.db'}"
    return TestClient(create_app(Settings(model_path=model, pages=False, decision_log_url=url)))


def decided(client, name="A7", **more):
    facts = account(name, debtor_id=f"D-{name}", features={"stage": "early", "overdue": 0.4})
    asked = {"accounts": [facts], "as_of": AS_OF.isoformat()} | more
    answer = client.post("/v1/recommendations", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["recommendations"][0]


def get(client, decision, what, status=200, **query):
    answer = client.get(f"/v1/decisions/{decision}/{what}", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_an_explanation_sums_to_what_was_expected_when_the_decision_was_made(tmp_path, model):
    with service(tmp_path, model) as client:
        made = decided(client)
        told = get(client, made["decision_id"], "explanation", language="en")
    assert told["factors"] == made["actions"][0]["factors"] and told["propensity"] == made["actions"][0]["propensity"]
    expected = {str(one["factors"]): one["expected_reward"] for one in made["actions"]}
    matched = [one for one in told["actions"] if str(one["factors"]) in expected]
    assert matched
    for one in matched:
        assert math.isclose(one["expected_reward"], expected[str(one["factors"])], rel_tol=1e-6, abs_tol=1e-9)
        assert math.isclose(one["baseline"] + sum(one["concepts"].values()), one["expected_reward"], abs_tol=1e-6)
    assert told["reasons"] and all(isinstance(sentence, str) for sentence in told["reasons"])


def test_a_contrast_is_the_difference_of_the_two_actions_and_turns_with_them(tmp_path, model):
    with service(tmp_path, model) as client:
        made = decided(client)
        ranked = {":".join(map(str, one["factors"].values())): one for one in made["actions"] if not one["no_contact"]}
        first, second = sorted(ranked)[:2]
        one = get(client, made["decision_id"], "contrast", action=first, against=second)
        other = get(client, made["decision_id"], "contrast", action=second, against=first)
        default = get(client, made["decision_id"], "contrast")
        wrong = get(client, made["decision_id"], "contrast", status=422, action="fax:9")
    difference = ranked[first]["expected_reward"] - ranked[second]["expected_reward"]
    assert math.isclose(one["reward_difference"], difference, rel_tol=1e-6, abs_tol=1e-9)
    assert math.isclose(other["reward_difference"], -difference, rel_tol=1e-6, abs_tol=1e-9)
    assert math.isclose(sum(one["by_factor"].values()), difference, rel_tol=1e-6, abs_tol=1e-9)
    assert default["action"] == made["actions"][0]["factors"] and one["eligible"] == [True, True]
    assert wrong["column"] == "action" and "call:9" in wrong["detail"]


@pytest.mark.parametrize("more", [{}, {"explore": False}, {"seed": 11}, {"top_k": 5}])
def test_a_decision_is_replayed_to_the_bit(tmp_path, model, more):
    with service(tmp_path, model) as client:
        told = [get(client, decided(client, f"A{number}", **more)["decision_id"], "replay") for number in range(5)]
    assert [one["result"] for one in told] == ["same"] * 5


def test_decisions_of_the_seed_rules_are_replayed_and_have_nothing_to_contrast(tmp_path):
    with service(tmp_path, tmp_path / "none") as client:
        made = decided(client)
        assert get(client, made["decision_id"], "replay")["result"] == "same"
        told = get(client, made["decision_id"], "explanation")
        assert (told["policy"], told["actions"], told["reasons"]) == ("seed_rules", [], [])
        get(client, made["decision_id"], "contrast", status=409)


def test_another_policy_says_what_changed_and_explains_nothing(tmp_path, model):
    with service(tmp_path, model) as client:
        made = decided(client)
    with service(tmp_path, tmp_path / "none") as client:
        told = get(client, made["decision_id"], "replay")
        assert told["result"] == "not replayed" and told["differences"][0]["what"] == "policy_version"
        assert "another model" in get(client, made["decision_id"], "explanation", status=409)["detail"]
        for what in ("explanation", "contrast", "replay"):
            get(client, "no-such-decision", what, status=404)


def test_a_replay_that_comes_out_otherwise_says_where(tmp_path, model):
    """The log is right, the replay is asked of a context that was not the decision's: every rank may differ."""
    from api.service.explaining import replay_of
    from api.service.serving import Served
    from recommender.store.decision_log import DecisionLog

    with service(tmp_path, model) as client:
        made = decided(client)
    with DecisionLog(f"sqlite:///{tmp_path / 'd.db'}") as log:
        record = log.get(made["decision_id"]).decision
    object.__setattr__(record, "context", {"stage": "late", "overdue": 3.0})
    told = replay_of(record, Served.load(model, "model"))
    assert told["result"] == "differs"
    assert {one["what"] for one in told["differences"]} & {"action", "expected_reward", "hi", "lo"}
