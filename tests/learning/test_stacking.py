"""Weights, choice by value and calibration from out-of-fold scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from recommender.learning.stacking import (
    _spoken_for,
    choose_by_value,
    group_folds,
    order_weights,
    share_earned,
    stack_weights,
)


def test_groups_never_straddle_folds_and_folds_are_even() -> None:
    """Rows of one account share a fold, however skewed the accounts are."""
    groups = np.repeat(np.arange(60), np.arange(1, 61))
    folds = group_folds(groups, 3, 0)
    assert all(len(set(folds[groups == g])) == 1 for g in range(60))
    assert np.bincount(folds).max() < 1.1 * np.bincount(folds).min()


def test_weight_goes_to_the_member_that_predicts() -> None:
    """A member of pure noise gets next to nothing; weights are never negative."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=20_000)
    target = (rng.random(20_000) < expit(signal - 1)).astype(float)
    weights, intercept = stack_weights(np.column_stack([signal, rng.normal(size=20_000)]), target, "binomial")
    assert weights[0] == pytest.approx(1.0, abs=0.08)
    assert 0 <= weights[1] < 0.08
    assert intercept == pytest.approx(-1.0, abs=0.08)


def test_few_rows_leave_weights_near_the_mean() -> None:
    """Thirty rows cannot tell two members apart, so both keep about half."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(30, 2)) * 0.5
    weights, _ = stack_weights(scores, (rng.random(30) < 0.1).astype(float), "binomial")
    assert np.abs(weights - 0.5).max() < 0.35


def test_value_overrules_log_loss_only_when_clear() -> None:
    """The member with the better top actions wins with enough rows; noise never dethrones the stack."""
    rng = np.random.default_rng(2)
    n, n_actions = 20_000, 8
    truth = np.full((n, n_actions), 0.1)
    truth[np.arange(n), rng.integers(0, n_actions, n)] = 0.4
    action = rng.integers(0, n_actions, n)
    target = (rng.random(n) < truth[np.arange(n), action]).astype(float)
    scores = [rng.normal(size=(n, n_actions)).astype(np.float32), truth.astype(np.float32)]
    shared = np.full((n, n_actions), target.mean(), dtype=np.float32)
    weight = np.full(n, float(n_actions))
    best, gains, errors = choose_by_value(
        scores, np.array([[1.0, 0.0], [0.0, 1.0]]), action, target, weight, shared, n_best=1
    )
    assert best == 1
    assert gains[1] == pytest.approx(0.4 - truth.mean(), abs=4 * errors[1])
    noise = [scores[0], rng.normal(size=(n, n_actions)).astype(np.float32)]
    best, _, _ = choose_by_value(
        noise, np.array([[1.0, 0.0], [0.0, 1.0]]), action, target, weight, shared, n_best=1, standard_errors=3.0
    )
    assert best == 0


def _knowing_accounts_or_actions(n: int, gain: float, seed: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Two members over ten actions: one knows accounts, the other actions, but errs badly about accounts."""
    rng = np.random.default_rng(seed)
    account, order = 1.5 * rng.normal(size=(n, 1)), rng.normal(size=(n, 10))
    action = rng.integers(0, 10, n)
    chance = expit(-2.0 + account + gain * order)[np.arange(n), action]
    knows_accounts = account + 0.3 * rng.normal(size=(n, 10))
    knows_actions = order + 2.0 * rng.normal(size=(n, 1))
    scores = [knows_accounts.astype(np.float32), knows_actions.astype(np.float32)]
    return scores, action, (rng.random(n) < chance).astype(float)


