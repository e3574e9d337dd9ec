"""What a rule holds back at the prices of a plan: a sample of accounts, told for the portfolio with its interval."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender.planning import plan_money

N_ACTIONS = 5


@pytest.fixture(params=[0, 1, 2])
def sample(request):
    """Thirty of 900 accounts of two kinds, each action under some of three rules; prices of slots by kind."""
    rng = np.random.default_rng(request.param)
    removed = [
        {name: gone for name in ("night", "cap", "never") if (gone := rng.random(N_ACTIONS) < 0.4).any()}
        for _ in range(30)
    ]
    removed[0] = {}
    for one in removed:  # what is never denied by this rule alone costs nothing under it
        if "never" in one:
            one["cap"] = one.get("cap", np.zeros(N_ACTIONS, dtype=bool)) | one["never"]
    values = np.where(rng.random((30, N_ACTIONS)) < 0.1, -np.inf, rng.normal(3.0, 4.0, (30, N_ACTIONS)))
    position = rng.permutation(900)[:30]
    facts = pd.DataFrame({"kind": rng.integers(0, 2, 900)})
    return SimpleNamespace(
        read=SimpleNamespace(
            rules=SimpleNamespace(position=position, values=values, removed=removed), facts=facts
        ),
        prices=rng.uniform(0.0, 2.0, (2, N_ACTIONS)),
    )  # fmt: skip


def test_a_rule_holds_back_what_it_alone_denies_beyond_the_best_that_is_legal(sample, monkeypatch):
    """As account by account in plain loops, after the prices; 95 % of the sample's own spread, and never below 0."""
    monkeypatch.setattr(plan_money, "action_prices", lambda *_: sample.prices)
    made = SimpleNamespace(problem=None, plan=SimpleNamespace(prices=None))
    told = plan_money.priced_rules(sample.read, made)
    rules = sample.read.rules
    gains = {}
    for at, (place, removed) in enumerate(zip(rules.position, rules.removed, strict=True)):
        worth = rules.values[at] - sample.prices[sample.read.facts["kind"].iloc[place]]
        denied = {action: [rule for rule, gone in removed.items() if gone[action]] for action in range(N_ACTIONS)}
        legal = max([0.0, *(worth[action] for action, by in denied.items() if not by)])
        for rule in removed:
            own = [worth[action] for action, by in denied.items() if by == [rule]]
            gains.setdefault(rule, [0.0] * 30)[at] = max([0.0, *(one - legal for one in own)])
    assert set(told) == set(gains) >= {"night", "cap"}
    for rule, gain in gains.items():
        mean = sum(gain) / 30
        half = 1.96 * math.sqrt(sum((one - mean) ** 2 for one in gain) / 29) / math.sqrt(30)
        expected = [900 * max(0.0, mean - half), 900 * mean, 900 * (mean + half)]
        assert told[rule] == pytest.approx(expected, rel=1e-9)
    assert told["night"][1] > 0 and told.get("never", [0.0, 0.0, 0.0]) == [0.0, 0.0, 0.0]


def test_without_a_sample_no_rule_is_priced(sample):
    """Nothing is told of what nobody looked at."""
    sample.read.rules.position = np.zeros(0, dtype=np.int64)
    assert plan_money.priced_rules(sample.read, SimpleNamespace()) == {}
