"""Rates of counts, shrunken to what is usual: between the two, whatever an export counts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.learning.regression.shrunken_rates import beta_prior, shrunken_rate

counts = st.one_of(st.integers(0, 40).map(float), st.just(float("nan")))


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=20), st.floats(0.01, 0.99), st.floats(0.5, 500.0))
def test_a_rate_lies_between_what_is_usual_and_what_was_counted(pairs, prior, strength):
    """More successes than trials are as many as trials; who was never tried has the usual rate."""
    trials, successes = np.array(pairs).T
    rates = shrunken_rate(trials, successes, prior, strength)
    for rate, tried, good in zip(rates, np.nan_to_num(trials), np.nan_to_num(successes), strict=True):
        own = min(good, tried) / tried if tried else prior
        assert min(own, prior) - 1e-12 <= rate <= max(own, prior) + 1e-12
        assert rate == (min(good, tried) + prior * strength) / (tried + strength)


def test_the_usual_rate_and_how_far_debtors_lie_apart_are_found():
    """The mean of their rates, and more strength the more alike they are; unknown counts teach nothing."""
    rng = np.random.default_rng(0)
    found = {}
    for strength in (3.0, 60.0):
        chance = rng.beta(0.2 * strength, 0.8 * strength, 4_000)
        trials = rng.integers(0, 20, 4_000).astype(float)
        successes = rng.binomial(trials.astype(int), chance).astype(float)
        successes[:400] = np.nan
        trials[:400] = np.nan
        prior, found[strength] = beta_prior(trials, successes)
        assert abs(prior - 0.2) < 0.02
        assert beta_prior(trials, successes + (trials > 0) * 1e3)[0] > 0.99  # never a rate above one
    assert 2.4 < found[3.0] < 3.7 and 35.0 < found[60.0] < 110.0
    nobody = np.full(3, np.nan)
    assert beta_prior(nobody, nobody) == beta_prior(np.zeros(3), np.ones(3))
