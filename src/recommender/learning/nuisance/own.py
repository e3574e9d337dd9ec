"""Nuisance models of one's own, cross-fitted: each row is predicted by a copy that never saw its group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from recommender.learning.encoding import ContextEncoder
from recommender.learning.nuisance.context import assign_folds
from recommender.learning.nuisance.propensities import PropensityEstimate, summarise
from recommender.learning.own.frames import checked_answer, decoded_frame, decoded_training
from recommender.learning.own.protocols import PropensityLearner, RewardLearner
from recommender.learning.training_set import TrainingSet

__all__ = ["cross_fit_own_propensities", "cross_fit_own_rewards"]

Floats = NDArray[np.float64]


def cross_fit_own_rewards(
    training: TrainingSet, learner: RewardLearner, *, n_folds: int = 5, random_state: int = 0
) -> Floats:
    """Expected reward of every action for each row, shape (n, n_actions), by copies of a learner."""
    return _cross_fit(training, learner, "expected_reward", n_folds, random_state)


def cross_fit_own_propensities(
    training: TrainingSet, learner: PropensityLearner, *, n_folds: int = 5, random_state: int = 0
) -> PropensityEstimate:
    """Estimate the logging policy by copies of a learner.

    Ineligible actions are masked where the training set knows them; the logged action counts as allowed.
    """
    probabilities = _cross_fit(training, learner, "action_probabilities", n_folds, random_state).astype(np.float32)
    np.maximum(probabilities, np.finfo(np.float32).tiny, out=probabilities)
    if training.eligible is not None:
        allowed = training.eligible.copy()
        allowed[np.arange(len(training)), training.action] = True
        probabilities *= allowed
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return summarise(probabilities, training.action, training.eligible)


def _cross_fit(training: TrainingSet, learner: Any, method: str, n_folds: int, random_state: int) -> Floats:
    rng = np.random.default_rng(random_state)
    folds = assign_folds(training.groups, len(training), n_folds, rng)
    answer = np.empty((len(training), len(training.actions)))
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        part = training.take(outside if len(outside) else inside)
        encoder = ContextEncoder.fit(part.context, part.categorical)
        fitted = clone(learner, safe=False)
        fitted.fit(decoded_training(encoder, part))
        frame = decoded_frame(encoder, encoder.transform(training.context.iloc[inside]))
        ask: Callable[..., Any] = getattr(fitted, method)
        answer[inside] = checked_answer(ask(frame), (len(inside), len(training.actions)), fitted, method)
    return answer
