"""Exploring is honest: propensities are those of the dispatch, and its price is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.strategy.policy import exploration_cost, thompson

N_DRAWS = 64  # posterior draws behind a Thompson propensity


@pytest.fixture(scope="module")
def log() -> LoggedFeedback:
    """A small log in which four arms are close to each other, so that draws disagree."""
    rng = np.random.default_rng(0)
    n = 800
    frame = pd.DataFrame({"arm": rng.integers(0, 4, n), "x": rng.normal(size=n)})
    chance = 0.3 + 0.1 * ((frame["x"] > 0) == (frame["arm"] < 2))
    frame["reward"] = (rng.random(n) < chance).astype(float)
    return LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": range(4)}), context=["x"], reward="reward")


@pytest.fixture(scope="module")
def sampling(log: LoggedFeedback) -> ContactStrategy:
    """A strategy that samples from its posterior."""
    return ContactStrategy(policy="thompson", epsilon=0.1, n_jobs=1).fit(log)


@pytest.fixture(scope="module")
def accounts() -> pd.DataFrame:
    """A few accounts on both sides of the threshold."""
    return pd.DataFrame({"x": np.linspace(-2, 2, 9)})


def test_thompson_propensities_agree_with_a_large_independent_simulation(
    sampling: ContactStrategy, accounts: pd.DataFrame
) -> None:
    """They differ from the share of wins in thousands of other draws by no more than 64 draws may."""
    logged = sampling.action_probabilities(accounts)
    rng, wins = np.random.default_rng(987_654_321), np.zeros(logged.shape)
    n = 1_000
    for _ in range(n):
        best = sampling.reward_model_.sample_expected_reward(accounts, rng).argmax(axis=1)
        wins[np.arange(len(accounts)), best] += 1.0
    true = 0.9 * wins / n + 0.1 / 4
    assert 0.05 < true.min(axis=1).mean() < 0.24  # the draws do disagree, so that this tests something
    error = 0.9 * np.sqrt(wins / n * (1 - wins / n) * (1 / N_DRAWS + 1 / n)) + 1e-3
    assert (np.abs(logged - true) / error).max() < 4.5
    assert np.mean(((logged - true) / error) ** 2) < 2.0


def test_thompson_dispatches_with_the_propensity_it_logs(sampling: ContactStrategy, accounts: pd.DataFrame) -> None:
    """Over many seeds the dispatched action is as frequent as its logged propensity says, account by account."""
    many = pd.concat([accounts.iloc[[2]]] * 3_000, ignore_index=True)
    ranked = sampling.recommend(many, top_k=1)
    probabilities = sampling.action_probabilities(accounts.iloc[[2]])[0]
    np.testing.assert_array_equal(ranked["propensity"], probabilities[ranked["arm"].to_numpy(dtype=int)])
    shares = np.bincount(ranked["arm"].to_numpy(dtype=int), minlength=4) / len(many)
    error = np.sqrt(probabilities * (1 - probabilities) / len(many))
    assert (np.abs(shares - probabilities) < 4.5 * error).all()


def test_thompson_is_the_probability_of_being_best() -> None:
    """Of two arms with independent normal posteriors the better one wins as often as the normal integral says."""
    rng = np.random.default_rng(1)
    means, spreads, n = np.array([0.0, 0.5]), np.array([1.0, 2.0]), 20_000
    eligible = np.ones((1, 2), dtype=bool)
    told = thompson((means + spreads * rng.normal(size=(1, 2)) for _ in range(n)), eligible, 0.0)
    wanted = norm.cdf((means[1] - means[0]) / np.hypot(*spreads))
    assert told[0, 1] == pytest.approx(wanted, abs=4.5 * 0.5 / np.sqrt(n))


def test_an_ineligible_action_never_wins_a_draw() -> None:
    """The mask comes before the draw: what may not be done hands its wins to the others."""
    draws = [np.array([[9.0, 1.0, 0.0]]), np.array([[9.0, 0.0, 1.0]])]
    told = thompson(draws, np.array([[False, True, True]]), 0.0)
    np.testing.assert_array_equal(told, [[0.0, 0.5, 0.5]])


def test_the_price_of_exploring_is_the_value_given_up_over_the_gain() -> None:
    """By hand: best 1.0, average eligible 0.5; a policy that earns 0.9 gives up a fifth; the greedy one nothing."""
    rewards, eligible = np.array([[1.0, 0.0, 7.0]]), np.array([[True, True, False]])
    assert exploration_cost(np.array([[0.9, 0.1, 0.0]]), rewards, eligible) == pytest.approx(0.2)
    assert exploration_cost(np.array([[1.0, 0.0, 0.0]]), rewards, eligible) == pytest.approx(0.0)
    assert exploration_cost(np.array([[0.5, 0.5, 0.0]]), rewards, eligible) == pytest.approx(1.0)


@pytest.mark.parametrize("policy", ["softmax", "epsilon", "greedy"])
def test_a_strategy_knows_its_price(log: LoggedFeedback, policy: str) -> None:
    """It is what its own probabilities give up on the log; spreading ten times as much costs more; greedy is free."""
    near, far = (
        ContactStrategy(policy=policy, epsilon=epsilon, n_jobs=1, reward_model=LogisticRegression()).fit(log)
        for epsilon in (0.03, 0.3)
    )
    wanted = exploration_cost(
        near.log_probabilities(log), near.log_expected_reward(log), np.ones((len(log), 4), dtype=bool)
    )
    assert near.exploration_cost_ == pytest.approx(wanted)
    if policy == "greedy":
        assert near.exploration_cost_ == far.exploration_cost_ == 0.0
    else:
        assert 0.0 < near.exploration_cost_ < 0.05 + 0.03 + 1e-9
        assert far.exploration_cost_ > near.exploration_cost_ + 0.1
