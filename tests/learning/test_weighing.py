"""Shrinking towards the scorecard."""

import numpy as np

from recommender.learning.weighing import _Panel, _towards_simple


def test_an_order_that_tells_nothing_leaves_the_level_of_accounts() -> None:
    """Amounts that depend on the account alone: the stack goes, what tells accounts apart stays."""
    rng = np.random.default_rng(0)
    n, n_actions = 2_000, 6
    level = rng.normal(size=(n, 1))
    scores = [(level + 0.5 * rng.normal(size=(n, n_actions))).astype(np.float32) for _ in range(2)]
    target = level[:, 0] + 0.5 * rng.normal(size=n)
    panel = _Panel(np.arange(n), rng.integers(0, n_actions, n), target, scores)
    share = np.full(n_actions, 1 / n_actions)
    nothing, kept = _towards_simple(["scorecard", "linear"], np.array([0.0, 0.0]), panel, share, "gaussian")
    assert kept == 0.0
    assert nothing[0] >= 0.5
    told = sum(w * part.mean(axis=1) for w, part in zip(nothing, scores, strict=True))
    assert np.corrcoef(told, level[:, 0])[0, 1] > 0.9
