"""A world that moved is followed as far as rows never seen say so, and only then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression import BilinearModel, Drift, LinearDesign, find_drift

SPACE = ActionSpace({"channel": ["call", "sms", "mail"]})
PLACE = np.linspace(0.0, 1.0, 2_001)


def drawn(n: int, seed: int, *, columns: int = 3):
    """A design of standard normal columns, its rows, actions and places in time."""
    rng = np.random.default_rng(seed)
    context = pd.DataFrame(rng.normal(size=(n, columns)), columns=[f"x{j}" for j in range(columns)])
    encoder = ContextEncoder.fit(context, ())
    X = encoder.transform(context)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    return design, design.transform(X), rng.integers(0, 3, n), np.arange(n) / n, rng


def found_in(design, U, action, target, place, **settings):
    """What is found, and the regression of now."""
    drift, gains = find_drift(
        design, U, SPACE, action, target, np.arange(len(U)), place, random_state=settings.get("seed", 0)
    )
    longer, columns = (design, U) if drift is None else drift.columns(design, U, place)
    return drift, gains, BilinearModel.fit(longer, columns, SPACE, action, target).first(U.shape[1])


@pytest.mark.parametrize("moved", [True, False])
def test_a_turned_habit_is_found_and_a_steady_one_left_alone(moved: bool) -> None:
    """The best channel of everybody turns in the last quarter: the level walks, what tells accounts apart does not."""
    design, U, action, place, rng = drawn(8_000, 4)
    sign = np.where(moved & (place > 0.75), -1.0, 1.0)
    target = (rng.random(len(U)) < expit(-1 + 1.5 * sign * np.array([1.0, -1.0, 0.0])[action])).astype(float)
    drift, gains, model = found_in(design, U, action, target, place)
    assert len(gains) == 6
    assert (drift is not None) == moved
    if drift is not None:
        assert drift.level
        assert drift.alike(PLACE).min() > 0.8
    assert (model.scores(U).argmax(axis=1) == (1 if moved else 0)).mean() > 0.95


@pytest.mark.parametrize("at", [0.5, 0.7, 0.85])
def test_accounts_that_come_to_differ_otherwise_are_followed(at: float) -> None:
    """Who answers which channel turns at a moment: known truth of now is nearer with drift than without."""
    design, U, action, place, rng = drawn(16_000, 7)
    then, now = (rng.normal(0.0, 0.8, (U.shape[1], 3)) for _ in range(2))
    then[0] = now[0] = -1.5
    eta = np.where(place < at, (U * then.T[action]).sum(axis=1), (U * now.T[action]).sum(axis=1))
    target = (rng.random(len(U)) < expit(eta)).astype(float)
    drift, gains, model = found_in(design, U, action, target, place)
    assert drift is not None
    best = max((name for name in gains if name != "level"), key=lambda name: gains[name][0])
    assert best == f"at {at:.0%}"
    plain = BilinearModel.fit(design, U, SPACE, action, target)

    def missed(weights) -> float:
        order = weights - weights.mean(axis=1, keepdims=True)
        return float(np.square(order - (now - now.mean(axis=1, keepdims=True))).sum())

    assert missed(model.weights) < 0.6 * missed(plain.weights)


def test_a_world_that_stands_still_is_seldom_taken_to_move() -> None:
    """Of twelve logs at most one, and then it is taken to be much alike."""
    taken = []
    for seed in range(12):
        design, U, action, place, rng = drawn(3_000, 100 + seed)
        eta = (U * rng.normal(0.0, 0.5, (U.shape[1], 3)).T[action]).sum(axis=1) - 1.0
        target = (rng.random(len(U)) < expit(eta)).astype(float)
        drift, _, _ = found_in(design, U, action, target, place)
        if drift is not None:
            taken.append(drift)
    assert len(taken) <= 1
    assert all(drift.alike(PLACE).min() > 0.6 for drift in taken)


def test_without_time_or_events_nothing_moves() -> None:
    """A log without time is taken as one period, and one with few events as steady."""
    design, U, action, place, _ = drawn(500, 1)
    nothing = np.zeros(500)
    for when in (None, np.zeros(500), place):
        assert find_drift(design, U, SPACE, action, nothing, np.arange(500), when, random_state=0) == (None, {})


def test_columns_of_their_time_keep_every_effect_as_free_as_it_was() -> None:
    """Terms of now and of then have squares that add up to those of the design; the walk ends at 0 now."""
    design, U, _, place, _ = drawn(400, 2)
    drift = Drift((("still", 0.25), ("slowly, 1.0", 0.5), ("at 70%", 0.25)), level=True)
    alike = drift.alike(place)
    naive = 0.25 + 0.5 * np.exp(place - 1.0) + 0.25 * np.where(place < 0.7, 0.6, 1.0)
    np.testing.assert_allclose(alike, naive)
    longer, columns = drift.columns(design, U, place)
    n_terms = U.shape[1]
    assert len(longer.terms) == columns.shape[1] == n_terms + (n_terms - 1) + 3
    np.testing.assert_array_equal(columns[:, 0], 1.0)
    squares = columns[:, 1:n_terms] ** 2 + columns[:, n_terms : 2 * n_terms - 1] ** 2
    np.testing.assert_allclose(squares, U[:, 1:] ** 2, rtol=1e-4, atol=1e-6)
    assert [t.group for t in longer.terms[n_terms : 2 * n_terms - 1]] == [t.group for t in design.terms[1:]]
    assert len({term.group for term in longer.terms}) == len({term.group for term in design.terms}) + 1
    now = drift.columns(design, U, np.ones(400))[1]
    np.testing.assert_allclose(now[:, :n_terms], U, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(now[:, n_terms:], 0.0, atol=1e-7)
    steady, as_it_is = Drift((("still", 1.0),), level=False).columns(design, U, place)
    assert len(steady.terms) == n_terms
    np.testing.assert_allclose(as_it_is, U, rtol=1e-6, atol=1e-6)
