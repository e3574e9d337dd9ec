"""A step in time is taken when the newest rows ask for it, and only then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.drift import fit_stepped, recent_rows
from recommender.learning.encoding import ContextEncoder
from recommender.learning.linear_design import LinearDesign

SPACE = ActionSpace({"channel": ["call", "sms", "mail"]})


@pytest.mark.parametrize("moved", [True, False])
def test_a_turned_habit_is_found_and_a_steady_one_left_alone(moved: bool) -> None:
    """When the best channel turns in the last quarter the model speaks of the new one; without it no step is taken."""
    rng = np.random.default_rng(4)
    n = 8_000
    context = pd.DataFrame({"x": rng.normal(size=n)})
    encoder = ContextEncoder.fit(context, ())
    X = encoder.transform(context)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    U = design.transform(X)
    action = rng.integers(0, 3, n)
    order = np.arange(n, dtype=float)
    sign = np.where(moved & (order > 0.75 * n), -1.0, 1.0)
    target = (rng.random(n) < expit(-1 + 1.5 * sign * np.array([1.0, -1.0, 0.0])[action])).astype(float)
    recent, gains = recent_rows(design, U, SPACE, action, target, order, random_state=0)
    assert len(gains) == 3
    assert (recent is not None) == moved
    best = fit_stepped(design, U, recent, SPACE, action, target).scores(U).argmax(axis=1)
    assert (best == (1 if moved else 0)).mean() > 0.95


def test_without_time_there_is_no_step() -> None:
    """A log without time is taken as one period."""
    encoder = ContextEncoder.fit(pd.DataFrame({"x": np.arange(50.0)}), ())
    X = np.arange(50.0)[:, None]
    design = LinearDesign.fit(encoder, X, (), SPACE)
    recent, gains = recent_rows(
        design, design.transform(X), SPACE, np.zeros(50, dtype=np.int64), np.zeros(50), None, random_state=0
    )
    assert recent is None
    assert gains == {}
