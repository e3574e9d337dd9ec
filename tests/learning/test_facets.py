"""Latent account classes: gradients, recovery of planted classes, averaging and keeping."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression.bilinear import BilinearModel
from recommender.learning.regression.facets import FacetMean, FacetModel, _Problem
from recommender.learning.regression.linear_design import LinearDesign

SPACE = ActionSpace({"channel": ["call", "sms", "mail"], "tone": ["soft", "firm"]}, no_contact=True)


def _log(n: int, seed: int = 0, space: ActionSpace = SPACE) -> tuple[LinearDesign, np.ndarray, np.ndarray, np.ndarray]:
    """Two kinds of accounts behind four noisy columns: one answers calls, the other mail."""
    rng = np.random.default_rng(seed)
    kind = rng.random(n) < 0.5
    signs = rng.normal(size=(n, 4)) + np.where(kind, 1.0, -1.0)[:, None]
    encoder = ContextEncoder.fit(pd.DataFrame(signs, columns=list("abcd")), ())
    X = encoder.transform(pd.DataFrame(signs, columns=list("abcd")))
    design = LinearDesign.fit(encoder, X, (), space)
    return design, design.transform(X), kind, rng.integers(0, len(space), n)


def _truth(kind: np.ndarray, space: ActionSpace) -> np.ndarray:
    channel = space.codes[:, 0]
    best = np.where(kind[:, None], channel == 0, channel == 2)
    return np.where(best, 1.0, -2.0)


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_gradient_is_that_of_the_loss(family: str) -> None:
    """Finite differences agree in memberships, main effects, constants and class effects."""
    design, U, _, action = _log(200)
    target = (np.random.default_rng(1).random(200) < 0.3).astype(float)
    weight = np.random.default_rng(2).random(200)
    problem = _Problem(design, U, SPACE, action, target, family, weight, 3, None)  # type: ignore[arg-type]
    point = 0.3 * np.random.default_rng(3).normal(size=problem.sizes[-1])
    gradient = problem.likelihood(point)[1]
    for place in range(0, len(point), 3):
        step = np.zeros_like(point)
        step[place] = 1e-5
        slope = (problem.likelihood(point + step)[0] - problem.likelihood(point - step)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, abs=1e-5)


def test_planted_classes_beat_straight_lines() -> None:
    """Where kinds hide behind the columns, classes predict fresh accounts better than straight lines."""
    design, U, kind, action = _log(9_000)
    rng = np.random.default_rng(5)
    eta = _truth(kind, SPACE)
    target = (rng.random(len(U)) < expit(eta[np.arange(len(U)), action])).astype(float)
    train, test = slice(0, 6_000), slice(6_000, None)
    straight = BilinearModel.fit(design, U[train], SPACE, action[train], target[train])
    found = FacetModel.fit(design, U[train], SPACE, action[train], target[train], start=straight, n_classes=2)

    def loss(scores: np.ndarray) -> float:
        p = expit(eta[test])
        return float((np.logaddexp(0, scores) - p * scores).mean())

    assert loss(found.scores(U[test])) < loss(straight.scores(U[test])) - 0.003
    best = SPACE.codes[found.scores(U[test]).argmax(axis=1), 0]
    assert (best == np.where(kind[test], 0, 2)).mean() > 0.93


def test_a_row_never_depends_on_its_batch_and_means_are_kept_to_the_bit() -> None:
    """Scores of one account alone equal those in a batch; arrays give the mean back exactly."""
    design, U, _, action = _log(1_200)
    target = (np.random.default_rng(6).random(len(U)) < 0.3).astype(float)
    straight = BilinearModel.fit(design, U, SPACE, action, target)
    models = [
        FacetModel.fit(design, U, SPACE, action, target, start=straight, n_classes=k, random_state=k) for k in (2, 4)
    ]
    mean = FacetMean(models)
    whole = mean.scores(U)
    np.testing.assert_array_equal(np.vstack([mean.scores(U[i : i + 1]) for i in range(40)]), whole[:40])
    again = FacetMean.from_arrays(mean.to_arrays(), [2, 4])
    np.testing.assert_array_equal(again.scores(U), whole)
    np.testing.assert_allclose(whole, (models[0].scores(U) + models[1].scores(U)) / 2)
    rows = np.arange(len(U))
    np.testing.assert_allclose(models[0].logged_scores(U, action), models[0].scores(U)[rows, action])


def test_one_factor_and_untried_actions_are_normal() -> None:
    """One factor of many arms, most never tried: finite scores, none of them extreme."""
    space = ActionSpace({"arm": [f"arm {i}" for i in range(30)]})
    design, U, _, action = _log(800, space=space)
    action %= 4
    target = (np.random.default_rng(7).random(len(U)) < 0.2).astype(float)
    straight = BilinearModel.fit(design, U, space, action, target)
    scores = FacetModel.fit(design, U, space, action, target, start=straight).scores(U)
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() < 8