@pytest.mark.parametrize(("gain", "followed"), [(0.8, True), (0.0, False)])
def test_weights_of_the_order_set_the_level_of_accounts_aside(gain: float, followed: bool) -> None:
    """Who knows actions gains weight, however badly it knows accounts; where nobody does, nothing moves much."""
    scores, action, target = _knowing_accounts_or_actions(12_000, gain, 4)
    logged = np.stack([part[np.arange(len(action)), action] for part in scores], axis=1).astype(float)
    weights, _ = stack_weights(logged, target, "binomial")
    often = np.full(10, 0.1)
    moved, share = order_weights(logged, target, scores, often, weights)
    if followed:
        assert share > 0.9
        assert moved[1] == pytest.approx(gain, abs=0.1)  # as if accounts were known
        assert weights[1] < 0.5 * gain
    else:
        assert moved[1] < 0.05
    whole, all_of_it = order_weights(logged, target, scores, often, weights, shrunk=False)
    assert all_of_it == 1.0
    assert moved == pytest.approx((1 - share) * weights + share * whole)
    few = slice(0, 60)
    assert order_weights(logged[few], target[few], [part[few] for part in scores], often, weights)[1] < 0.5


def test_the_stack_keeps_what_it_earned_and_no_more() -> None:
    """Signal beyond the simple member is kept; weights that were chosen on noise are given up."""
    rng = np.random.default_rng(5)
    level, simple, beyond = rng.normal(size=(3, 6_000)) * np.array([[0.5], [0.3], [0.4]])
    target = (rng.random(6_000) < expit(level + simple + beyond - 2)).astype(float)
    earned, slope = share_earned(level, simple, simple + beyond, target, "binomial", 6)
    assert earned > 0.85
    assert slope == pytest.approx(1.0, abs=0.35)
    kept = []
    for _ in range(40):
        noise = rng.normal(size=(6_000, 6)) * 0.1
        target = (rng.random(6_000) < expit(level + simple - 2)).astype(float)
        weights, _ = stack_weights(np.column_stack([simple + level, noise]), target, "binomial")
        stack = simple + noise @ weights[1:]
        kept.append(share_earned(level, simple, stack, target, "binomial", 6)[0])
    assert np.mean(kept) < 0.15


def test_a_gain_in_level_alone_earns_no_order() -> None:
    """A stack that knows accounts better but orders actions no better gets no share."""
    rng = np.random.default_rng(6)
    level, simple = rng.normal(size=(2, 8_000)) * 0.5
    for family in ("binomial", "gaussian"):
        eta = level + simple - 1
        target = (
            (rng.random(8_000) < expit(eta)).astype(float) if family == "binomial" else eta + rng.normal(size=8_000)
        )
        assert share_earned(level, simple, simple + 0.01 * rng.normal(size=8_000), target, family, 3)[0] < 0.5


def test_what_the_reward_model_explains_is_no_noise_of_a_value() -> None:
    """Rewards that it knows to the last: the gain is that of its own top actions, whatever was logged how often."""
    rng = np.random.default_rng(6)
    n, n_actions = 500, 6
    expected = rng.random((n, n_actions)).astype(np.float32)
    action = np.minimum(rng.geometric(0.4, n) - 1, n_actions - 1)
    scores = [rng.normal(size=(n, n_actions)).astype(np.float32), expected, -expected]
    target = expected[np.arange(n), action].astype(np.float64)
    for best in (1, 3, n_actions):
        _, gains, errors = choose_by_value(
            scores, np.eye(3), action, target, rng.uniform(1.0, 30.0, n), expected, n_best=best
        )
        ranked = [np.argsort(-one, axis=1)[:, :best] for one in scores]
        value = [np.take_along_axis(expected, top, axis=1).mean(axis=1) for top in ranked]
        assert gains == pytest.approx([0.0, *((one - value[0]).mean() for one in value[1:])], abs=1e-6)
        assert errors == pytest.approx([0.0, *((one - value[0]).std() / n**0.5 for one in value[1:])], abs=1e-6)


@given(st.floats(-1e6, 1e6), st.integers(1, 50))
def test_a_gain_speaks_for_a_share_from_what_chance_gives_on(gain: float, n_free: int) -> None:
    """Half a nat a number is chance and speaks for nothing; beyond it the share rises towards the whole."""
    share = _spoken_for(gain, n_free)
    assert 0.0 <= share < 1.0
    assert (share > 0.0) == (2.0 * gain > n_free)
    assert _spoken_for(gain + 1.0, n_free) >= share >= _spoken_for(gain, n_free + 1)
    if share > 0.0:
        assert share == pytest.approx(1.0 - n_free / (2.0 * gain))
