"""Negative controls and the thinned randomised experiment: claims that must not be made, truths that must be met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from recommender.actions import ActionSpace
from recommender.evaluation import evaluate
from recommender.evaluation.gate import decide
from recommender.learning.nuisance import cross_fit_propensities, cross_fit_rewards
from recommender.proof.off_policy import evaluate_policy
from recommender.store.files.open_bandit import open_bandit_feedback
from tests.evaluation.world import World, arguments, crossfit_ridge, draw, softmax

OPEN_BANDIT = Path(__file__).parents[2] / "data" / "samples" / "open_bandit"


def idle_hour_verdict(seed, n=3000):
    """Verdict on a policy that only moves the hour, where the hour has no effect."""
    rng = np.random.default_rng(seed)
    world = World(seed=21, idle_factors=(1,))
    log = world.log(n, rng)
    hour = world.codes[:, 1]
    by_cell = [world.codes[:, 0] * 2 + world.codes[:, 2] == cell for cell in range(6)]
    pi = np.zeros_like(log["mu"])
    for cell in by_cell:
        mass = log["mu"][:, cell].sum(axis=1, keepdims=True)
        pi[:, cell] = mass * softmax(np.tile(0.8 * hour[cell], (n, 1)))
    q = crossfit_ridge(log["x"], world.codes, log["action"], log["reward"], rng)
    return evaluate(**arguments(log | {"pi": pi}, q, world.codes, rng, estimators=())).verdict


def test_no_effect_of_the_hour_is_not_called_better():
    """Called better in at most 2.5 % of seeds, up to the binomial 99 % limit (150 seeds)."""
    better = sum(idle_hour_verdict(seed) == "better" for seed in range(150))
    assert better <= binom.ppf(0.99, 150, 0.025)


@pytest.mark.proof
def test_no_effect_of_the_hour_at_full_length():
    """The same over 1,000 other seeds, for both directions."""
    verdicts = [idle_hour_verdict(10_000 + seed) for seed in range(1000)]
    assert verdicts.count("better") <= binom.ppf(0.99, 1000, 0.025)
    assert verdicts.count("worse") <= binom.ppf(0.99, 1000, 0.025)


def experiment(rng, n=30_000):
    """A randomised three-arm experiment: arm means nearly the best policy, personalisation worth little."""
    recency, spend = rng.integers(1, 13, n), rng.exponential(200, n)
    arm = rng.integers(0, 3, n)
    rate = np.column_stack([np.full(n, 0.106), np.full(n, 0.151), np.full(n, 0.183)])
    rate += 0.02 * (recency[:, None] < 6) - 0.01
    rate[:, 1] += 0.03 * ((spend > 300) - 0.22)
    reward = (rng.random(n) < rate[np.arange(n), arm]).astype(float)
    return pd.DataFrame({"recency": recency, "spend": spend}), arm, reward, rate


def thinned(rng):
    """Keep rows with probability mu / (p0 M): the context keeps its law, propensities are mu."""
    context, arm, reward, rate = experiment(rng)
    tilt = np.column_stack([0.1 * context["recency"], np.zeros(len(arm)), context["spend"] / 400])
    mu = 0.15 + 0.55 * softmax(tilt)
    keep = rng.random(len(arm)) < mu[np.arange(len(arm)), arm] / mu.max()
    # Keeping depends on context through the sum over arms only, which is constant: the law of the context is kept.
    rows = np.flatnonzero(keep)
    return context.iloc[rows].reset_index(drop=True), arm[rows], reward[rows], mu[rows], context, arm, reward, rate


@pytest.mark.parametrize("logged", [True, False], ids=["logged", "estimated"])
def test_thinned_experiment_returns_the_arm_means(logged):
    """DR and the default lie within 2.6 joint standard deviations of the experiment's own arm means."""
    rng = np.random.default_rng(7)
    context, arm, reward, mu, _, all_arms, all_rewards, _ = thinned(rng)
    space = ActionSpace({"segment": ["none", "womens", "mens"]})
    n = len(arm)
    q = cross_fit_rewards(context, [], space, arm, reward, None, n_folds=3, random_state=0)
    estimate = cross_fit_propensities(context, [], space, arm, None, n_folds=3, random_state=0)
    propensity = mu[np.arange(n), arm] if logged else estimate.logged
    for chosen in range(3):
        report = evaluate(
            reward=reward,
            action=arm,
            propensity=propensity,
            propensity_logged=np.full(n, logged),
            expected_reward=q,
            action_probabilities=np.eye(3)[np.full(n, chosen)],
            factor_codes=space.codes,
            cluster=np.arange(n),
            rng=rng,
            propensity_all=None if logged else estimate.all,
            action_predictability=None if logged else estimate.predictability,
        )
        mine = all_rewards[all_arms == chosen]
        table = report.to_frame().set_index("estimator")
        own = (table.loc["dr", "ci_high"] - table.loc["dr", "ci_low"]) / 3.92
        joint = np.hypot(own, mine.std() / np.sqrt(len(mine)))
        assert abs(table.loc["dr", "value"] - mine.mean()) < 2.6 * joint
        assert abs(report.default["value"] - mine.mean()) < 2.6 * joint


