"""Worlds that are not additive: what they hold, and that the log answers as its truth says."""

import numpy as np
import pytest

from recommender.errors import InvalidInput
from recommender.simulation import simulate_surfaces

LAWS = ["thresholds", "products", "rhythms", "gates", "mixed"]


@pytest.mark.parametrize("law", LAWS)
def test_rewards_follow_the_truth(law):
    """Base rate, missing values and columns are as asked; the oracle is far above any one action for all."""
    log = simulate_surfaces(6_000, law=law, n_fresh=2_000, seed=3)
    assert len(log.context) == 25 and log.truth.shape == (2_000, 260)
    assert log.truth.mean() == pytest.approx(0.06, rel=0.1)
    assert log.contacts["reward"].mean() == pytest.approx(0.06, abs=4 * np.sqrt(0.06 / 6_000) + 0.006)
    assert 0.03 < log.contacts[[f"x{j}" for j in range(20)]].isna().to_numpy().mean() < 0.25
    np.testing.assert_allclose(log.logging.sum(axis=1), 1.0)
    assert log.captured(log.truth) == pytest.approx(1.0)
    best_for_all = np.tile(log.truth.mean(axis=0), (2_000, 1))
    assert log.captured(best_for_all) < 0.35


def test_gates_are_closed_for_good():
    """Behind a gate nobody answers; elsewhere a hard zero never is."""
    assert (simulate_surfaces(10, law="gates", n_fresh=500, seed=1).truth == 0).mean() > 0.1
    assert (simulate_surfaces(10, law="thresholds", n_fresh=500, seed=1).truth > 0).all()


def test_same_seed_same_log_and_bad_arguments_are_named():
    """Seeds repeat; an unknown law and a wrong share are refused by name."""
    one, same = (simulate_surfaces(50, law="products", n_fresh=5, seed=7) for _ in range(2))
    assert one.contacts.equals(same.contacts) and (one.truth == same.truth).all()
    assert one.feedback(propensities=False).propensity is None
    for bad, column in (({"law": "waves"}, "law"), ({"missing": 0.9}, "missing")):
        with pytest.raises(InvalidInput, match=column):
            simulate_surfaces(10, **bad)
