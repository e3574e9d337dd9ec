"""What the explorer shows of two actions: the joint posterior of single accounts, averaged, by another way."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipelines.segment_values import _against_the_best, legal_rules, situated
from recommender import explain
from recommender.strategy import ContactStrategy


def test_how_far_an_action_stays_behind_is_that_of_the_accounts_own_contrasts(strategy, simulated):
    """Mean over the accounts to whom both are legal of what an account's page says; nothing where nobody may choose."""
    accounts = simulated.contacts.head(6).reset_index(drop=True)
    actions = strategy.actions_
    best, second, third = (int(one) for one in np.flatnonzero(np.arange(len(actions)) != actions.no_contact_index)[:3])
    legal = np.ones((len(accounts), len(actions)), dtype=bool)
    legal[0, second] = legal[:, third] = False
    as_of = simulated.contacts["sent_at"].max()
    against = _against_the_best(strategy, accounts, as_of, legal, [best, second, third])
    assert set(against) == {second}
    explained = explain(strategy, accounts, as_of=as_of, eligible=legal)
    contrasts = [explained.contrast(best, second, row=row) for row in range(1, len(accounts))]
    expected = {
        "less": [one.reward_difference for one in contrasts],
        "less_low": [one.interval[0] for one in contrasts],
        "less_high": [one.interval[1] for one in contrasts],
        "p_less": [one.p_better for one in contrasts],
    }
    for name, values in expected.items():
        assert against[second][name] == pytest.approx(np.mean(values), abs=1e-9), name


def test_a_model_of_ones_own_tells_no_joint_belief(simulated, monkeypatch, strategy):
    """The explorer then compares nothing instead of guessing."""
    monkeypatch.setattr(ContactStrategy, "reward_model_", object(), raising=False)
    own = ContactStrategy.__new__(ContactStrategy)
    own.__dict__.update({name: value for name, value in strategy.__dict__.items() if name != "reward_model_"})
    accounts = simulated.contacts.head(2)
    legal = np.ones((2, len(strategy.actions_)), dtype=bool)
    assert _against_the_best(own, accounts, None, legal, [0, 1]) == {}


def test_the_lever_of_whatsapp_changes_what_they_prefer_and_nothing_else(simulated):
    """Facts of the accounts stay."""
    accounts = simulated.contacts.head(5)
    changed, _ = situated(accounts, "asked_whatsapp", simulated.contacts["sent_at"].max())
    assert set(changed["preferred_channel"]) == {"whatsapp"}
    assert changed.drop(columns="preferred_channel").equals(accounts.drop(columns="preferred_channel"))


def test_a_rule_costs_what_it_alone_holds_back(monkeypatch):
    """An action that two rules remove is no price of either; nothing is gained where a worse action is removed."""
    removed = {"night": np.array([True, True, False, False]), "sunday": np.array([True, False, False, True])}
    judged = SimpleNamespace(
        mask=np.array([[False, False, True, False]]),
        removed=lambda _: removed,
        detail=lambda _: SimpleNamespace(citation="Ley 1"),
    )
    monkeypatch.setattr("pipelines.segment_values.eligibility", lambda *_, **__: judged)
    strategy = SimpleNamespace(actions_=range(4), expected_reward=lambda *_, **__: np.array([[0.9, 0.5, 0.2, 0.1]]))
    accounts = pd.DataFrame({"country": ["CO"], "debtor_id": ["D"]})
    rules = legal_rules(strategy, accounts, as_of=datetime(2026, 1, 5, 12, tzinfo=UTC), contacts=None)
    assert {one["rule"]: one["lost"] for one in rules} == {"night": pytest.approx(0.3), "sunday": 0.0}