def test_an_overclaimed_personalisation_does_not_pass_the_gate():
    """A policy by subgroup against the best constant arm: a claimed gain of 3 points is refused by the gate."""
    rng = np.random.default_rng(8)
    context, arm, reward, mu, *_ = thinned(rng)
    n = len(arm)
    q = cross_fit_rewards(context, [], ActionSpace({"segment": ["none", "womens", "mens"]}), arm, reward, None)
    report = evaluate(
        reward=reward,
        action=arm,
        propensity=mu[np.arange(n), arm],
        propensity_logged=np.ones(n, dtype=bool),
        expected_reward=q,
        action_probabilities=np.eye(3)[np.where(context["spend"] > 300, 1, 2)],
        baseline_probabilities=np.eye(3)[np.full(n, 2)],
        factor_codes=np.arange(3)[:, None],
        cluster=np.arange(n),
        rng=rng,
    )
    decision = decide(report, claimed_gain=0.03)
    assert not decision.accepted
    assert not decision.checks["claim"]


def test_a_learnt_winner_among_noise_is_not_proven():
    """The best of 24 actions by the log's own noise, chosen on other rows, is not called better."""
    better = 0
    for seed in range(60):
        rng = np.random.default_rng(500 + seed)
        n = 2000
        mu = np.full((n, 24), 1 / 24)
        action = draw(mu, rng)
        reward = (rng.random(n) < 0.1).astype(float)
        half = np.arange(n) < 1000
        means = np.bincount(action[half], reward[half], 24) / np.maximum(np.bincount(action[half], minlength=24), 1)
        pi = np.tile(softmax(8 * means[None, :]), (n, 1))
        held = ~half
        report = evaluate(
            reward=reward[held],
            action=action[held],
            propensity=np.full(1000, 1 / 24),
            propensity_logged=np.ones(1000, dtype=bool),
            expected_reward=np.tile(means, (1000, 1)),
            action_probabilities=pi[held],
            factor_codes=np.arange(24)[:, None],
            cluster=np.arange(1000),
            rng=rng,
            estimators=(),
        )
        better += report.verdict == "better"
    assert better <= binom.ppf(0.99, 60, 0.025)


def test_uniform_on_the_real_women_log_is_refused():
    """Open Bandit, women: one row of propensity 1e-6 carries the weight; refused, with that reason."""
    log = open_bandit_feedback(OPEN_BANDIT / "bts-women.csv.gz")
    report = evaluate_policy(log, np.full((len(log), log.n_actions), 1 / log.n_actions), estimators=())
    assert report.verdict == "refused"
    assert any("effective sample size" in reason for reason in report.reasons)
    assert report.diagnostics["effective_sample_size"] < 5
    assert report.diagnostics["weight_mean"] > 2
    assert "low-effective-sample-size" in report.default["warnings"]
