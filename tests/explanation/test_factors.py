"""Splits over the factors of an action, against the textbook formula."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import ActionSpace
from recommender.explanation.factors import factor_contrast, factor_effects

SPACE = ActionSpace({"channel": ["a", "b", "c"], "hour": range(4), "tone": ["x", "y"]}, no_contact=True)


def scores_of(seed):
    return np.random.default_rng(seed).normal(size=len(SPACE))


def naive_contrast(scores, a, b):
    """Mean gain of each factor over all orders in which levels of b become those of a."""
    gains = np.zeros(3)
    orders = list(permutations(range(3)))
    for order in orders:
        levels = SPACE.codes[b].copy()
        for factor in order:
            before = scores[np.ravel_multi_index(tuple(levels), SPACE.shape)]
            levels[factor] = SPACE.codes[a][factor]
            gains[factor] += scores[np.ravel_multi_index(tuple(levels), SPACE.shape)] - before
    return gains / len(orders)


@given(seed=st.integers(0, 999), a=st.integers(0, 23), b=st.integers(0, 23))
def test_the_split_is_the_shapley_value(seed, a, b):
    """Against the mean over every order of the factors."""
    scores = scores_of(seed)
    assert factor_contrast(scores, SPACE, a, b)[:3] == pytest.approx(naive_contrast(scores, a, b), abs=1e-12)


@given(seed=st.integers(0, 999), a=st.integers(0, 24), b=st.integers(0, 24))
def test_the_split_sums_and_is_antisymmetric(seed, a, b):
    """It sums to the difference, changes sign with the order, and is nothing for an action and itself."""
    scores = scores_of(seed)
    split = factor_contrast(scores, SPACE, a, b)
    assert split.sum() == pytest.approx(scores[a] - scores[b], abs=1e-12)
    assert split == pytest.approx(-factor_contrast(scores, SPACE, b, a), abs=1e-12)
    if a == b:
        assert not split.any()
    if SPACE.no_contact_index not in (a, b):
        assert not split[:3][SPACE.codes[a] == SPACE.codes[b]].any()


@given(seed=st.integers(0, 999))
def test_effects_sum_to_every_score(seed):
    """Mean, factor effects and contact or not give every score back, and effects average to nothing."""
    scores = scores_of(seed)
    mean, effects, contact = factor_effects(scores, SPACE)
    assert mean + effects.sum(axis=1) + contact == pytest.approx(scores, abs=1e-12)
    assert effects[:-1].mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)


def test_effects_of_an_additive_score_are_its_terms():
    """Where factors add up, each gets its own centred term."""
    channel, hour = np.array([1.0, 2.0, 6.0]), np.array([0.0, 1.0, 0.0, 1.0])
    scores = (channel[:, None, None] + hour[None, :, None] + np.zeros((3, 4, 2))).ravel()
    _, effects, _ = factor_effects(np.append(scores, 0.0), SPACE)
    assert effects[:-1, 0].reshape(3, 4, 2)[:, 0, 0] == pytest.approx(channel - 3.0)
    assert effects[:-1, 1].reshape(3, 4, 2)[0, :, 0] == pytest.approx(hour - 0.5)
    assert effects[:-1, 2] == pytest.approx(np.zeros(24), abs=1e-12)
