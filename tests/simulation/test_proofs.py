"""Long statistical proofs of the simulated worlds; run by ``make proofs``."""

import numpy as np
import pytest

from recommender.simulation import simulate, simulate_tables

pytestmark = pytest.mark.proof


@pytest.mark.parametrize("seed", range(5))
def test_additive_world_is_as_hard_as_promised(seed):
    """Base response about four in a hundred, little for constants, about half of the oracle's gain attainable."""
    log = simulate(100_000, seed=seed)
    judge = log.fresh_accounts(20_000)
    logging, oracle = judge.logging_value(), judge.oracle_value()
    assert 0.036 < logging < 0.048
    assert 0.03 < (judge.best_constant()[1] - logging) / (oracle - logging) < 0.3
    assert 0.45 < (judge.bayes_ceiling(matrix=False).value - logging) / (oracle - logging) < 0.75
    assert 3.5 < oracle / logging < 7.0


@pytest.mark.parametrize("seed", range(5))
def test_joint_world_rewards_no_constant(seed):
    """In the joint world everything is attainable from the context, and little of it by one action for all."""
    judge = simulate(1_000, seed=seed, world="joint").fresh_accounts(20_000)
    logging, oracle = judge.logging_value(), judge.oracle_value()
    assert 0.036 < logging < 0.048
    assert (judge.best_constant()[1] - logging) / (oracle - logging) < 0.2


@pytest.mark.parametrize("arguments", [{}, {"no_contact": True}, {"world": "joint"}, {"reward": "money"}], ids=str)
def test_inverse_propensity_weighting_finds_the_true_value(arguments):
    """The log and its truth agree through an unbiased estimator: weighted rewards average to the policy's value."""
    gaps = []
    for seed in range(8):
        log = simulate(100_000, n_accounts=100_000, seed=seed, **arguments)
        target = np.full(len(log.actions), 1.0 / len(log.actions))
        weighted = log.contacts["reward"] / log.contacts["propensity"] * target[0]
        gaps.append((weighted.mean() - log.value(target)) / (weighted.std() / np.sqrt(len(log))))
    assert abs(np.mean(gaps)) < 4 / np.sqrt(len(gaps))
    assert np.max(np.abs(gaps)) < 5


def test_posterior_mean_is_calibrated_on_a_million_contacts():
    """The ceiling's promise is what it earns, to within one in a hundred."""
    log = simulate(1_000_000, seed=1)
    rows = np.random.default_rng(0).choice(len(log), 60_000, replace=False)
    ceiling = log.bayes_ceiling(rows=np.sort(rows))
    assert ceiling.expected_reward is not None
    promised = float(ceiling.expected_reward.max(axis=1).mean(dtype=np.float64))
    assert promised == pytest.approx(ceiling.value, rel=0.015)


def test_a_million_contacts_of_raw_tables_hold_together():
    """At full size every contact is decided once, attempted once, and balances follow payments."""
    tables = simulate_tables(1_000_000, seed=2)
    assert len(tables.contacts) == pytest.approx(1_000_000, rel=0.01)
    assert tables.contacts["decision_id"].is_unique
    assert (tables.outcomes["outcome"] == "attempted").sum() == len(tables.contacts)
    opening = tables.accounts.groupby("account_id")["balance_minor"].first().sum()
    closing = tables.accounts.groupby("account_id")["balance_minor"].last().sum()
    assert opening - closing == tables.payments["amount_minor"].sum()
