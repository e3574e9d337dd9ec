"""A step in time is taken when the newest rows ask for it, and only then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression.drift import DriftSteps, fit_stepped, recent_steps
from recommender.learning.regression.linear_design import LinearDesign

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
    place = np.arange(n) / n
    sign = np.where(moved & (place > 0.75), -1.0, 1.0)
    target = (rng.random(n) < expit(-1 + 1.5 * sign * np.array([1.0, -1.0, 0.0])[action])).astype(float)
    steps, gains = recent_steps(design, U, SPACE, action, target, place, random_state=0)
    assert len(gains) == 4
    assert (steps is not None) == moved
    passed = None if steps is None else steps.passed(place)
    best = fit_stepped(design, U, steps, passed, SPACE, action, target).scores(U).argmax(axis=1)
    assert (best == (1 if moved else 0)).mean() > 0.95


def test_without_time_there_is_no_step() -> None:
    """A log without time is taken as one period."""
    encoder = ContextEncoder.fit(pd.DataFrame({"x": np.arange(50.0)}), ())
    X = np.arange(50.0)[:, None]
    design = LinearDesign.fit(encoder, X, (), SPACE)
    steps, gains = recent_steps(
        design, design.transform(X), SPACE, np.zeros(50, dtype=np.int64), np.zeros(50), None, random_state=0
    )
    assert steps is None
    assert gains == {}


def test_steps_of_few_terms_are_those_of_a_longer_design() -> None:
    """The constant steps often, other terms stay: equal to a regression with the steps written out as columns."""
    rng = np.random.default_rng(5)
    n = 3_000
    context = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    encoder = ContextEncoder.fit(context, ())
    X = encoder.transform(context)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    U, place = design.transform(X), np.arange(n) / n
    action = rng.integers(0, 3, n)
    target = (rng.random(n) < 0.3 + 0.2 * (place > 0.8) * (action == 2)).astype(float)
    steps = DriftSteps((0.5, 0.8), every_term=False)
    assert steps.terms(design).tolist() == [0]
    model = fit_stepped(design, U, steps, steps.passed(place), SPACE, action, target)
    assert model.weights.shape == (3, 3)
    now = expit(model.weights[0])
    assert now[2] - now[:2].mean() > 0.1
    assert steps.recent(place).sum() == 750
    plain = fit_stepped(design, U, None, None, SPACE, action, target)
    assert np.ptp(expit(plain.weights[0])) < np.ptp(now)
    assert (model.variances[0] > plain.variances[0]).all()
