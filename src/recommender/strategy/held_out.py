"""What a strategy would have earned on a log: one number for scikit-learn's model selection."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.learning import LogNuisance

__all__ = ["held_out_value"]

_FOLDS = 5


class _Policy(Protocol):
    def log_probabilities(self, log: LoggedFeedback) -> NDArray[np.float64]: ...


def held_out_value(
    policy: _Policy,
    log: LoggedFeedback,
    *,
    sample_weight: NDArray[np.float64] | None = None,
    random_state: int = 0,
) -> float:
    """Self-normalised doubly robust estimate of the mean reward a decision under a policy.

    Parameters
    ----------
    policy : object with ``log_probabilities``
    log : LoggedFeedback
        Decisions that the policy was not trained on. Propensities that were not logged are estimated as for
        :func:`recommender.evaluate_policy`, from the context and the period.
    sample_weight : ndarray of shape (n_decisions,), optional
        How much each decision counts.
    random_state : int, default=0

    Raises
    ------
    InvalidInput
        When no outcome of the log is mature.

    References
    ----------
    Dudik, Erhan, Langford and Li, "Doubly robust policy evaluation and optimization", Statistical Science 29, 2014.
    """
    rows = np.flatnonzero(log.mature if sample_weight is None else log.mature & (sample_weight > 0))
    part = log.take(rows)
    if not len(part):
        raise InvalidInput(
            "The log holds no mature outcome.", column="reward", mend="Score on a log whose windows have closed."
        )
    nuisance = LogNuisance(part, n_folds=_FOLDS, random_state=random_state)
    expected, propensity = nuisance.expected_reward, nuisance.propensities[0]
    probabilities = policy.log_probabilities(part)
    counted = np.ones(len(part)) if sample_weight is None else sample_weight[rows]
    # A weight of two is the decision twice: it weighs the mean of the model and the correction alike.
    at = np.arange(len(part))
    matched = probabilities[at, part.action] / propensity * counted
    residual = part.reward - expected[at, part.action]
    model = float(np.average((probabilities * expected).sum(axis=1), weights=counted))
    return model + (float(np.average(residual, weights=matched)) if matched.any() else float("nan"))
