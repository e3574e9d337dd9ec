"""Estimators: exact agreement with a naive second implementation, exactness, direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.evaluation import estimators, evaluate
from recommender.evaluation.intervals import cluster_interval
from recommender.evaluation.marginalised import cell_candidates, factored_dr, marginal_weights, mips
from tests.evaluation import naive
from tests.evaluation.world import World, arguments, draw, softmax

CODES = np.stack(np.unravel_index(np.arange(6), (3, 2)), axis=1)


def test_the_weight_of_a_cell_is_anchored_on_the_logged_propensity():
    """As a naive row-by-row formula; single actions ignore the estimate, a right estimate changes nothing."""
    log = small_log(3)
    wrong = log | {"mu": small_log(4)["mu"]}
    for cells in cell_candidates(CODES).values():
        args = (log["action"], cells, log["propensity"])
        anchored = marginal_weights(log["pi"], wrong["mu"], *args)
        np.testing.assert_allclose(anchored, naive.anchored_marginal(wrong, cells), rtol=1e-10)
        np.testing.assert_allclose(marginal_weights(log["pi"], log["mu"], *args), naive.marginal(log, cells))
        if len(np.unique(cells)) == len(CODES):
            np.testing.assert_allclose(anchored, naive.weights(log), rtol=1e-12)


def small_log(seed, n=40):
    rng = np.random.default_rng(seed)
    mu = softmax(rng.normal(size=(n, 6)) * 1.5)
    action = draw(mu, rng)
    return {
        "mu": mu,
        "pi": softmax(rng.normal(size=(n, 6)) * 2),
        "q": rng.normal(size=(n, 6)),
        "action": action,
        "propensity": mu[np.arange(n), action],
        "reward": rng.normal(size=n) * np.exp(rng.normal(size=n)),
    }


def keywords(log, *names):
    renamed = {"action_probabilities": "pi", "expected_reward": "q", "propensity_all": "mu"}
    return {name: log[renamed.get(name, name)] for name in names}


WEIGHTED = ("reward", "action", "propensity", "action_probabilities")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_estimator_agrees_with_the_naive_one(seed):
    """The mean contribution equals the row-by-row formula to 1e-10 for every estimator and parameter."""
    log = small_log(seed)
    with_model = (*WEIGHTED, "expected_reward")
    pairs = [
        (estimators.dm(**keywords(log, "expected_reward", "action_probabilities")), naive.dm(log)),
        (estimators.ips(**keywords(log, *WEIGHTED)), naive.ips(log)),
        (estimators.snips(**keywords(log, *WEIGHTED)), naive.snips(log)),
        (estimators.dr(**keywords(log, *with_model)), naive.dr(log)),
        (estimators.sndr(**keywords(log, *with_model)), naive.sndr(log)),
    ]
    for level in (0.3, 1.0, 4.0):
        pairs += [
            (estimators.switch_dr(**keywords(log, *with_model), threshold=level), naive.switch_dr(log, level)),
            (estimators.dros(**keywords(log, *with_model), shrinkage=level), naive.dros(log, level)),
            (estimators.clipped_ips(**keywords(log, *WEIGHTED), threshold=level), naive.clipped_ips(log, level)),
            (estimators.clipped_snips(**keywords(log, *WEIGHTED), threshold=level), naive.clipped_snips(log, level)),
            (estimators.clipped_dr(**keywords(log, *with_model), threshold=level), naive.clipped_dr(log, level)),
        ]
    for cells in cell_candidates(CODES).values():
        marginal = ("reward", "action", "propensity_all", "action_probabilities")
        pairs += [
            (mips(**keywords(log, *marginal), cells=cells), naive.mips(log, cells)),
            (
                factored_dr(**keywords(log, *marginal, "expected_reward"), cells=cells),
                naive.factored_dr(log, cells),
            ),
        ]
    for contribution, expected in pairs:
        assert contribution.shape == (40,)
        assert contribution.mean() == pytest.approx(expected, abs=1e-10, rel=1e-10)


def test_standard_error_agrees_with_the_naive_one():
    """The cluster-robust standard error equals the row-by-row formula to 1e-10."""
    log = small_log(3)
    cluster = np.arange(40) // 3
    contribution = estimators.dr(**keywords(log, *WEIGHTED, "expected_reward"))
    interval = cluster_interval(contribution, cluster)
    assert interval.standard_error == pytest.approx(
        naive.cluster_standard_error(contribution.tolist(), cluster.tolist()), rel=1e-10
    )


@pytest.mark.parametrize("target", ["soft", "greedy"])
def test_model_based_estimators_are_exact_under_a_perfect_model_without_noise(target):
    """Noise-free rewards and the true reward model: DM, DR, SNDR and the default return the truth to 1e-10."""
    rng = np.random.default_rng(0)
    world = World()
    log = world.log(3000, rng, target)
    log["reward"] = log["truth_q"][np.arange(3000), log["action"]]
    truth = float((log["pi"] * log["truth_q"]).sum(axis=1).mean())
    table = evaluate(**arguments(log, log["truth_q"], world.codes, rng)).to_frame().set_index("estimator")
    for name in ("adaptive_dr", "dm", "dr", "sndr", "switch_dr", "dros", "clipped_dr"):
        assert table.loc[name, "value"] == pytest.approx(truth, abs=1e-10)


def test_doubly_robust_is_within_four_standard_errors_under_noise():
    """Noisy rewards and the true reward model: DR lies within 4 standard errors of the truth in 50 logs."""
    world = World()
    for seed in range(50):
        rng = np.random.default_rng(seed)
        log = world.log(1500, rng)
        truth = float((log["pi"] * log["truth_q"]).sum(axis=1).mean())
        contribution = estimators.dr(
            **keywords(log | {"q": log["truth_q"]}, *WEIGHTED, "expected_reward"),
        )
        error = naive.cluster_standard_error(contribution.tolist(), range(1500))
        assert abs(contribution.mean() - truth) < 4 * error


@pytest.mark.parametrize("known", [True, False])
def test_a_reversed_policy_gets_the_reversed_value(known):
    """The best policy is called better, its mirror image worse: the direction of a policy is never inverted."""
    rng = np.random.default_rng(1)
    world = World(effect=0.6, base=-1.5)
    log = world.log(8000, rng)
    order = np.argsort(np.argsort(log["truth_q"], axis=1), axis=1)
    good = softmax(order * 0.15)
    bad = softmax(-order * 0.15)
    values = {}
    for name, pi in (("good", good), ("bad", bad)):
        report = evaluate(
            **arguments(log | {"pi": pi}, log["truth_q"], world.codes, rng, known=known, propensity_all=log["mu"])
        )
        truth = float((pi * log["truth_q"]).sum(axis=1).mean())
        assert report.default["ci_low"] <= truth <= report.default["ci_high"]
        values[name] = report
    assert values["good"].verdict == "better"
    assert values["bad"].verdict == "worse"
    assert values["good"].default["value"] > log["reward"].mean() > values["bad"].default["value"]


def test_uniform_target_on_a_uniform_log_returns_the_mean_reward():
    """Uniform target, uniform log: IPS and SNIPS are the mean reward to 1e-12."""
    rng = np.random.default_rng(2)
    log = small_log(2, 500)
    uniform = np.full((500, 6), 1 / 6)
    action = rng.integers(0, 6, 500)
    same = {"reward": log["reward"], "action": action, "propensity": np.full(500, 1 / 6)}
    assert estimators.ips(**same, action_probabilities=uniform).mean() == pytest.approx(log["reward"].mean(), abs=1e-12)
    assert estimators.snips(**same, action_probabilities=uniform).mean() == pytest.approx(
        log["reward"].mean(), abs=1e-12
    )


def test_limits_of_the_tuned_estimators():
    """Shrinkage 0 is DM and infinity is DR; a threshold above every weight has no effect."""
    log = small_log(5)
    with_model = keywords(log, *WEIGHTED, "expected_reward")
    full = estimators.dr(**with_model)
    assert np.array_equal(estimators.dros(**with_model, shrinkage=np.inf), full)
    assert np.allclose(estimators.switch_dr(**with_model, threshold=1e9), full, atol=1e-12)
    assert np.allclose(estimators.clipped_dr(**with_model, threshold=1e9), full, atol=1e-12)
    assert np.allclose(
        estimators.dros(**with_model, shrinkage=0.0),
        estimators.dm(**keywords(log, "expected_reward", "action_probabilities")),
        atol=1e-12,
    )


def test_an_expected_reward_that_is_not_a_number_on_an_impossible_action_does_not_matter():
    """NaN in the reward model of an action of probability zero leaves the policy's value finite."""
    log = small_log(6)
    log["pi"][:, 2] = 0.0
    log["pi"] /= log["pi"].sum(axis=1, keepdims=True)
    clean = estimators.policy_expectation(log["pi"], log["q"])
    log["q"][:, 2] = np.nan
    assert np.allclose(estimators.policy_expectation(log["pi"], log["q"]), clean, atol=1e-12)


def test_cells_keep_no_contact_apart():
    """However factors are merged, NO_CONTACT never shares a cell with a contact."""
    codes = np.vstack([CODES, [[-1, -1]]])
    for cells in cell_candidates(codes).values():
        assert (cells == cells[-1]).sum() == 1
    assert len(np.unique(cell_candidates(codes)[()])) == 2


def test_marginal_weights_of_single_actions_are_the_usual_weights():
    """With every action its own cell the marginal weight is the importance weight."""
    log = small_log(8)
    usual = estimators.importance_weights(log["pi"], log["action"], log["propensity"])
    assert np.allclose(marginal_weights(log["pi"], log["mu"], log["action"], np.arange(6)), usual, rtol=1e-12)


def test_self_normalisation_survives_huge_weights():
    """A propensity of 1e-300 neither overflows nor yields a number that is not one."""
    contribution = estimators.snips(
        reward=np.array([1.0, 0.0, 1.0]),
        action=np.array([0, 0, 0]),
        propensity=np.array([1e-300, 0.5, 0.5]),
        action_probabilities=np.ones((3, 1)),
    )
    assert np.isfinite(contribution).all()
