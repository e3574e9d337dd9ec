"""Logs drawn again are of the world they claim to be."""

from __future__ import annotations

import numpy as np
import pytest

from tests.statistics.redrawn_logs import RedrawnFuture


@pytest.mark.proof
def test_luck_is_standardised():
    """Over many redrawn logs inverse propensity scoring errs by nothing in the mean and by one standard error."""
    portfolio = RedrawnFuture(6_000, seed=3)
    rng = np.random.default_rng(0)
    z = np.array([portfolio.luck(portfolio.draw(rng)) for _ in range(400)])
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert 0.8 < z.std() < 1.2
